//! The agent on hosts and library servers.
