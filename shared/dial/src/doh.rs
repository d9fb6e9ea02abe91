//! DNS over HTTPS, RFC 8484: how names are looked up where sockets may not.

use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use http::{Method, Request, StatusCode, header};
use wire::{Bytes, Error, Http};

/// Longest DNS message, RFC 1035 section 4.2.2.
const MESSAGE_MAX_BYTES: usize = 65_535;
/// Most aliases followed within an answer; resolvers themselves stop at about this many.
const ALIASES_MAX: usize = 12;
const DNS_MESSAGE: &str = "application/dns-message";

/// The records of type `kind` that `name` has by the resolver at `doh_url`, aliases (CNAME)
/// followed. Empty where the name exists without such records; [`Error::Unresolved`] where it
/// does not exist or the resolver fails.
pub async fn query(
    http: &impl Http,
    doh_url: &str,
    name: &str,
    kind: RecordType,
) -> Result<Vec<RData>, Error> {
    let unresolved = |reason: String| Error::Unresolved { name: name.to_owned(), reason };
    let question = question(name).map_err(unresolved)?;
    let request = request(doh_url, &question, kind)?;
    let response = http.send(request, MESSAGE_MAX_BYTES).await?;
    if response.status() != StatusCode::OK {
        let reason = format!("{doh_url} answers HTTP status {}", response.status().as_u16());
        return Err(unresolved(reason));
    }
    let answer = Message::from_vec(response.body())
        .map_err(|error| unresolved(format!("{doh_url} answers no DNS message: {error}")))?;
    check(&answer, &question, kind).map_err(unresolved)?;
    Ok(records(answer, question, kind))
}

fn question(name: &str) -> Result<Name, String> {
    let mut name = Name::from_ascii(name).map_err(|error| error.to_string())?;
    name.set_fqdn(true);
    Ok(name)
}

fn request(doh_url: &str, name: &Name, kind: RecordType) -> Result<Request<Bytes>, Error> {
    // ID 0, so that caches see equal questions as equal (RFC 8484 section 4.1).
    let mut message = Message::query();
    message.metadata.id = 0;
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name.clone(), kind));
    let body = message.to_vec().map_err(|error| Error::Http(error.to_string()))?;
    Request::builder()
        .method(Method::POST)
        .uri(doh_url)
        .header(header::ACCEPT, DNS_MESSAGE)
        .header(header::CONTENT_TYPE, DNS_MESSAGE)
        .header(header::CONTENT_LENGTH, body.len())
        .body(body.into())
        .map_err(|error| Error::Http(format!("doh_url {doh_url} cannot be used: {error}")))
}

fn check(answer: &Message, name: &Name, kind: RecordType) -> Result<(), String> {
    let metadata = &answer.metadata;
    let asked = |query: &Query| query.name() == name && query.query_type == kind;
    if metadata.message_type != MessageType::Response {
        return Err("the resolver sends a question back".to_owned());
    }
    if metadata.id != 0 || !answer.queries.iter().all(asked) {
        return Err("the resolver answers another question".to_owned());
    }
    if metadata.truncation {
        return Err("the resolver's answer is cut short".to_owned());
    }
    match metadata.response_code {
        ResponseCode::NoError => Ok(()),
        ResponseCode::NXDomain => Err("no such name".to_owned()),
        code => Err(format!("the resolver answers {code}")),
    }
}

fn records(answer: Message, name: Name, kind: RecordType) -> Vec<RData> {
    let mut owner = name;
    for _ in 0..ALIASES_MAX {
        let alias = answer.answers.iter().find_map(|record| match &record.data {
            RData::CNAME(alias) if record.name == owner => Some(alias.0.clone()),
            _ => None,
        });
        match alias {
            Some(alias) if kind != RecordType::CNAME => owner = alias,
            _ => break,
        }
    }
    let mine = answer.answers.into_iter().filter(|record| record.name == owner);
    mine.map(|record| record.data).filter(|data| data.record_type() == kind).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use futures::executor::block_on;
    use hickory_proto::rr::Record;
    use hickory_proto::rr::rdata::{A, CNAME, SRV};
    use http::Response;

    /// An HTTP server that answers every DNS question by a table.
    pub(crate) struct Resolver<F: Fn(&Name, RecordType) -> Message>(pub F);

    impl<F: Fn(&Name, RecordType) -> Message> Http for Resolver<F> {
        async fn send(&self, request: Request<Bytes>, _: usize) -> Result<Response<Bytes>, Error> {
            assert_eq!(request.headers()["content-type"], DNS_MESSAGE);
            let asked = Message::from_vec(request.body()).unwrap();
            assert_eq!(asked.metadata.id, 0);
            let query = asked.queries[0].clone();
            let mut answer = (self.0)(query.name(), query.query_type);
            answer.add_query(query);
            Ok(Response::new(answer.to_vec().unwrap().into()))
        }
    }

    pub(crate) fn answer(records: &[(&str, RData)]) -> Message {
        let mut message = Message::response(0, hickory_proto::op::OpCode::Query);
        for (name, data) in records {
            let name = Name::from_ascii(format!("{name}.")).unwrap();
            message.add_answer(Record::from_rdata(name, 60, data.clone()));
        }
        message
    }

    pub(crate) fn a(text: &str) -> RData {
        RData::A(A(text.parse().unwrap()))
    }

    pub(crate) fn cname(text: &str) -> RData {
        RData::CNAME(CNAME(Name::from_ascii(format!("{text}.")).unwrap()))
    }

    fn ask(kind: RecordType, message: Message) -> Result<Vec<RData>, Error> {
        let resolver = Resolver(move |_: &Name, _| message.clone());
        block_on(query(&resolver, "https://dns.example/q", "mail.example", kind))
    }

    fn reason(result: Result<Vec<RData>, Error>) -> String {
        match result {
            Err(Error::Unresolved { name, reason }) if name == "mail.example" => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn addresses_and_aliases() {
        let two = [("mail.example", a("192.0.2.1")), ("mail.example", a("192.0.2.2"))];
        assert_eq!(ask(RecordType::A, answer(&two)), Ok(vec![two[0].1.clone(), two[1].1.clone()]));
        let chain = [
            ("c.example", a("192.0.2.3")),
            ("Mail.Example", cname("b.example")),
            ("other.example", a("192.0.2.9")),
            ("b.example", cname("c.example")),
        ];
        assert_eq!(ask(RecordType::A, answer(&chain)), Ok(vec![a("192.0.2.3")]));
        assert_eq!(ask(RecordType::AAAA, answer(&chain)), Ok(vec![]));
    }

    #[test]
    fn aliases_in_a_circle_end() {
        let circle = [("mail.example", cname("b.example")), ("b.example", cname("mail.example"))];
        assert_eq!(ask(RecordType::A, answer(&circle)), Ok(vec![]));
    }

    #[test]
    fn other_types() {
        let target = Name::from_ascii("imap.example.").unwrap();
        let srv = RData::SRV(SRV::new(0, 1, 993, target));
        let found = ask(RecordType::SRV, answer(&[("mail.example", srv.clone())]));
        assert_eq!(found, Ok(vec![srv]));
    }

    #[test]
    fn refusals() {
        let mut none = answer(&[]);
        none.metadata.response_code = ResponseCode::NXDomain;
        assert_eq!(reason(ask(RecordType::A, none)), "no such name");
        let mut broken = answer(&[]);
        broken.metadata.response_code = ResponseCode::ServFail;
        assert!(reason(ask(RecordType::A, broken)).starts_with("the resolver answers "));
        let mut cut = answer(&[("mail.example", a("192.0.2.1"))]);
        cut.metadata.truncation = true;
        assert_eq!(reason(ask(RecordType::A, cut)), "the resolver's answer is cut short");
        let mut other = answer(&[]);
        other.metadata.id = 7;
        assert_eq!(reason(ask(RecordType::A, other)), "the resolver answers another question");
    }

    struct Fixed(u16, Vec<u8>);

    impl Http for Fixed {
        async fn send(&self, _: Request<Bytes>, _: usize) -> Result<Response<Bytes>, Error> {
            Ok(Response::builder().status(self.0).body(self.1.clone().into()).unwrap())
        }
    }

    #[test]
    fn garbage() {
        let ask = |status, body: &[u8]| {
            let http = Fixed(status, body.to_vec());
            reason(block_on(query(&http, "https://d/q", "mail.example", RecordType::A)))
        };
        assert_eq!(ask(503, b""), "https://d/q answers HTTP status 503");
        assert!(ask(200, b"<html>").starts_with("https://d/q answers no DNS message"));
        assert!(ask(200, b"").starts_with("https://d/q answers no DNS message"));
        let whole = answer(&[("mail.example", a("192.0.2.1"))]).to_vec().unwrap();
        for cut in 1..whole.len() {
            ask(200, &whole[..cut]);
        }
    }

    #[test]
    fn names_that_dns_cannot_hold() {
        let http = Fixed(200, Vec::new());
        for name in ["a..b", &"x".repeat(64)] {
            let result = block_on(query(&http, "https://d/q", name, RecordType::A));
            assert!(matches!(result, Err(Error::Unresolved { .. })), "{name}");
        }
    }
}
