//! Providers that keep the mail of other people's domains.

use crate::provider::{Provider, UNKNOWN};

/// The table.
pub const TABLE: &[Provider] = &[
    Provider {
        name: "IONOS Germany",
        domains: &["online.de", "onlinehome.de", "sofort-surf.de", "go4more.de"],
        mx: &["kundenserver.de", "ionos.de"],
        imap: Some("imaps://imap.ionos.de"),
        pop: Some("pops://pop.ionos.de"),
        ..UNKNOWN
    },
    Provider {
        name: "IONOS United States",
        mx: &["ionos.com", "perfora.net"],
        imap: Some("imaps://imap.ionos.com"),
        pop: Some("pops://pop.ionos.com"),
        ..UNKNOWN
    },
    Provider {
        name: "IONOS United Kingdom",
        mx: &["ionos.co.uk"],
        imap: Some("imaps://imap.ionos.co.uk"),
        pop: Some("pops://pop.ionos.co.uk"),
        ..UNKNOWN
    },
    Provider {
        name: "IONOS France",
        mx: &["ionos.fr"],
        imap: Some("imaps://imap.ionos.fr"),
        pop: Some("pops://pop.ionos.fr"),
        ..UNKNOWN
    },
    Provider {
        name: "IONOS Spain",
        mx: &["ionos.es"],
        imap: Some("imaps://imap.ionos.es"),
        pop: Some("pops://pop.ionos.es"),
        ..UNKNOWN
    },
    Provider {
        name: "IONOS Italy",
        mx: &["ionos.it"],
        imap: Some("imaps://imap.ionos.it"),
        pop: Some("pops://pop.ionos.it"),
        ..UNKNOWN
    },
    Provider {
        name: "STRATO",
        domains: &["strato.de"],
        mx: &["rzone.de"],
        imap: Some("imaps://imap.strato.de"),
        pop: Some("pops://pop3.strato.de"),
        ..UNKNOWN
    },
    Provider {
        name: "Hetzner",
        mx: &["your-server.de"],
        imap: Some("imaps://mail.your-server.de"),
        ..UNKNOWN
    },
    Provider {
        name: "DomainFactory",
        mx: &["ispgateway.de"],
        imap: Some("imaps://sslin.df.eu"),
        pop: Some("pops://sslin.df.eu"),
        ..UNKNOWN
    },
    Provider {
        name: "Gandi",
        domains: &["gandi.net"],
        mx: &["mail.gandi.net"],
        imap: Some("imaps://mail.gandi.net"),
        pop: Some("pops://mail.gandi.net"),
        ..UNKNOWN
    },
    Provider {
        name: "Infomaniak",
        domains: &["ik.me", "ikmail.com", "etik.com"],
        mx: &["infomaniak.ch"],
        imap: Some("imaps://mail.infomaniak.com"),
        pop: Some("pops://mail.infomaniak.com"),
        caldav: Some("https://sync.infomaniak.com/"),
        carddav: Some("https://sync.infomaniak.com/"),
        ..UNKNOWN
    },
    Provider {
        name: "Aruba",
        domains: &["aruba.it"],
        mx: &["mx.aruba.it"],
        imap: Some("imaps://imaps.aruba.it"),
        pop: Some("pops://pop3s.aruba.it"),
        ..UNKNOWN
    },
    Provider {
        name: "Aruba PEC",
        domains: &["pec.it", "arubapec.it", "mypec.eu", "gigapec.it", "ingpec.eu"],
        mx: &["pec.aruba.it"],
        imap: Some("imaps://imaps.pec.aruba.it"),
        pop: Some("pops://pop3s.pec.aruba.it"),
        ..UNKNOWN
    },
    Provider {
        name: "one.com",
        domains: &["one.com"],
        mx: &["one.com"],
        imap: Some("imaps://imap.one.com"),
        pop: Some("pops://pop.one.com"),
        ..UNKNOWN
    },
    Provider {
        name: "Loopia",
        mx: &["loopia.se"],
        imap: Some("imaps://mailcluster.loopia.se"),
        pop: Some("pops://mailcluster.loopia.se"),
        ..UNKNOWN
    },
    Provider {
        name: "Active 24",
        mx: &["active24.com", "active24.cz"],
        imap: Some("imaps://email.active24.com"),
        pop: Some("pops://email.active24.com"),
        ..UNKNOWN
    },
    Provider {
        name: "Websupport",
        mx: &["websupport.sk"],
        imap: Some("imaps://imap.websupport.sk"),
        pop: Some("pops://pop.websupport.sk"),
        ..UNKNOWN
    },
    Provider {
        name: "Dondominio",
        mx: &["dondominio.com"],
        imap: Some("imaps://imap.dondominio.com"),
        pop: Some("pops://pop3.dondominio.com"),
        ..UNKNOWN
    },
    Provider {
        name: "GoDaddy",
        mx: &["secureserver.net"],
        imap: Some("imaps://imap.secureserver.net"),
        pop: Some("pops://pop.secureserver.net"),
        ..UNKNOWN
    },
    Provider {
        name: "Rackspace",
        mx: &["emailsrvr.com"],
        imap: Some("imaps://secure.emailsrvr.com"),
        pop: Some("pops://secure.emailsrvr.com"),
        ..UNKNOWN
    },
    Provider {
        name: "Namecheap Private Email",
        mx: &["privateemail.com"],
        imap: Some("imaps://mail.privateemail.com"),
        pop: Some("pops://mail.privateemail.com"),
        ..UNKNOWN
    },
    Provider {
        name: "Hostinger",
        mx: &["hostinger.com"],
        imap: Some("imaps://imap.hostinger.com"),
        pop: Some("pops://pop.hostinger.com"),
        ..UNKNOWN
    },
    Provider {
        name: "Titan",
        mx: &["titan.email"],
        imap: Some("imaps://imap.titan.email"),
        pop: Some("pops://pop.titan.email"),
        ..UNKNOWN
    },
    Provider {
        name: "DreamHost",
        mx: &["dreamhost.com"],
        imap: Some("imaps://imap.dreamhost.com"),
        pop: Some("pops://pop.dreamhost.com"),
        ..UNKNOWN
    },
    Provider {
        name: "Migadu",
        mx: &["migadu.com"],
        imap: Some("imaps://imap.migadu.com"),
        pop: Some("pops://pop.migadu.com"),
        ..UNKNOWN
    },
    Provider {
        name: "Runbox",
        domains: &["runbox.com", "runbox.no"],
        mx: &["runbox.com"],
        imap: Some("imaps://mail.runbox.com"),
        pop: Some("pops://mail.runbox.com"),
        ..UNKNOWN
    },
];
