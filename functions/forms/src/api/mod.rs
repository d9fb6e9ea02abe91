//! The JSON face.
//!
//! Reading order: [`migrations`] with [`once`], [`life`], [`accounts`]; [`projects`] with [`tables`];
//! [`problems`], [`health`], [`metrics`].

pub mod accounts;
pub mod health;
pub mod life;
pub mod metrics;
pub mod migrations;
pub mod once;
pub mod problems;
pub mod projects;
pub mod tables;
