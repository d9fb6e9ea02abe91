//! What a delivery works with: the host, the store and how this installation sends; and the claim on one
//! outbox.

use dial::Dialer;
use store::seal::Seal;
use store::{Error, Store, records};
use wire::Secret;

use crate::delivery::Delivery;

/// What the operator has set.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The submission server, with login and password; empty: no mail is sent.
    pub smtp_url: Secret,
    /// Sender of mails.
    pub mail_from: String,
    /// Where users reach the application, without a slash at the end. Without it no mail is sent:
    /// what a request says of it may be anybody's address.
    pub public_url: String,
}

/// What delivering works with.
pub struct Office<'a, H, S> {
    /// Network, HTTP and clock.
    pub host: &'a H,
    /// What outlives a call.
    pub store: &'a S,
    /// Says what may be reached; opens lines.
    pub dialer: &'a Dialer<'a, H>,
    /// Opens sealed secrets.
    pub seal: &'a Seal,
    /// What the operator has set.
    pub settings: Settings,
}

/// The delivery record, as long as nobody else writes it.
pub(crate) struct Claim<'a, S> {
    pub(crate) store: &'a S,
    pub(crate) key: String,
    pub(crate) stored: Vec<u8>,
    pub(crate) delivery: Delivery,
}

impl<S: Store> Claim<'_, S> {
    /// Writes the record; `false` where somebody else did.
    pub(crate) async fn write(&mut self) -> Result<bool, Error> {
        let bytes = records::encode(&self.key, &self.delivery)?;
        let won = self.store.swap(&self.key, &self.stored, bytes.clone()).await?;
        self.stored = bytes;
        Ok(won)
    }

    /// Notes that the line that ends a mail goes out; `false` where that is not ours to do.
    pub(crate) async fn mark(&mut self, number: u32) -> Result<bool, Error> {
        self.delivery.sending(number);
        self.write().await
    }
}
