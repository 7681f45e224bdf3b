//! Rates hosts for a machine.
