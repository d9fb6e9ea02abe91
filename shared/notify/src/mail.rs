//! A mail about an event, handed to the operator's submission server.

use dial::{Dialer, Endpoint, Line, Networks};
use model::Migration;
use pages::Language;
use smtp::{Envelope, Error, Session};
use store::Store;
use store::limits::{self, Rule, Wait};
use wire::{Clock, Http, Network, Secret, within};

use crate::delivery::Ended;
use crate::mime::{self, Header, Sender};
use crate::notice::Notice;
use crate::office::{Claim, Office};

/// Longest time from the connection to the server's readiness for the message.
const OFFER_TIMEOUT_S: u32 = 30;
/// Longest time for the server's answer to the whole message: some look into it before they take
/// it. RFC 5321 section 4.5.3.2.6 asks for ten minutes, which no slice has.
const ACCEPT_TIMEOUT_S: u32 = 60;
/// Longest silence on the line.
const IDLE_TIMEOUT_S: u32 = 60;

/// Mails to one address: 60, then one in ten minutes. Tries count, too.
const TO_ADDRESS: Rule = Rule { name: "mails to", burst: 60, refill_ms: 600_000 };

/// What the operator is told where mails cannot be sent.
pub const NO_PUBLIC_URL: &str =
    "No mail was sent: public_url must be set where smtp_url is, so that links in mails lead here.";

/// How a mail ended, and whether the record is still ours.
pub(crate) enum Posted {
    /// The try ended.
    Ended(Ended),
    /// Somebody else has the record; nothing was sent.
    Lost,
}

/// Sends `notice`, which is marked in the record before the line that ends it goes out.
pub(crate) async fn send<H: Network + Http + Clock, S: Store>(
    office: &Office<'_, H, S>,
    migration: &Migration,
    (notice, base): (&Notice, &str),
    claim: &mut Claim<'_, S>,
) -> Result<Posted, store::Error> {
    let Some(recipient) = &migration.notify.email else {
        return Ok(Posted::Ended(Ended::Never("The migration has no address.".to_owned())));
    };
    let settings = &office.settings;
    if settings.smtp_url.expose().is_empty() {
        return Ok(Posted::Ended(Ended::Skipped));
    }
    if base.is_empty() {
        return Ok(Posted::Ended(Ended::Later(NO_PUBLIC_URL.to_owned())));
    }
    let now_ms = office.host.now_ms();
    let address = recipient.trim().to_lowercase();
    // A whole company's owner may have one address; a stranger's is not to be flooded.
    if let Err(Wait(seconds)) = limits::take(office.store, &TO_ADDRESS, &address, 1, now_ms).await?
    {
        let sentence =
            format!("No mail was sent: this address has had many; again in {seconds} s.");
        return Ok(Posted::Ended(Ended::Later(sentence)));
    }
    let Some(sender) = Sender::parse(&settings.mail_from) else {
        let sentence = "No mail was sent: mail_from must be an e-mail address.";
        return Ok(Posted::Ended(Ended::Later(sentence.to_owned())));
    };
    let language = migration.notify.language.as_deref().and_then(Language::from_tag);
    let language = language.unwrap_or(Language::En);
    let letter = pages::mail::letter(language, migration, &notice.event, base);
    let message_id = format!("{}.{}@{}", notice.number, migration.id, sender.domain());
    let header = Header {
        sender: &sender,
        recipient,
        message_id: &message_id,
        date_s: notice.at.0 / 1000,
        language,
    };
    let message = match mime::message(&letter, header) {
        Ok(message) => message,
        Err(error) => {
            let sentence = format!("The mail cannot be made: {error}.");
            return Ok(Posted::Ended(Ended::Never(sentence)));
        }
    };
    let envelope = Envelope { from: &sender.address, to: recipient };
    let offering = offer(office, sender.domain(), envelope, &message);
    let mut session = match within(office.host, OFFER_TIMEOUT_S, offering).await {
        Ok(session) => session,
        Err(error) => return Ok(Posted::Ended(judge(&error))),
    };
    if !claim.mark(notice.number).await? {
        return Ok(Posted::Lost);
    }
    let ended = match within(office.host, ACCEPT_TIMEOUT_S, session.finish()).await {
        Ok(_) => Ended::Taken,
        Err(error @ Error::Refused(_)) => judge(&error),
        // Nobody can tell whether it was taken, and twice is worse than not at all.
        Err(error) => Ended::Never(format!("It is not known whether a mail was taken: {error}.")),
    };
    if ended == Ended::Taken {
        let parting = async {
            session.quit().await;
            Ok::<_, wire::Error>(())
        };
        let _ = within(office.host, 1, parting).await;
    }
    Ok(Posted::Ended(ended))
}

/// Everything up to the line that ends the message.
async fn offer<H: Network + Http + Clock, S: Store>(
    office: &Office<'_, H, S>,
    name: &str,
    envelope: Envelope<'_>,
    message: &[u8],
) -> Result<Session<Line<H::Stream>>, Error> {
    let (endpoint, password) =
        Endpoint::parse_submission(&office.settings.smtp_url).map_err(|error| {
            let reason = error.to_string();
            wire::Error::Unreachable { address: "smtp_url".to_owned(), reason }
        })?;
    let mut session = open(office, &endpoint, name).await?;
    if let Some(login) = &endpoint.login {
        session.authenticate(login, &password.unwrap_or_else(Secret::default)).await?;
    }
    session.envelope(envelope, message).await?;
    session.content(message).await?;
    Ok(session)
}

async fn open<H: Network + Http + Clock, S: Store>(
    office: &Office<'_, H, S>,
    endpoint: &Endpoint,
    name: &str,
) -> Result<Session<Line<H::Stream>>, Error> {
    let given = office.dialer;
    let dialer = Dialer {
        host: given.host,
        // The operator named this server, not a user.
        networks: Networks::everything(),
        trust: given.trust.clone(),
        doh_url: given.doh_url.clone(),
        allow_plaintext: true,
        idle_timeout_s: IDLE_TIMEOUT_S,
        ciphers: given.ciphers,
    };
    let start_tls =
        async |line: Line<H::Stream>| Session::greet(line, name).await?.start_tls().await;
    let opened = dialer.open_with(endpoint, start_tls).await?;
    match endpoint.tls {
        dial::Tls::StartTls => Session::resume(opened.line, name).await,
        dial::Tls::Implicit | dial::Tls::None => Session::greet(opened.line, name).await,
    }
}

fn judge(error: &Error) -> Ended {
    let words = error.to_string();
    let sentence = format!("A mail was not sent: {}.", words.trim_end_matches('.'));
    if error.is_permanent() { Ended::Never(sentence) } else { Ended::Later(sentence) }
}
