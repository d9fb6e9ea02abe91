//! The variables of the application, as the operator set them.

use spin_sdk::variables;
use wire::Secret;

/// The addresses of its interfaces, from a host that knows them (the embedded runtime; not Spin).
const OWN_ADDRESSES: &str = "TRASLOCO_OWN_ADDRESSES";

/// All variables. A component sees only those that `spin.toml` gives it; the others have their
/// defaults here.
#[derive(Debug, Clone)]
pub struct Settings {
    /// 32 bytes in base64 that seal credentials at rest; empty where none is set.
    pub secret_key: Secret,
    /// The bearer token for `advance`; empty where none is set.
    pub advance_token: Secret,
    /// Where users reach the application; empty: as the request says.
    pub public_url: String,
    /// CIDRs of proxies that are believed what they say of their clients.
    pub trusted_proxies: String,
    /// Whoever begins something new must bring it; empty: everybody may.
    pub creation_token: Secret,
    /// Whether what strangers may ask for is limited.
    pub limits: bool,
    /// Ports of public servers that may be named besides those of mail; `*` for all.
    pub allowed_ports: String,
    /// CIDRs that may be reached although they are not public.
    pub allowed_networks: String,
    /// Addresses of this installation, which are refused unless `allowed_networks` lists them: what
    /// the operator named, and what a host that knows its interfaces tells.
    pub own_addresses: String,
    /// Whether connections without TLS may be asked for.
    pub allow_plaintext: bool,
    /// PEM of further trust anchors.
    pub extra_ca: String,
    /// Whose code deals with TLS records: empty or `own`, or `rustls`.
    pub tls: String,
    /// DNS over HTTPS.
    pub doh_url: String,
    /// Mozilla's database of providers, to which a domain is added; empty: not asked.
    pub ispdb_url: String,
    /// The mail server for notifications, with its password; empty: no mail is sent.
    pub smtp_url: Secret,
    /// Sender of notifications.
    pub mail_from: String,
    /// Budget of one slice.
    pub slice_seconds: u32,
    /// Slices that one call of `advance` has done at a time.
    pub parallel_slices: u32,
    /// Largest file that may be uploaded.
    pub max_upload_bytes: u64,
    /// What is idle for longer is erased.
    pub retention_days: u32,
}

/// A variable that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSetting {
    /// Not of the kind it must be.
    #[error("the variable {name} is {value:?}, but must be {kind}")]
    Value {
        /// Its name.
        name: &'static str,
        /// What is set.
        value: String,
        /// What it must be.
        kind: &'static str,
    },
    /// The host could not say.
    #[error("the variable {name} cannot be read: {reason}")]
    Unreadable {
        /// Its name.
        name: &'static str,
        /// In the host's words.
        reason: String,
    },
}

/// Reads all variables.
pub async fn settings() -> Result<Settings, BadSetting> {
    Ok(Settings {
        secret_key: secret("secret_key").await?,
        advance_token: secret("advance_token").await?,
        public_url: text("public_url", "").await?,
        trusted_proxies: text("trusted_proxies", "").await?,
        creation_token: secret("creation_token").await?,
        limits: limits().await?,
        allowed_ports: text("allowed_ports", "").await?,
        allowed_networks: text("allowed_networks", "").await?,
        own_addresses: format!(
            "{} {}",
            text("own_addresses", "").await?,
            std::env::var(OWN_ADDRESSES).unwrap_or_default()
        ),
        allow_plaintext: switch("allow_plaintext").await?,
        extra_ca: text("extra_ca", "").await?,
        tls: text("tls", "").await?,
        doh_url: text("doh_url", "https://cloudflare-dns.com/dns-query").await?,
        ispdb_url: text("ispdb_url", "https://autoconfig.thunderbird.net/v1.1/").await?,
        smtp_url: secret("smtp_url").await?,
        mail_from: text("mail_from", "").await?,
        slice_seconds: number("slice_seconds", "10").await?,
        parallel_slices: number("parallel_slices", "8").await?,
        max_upload_bytes: number("max_upload_bytes", "53687091200").await?,
        retention_days: number("retention_days", "60").await?,
    })
}

async fn text(name: &'static str, default: &str) -> Result<String, BadSetting> {
    match variables::get(name).await {
        Ok(value) => Ok(value),
        Err(variables::Error::Undefined(_)) => Ok(default.to_owned()),
        Err(error) => Err(BadSetting::Unreadable { name, reason: error.to_string() }),
    }
}

async fn limits() -> Result<bool, BadSetting> {
    let (name, kind) = ("limits", "strangers or off");
    let value = text(name, "strangers").await?;
    match value.trim().to_ascii_lowercase().as_str() {
        "strangers" | "" => Ok(true),
        "off" => Ok(false),
        _ => Err(BadSetting::Value { name, value, kind }),
    }
}

async fn secret(name: &'static str) -> Result<Secret, BadSetting> {
    Ok(Secret::new(text(name, "").await?.trim().to_owned()))
}

async fn switch(name: &'static str) -> Result<bool, BadSetting> {
    let value = text(name, "false").await?;
    match value.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" | "" => Ok(false),
        _ => Err(BadSetting::Value { name, value, kind: "true or false" }),
    }
}

async fn number<N: std::str::FromStr>(name: &'static str, default: &str) -> Result<N, BadSetting> {
    let value = text(name, default).await?;
    let parsed = value.trim().parse();
    parsed.map_err(|_| BadSetting::Value { name, value, kind: "a whole number" })
}
