//! The advance component.
