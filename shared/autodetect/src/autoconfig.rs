//! The configuration file of Thunderbird, which domains publish and Mozilla collects
//! (draft-ietf-mailmaint-autoconfig).

use model::ServerType;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::address::{Address, host_name};

/// Elements within elements; the format has four levels.
const DEPTH_MAX: usize = 16;
/// Servers in one file; Mozilla's files have four.
const SERVERS_MAX: usize = 20;
/// The longest text of an element that is kept.
const TEXT_MAX_BYTES: usize = 512;
/// Tags, texts and comments in one file; the largest of Mozilla's has some hundreds.
const EVENTS_MAX: usize = 20_000;

/// A server for incoming mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// IMAP or POP.
    pub server_type: ServerType,
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether TLS begins with the first byte; else after STARTTLS.
    pub implicit_tls: bool,
    /// The login, with placeholders for the address.
    pub login: String,
    /// Whether it takes nothing but an OAuth token.
    pub token_only: bool,
}

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// Servers in the order of the file, which is that of preference.
    pub servers: Vec<Server>,
    /// Calendars.
    pub caldav_url: Option<String>,
    /// Contacts.
    pub carddav_url: Option<String>,
    /// Exchange Web Services.
    pub ews_url: Option<String>,
}

/// Why a file is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable(pub String);

/// Reads a file for `address`. Servers without TLS are left out.
pub fn read(text: &str, address: &Address) -> Result<Config, Unreadable> {
    let mut parser = Parser {
        address,
        open: Vec::new(),
        server: None,
        text: String::new(),
        config: Config::default(),
        rooted: false,
    };
    let mut reader = Reader::from_str(text);
    for _ in 0..EVENTS_MAX {
        let event = reader.read_event().map_err(|error| Unreadable(error.to_string()))?;
        match event {
            Event::Start(tag) => parser.start(&tag)?,
            Event::Empty(tag) => {
                parser.start(&tag)?;
                parser.end();
            }
            Event::End(_) => parser.end(),
            Event::Text(text) => parser.add(&text.xml10_content()),
            Event::CData(text) => parser.add(&text.xml10_content()),
            Event::GeneralRef(entity) => parser.add(&resolved(&entity)?),
            // Entities of one's own are what bombs are made of; the format has none.
            Event::DocType(_) => return Err(Unreadable("a document type is not allowed".into())),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof if parser.rooted && parser.open.is_empty() => return Ok(parser.config),
            Event::Eof => return Err(Unreadable("it is no clientConfig".into())),
        }
    }
    Err(Unreadable(format!("it has more than {EVENTS_MAX} parts")))
}

/// The character that a reference stands for: the five of XML and numbers.
fn resolved(entity: &quick_xml::events::BytesRef<'_>) -> Result<String, Unreadable> {
    if let Ok(Some(letter)) = entity.resolve_char_ref() {
        return Ok(letter.to_string());
    }
    let letter = match entity.as_ref() {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => return Err(Unreadable("an entity is not known".into())),
    };
    Ok(letter.to_owned())
}

/// A server that is being read.
#[derive(Default)]
struct Open {
    kind: String,
    host: String,
    port: String,
    socket: String,
    login: String,
    ways: Vec<String>,
}

struct Parser<'a> {
    address: &'a Address,
    /// Names of the open elements, lower case, with the type of the innermost.
    open: Vec<(String, String)>,
    server: Option<Open>,
    text: String,
    config: Config,
    rooted: bool,
}

impl Parser<'_> {
    fn start(&mut self, tag: &BytesStart<'_>) -> Result<(), Unreadable> {
        if self.open.len() >= DEPTH_MAX {
            return Err(Unreadable(format!("it is deeper than {DEPTH_MAX} elements")));
        }
        let name = tag.local_name().as_ref().to_ascii_lowercase();
        if self.open.is_empty() {
            if name != "clientconfig" {
                return Err(Unreadable("it is no clientConfig".into()));
            }
            self.rooted = true;
        }
        let kind = tag.attributes().filter_map(Result::ok).find(|it| it.key.as_ref() == "type");
        let kind = kind.map(|it| it.value.to_ascii_lowercase()).unwrap_or_default();
        if name == "incomingserver" {
            self.server = Some(Open { kind: kind.clone(), ..Open::default() });
        }
        self.open.push((name, kind));
        self.text.clear();
        Ok(())
    }

    fn add(&mut self, text: &str) {
        // One byte more than is kept, so that what is too long is seen as such.
        if self.text.len() <= TEXT_MAX_BYTES {
            self.text.push_str(text);
        }
    }

    fn end(&mut self) {
        let Some((name, _)) = self.open.pop() else { return };
        let text = std::mem::take(&mut self.text);
        let text = text.trim();
        let text = if text.len() <= TEXT_MAX_BYTES { self.filled(text) } else { String::new() };
        let (parent, kind) = match self.open.last() {
            Some((parent, kind)) => (parent.as_str(), kind.as_str()),
            None => ("", ""),
        };
        match (parent, name.as_str()) {
            (_, "incomingserver") => {
                let full = self.config.servers.len() >= SERVERS_MAX;
                let server = self.server.take().and_then(|open| server(&open));
                self.config.servers.extend(server.filter(|_| !full));
            }
            ("incomingserver", field) => {
                let Some(open) = &mut self.server else { return };
                match field {
                    "hostname" => open.host = text,
                    "port" => open.port = text,
                    "sockettype" => open.socket = text,
                    "username" => open.login = text,
                    "authentication" => open.ways.push(text),
                    "ewsurl" => self.config.ews_url = web_url(&text),
                    _ => {}
                }
            }
            ("calendar", "url" | "serverurl") if kind == "caldav" => {
                self.config.caldav_url = self.config.caldav_url.take().or(web_url(&text));
            }
            ("addressbook", "url" | "serverurl") if kind == "carddav" => {
                self.config.carddav_url = self.config.carddav_url.take().or(web_url(&text));
            }
            _ => {}
        }
    }

    /// The placeholder of the domain; those of the address stay, since what is found holds for
    /// the whole domain.
    fn filled(&self, text: &str) -> String {
        text.replace("%EMAILDOMAIN%", self.address.domain())
    }
}

fn server(open: &Open) -> Option<Server> {
    let server_type = match open.kind.as_str() {
        "imap" => ServerType::Imap,
        "pop3" => ServerType::Pop,
        _ => return None,
    };
    let implicit_tls = match open.socket.to_ascii_uppercase().as_str() {
        "SSL" | "TLS" => true,
        "STARTTLS" => false,
        _ => return None,
    };
    let port = open.port.parse().ok().filter(|port| *port > 0)?;
    let token = |way: &String| way.eq_ignore_ascii_case("OAuth2");
    Some(Server {
        server_type,
        host: host_name(&open.host)?,
        port,
        implicit_tls,
        login: open.login.clone(),
        token_only: !open.ways.is_empty() && open.ways.iter().all(token),
    })
}

/// An `https://` URL of a host with a name.
pub fn web_url(text: &str) -> Option<String> {
    let uri: http::Uri = text.trim().parse().ok()?;
    let authority = uri.authority()?;
    let named = !authority.as_str().contains('@') && host_name(authority.host()).is_some();
    (uri.scheme_str() == Some("https") && named).then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<clientConfig version="1.1"><!-- one --><emailProvider id="example.org">
 <domain>example.org</domain><displayName>A &amp; B</displayName>
 <incomingServer type="imap">
  <hostname>imap.%EMAILDOMAIN%</hostname><port>993</port><socketType>SSL</socketType>
  <username>%EMAILLOCALPART%</username>
  <authentication>OAuth2</authentication><authentication>password-cleartext</authentication>
 </incomingServer>
 <incomingServer type="imap"><hostname>imap.example.org</hostname><port>143</port>
  <socketType>STARTTLS</socketType><username>%EMAILADDRESS%</username>
  <authentication>OAuth2</authentication></incomingServer>
 <incomingServer type="imap"><hostname>imap.example.org</hostname><port>143</port>
  <socketType>plain</socketType></incomingServer>
 <incomingServer type="pop3"><hostname><![CDATA[pop.example.org]]></hostname><port>99&#53;</port>
  <socketType>SSL</socketType><username>a&lt;b</username></incomingServer>
 <incomingServer type="imap"><hostname>127.0.0.1</hostname><port>993</port>
  <socketType>SSL</socketType></incomingServer>
 <outgoingServer type="smtp"><hostname>smtp.example.org</hostname></outgoingServer>
</emailProvider>
<addressBook type="carddav"><username>x</username><serverURL>https://dav.example.org/</serverURL></addressBook>
<calendar type="caldav"><serverURL>http://dav.example.org/</serverURL><url>https://dav.example.org/c</url></calendar>
</clientConfig>"#;

    fn anna() -> Address {
        Address::parse("anna@example.org").unwrap()
    }

    fn imap(port: u16, login: &str) -> Server {
        Server {
            server_type: ServerType::Imap,
            host: "imap.example.org".into(),
            port,
            implicit_tls: port == 993,
            login: login.into(),
            token_only: port == 143,
        }
    }

    #[test]
    fn a_file_with_everything() {
        let config = read(FILE, &anna()).unwrap();
        let pop = Server {
            server_type: ServerType::Pop,
            host: "pop.example.org".into(),
            port: 995,
            token_only: false,
            ..imap(993, "a<b")
        };
        assert_eq!(
            config.servers,
            [imap(993, "%EMAILLOCALPART%"), imap(143, "%EMAILADDRESS%"), pop]
        );
        assert_eq!(config.caldav_url.as_deref(), Some("https://dav.example.org/c"));
        assert_eq!(config.carddav_url.as_deref(), Some("https://dav.example.org/"));
    }

    #[test]
    fn hostile_files_are_refused() {
        let bomb = r#"<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><clientConfig>&b;</clientConfig>"#;
        let deep = format!("<clientConfig>{}", "<a>".repeat(100));
        let many = format!("<clientConfig>{}</clientConfig>", "<a/>".repeat(EVENTS_MAX));
        for text in [
            bomb,
            &deep,
            &many,
            "",
            "no XML",
            "<html></html>",
            "<clientConfig>",
            "<clientConfig>&unknown;</clientConfig>",
            "<clientConfig></other>",
            "<clientConfig a=>",
            "<?xml version=\"1.0\"?><!DOCTYPE clientConfig SYSTEM \"file:///etc/passwd\"><clientConfig/>",
        ] {
            assert!(read(text, &anna()).is_err(), "{text:.60}");
        }
        let servers = "<incomingServer type='imap'><hostname>a.example</hostname><port>993</port>\
                       <socketType>SSL</socketType></incomingServer>";
        let crowd = format!("<clientConfig>{}</clientConfig>", servers.repeat(100));
        assert_eq!(read(&crowd, &anna()).unwrap().servers.len(), SERVERS_MAX);
        let long =
            format!("<clientConfig><incomingServer type='imap'><hostname>{}", "a".repeat(1 << 20));
        assert!(read(&long, &anna()).is_err());
    }

    #[test]
    fn no_cut_breaks_the_reader() {
        for cut in 0..FILE.len() {
            assert!(read(&FILE[..cut], &anna()).is_err(), "{cut}");
        }
    }

    #[test]
    fn web_urls() {
        assert!(web_url("https://dav.example.org:8443/x").is_some());
        for wrong in [
            "http://dav.example.org/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://localhost/",
            "https://a@dav.example.org/",
            "file:///etc/passwd",
            "/dav",
            "https://",
            "",
        ] {
            assert_eq!(web_url(wrong), None, "{wrong}");
        }
    }
}
