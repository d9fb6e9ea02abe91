//! The forms component.
