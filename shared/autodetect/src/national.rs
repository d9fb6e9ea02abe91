//! Providers of mailboxes in one country, most of them telephone companies.

use crate::candidate::Hint;
use crate::provider::{Login, Provider, UNKNOWN};

/// The table.
pub const TABLE: &[Provider] = &[
    // Germany, Austria, Switzerland
    Provider {
        name: "GMX",
        domains: &[
            "gmx.net", "gmx.de", "gmx.at", "gmx.ch", "gmx.eu", "gmx.biz", "gmx.org", "gmx.info",
        ],
        mx: &["gmx.net"],
        imap: Some("imaps://imap.gmx.net"),
        pop: Some("pops://pop.gmx.net"),
        caldav: Some("https://caldav.gmx.net/"),
        carddav: Some("https://carddav.gmx.net/"),
        hint: Some(Hint::SwitchOn),
        ..UNKNOWN
    },
    Provider {
        name: "WEB.DE",
        domains: &["web.de"],
        mx: &["mx-ha02.web.de", "mx-ha03.web.de"],
        imap: Some("imaps://imap.web.de"),
        pop: Some("pops://pop3.web.de"),
        caldav: Some("https://caldav.web.de/"),
        carddav: Some("https://carddav.web.de/"),
        hint: Some(Hint::SwitchOn),
        ..UNKNOWN
    },
    Provider {
        name: "Telekom",
        domains: &["t-online.de", "magenta.de"],
        imap: Some("imaps://secureimap.t-online.de"),
        pop: Some("pops://securepop.t-online.de"),
        hint: Some(Hint::MailPassword),
        ..UNKNOWN
    },
    Provider {
        name: "freenet",
        domains: &["freenet.de"],
        imap: Some("imaps://mx.freenet.de"),
        pop: Some("pops://mx.freenet.de"),
        ..UNKNOWN
    },
    Provider {
        name: "Vodafone Deutschland",
        domains: &["vodafonemail.de", "arcor.de", "kabelmail.de"],
        imap: Some("imaps://imap.vodafonemail.de"),
        pop: Some("pops://pop3.vodafonemail.de"),
        ..UNKNOWN
    },
    Provider {
        name: "Posteo",
        domains: &[
            "posteo.de",
            "posteo.net",
            "posteo.org",
            "posteo.eu",
            "posteo.at",
            "posteo.ch",
            "posteo.be",
            "posteo.es",
            "posteo.it",
            "posteo.nl",
            "posteo.me",
            "posteo.us",
        ],
        imap: Some("imaps://posteo.de"),
        pop: Some("pops://posteo.de"),
        caldav: Some("https://posteo.de:8443/"),
        carddav: Some("https://posteo.de:8843/"),
        ..UNKNOWN
    },
    Provider {
        name: "mailbox.org",
        domains: &["mailbox.org"],
        mx: &["mailbox.org"],
        imap: Some("imaps://imap.mailbox.org"),
        pop: Some("pops://pop3.mailbox.org"),
        caldav: Some("https://dav.mailbox.org/"),
        carddav: Some("https://dav.mailbox.org/"),
        ..UNKNOWN
    },
    Provider {
        name: "A1 Telekom Austria",
        domains: &["a1.net", "aon.at"],
        imap: Some("imaps://securemail.a1.net"),
        ..UNKNOWN
    },
    Provider {
        name: "Bluewin",
        domains: &["bluewin.ch", "bluemail.ch"],
        imap: Some("imaps://imaps.bluewin.ch"),
        pop: Some("pops://pop3s.bluewin.ch"),
        ..UNKNOWN
    },
    // France, Belgium, Netherlands
    Provider {
        name: "Orange",
        domains: &["orange.fr", "wanadoo.fr"],
        imap: Some("imaps://imap.orange.fr"),
        pop: Some("pops://pop.orange.fr"),
        ..UNKNOWN
    },
    Provider {
        name: "Free",
        domains: &["free.fr"],
        imap: Some("imaps://imap.free.fr"),
        pop: Some("pops://pop.free.fr"),
        login: Login::Local,
        hint: Some(Hint::LocalLogin),
        ..UNKNOWN
    },
    Provider {
        name: "SFR",
        domains: &["sfr.fr", "neuf.fr", "club-internet.fr"],
        imap: Some("imaps://imap.sfr.fr"),
        pop: Some("pops://pop.sfr.fr"),
        ..UNKNOWN
    },
    Provider {
        name: "La Poste",
        domains: &["laposte.net"],
        imap: Some("imaps://imap.laposte.net"),
        pop: Some("pops://pop.laposte.net"),
        login: Login::Local,
        hint: Some(Hint::LocalLogin),
        ..UNKNOWN
    },
    Provider {
        name: "Proximus",
        domains: &["proximus.be", "skynet.be", "belgacom.net"],
        imap: Some("imaps://imap.proximus.be"),
        pop: Some("pops://pop.proximus.be"),
        ..UNKNOWN
    },
    Provider {
        name: "KPN",
        domains: &[
            "kpnmail.nl",
            "kpnplanet.nl",
            "planet.nl",
            "wxs.nl",
            "hetnet.nl",
            "freeler.nl",
            "xs4all.nl",
            "telfort.nl",
            "tip.nl",
            "tiscali.nl",
        ],
        imap: Some("imaps://imap.kpnmail.nl"),
        pop: Some("pops://pop.kpnmail.nl"),
        ..UNKNOWN
    },
    Provider {
        name: "Ziggo",
        domains: &[
            "ziggo.nl",
            "ziggomail.com",
            "casema.nl",
            "upcmail.nl",
            "chello.nl",
            "home.nl",
            "quicknet.nl",
            "multiweb.nl",
        ],
        imap: Some("imaps://imap.ziggo.nl"),
        pop: Some("pops://pop.ziggo.nl"),
        ..UNKNOWN
    },
    // Italy, Portugal
    Provider {
        name: "Libero",
        domains: &["libero.it", "iol.it", "blu.it", "inwind.it", "giallo.it"],
        imap: Some("imaps://imapmail.libero.it"),
        pop: Some("pops://popmail.libero.it"),
        hint: Some(Hint::AppPassword),
        ..UNKNOWN
    },
    Provider {
        name: "Virgilio",
        domains: &["virgilio.it"],
        imap: Some("imaps://in.virgilio.it"),
        pop: Some("pops://in.virgilio.it"),
        hint: Some(Hint::AppPassword),
        ..UNKNOWN
    },
    Provider {
        name: "TIM",
        domains: &["tim.it"],
        imap: Some("imap://imap.tim.it"),
        pop: Some("pop://pop.tim.it"),
        ..UNKNOWN
    },
    Provider {
        name: "Alice",
        domains: &["alice.it"],
        imap: Some("imap://in.alice.it"),
        pop: Some("pop://in.alice.it"),
        ..UNKNOWN
    },
    Provider {
        name: "Tiscali",
        domains: &["tiscali.it"],
        imap: Some("imaps://imap.tiscali.it"),
        pop: Some("pops://pop.tiscali.it"),
        ..UNKNOWN
    },
    Provider {
        name: "Fastweb",
        domains: &["fastwebnet.it"],
        imap: Some("imaps://imap.fastwebnet.it"),
        pop: Some("pops://pop.fastwebnet.it"),
        ..UNKNOWN
    },
    Provider {
        name: "Email.it",
        domains: &["email.it"],
        imap: Some("imaps://in.email.it"),
        pop: Some("pops://pop.email.it"),
        ..UNKNOWN
    },
    Provider {
        name: "Postecert",
        domains: &["postecert.it"],
        imap: Some("imaps://mail.postecert.it"),
        pop: Some("pops://mail.postecert.it"),
        ..UNKNOWN
    },
    Provider {
        name: "SAPO",
        domains: &["sapo.pt", "meo.pt"],
        imap: Some("imaps://imap.sapo.pt"),
        pop: Some("pops://pop.sapo.pt"),
        ..UNKNOWN
    },
    // Poland, Czechia, Baltics
    Provider {
        name: "WP",
        domains: &["wp.pl"],
        imap: Some("imaps://imap.wp.pl"),
        pop: Some("pops://pop3.wp.pl"),
        login: Login::Local,
        hint: Some(Hint::SwitchOn),
        ..UNKNOWN
    },
    Provider {
        name: "o2",
        domains: &["o2.pl", "go2.pl", "tlen.pl", "prokonto.pl"],
        imap: Some("imaps://poczta.o2.pl"),
        pop: Some("pops://poczta.o2.pl"),
        login: Login::Local,
        hint: Some(Hint::SwitchOn),
        ..UNKNOWN
    },
    Provider {
        name: "Onet",
        domains: &[
            "onet.pl",
            "onet.eu",
            "poczta.onet.pl",
            "op.pl",
            "vp.pl",
            "autograf.pl",
            "spoko.pl",
        ],
        imap: Some("imaps://imap.poczta.onet.pl"),
        pop: Some("pops://pop3.poczta.onet.pl"),
        hint: Some(Hint::AppPassword),
        ..UNKNOWN
    },
    Provider {
        name: "Seznam",
        domains: &["seznam.cz", "email.cz", "post.cz", "spoluzaci.cz"],
        mx: &["seznam.cz"],
        imap: Some("imaps://imap.seznam.cz"),
        pop: Some("pops://pop3.seznam.cz"),
        hint: Some(Hint::SwitchOn),
        ..UNKNOWN
    },
    Provider {
        name: "Inbox.lv",
        domains: &["inbox.lv"],
        imap: Some("imaps://mail.inbox.lv"),
        pop: Some("pops://mail.inbox.lv"),
        hint: Some(Hint::SwitchOnAppPassword),
        ..UNKNOWN
    },
    // United Kingdom
    Provider {
        name: "BT",
        domains: &["btinternet.com", "btopenworld.com", "talk21.com"],
        imap: Some("imaps://mail.btinternet.com"),
        pop: Some("pops://mail.btinternet.com"),
        ..UNKNOWN
    },
    Provider {
        name: "Sky",
        domains: &["sky.com"],
        imap: Some("imaps://imap.tools.sky.com"),
        pop: Some("pops://pop.tools.sky.com"),
        hint: Some(Hint::AppPassword),
        ..UNKNOWN
    },
    Provider {
        name: "Virgin Media",
        domains: &["virginmedia.com"],
        imap: Some("imaps://imap.virginmedia.com"),
        pop: Some("pops://pop3.virginmedia.com"),
        ..UNKNOWN
    },
    // North America
    Provider {
        name: "AT&T",
        domains: &[
            "att.net",
            "ameritech.net",
            "bellsouth.net",
            "currently.com",
            "flash.net",
            "pacbell.net",
            "prodigy.net",
            "sbcglobal.net",
            "snet.net",
            "swbell.net",
        ],
        imap: Some("imaps://imap.mail.att.net"),
        pop: Some("pops://inbound.att.net"),
        hint: Some(Hint::AppPassword),
        ..UNKNOWN
    },
    Provider {
        name: "Comcast",
        domains: &["comcast.net"],
        imap: Some("imaps://imap.comcast.net"),
        pop: Some("pops://mail.comcast.net"),
        hint: Some(Hint::SwitchOn),
        ..UNKNOWN
    },
    Provider {
        name: "Spectrum",
        domains: &["charter.net", "spectrum.net", "bresnan.net"],
        imap: Some("imaps://mobile.charter.net"),
        pop: Some("pops://mobile.charter.net"),
        ..UNKNOWN
    },
    Provider {
        name: "EarthLink",
        domains: &["earthlink.net", "mindspring.com"],
        imap: Some("imaps://imap.earthlink.net"),
        pop: Some("pops://pop.earthlink.net"),
        ..UNKNOWN
    },
    Provider {
        name: "Bell",
        domains: &["bell.net", "sympatico.ca"],
        imap: Some("imaps://imap.bell.net"),
        pop: Some("pops://pophm.sympatico.ca"),
        ..UNKNOWN
    },
    // Oceania
    Provider {
        name: "Telstra",
        domains: &["bigpond.com", "bigpond.net.au", "telstra.com"],
        imap: Some("imaps://imap.telstra.com"),
        pop: Some("pops://pop.telstra.com"),
        ..UNKNOWN
    },
    Provider {
        name: "Xtra",
        domains: &["xtra.co.nz"],
        imap: Some("imaps://imap.xtra.co.nz"),
        pop: Some("pops://pop3.xtra.co.nz"),
        ..UNKNOWN
    },
];
