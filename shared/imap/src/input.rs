//! The reading half of a connection.
