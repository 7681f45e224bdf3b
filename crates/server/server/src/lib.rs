//! Agents' sessions, timers, the decision thread; offers one handle.
