//! Laws that hold for whatever a server sends; for the fuzz targets and the test suite.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken panics"
)]

use std::fmt::Write as _;

use futures::executor::block_on;
use wire::Secret;
use wire::fed::Fed;

use crate::error::Error;
use crate::session::Session;
use crate::submission::Envelope;

/// A whole submission, from the greeting to the farewell: the same however the replies arrive.
/// Panics where it is not.
pub fn replies(bytes: &[u8]) {
    laws::any_cut_gives_the_same(bytes, |stream| block_on(submitted(stream)));
}

/// An error without the bytes that happened to be at hand.
fn shown(error: &Error) -> String {
    match error {
        Error::Unreadable { what, .. } => format!("unreadable: {what}"),
        other => format!("{other:?} {} {other}", other.is_permanent()),
    }
}

async fn submitted(stream: Fed) -> String {
    let mut session = match Session::greet(stream, "client.example").await {
        Ok(session) => session,
        Err(error) => return shown(&error),
    };
    let mut said = format!("{:?}", session.extensions());
    let password = Secret::new("secret".into());
    let done = session.authenticate("anna", &password).await;
    let _ = write!(said, "{:?}", done.map_err(|error| shown(&error)));
    let envelope = Envelope { from: "a@example.org", to: "b@example.org" };
    let message = b"Subject: x\r\n\r\n.\r\n";
    let done = session.envelope(envelope, message).await;
    let _ = write!(said, "{:?}", done.map_err(|error| shown(&error)));
    let done = session.content(message).await;
    let _ = write!(said, "{:?}", done.map_err(|error| shown(&error)));
    let done = session.finish().await;
    let _ = write!(said, "{:?}", done.map_err(|error| shown(&error)));
    session.quit().await;
    said
}

#[cfg(test)]
mod tests {
    #[test]
    fn of_replies() {
        laws::hold("smtp_replies", 3_000, super::replies);
    }
}
