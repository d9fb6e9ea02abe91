//! What is looked at before anything begins: [`preflight`], with `forecast.rs`.

pub(crate) mod forecast;
pub mod preflight;
