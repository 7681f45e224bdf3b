//! The protocol between server and agent, and its TLS.
