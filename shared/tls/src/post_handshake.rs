//! Handshake messages after the handshake (tickets, key updates, requests to negotiate anew), put
//! together from records, RFC 8446 sections 4 and 4.6.
//!
//! A message may be spread over records, and a record may hold several. Each costs a key derivation
//! or an answer, so a server has to earn them: it cannot keep us busy with messages alone.

use bytes::{Buf, BytesMut};
use rustls::{Error, HandshakeType, InvalidMessage, PeerMisbehaved};

/// Octets in front of a message: type, length.
const HEADER: usize = 4;
/// Longest handshake message after the handshake; rustls takes no longer ones either.
const HANDSHAKE_MAX: usize = 0xffff;
/// Most handshake messages (tickets, key updates, requests to negotiate anew) that a server may be
/// ahead of [`HANDSHAKE_PER_BYTES`]: each costs a key derivation or an answer. Servers send two
/// tickets at the start, OpenSSL's clients bear 32 key updates.
pub(crate) const HANDSHAKE_AHEAD_MAX: u32 = 32;
/// Plaintext octets for which a server may send one more of them.
pub(crate) const HANDSHAKE_PER_BYTES: usize = 1 << 20;

/// What has come of messages and is not taken yet.
pub(crate) struct Messages {
    /// Octets of messages; after [`Messages::take`] gave `None`, the start of one that goes on in
    /// the next record.
    pending: BytesMut,
    /// Messages that the server may still send, see [`HANDSHAKE_AHEAD_MAX`].
    left: u32,
    /// Plaintext octets since the last one that was earned.
    earning_bytes: usize,
}

/// A whole message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: HandshakeType,
    pub(crate) body: BytesMut,
    /// Whether the record ends with it.
    pub(crate) ends_record: bool,
}

impl Default for Messages {
    fn default() -> Self {
        Messages { pending: BytesMut::new(), left: HANDSHAKE_AHEAD_MAX, earning_bytes: 0 }
    }
}

impl Messages {
    /// Whether a message has begun whose end has not come: then nothing else may come, RFC 8446
    /// section 5.1.
    pub(crate) fn within_one(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Takes note that the server sent this many octets of text.
    pub(crate) fn earn(&mut self, plain_bytes: usize) {
        self.earning_bytes += plain_bytes;
        if self.earning_bytes >= HANDSHAKE_PER_BYTES {
            self.earning_bytes -= HANDSHAKE_PER_BYTES;
            self.left = (self.left + 1).min(HANDSHAKE_AHEAD_MAX);
        }
    }

    /// Takes the content of a record in; [`Messages::take`] is to be called until it gives `None`.
    pub(crate) fn append(&mut self, plain: &[u8]) {
        self.pending.extend_from_slice(plain);
    }

    /// The next whole message, or `None` where it has not come whole. Refuses one that is too long
    /// or was not earned.
    pub(crate) fn take(&mut self) -> Result<Option<Message>, Error> {
        let Some(&[kind, high, middle, low]) = self.pending.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([0, high, middle, low]);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > HANDSHAKE_MAX {
            return Err(InvalidMessage::HandshakePayloadTooLarge.into());
        }
        if self.pending.len() < HEADER + length {
            return Ok(None);
        }
        self.left = self.left.checked_sub(1).ok_or(PeerMisbehaved::TooManyKeyUpdateRequests)?;
        self.pending.advance(HEADER);
        let body = self.pending.split_to(length);
        let ends_record = self.pending.is_empty();
        Ok(Some(Message { kind: HandshakeType::from(kind), body, ends_record }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = &[0, 0, 0, 0];
    const UPDATE: &[u8] = &[24, 0, 0, 1, 1];

    fn all(messages: &mut Messages) -> Vec<(HandshakeType, Vec<u8>, bool)> {
        let taken = std::iter::from_fn(|| messages.take().unwrap());
        taken.map(|it| (it.kind, it.body.to_vec(), it.ends_record)).collect()
    }

    #[test]
    fn any_cut_gives_the_same() {
        let text = [UPDATE, REQUEST, UPDATE].concat();
        for cut in 0..text.len() {
            let mut messages = Messages::default();
            let (first, second) = text.split_at(cut);
            messages.append(first);
            let mut taken = all(&mut messages);
            assert_eq!(messages.within_one(), ![0, 5, 9].contains(&cut), "{cut}");
            messages.append(second);
            taken.extend(all(&mut messages));
            let kinds: Vec<_> = taken.iter().map(|(kind, body, _)| (*kind, body.len())).collect();
            let update = (HandshakeType::KeyUpdate, 1);
            assert_eq!(kinds, [update, (HandshakeType::HelloRequest, 0), update], "{cut}");
            let ends: Vec<bool> = taken.iter().map(|(_, _, ends)| *ends).collect();
            assert_eq!(ends, [cut == 5, cut == 9, true], "{cut}");
        }
    }

    /// Key updates between small pieces of data would keep us busy without end.
    #[test]
    fn they_must_be_earned() {
        let mut messages = Messages::default();
        let said = |messages: &mut Messages| {
            messages.append(REQUEST);
            messages.take().map(|it| it.is_some())
        };
        for _ in 0..HANDSHAKE_AHEAD_MAX {
            assert_eq!(said(&mut messages), Ok(true));
            messages.earn(1);
        }
        messages.earn(HANDSHAKE_PER_BYTES);
        assert_eq!(said(&mut messages), Ok(true));
        assert_eq!(said(&mut messages), Err(PeerMisbehaved::TooManyKeyUpdateRequests.into()));
    }

    #[test]
    fn long_ones_are_refused_before_they_come() {
        let mut messages = Messages::default();
        messages.append(&[4, 0, 0xff, 0xff]);
        assert_eq!(messages.take(), Ok(None));
        let mut messages = Messages::default();
        messages.append(&[4, 1, 0, 0]);
        assert_eq!(messages.take(), Err(InvalidMessage::HandshakePayloadTooLarge.into()));
    }
}
