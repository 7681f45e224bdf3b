//! The agent's state machine: journal, steps, doubt, reports.
