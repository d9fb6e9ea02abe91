//! A place in the bytes of one response, and the tokens that can be read there.
//!
//! A response is gathered before it is read, with its literals in place (`{5}` CRLF and five
//! octets), so that every token is a slice and reading needs no input and output.

use std::borrow::Cow;

/// The bytes at the cursor are not what the grammar asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// A place in the bytes of one response.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Cursor { rest: bytes }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(crate) fn skip(&mut self, n: usize) {
        self.rest = self.rest.get(n..).unwrap_or_default();
    }

    /// Takes the byte if it is next.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), Malformed> {
        self.eat(byte).then_some(()).ok_or(Malformed(what))
    }

    /// Takes any number of spaces: the grammar allows one, Exchange and others send more or none.
    pub(crate) fn spaces(&mut self) {
        while self.eat(b' ') {}
    }

    fn take_while(&mut self, keep: impl Fn(u8) -> bool) -> &'a [u8] {
        let n = self.rest.iter().position(|byte| !keep(*byte)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at_checked(n).unwrap_or((self.rest, &[]));
        self.rest = rest;
        token
    }

    /// `atom`, taken widely: up to a space, parenthesis, quote or line end. Empty where none is.
    pub(crate) fn atom(&mut self) -> &'a [u8] {
        self.take_while(|byte| !matches!(byte, b' ' | b'(' | b')' | b'"' | b'{' | b'\r' | b'\n'))
    }

    /// `flag`: as [`Cursor::atom`], but quotes and braces may be part of real keywords.
    pub(crate) fn flag(&mut self) -> &'a [u8] {
        self.take_while(|byte| !matches!(byte, b' ' | b'(' | b')' | b'\r' | b'\n'))
    }

    /// The name of a fetch item: up to a space, parenthesis or bracket.
    pub(crate) fn item_name(&mut self) -> &'a [u8] {
        self.take_while(|byte| {
            !matches!(byte, b' ' | b'(' | b')' | b'[' | b'"' | b'{' | b'\r' | b'\n')
        })
    }

    /// `number64`.
    pub(crate) fn number64(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        let mut any = false;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            let next = value.checked_mul(10).and_then(|v| v.checked_add(u64::from(digit - b'0')));
            value = next.ok_or(Malformed("a number out of range"))?;
            any = true;
            self.skip(1);
        }
        if any { Ok(value) } else { Err(Malformed("a number was expected")) }
    }

    /// `number`.
    pub(crate) fn number32(&mut self) -> Result<u32, Malformed> {
        u32::try_from(self.number64()?).map_err(|_| Malformed("a number out of range"))
    }

    /// Whether a `string` is next: quoted or literal.
    pub(crate) fn at_string(&self) -> bool {
        matches!(self.peek(), Some(b'"' | b'{')) || self.rest.starts_with(b"~{")
    }

    /// `string = quoted / literal`; copied only where a quoted string has escapes.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, [u8]>, Malformed> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            _ => self.literal().map(Cow::Borrowed),
        }
    }

    fn quoted(&mut self) -> Result<Cow<'a, [u8]>, Malformed> {
        const OPEN: Malformed = Malformed("a quoted string without end");
        self.expect(b'"', "a string was expected")?;
        let end = memchr::memchr2(b'"', b'\\', self.rest).ok_or(OPEN)?;
        let plain = self.rest.get(..end).unwrap_or_default();
        self.skip(end);
        if self.eat(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut owned = plain.to_vec();
        loop {
            let (byte, rest) = self.rest.split_first().ok_or(OPEN)?;
            self.rest = rest;
            match byte {
                b'"' => return Ok(Cow::Owned(owned)),
                b'\\' => {
                    let (escaped, rest) = self.rest.split_first().ok_or(OPEN)?;
                    self.rest = rest;
                    owned.push(*escaped);
                }
                plain => owned.push(*plain),
            }
        }
    }

    /// `literal = "{" number64 ["+"] "}" CRLF *CHAR8`, and `literal8` with its `~`.
    fn literal(&mut self) -> Result<&'a [u8], Malformed> {
        self.eat(b'~');
        self.expect(b'{', "a string was expected")?;
        let size = self.number64()?;
        self.eat(b'+');
        self.expect(b'}', "a literal without closing brace")?;
        self.eat(b'\r');
        self.expect(b'\n', "a literal without line end")?;
        let size = usize::try_from(size).map_err(|_| Malformed("a literal out of range"))?;
        let (octets, rest) =
            self.rest.split_at_checked(size).ok_or(Malformed("a literal cut short"))?;
        self.rest = rest;
        Ok(octets)
    }

    /// `nstring`: `None` for `NIL`.
    pub(crate) fn nstring(&mut self) -> Result<Option<Cow<'a, [u8]>>, Malformed> {
        if self.at_string() {
            return self.string().map(Some);
        }
        match self.atom() {
            atom if atom.eq_ignore_ascii_case(b"NIL") => Ok(None),
            b"" => Err(Malformed("a string was expected")),
            // Observed in several servers: a word without quotes where a string belongs.
            atom => Ok(Some(Cow::Borrowed(atom))),
        }
    }

    /// `astring`: an atom, which may hold `]`, or a string.
    pub(crate) fn astring(&mut self) -> Result<Cow<'a, [u8]>, Malformed> {
        if self.at_string() {
            return self.string();
        }
        match self.atom() {
            b"" => Err(Malformed("a word was expected")),
            atom => Ok(Cow::Borrowed(atom)),
        }
    }

    /// Skips one value of any shape: atom, string, or list with everything in it. Nesting is
    /// counted, not recursed into, so depth costs nothing.
    pub(crate) fn skip_value(&mut self) -> Result<(), Malformed> {
        let mut depth = 0u32;
        loop {
            self.spaces();
            if self.eat(b'(') {
                depth = depth.saturating_add(1);
            } else if depth > 0 && self.eat(b')') {
                depth -= 1;
            } else if self.at_string() {
                self.string()?;
            } else if self.atom().is_empty() {
                return Err(Malformed("a value was expected"));
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// Skips `[...]` after an item's name, header lists and quoted field names included.
    pub(crate) fn section(&mut self) -> Result<&'a [u8], Malformed> {
        let whole = self.rest;
        if !self.eat(b'[') {
            return Ok(&[]);
        }
        loop {
            match self.peek() {
                None => return Err(Malformed("a section without end")),
                Some(b']') => break,
                Some(_) if self.at_string() => drop(self.string()?),
                Some(_) => self.skip(1),
            }
        }
        let inner = whole.get(1..whole.len() - self.rest.len()).unwrap_or_default();
        self.skip(1);
        Ok(inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> Result<Vec<u8>, Malformed> {
        Cursor::new(text.as_bytes()).string().map(Cow::into_owned)
    }

    #[test]
    fn strings() {
        assert_eq!(string(r#""a b" x"#).as_deref(), Ok(&b"a b"[..]));
        assert_eq!(string(r#""a\"b\\" x"#).as_deref(), Ok(&br#"a"b\"#[..]));
        assert_eq!(string("{5}\r\na\"b\r\n) x").as_deref(), Ok(&b"a\"b\r\n"[..]));
        assert_eq!(string("~{3+}\r\na\0c").as_deref(), Ok(&b"a\0c"[..]));
        for bad in [
            "\"a",
            "\"a\\",
            "{5}\r\nabc",
            "{5}abcde",
            "{-1}\r\n",
            "{99999999999999999999}\r\n",
            "x",
            "",
        ] {
            assert!(string(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn skips_values_of_any_depth() {
        for (text, rest) in [
            ("x y", " y"),
            ("NIL)", ")"),
            ("(a (b \")\" {2}\r\n)) c) ) d", " d"),
            ("\"a b\") x", ") x"),
            ("() x", " x"),
        ] {
            let mut cursor = Cursor::new(text.as_bytes());
            assert_eq!(cursor.skip_value(), Ok(()), "{text}");
            assert_eq!(cursor.rest(), rest.as_bytes(), "{text}");
        }
        let deep = "(".repeat(1_000_000);
        assert!(Cursor::new(deep.as_bytes()).skip_value().is_err());
        assert!(Cursor::new(b")").skip_value().is_err());
    }

    #[test]
    fn sections() {
        let mut cursor = Cursor::new(b"[HEADER.FIELDS (\"A]B\" C)] {1}");
        assert_eq!(cursor.section(), Ok(&b"HEADER.FIELDS (\"A]B\" C)"[..]));
        assert_eq!(cursor.rest(), b" {1}");
        assert!(Cursor::new(b"[TEXT").section().is_err());
    }

    #[test]
    fn numbers() {
        assert_eq!(Cursor::new(b"4294967295)").number32(), Ok(u32::MAX));
        assert!(Cursor::new(b"4294967296").number32().is_err());
        assert!(Cursor::new(b"-1").number64().is_err());
        assert_eq!(Cursor::new(b"18446744073709551615").number64(), Ok(u64::MAX));
        assert!(Cursor::new(b"18446744073709551616").number64().is_err());
    }
}
