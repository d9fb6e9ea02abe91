//! Asks everywhere at once, and stops when it is answered well enough or when time is over.

use std::cell::{Cell, RefCell};
use std::pin::pin;

use dial::{Dialer, Endpoint};
use futures::future::{Either, join, join_all, join4, select};
use model::ServerType;
use wire::{Clock, Error, Http, Network};

use crate::address::Address;
use crate::candidate::{Candidate, Detection, Hint};
use crate::facts::Facts;
use crate::names::Names;
use crate::page::Page;
use crate::plan::{self, Dav, Proposal};
use crate::provider::Provider;
use crate::{autoconfig, exchange, names, ovh, page, probe, providers};

/// Longest time for a detection, in seconds.
pub const LIMIT_S: u32 = 5;
/// From this confidence on, a confirmed answer is good enough to wait for others only so long.
const GOOD: f64 = 0.85;
const PATIENCE_MS: u64 = 1_000;
/// How often it is looked whether the answers are good enough.
const TICK_MS: u64 = 100;
/// The most files that are asked for; a domain has a dozen places for them.
const FILES_MAX: u32 = 24;
/// The most mail servers that are looked at.
const PROBES_MAX: u32 = 24;
/// The table of providers, which needs no network.
const BY_TABLE: f64 = 0.99;
/// The domain's own file, Mozilla's file on the domain, and the same of its provider.
const BY_FILE: f64 = 0.9;
const BY_ISPDB: f64 = 0.89;
const BY_PROVIDERS_FILE: f64 = 0.8;
/// Exchange answers.
const BY_AUTODISCOVER: f64 = 0.75;

/// What the operator chooses.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The database of providers, to which a domain is added; empty: not asked.
    pub ispdb_url: String,
}

/// Finds the servers of `address`; [`Detection::filled`] puts the address into what was found.
/// Whatever a stranger's domain answers, this ends within [`LIMIT_S`] with what was found until
/// then.
pub async fn detect<H: Network + Http + Clock>(
    dialer: &Dialer<'_, H>,
    settings: &Settings,
    address: &Address,
) -> Detection {
    if let Some(provider) = providers::by_domain(address.domain()) {
        return known(provider);
    }
    let names = Names(dialer.host);
    let dialer = Dialer {
        host: &names,
        networks: dialer.networks.clone(),
        trust: dialer.trust.clone(),
        doh_url: dialer.doh_url.clone(),
        allow_plaintext: false,
        idle_timeout_s: LIMIT_S,
        ciphers: dialer.ciphers,
    };
    let search = Search {
        dialer,
        settings,
        address,
        found: RefCell::default(),
        files_left: Cell::new(FILES_MAX),
        probes_left: Cell::new(PROBES_MAX),
        caldav_url: RefCell::default(),
        carddav_url: RefCell::default(),
        no_imap: Cell::new(false),
    };
    let all = join4(search.by_dns(), search.by_files(), search.by_guess(), search.by_well_known());
    let in_time = match select(pin!(all), pin!(search.patience())).await {
        Either::Left(_) => true,
        Either::Right((good, _)) => good,
    };
    search.finish(in_time)
}

fn known(provider: &Provider) -> Detection {
    let found_by = format!("provider: {}", provider.name);
    let mut found = Detection::default();
    for candidate in provider.candidates(BY_TABLE, &found_by) {
        found.add(candidate);
    }
    if found.candidates.is_empty() {
        found.hint = provider.hint;
    }
    found
}

/// A detection under way. What opens a line is boxed: a dozen of them side by side would not fit
/// on the stack of a component.
struct Search<'a, H> {
    dialer: Dialer<'a, Names<'a, H>>,
    settings: &'a Settings,
    address: &'a Address,
    found: RefCell<Detection>,
    files_left: Cell<u32>,
    probes_left: Cell<u32>,
    caldav_url: RefCell<Option<String>>,
    carddav_url: RefCell<Option<String>>,
    /// Whether the domain says that it has no IMAP.
    no_imap: Cell<bool>,
}

/// Takes one of what is left.
fn spend(left: &Cell<u32>) -> Option<()> {
    left.set(left.get().checked_sub(1)?);
    Some(())
}

impl<H: Network + Http + Clock> Search<'_, H> {
    fn domain(&self) -> &str {
        self.address.domain()
    }

    /// Ends when the time is over (`false`), or a while after a good answer (`true`).
    async fn patience(&self) -> bool {
        let clock = self.dialer.host;
        let begun_ms = clock.monotonic_ms();
        let mut good_ms = None;
        loop {
            clock.sleep_ms(TICK_MS).await;
            let now_ms = clock.monotonic_ms();
            if now_ms.saturating_sub(begun_ms) >= u64::from(LIMIT_S) * 1000 {
                return false;
            }
            let good = self.found.borrow().candidates.iter().any(|one| one.confidence >= GOOD);
            match good_ms {
                None if good => good_ms = Some(now_ms),
                Some(since) if now_ms.saturating_sub(since) >= PATIENCE_MS => return true,
                None | Some(_) => {}
            }
        }
    }

    async fn by_dns(&self) {
        let host = self.dialer.host;
        let (facts, whole) = names::ask(host, &self.dialer.doh_url, self.domain()).await;
        if let Err(error) = whole {
            self.no_dns(&error);
        }
        self.no_imap.set(plan::refuses_imap(&facts));
        for (dav, kept) in [(Dav::Calendars, &self.caldav_url), (Dav::Contacts, &self.carddav_url)]
        {
            let Some(url) = plan::dav_by_srv(&facts, dav) else { continue };
            if self.permits(&url).await {
                *kept.borrow_mut() = Some(url);
            }
        }
        let by_srv = self.confirm_all(plan::by_srv(&facts, self.domain()));
        join(by_srv, self.by_host_of_mail(&facts)).await;
    }

    /// Notes why DNS had no answer; that there is no such name is one.
    fn no_dns(&self, error: &Error) {
        let mut found = self.found.borrow_mut();
        match error {
            Error::Unresolved { reason, .. } if reason == "no such name" => {
                found.note(format!("There is no domain {}.", self.domain()));
            }
            other => {
                found.unanswered = true;
                found.note(format!("DNS gave no answer: {other}."));
            }
        }
    }

    /// Who keeps the mail: OVHcloud, another known provider, or a stranger.
    async fn by_host_of_mail(&self, facts: &Facts) {
        if ovh::only_redirects(facts) {
            self.found.borrow_mut().hint = Some(Hint::RedirectOnly);
        }
        if let Some(product) = ovh::product(facts) {
            for candidate in ovh::candidates(&product) {
                self.found.borrow_mut().add(candidate);
            }
            return;
        }
        let known = facts.exchangers.iter().find_map(|name| Some((providers::by_mx(name)?, name)));
        if let Some((provider, exchanger)) = known {
            let (proposals, candidates) = plan::by_exchanger(provider, exchanger);
            if proposals.is_empty() {
                self.found.borrow_mut().hint = provider.hint;
            }
            self.add_all(candidates);
            return self.confirm_all(proposals).await;
        }
        join(self.by_exchange(facts), self.by_providers_file(facts)).await;
    }

    /// The domain's own file, and what Mozilla's database says of the domain.
    async fn by_files(&self) {
        let (domain, address) = (self.domain(), self.address);
        let query = address.encoded();
        let own = format!("https://autoconfig.{domain}/mail/config-v1.1.xml?emailaddress={query}");
        let well_known = format!("https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml");
        let own = self.by_file("autoconfig", own, BY_FILE);
        let well_known = self.by_file("autoconfig", well_known, BY_FILE - 0.005);
        join(join(own, well_known), self.by_ispdb(domain, BY_ISPDB)).await;
    }

    /// The same for the provider that keeps the mail.
    async fn by_providers_file(&self, facts: &Facts) {
        let exchanger = facts.exchangers.first();
        let Some(provider) = exchanger.and_then(|name| plan::provider_domain(name)) else { return };
        if provider == self.domain() {
            return;
        }
        let query = self.address.encoded();
        let own =
            format!("https://autoconfig.{provider}/mail/config-v1.1.xml?emailaddress={query}");
        let own = self.by_file("mx autoconfig", own, BY_PROVIDERS_FILE);
        join(own, self.by_ispdb(&provider, BY_PROVIDERS_FILE - 0.01)).await;
    }

    async fn by_ispdb(&self, domain: &str, confidence: f64) {
        if !self.settings.ispdb_url.is_empty() {
            let url = format!("{}{domain}", self.settings.ispdb_url);
            self.by_file("ispdb", url, confidence).await;
        }
    }

    async fn by_file(&self, kind: &str, url: String, confidence: f64) {
        let Some(page) = self.get(&url).await.filter(|page| page.status == 200) else { return };
        let Ok(text) = std::str::from_utf8(&page.body) else { return };
        // What is no such file is no news: many web servers answer every path with their start page.
        let Ok(config) = autoconfig::read(text, self.address) else { return };
        let source = format!("{kind}: {}", without_query(&url));
        let source = (source.as_str(), confidence);
        let (proposals, candidates) = plan::by_config(&config, self.address, source);
        self.add_all(candidates);
        self.confirm_all(proposals).await;
    }

    /// Autodiscover, as far as it goes without a password.
    async fn by_exchange(&self, facts: &Facts) {
        let hosts = plan::exchange_hosts(facts, self.domain());
        join_all(hosts.iter().map(|host| self.by_autodiscover(host))).await;
    }

    async fn by_autodiscover(&self, host: &str) {
        let login = self.address.encoded();
        let second =
            format!("https://{host}/autodiscover/autodiscover.json/v1.0/{login}?Protocol=Ews");
        let first = format!("https://{host}/autodiscover/autodiscover.xml");
        let (second, first) = join(self.get(&second), self.get(&first)).await;
        let told = second.filter(|page| page.status == 200);
        let told = told.and_then(|page| exchange::web_services(&page.body));
        let refuses = |page: &Page| exchange::refuses_as_exchange(page.status, &page.headers);
        let host = match &told {
            Some(url) => host_of(url),
            None => first.filter(refuses).and_then(|page| host_of(&page.url)),
        };
        let Some(host) = host else { return };
        let ews = told.unwrap_or_else(|| format!("https://{host}/EWS/Exchange.asmx"));
        let found_by = format!("autodiscover: {host}");
        // The address was named by a stranger: it counts where Exchange itself refuses there.
        if self.get(&ews).await.is_some_and(|page| refuses(&page)) {
            let server = ServerType::Exchange;
            let candidate = Candidate::new(server, ews, BY_AUTODISCOVER, found_by.clone());
            self.found.borrow_mut().add(Candidate { confirmed: true, ..candidate });
        }
        let beside = plan::beside_exchange(&host, &found_by, BY_AUTODISCOVER - 0.01);
        self.confirm_all(vec![beside]).await;
    }

    /// `.well-known/caldav` and `.well-known/carddav`, RFC 6764 section 5.
    async fn by_well_known(&self) {
        let look = async |dav: Dav, kept: &RefCell<Option<String>>| {
            let url = format!("https://{}/.well-known/{}", self.domain(), dav.name());
            let Some(page) = self.get(&url).await else { return };
            // A service asks for a log-in, or does not know GET; a page is not one.
            let serves =
                matches!(page.status, 401 | 405 | 207) && page.url != url || page.status == 401;
            let mut kept = kept.borrow_mut();
            if serves && kept.is_none() {
                *kept = Some(page.url);
            }
        };
        join(look(Dav::Calendars, &self.caldav_url), look(Dav::Contacts, &self.carddav_url)).await;
    }

    async fn by_guess(&self) {
        self.confirm_all(plan::guesses(self.domain())).await;
    }

    async fn get(&self, url: &str) -> Option<Page> {
        spend(&self.files_left)?;
        match Box::pin(page::get(&self.dialer, url)).await {
            Ok(page) => Some(page),
            Err(error) => {
                self.note_refusal(host_of(url).as_deref().unwrap_or(url), &error);
                None
            }
        }
    }

    async fn permits(&self, url: &str) -> bool {
        let Some(host) = host_of(url) else { return false };
        match self.dialer.permits(&host).await {
            Ok(()) => true,
            Err(error) => {
                self.note_refusal(&host, &error);
                false
            }
        }
    }

    fn add_all(&self, candidates: Vec<Candidate>) {
        for candidate in candidates {
            self.found.borrow_mut().add(candidate);
        }
    }

    async fn confirm_all(&self, proposals: Vec<Proposal>) {
        join_all(proposals.into_iter().map(|proposal| self.confirm(proposal))).await;
    }

    async fn confirm(&self, proposal: Proposal) {
        let Proposal { mut candidate, endpoint, silent } = proposal;
        match self.probe(&endpoint).await {
            Ok(()) => candidate.confirmed = true,
            Err(error) => {
                self.note_refusal(&endpoint.host, &error);
                let gone = matches!(
                    error,
                    Error::Forbidden { .. } | Error::Unresolved { .. } | Error::Port { .. }
                );
                let Some(confidence) = silent.filter(|_| !gone) else { return };
                candidate.confidence = confidence;
            }
        }
        self.found.borrow_mut().add(candidate);
    }

    async fn probe(&self, endpoint: &Endpoint) -> Result<(), Error> {
        spend(&self.probes_left).ok_or(Error::Closed)?;
        Box::pin(probe::confirm(&self.dialer, endpoint)).await
    }

    /// What was not looked at because it must not be; that something is not there is no news.
    fn note_refusal(&self, host: &str, error: &Error) {
        if let Error::Forbidden { .. } = error {
            self.found.borrow_mut().note(format!("{host} was not looked at: {error}."));
        }
    }

    fn finish(self, in_time: bool) -> Detection {
        let mut found = self.found.into_inner();
        if self.no_imap.get() {
            let guessed = |one: &Candidate| one.found_by.starts_with("guess:");
            found.candidates.retain(|one| one.server_type != ServerType::Imap || !guessed(one));
        }
        let (caldav_url, carddav_url) =
            (self.caldav_url.into_inner(), self.carddav_url.into_inner());
        for candidate in &mut found.candidates {
            describe(candidate);
            candidate.caldav_url = candidate.caldav_url.take().or_else(|| caldav_url.clone());
            candidate.carddav_url = candidate.carddav_url.take().or_else(|| carddav_url.clone());
        }
        if found.candidates.is_empty() && !in_time {
            found.unanswered = true;
            found.note(format!("Not all servers answered within {LIMIT_S} s."));
        }
        found
    }
}

/// Adds what is known of a server's provider where a record or a file led to it.
fn describe(candidate: &mut Candidate) {
    if candidate.provider.is_some() {
        return;
    }
    let Some(host) = Endpoint::parse(&candidate.url, dial::Plaintext::Refused).ok() else { return };
    candidate.provider = ovh::of_host(&host.host).map(str::to_owned);
    if let Some(provider) = providers::by_host(&host.host) {
        provider.describe(candidate);
    }
}

fn host_of(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    uri.host().map(str::to_owned)
}

fn without_query(url: &str) -> &str {
    url.split('?').next().unwrap_or(url)
}
