//! What an import takes, and everything it tells.

use super::*;

const HEADER: &str = "\"Source Type(IMAP/Exchange/POP)\";Source Server url;Source Login/Mail;Source Password;Destination Type;\"Destination Url(can be leaved empty if hosted by OVH)\";Destination Mail;Destination Password;Source admin mail (delegation);Destination Admin Mail (delegation)";

fn side(kind: Option<ServerType>, url: &str, login: &str, password: &str) -> Side {
    let password = Secret::new(password.into());
    Side { server_type: kind, url: url.into(), login: login.into(), password, delegate: None }
}

fn all(file: &[u8]) -> Vec<Draft> {
    let listed = read_drafts(file).unwrap();
    assert_eq!((listed.errors, listed.total), (Vec::new(), 0));
    listed.drafts
}

fn taken(rows: &str) -> Vec<Draft> {
    all(format!("{HEADER}\r\n{rows}").as_bytes())
}

fn faults(file: &str) -> Vec<(u32, String, Fault)> {
    let listed = read_drafts(file.as_bytes()).unwrap();
    assert_eq!(listed.errors.len(), listed.total.min(ERRORS_MAX));
    let errors = listed.errors.into_iter();
    errors.map(|error| (error.line, error.column, error.fault)).collect()
}

#[test]
fn the_originals_own_example() {
    let row = "IMAP;myimap.server.com;mywonderfulmail@myserver.com;My_password;Exchange;https://ex3.mail.ovh.net/ews/exchange.asmx;mygreatmailaddress@mydomain.ovh;My_password2;\"\";\"\"\r\n";
    let imap = Some(ServerType::Imap);
    let exchange = Some(ServerType::Exchange);
    let (from, to) = ("imaps://myimap.server.com", "https://ex3.mail.ovh.net/ews/exchange.asmx");
    let source = side(imap, from, "mywonderfulmail@myserver.com", "My_password");
    let destination = side(exchange, to, "mygreatmailaddress@mydomain.ovh", "My_password2");
    assert_eq!(taken(row), [Draft { line: 2, source, destination, group: None }]);
}

#[test]
fn columns_in_any_order_and_groups() {
    let file = "Group,destination password,DESTINATION MAIL,Source Password,Source Mail,Source Admin\n\
                \" wave 1 \",\" q;\"\",\t'=\ny \",b@y.example, p ,a@x.example,\"root@x.example\"\n\n\
                ,q,c@y.example,p,c@x.example,\n";
    let drafts = all(file.as_bytes());
    let mut source = side(None, "", "a@x.example", " p ");
    source.delegate = Some("root@x.example".into());
    let destination = side(None, "", "b@y.example", " q;\",\t'=\ny ");
    let group = Some("wave 1".to_owned());
    assert_eq!(drafts[0], Draft { line: 2, source, destination, group });
    assert_eq!((drafts[1].line, drafts[1].group.clone()), (5, None));
}

#[test]
fn servers_and_types() {
    use ServerType::*;
    for (kind, server, expected, url) in [
        ("IMAP", "imap.x.example", Some(Imap), "imaps://imap.x.example"),
        ("imap", "imap.x.example:143", Some(Imap), "imap://imap.x.example:143"),
        ("Imap", "IMAPS://x.example:993", Some(Imap), "IMAPS://x.example:993"),
        ("IMAP", "", Some(Imap), ""),
        ("POP3", "x.example", Some(Pop), "pops://x.example"),
        ("POP", "x.example:110", Some(Pop), "pop://x.example:110"),
        ("Exchange", "ex3.mail.ovh.net", Some(Exchange), "https://ex3.mail.ovh.net"),
        ("Zimbra", "", Some(Zimbra), ""),
        ("Hosted by OVH (Autodetect)", "", Some(Ovh), ""),
        ("OVH", "", Some(Ovh), ""),
        ("OVH", "ssl0.ovh.net", Some(Imap), "imaps://ssl0.ovh.net"),
        ("", "", None, ""),
        ("", "x.example", Some(Imap), "imaps://x.example"),
        ("", "pops://x.example", Some(Pop), "pops://x.example"),
        (
            "",
            "https://x.example/EWS/Exchange.asmx",
            Some(Exchange),
            "https://x.example/EWS/Exchange.asmx",
        ),
    ] {
        let drafts = taken(&format!("{kind};{server};a@x.example;p;;;b@y.example;q;;\r\n"));
        let source = &drafts[0].source;
        assert_eq!((source.server_type, source.url.as_str()), (expected, url), "{kind} {server}");
    }
}

#[test]
fn everything_that_is_wrong_is_told() {
    let file = format!(
        "{HEADER}\n\
         IMAP;x.example;;p;IMAP;y.example;b@y.example;;;\n\
         Lotus;x.example;a@x.example;p;PST;y.example;b@y.example;q;;\n\
         IMAP;x.example;a@x.example;p;q;IMAP;y.example;b@y.example;q;;surplus\n\
         ; ;;;;\n\
         IMAP;x.example;c@x.example;p;IMAP;y.example;c@y.example;q;;\n\
         imap;X.example;C@x.example;other;imap;Y.example;C@y.example;other;;\n\
         IMAP;x.example;d@x.example;p;IMAP;y.example;c@Y.example;q;;\n"
    );
    let login = Column::SourceLogin.name().to_owned();
    let (from, to) = (Column::SourceType.name().to_owned(), "Destination Type".to_owned());
    let (mail, password) = ("Destination Mail".to_owned(), "Destination Password".to_owned());
    let expected = vec![
        (2, login, Fault::Required),
        (2, password, Fault::Required),
        (3, from, Fault::UnknownType),
        (3, to.clone(), Fault::UnknownType),
        (4, to, Fault::UnknownType),
        (4, String::new(), Fault::ExtraCell),
        (7, mail.clone(), Fault::Repeated),
        (8, mail, Fault::Repeated),
    ];
    assert_eq!(faults(&file), expected);
    let Listed { errors, drafts, .. } = read_drafts(file.as_bytes()).unwrap();
    assert_eq!(drafts.iter().map(|draft| draft.line).collect::<Vec<_>>(), [6, 7, 8]);
    assert_eq!(errors[6].detail, "Lines 6 and 7 are the same migration.");
    assert!(errors[7].detail.starts_with("Lines 6 and 8 have the same destination"));
}

#[test]
fn headers_that_are_none() {
    let missing = faults("a@x.example;secret;b@y.example;secret\n");
    let names: Vec<_> = missing.iter().map(|(line, name, _)| (*line, name.as_str())).collect();
    let needed = Column::NEEDED.iter().map(|column| (1, column.name()));
    assert_eq!(names, needed.collect::<Vec<_>>());
    let expected = vec![(1, "Notes".to_owned(), Fault::UnknownColumn)];
    assert_eq!(faults(&format!("{HEADER};Notes\n;;a;p;;;b;q;;;x\n")), expected);
    assert_eq!(faults(HEADER), [(1, String::new(), Fault::NoRows)]);
    assert_eq!(read_drafts(b" ;; \n"), Err(Unreadable::Empty));
}

#[test]
fn five_thousand_rows_and_a_thousand_errors() {
    let row =
        |n: usize| format!("IMAP;x.example;a{n}@x.example;p;IMAP;y.example;b{n}@y.example;q;;\n");
    let rows = |count: usize| (0..count).map(row).collect::<String>();
    assert_eq!(taken(&rows(5_000)).len(), 5_000);
    let file = format!("{HEADER}\n{}", rows(5_001));
    assert_eq!(read_drafts(file.as_bytes()), Err(Unreadable::TooManyRows));
    let empty = format!("{HEADER}\n{}", "x;;;;;;;;;\n".repeat(3_000));
    let Listed { errors, total, .. } = read_drafts(empty.as_bytes()).unwrap();
    assert_eq!((errors.len(), total), (ERRORS_MAX, 5 * 3_000));
}

#[test]
fn no_error_has_a_password_in_it() {
    let file = format!(
        "{HEADER}\nX;x;a;hunter2;Y;y;b;hunter3;;\nIMAP;x;a;hunter2;IMAP;y;b;hunter3;;\nIMAP;x;a;hunter2;IMAP;y;b;hunter3;;\n"
    );
    let refused = format!("{:?}", read_drafts(file.as_bytes()).unwrap());
    assert!(!refused.contains("hunter"), "{refused}");
}
