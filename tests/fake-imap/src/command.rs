//! Octets to commands: lines, literals of all kinds, arguments (RFC 3501 section 9, RFC 7888).

use wire::Bytes;

/// One argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Arg {
    /// Atom, number, sequence set, flag, or fetch item with its brackets.
    Atom(String),
    /// Quoted string or literal.
    Text(Bytes),
    /// Parenthesised list.
    List(Vec<Arg>),
}

impl Arg {
    /// The octets of an atom or string.
    pub(crate) fn octets(&self) -> Option<Vec<u8>> {
        match self {
            Arg::Atom(text) => Some(text.clone().into_bytes()),
            Arg::Text(bytes) => Some(bytes.to_vec()),
            Arg::List(_) => None,
        }
    }

    /// The same as UTF-8.
    pub(crate) fn text(&self) -> Option<String> {
        String::from_utf8(self.octets()?).ok()
    }

    /// An atom in upper case.
    pub(crate) fn word(&self) -> Option<String> {
        match self {
            Arg::Atom(text) => Some(text.to_ascii_uppercase()),
            Arg::Text(_) | Arg::List(_) => None,
        }
    }

    pub(crate) fn list(&self) -> Option<&[Arg]> {
        match self {
            Arg::List(args) => Some(args),
            Arg::Atom(_) | Arg::Text(_) => None,
        }
    }
}

/// A command as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) tag: String,
    /// In upper case; `UID FETCH` and the like are one name.
    pub(crate) name: String,
    pub(crate) args: Vec<Arg>,
}

/// A piece of a command.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Text(Vec<u8>),
    Literal(Bytes),
}

/// How a line ends in a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Announced {
    pub(crate) size: u64,
    /// `{n+}`: the octets follow without being asked for.
    pub(crate) at_once: bool,
    /// Where the announcement begins in the line.
    pub(crate) start: usize,
}

/// The literal announced at the end of a line, `{n}`, `{n+}`, and both with `~` (RFC 3516).
pub(crate) fn announced(line: &[u8]) -> Option<Announced> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|octet| *octet == b'{')?;
    let digits = &inner[open + 1..];
    let (digits, at_once) = match digits.strip_suffix(b"+") {
        Some(digits) => (digits, true),
        None => (digits, false),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let tilde = open > 0 && inner[open - 1] == b'~';
    Some(Announced { size, at_once, start: open - usize::from(tilde) })
}

/// First word of a line: the tag, as far as it can be made out.
pub(crate) fn tag_of(line: &[u8]) -> String {
    let end = line.iter().position(|octet| *octet == b' ').unwrap_or(line.len());
    String::from_utf8_lossy(&line[..end]).into_owned()
}

/// Reads a whole command.
pub(crate) fn parse(pieces: &[Piece]) -> Result<Command, String> {
    let mut reader = Reader { pieces, piece: 0, at: 0 };
    let tag = reader.plain_word()?;
    let bad = |octet: u8| !octet.is_ascii_graphic() || b"+(){%*\"\\".contains(&octet);
    if tag.is_empty() || tag.bytes().any(bad) {
        return Err(format!("bad tag {tag:?}"));
    }
    reader.space()?;
    let mut name = reader.plain_word()?.to_ascii_uppercase();
    if name == "UID" {
        reader.space()?;
        name = format!("UID {}", reader.plain_word()?.to_ascii_uppercase());
    }
    if name.is_empty() {
        return Err("command expected".into());
    }
    let mut args = Vec::new();
    while !reader.done() {
        reader.space()?;
        args.push(reader.arg(0)?);
    }
    Ok(Command { tag, name, args })
}

struct Reader<'a> {
    pieces: &'a [Piece],
    piece: usize,
    at: usize,
}

/// Deeper lists than any command has.
const MAX_DEPTH: usize = 8;

impl Reader<'_> {
    fn rest(&self) -> &[u8] {
        match self.pieces.get(self.piece) {
            Some(Piece::Text(text)) => &text[self.at..],
            Some(Piece::Literal(_)) | None => &[],
        }
    }

    /// Steps from the end of a text to the literal behind it.
    fn turn(&mut self) {
        if let Some(Piece::Text(text)) = self.pieces.get(self.piece)
            && self.at == text.len()
        {
            (self.piece, self.at) = (self.piece + 1, 0);
        }
    }

    fn done(&mut self) -> bool {
        self.turn();
        self.piece >= self.pieces.len()
    }

    fn space(&mut self) -> Result<(), String> {
        match self.rest().first() {
            Some(b' ') => {
                self.at += 1;
                Ok(())
            }
            other => Err(format!("space expected, found {:?}", other.map(|octet| *octet as char))),
        }
    }

    fn plain_word(&mut self) -> Result<String, String> {
        let rest = self.rest();
        let end = rest.iter().position(|octet| *octet == b' ').unwrap_or(rest.len());
        let word = String::from_utf8(rest[..end].to_vec()).map_err(|_| "8-bit word")?;
        self.at += end;
        Ok(word)
    }

    fn arg(&mut self, depth: usize) -> Result<Arg, String> {
        self.turn();
        if let Some(Piece::Literal(bytes)) = self.pieces.get(self.piece) {
            (self.piece, self.at) = (self.piece + 1, 0);
            return Ok(Arg::Text(bytes.clone()));
        }
        match self.rest().first() {
            None => Err("argument expected".into()),
            Some(b'"') => self.quoted(),
            Some(b'(') if depth == MAX_DEPTH => Err("lists too deep".into()),
            Some(b'(') => self.list(depth),
            Some(_) => self.atom(),
        }
    }

    fn quoted(&mut self) -> Result<Arg, String> {
        let mut text = Vec::new();
        let mut octets = self.rest()[1..].iter();
        let mut used = 1;
        loop {
            used += 1;
            match octets.next() {
                None => return Err("quoted string without end".into()),
                Some(b'"') => break,
                Some(b'\\') => {
                    used += 1;
                    match octets.next() {
                        Some(octet @ (b'"' | b'\\')) => text.push(*octet),
                        _ => return Err("bad escape in a quoted string".into()),
                    }
                }
                Some(0 | b'\r' | b'\n') => return Err("bad octet in a quoted string".into()),
                Some(octet) => text.push(*octet),
            }
        }
        self.at += used;
        Ok(Arg::Text(text.into()))
    }

    fn list(&mut self, depth: usize) -> Result<Arg, String> {
        self.at += 1;
        let mut args = Vec::new();
        loop {
            if self.rest().first() == Some(&b')') {
                self.at += 1;
                return Ok(Arg::List(args));
            }
            if !args.is_empty() {
                self.space()?;
            }
            args.push(self.arg(depth + 1)?);
        }
    }

    /// An atom; brackets take everything up to their end (`BODY[HEADER.FIELDS (DATE)]`).
    fn atom(&mut self) -> Result<Arg, String> {
        let mut brackets = false;
        let mut end = 0;
        for octet in self.rest() {
            match octet {
                b'[' => brackets = true,
                b']' => brackets = false,
                b' ' | b'(' | b')' if !brackets => break,
                b'"' | b'{' if !brackets => return Err("bad octet in an atom".into()),
                0..=0x1f | 0x7f.. => return Err("bad octet in an atom".into()),
                _ => {}
            }
            end += 1;
        }
        if end == 0 || brackets {
            return Err("argument expected".into());
        }
        let text = String::from_utf8(self.rest()[..end].to_vec()).map_err(|_| "8-bit atom")?;
        self.at += end;
        Ok(Arg::Atom(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Result<Command, String> {
        parse(&[Piece::Text(text.as_bytes().to_vec())])
    }

    #[test]
    fn reads_arguments() {
        let atom = |text: &str| Arg::Atom(text.into());
        let got = line(r#"a1 uid fetch 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (DATE)]<0.9>)"#).unwrap();
        assert_eq!((got.tag.as_str(), got.name.as_str()), ("a1", "UID FETCH"));
        let items = vec![atom("FLAGS"), atom("BODY.PEEK[HEADER.FIELDS (DATE)]<0.9>")];
        assert_eq!(got.args, [atom("1:*"), Arg::List(items)]);
        let got = line(r#"a LOGIN "a \"b\" \\c" x"#).unwrap();
        assert_eq!(got.args, [Arg::Text(r#"a "b" \c"#.into()), atom("x")]);
        assert!(line("a  NOOP").is_err());
        assert!(line("a LOGIN x\" y").is_err());
        assert!(line("a LIST (").is_err());
    }

    #[test]
    fn reads_literals() {
        let pieces = [
            Piece::Text(b"a APPEND x () ".to_vec()),
            Piece::Literal("hello".into()),
            Piece::Text(b" ".to_vec()),
            Piece::Literal("you".into()),
            Piece::Text(Vec::new()),
        ];
        let got = parse(&pieces).unwrap();
        let [Arg::Atom(_), Arg::List(_), Arg::Text(one), Arg::Text(two)] = got.args.as_slice()
        else {
            panic!("{got:?}");
        };
        assert_eq!((&one[..], &two[..]), (&b"hello"[..], &b"you"[..]));
        let at = |size, at_once, start| Some(Announced { size, at_once, start });
        assert_eq!(announced(b"a {12}"), at(12, false, 2));
        assert_eq!(announced(b"a ~{12+}"), at(12, true, 2));
        assert_eq!(announced(b"a {-1}"), None);
    }
}
