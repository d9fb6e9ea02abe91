//! The services that accounts are reached by. Nothing else in this crate is to name a protocol crate;
//! what still does speaks with an IMAP server (see ARCHITECTURE.md, "How to add a protocol").

pub(crate) mod imap;
pub(crate) mod pop;
