//! What was found of an address, as programs are told.

use autodetect::{Address, Candidate, Detection, Hint};
use model::ServerType;
use schemars::JsonSchema;
use serde::Serialize;

/// What was found, as programs are told.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Detection")]
pub struct Shown<'d> {
    /// Servers that may hold the mailbox, the likeliest first.
    pub candidates: Vec<ShownCandidate<'d>>,
    /// What else the owner should know: sentences in English.
    pub notes: &'d [String],
    /// What to know where there is no server to name.
    pub hint: Option<&'static str>,
    /// The same for programs.
    pub hint_code: Option<Hint>,
    /// Why nothing was found.
    pub detail: Option<String>,
    /// Whether every question had an answer; else another try may find more.
    pub complete: bool,
}

/// A server that may hold the mailbox.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Candidate")]
pub struct ShownCandidate<'d> {
    /// How it is spoken to.
    #[serde(rename = "type")]
    pub server_type: ServerType,
    /// Where it is.
    pub url: &'d str,
    /// Where its calendars are, as far as that is known.
    pub caldav_url: Option<&'d str>,
    /// Where its contacts are, as far as that is known.
    pub carddav_url: Option<&'d str>,
    /// From 0 to 1; the order of candidates. Not a probability.
    pub confidence: f64,
    /// What told it: the kind of source, a colon, and which one.
    pub found_by: &'d str,
    /// Whether a server answered there with a valid certificate and the protocol's greeting.
    pub confirmed: bool,
    /// The provider's name, where it is a known one.
    pub provider: Option<&'d str>,
    /// The login, where it is not the address.
    pub login: Option<&'d str>,
    /// What to know before logging in.
    pub hint: Option<&'static str>,
    /// The same for programs.
    pub hint_code: Option<Hint>,
    /// Where a password for applications is made.
    pub app_password_url: Option<&'d str>,
    /// Connections that the provider documents as the most for one mailbox.
    pub max_connections: Option<u32>,
}

/// The object of an answer.
pub fn object<'d>(found: &'d Detection, address: &Address) -> Shown<'d> {
    let candidates: Vec<_> = found.candidates.iter().map(candidate).collect();
    let nothing = candidates.is_empty().then(|| found.sentence(address.domain()));
    Shown {
        candidates,
        notes: &found.notes,
        hint: found.hint.map(Hint::sentence),
        hint_code: found.hint,
        detail: nothing,
        complete: !found.unanswered,
    }
}

fn candidate(candidate: &Candidate) -> ShownCandidate<'_> {
    ShownCandidate {
        server_type: candidate.server_type,
        url: &candidate.url,
        caldav_url: candidate.caldav_url.as_deref(),
        carddav_url: candidate.carddav_url.as_deref(),
        // Two decimals say all that it is good for.
        confidence: (candidate.confidence * 100.0).round() / 100.0,
        found_by: &candidate.found_by,
        confirmed: candidate.confirmed,
        provider: candidate.provider.as_deref(),
        login: candidate.login.as_deref(),
        hint: candidate.hint.map(Hint::sentence),
        hint_code: candidate.hint,
        app_password_url: candidate.app_password_url.as_deref(),
        max_connections: candidate.max_connections,
    }
}
