//! The choice between our record layer and rustls's.

/// Whose code deals with the records of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RecordLayer {
    /// Ours, which is several times faster in a component.
    #[default]
    Ours,
    /// rustls's, with ring's ciphers: the way out (`tls=rustls`) where ours is suspected.
    Rustls,
}

/// The variable `tls` names nobody who could deal with records, in a sentence for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tls is {0:?}, but must be own or rustls")]
pub struct BadRecordLayer(
    /// What it says, cut to what is shown.
    pub String,
);

impl RecordLayer {
    /// Reads the variable `tls`: empty or `own` for ours, or `rustls`.
    pub fn parse(text: &str) -> Result<RecordLayer, BadRecordLayer> {
        match text.trim().to_ascii_lowercase().as_str() {
            "" | "own" => Ok(RecordLayer::Ours),
            "rustls" => Ok(RecordLayer::Rustls),
            _ => Err(BadRecordLayer(text.trim().chars().take(40).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable() {
        for (text, read) in
            [("", RecordLayer::Ours), ("own", RecordLayer::Ours), (" Rustls", RecordLayer::Rustls)]
        {
            assert_eq!(RecordLayer::parse(text), Ok(read));
        }
        let wrong = RecordLayer::parse("openssl").unwrap_err();
        assert_eq!(wrong.to_string(), "tls is \"openssl\", but must be own or rustls");
    }
}
