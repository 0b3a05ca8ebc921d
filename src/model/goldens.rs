//! Numbers that the reference published for single modules.
