//! Delivering to a mail server and a webhook in memory, the power cut after every operation.

mod bed;
mod delivering;
mod seen;
