//! Names: the questions to DNS, and the host as detection sees it.

use std::net::{IpAddr, SocketAddr};

use dial::{RData, RecordType, query};
use futures::future::join_all;
use wire::{Bytes, Clock, Error, Http, Network, within};

use crate::facts::{self, Facts};

/// Longest time for one question; the whole detection takes little more.
const QUESTION_S: u32 = 3;

/// The host, with a second way to look a name up: what DNS over HTTPS named, the sockets' own
/// resolver need not know.
pub(crate) struct Names<'a, H>(pub(crate) &'a H);

impl<H: Network> Network for Names<'_, H> {
    type Stream = H::Stream;

    async fn connect(
        &self,
        address: SocketAddr,
        idle_timeout_s: u32,
    ) -> Result<Self::Stream, Error> {
        self.0.connect(address, idle_timeout_s).await
    }

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Error> {
        match self.0.resolve(name).await {
            // Says to `dial` that DNS over HTTPS is to be asked.
            Err(Error::Unresolved { .. }) => Err(Error::LookupRefused),
            resolved => resolved,
        }
    }
}

impl<H: Http> Http for Names<'_, H> {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        max_bytes: usize,
    ) -> Result<http::Response<Bytes>, Error> {
        self.0.send(request, max_bytes).await
    }
}

impl<H: Clock> Clock for Names<'_, H> {
    fn now_ms(&self) -> u64 {
        self.0.now_ms()
    }

    fn monotonic_ms(&self) -> u64 {
        self.0.monotonic_ms()
    }

    async fn sleep_ms(&self, ms: u64) {
        self.0.sleep_ms(ms).await;
    }

    async fn give_way(&self) {
        self.0.give_way().await;
    }
}

/// What DNS says of `domain`, and why an answer is lacking that matters: whether the domain is
/// there at all.
pub(crate) async fn ask<H: Http + Clock>(
    host: &H,
    doh_url: &str,
    domain: &str,
) -> (Facts, Result<(), Error>) {
    let name = |prefix: &str| match prefix {
        "" => domain.to_owned(),
        prefix => format!("{prefix}.{domain}"),
    };
    let question = |prefix: &str, kind: RecordType| {
        let name = name(prefix);
        async move { within(host, QUESTION_S, query(host, doh_url, &name, kind)).await }
    };
    let questions = [
        ("", RecordType::MX),
        ("_imaps._tcp", RecordType::SRV),
        ("_imap._tcp", RecordType::SRV),
        ("_pop3s._tcp", RecordType::SRV),
        ("_pop3._tcp", RecordType::SRV),
        ("_caldavs._tcp", RecordType::SRV),
        ("_carddavs._tcp", RecordType::SRV),
        ("_autodiscover._tcp", RecordType::SRV),
        ("_caldavs._tcp", RecordType::TXT),
        ("_carddavs._tcp", RecordType::TXT),
        ("autodiscover", RecordType::CNAME),
        ("autoconfig", RecordType::CNAME),
        ("ovhmo-selector-1._domainkey", RecordType::CNAME),
    ];
    let answers = join_all(questions.map(|(prefix, kind)| question(prefix, kind))).await;
    let whole = answers.first().cloned().map_or(Ok(()), |answer| answer.map(drop));
    let mut answers = answers.into_iter().map(Result::unwrap_or_default);
    let mut next = || -> Vec<RData> { answers.next().unwrap_or_default() };
    let facts = Facts {
        exchangers: facts::exchangers(&next()),
        imaps: facts::service(&next()),
        imap: facts::service(&next()),
        pop3s: facts::service(&next()),
        pop3: facts::service(&next()),
        caldavs: facts::service(&next()),
        carddavs: facts::service(&next()),
        autodiscover: facts::service(&next()),
        caldav_path: facts::path(&next()),
        carddav_path: facts::path(&next()),
        autodiscover_alias: facts::alias(&next()),
        autoconfig_alias: facts::alias(&next()),
        ovh_dkim: facts::alias(&next()),
    };
    (facts, whole)
}
