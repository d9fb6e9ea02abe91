//! From values to bytes.
