//! Decides: state and input to changes and effects.
