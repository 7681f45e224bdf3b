//! What only the file has to keep.
