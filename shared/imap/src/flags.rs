//! Reads flags and keywords off the line (RFC 9051 section 9, `flag-list`).

use mailbox::{Flags, PermanentFlags};

use crate::cursor::Cursor;

/// Reads `flag-list` with its parentheses, leniently: what is no flag is left out.
pub(crate) fn read(cursor: &mut Cursor<'_>) -> Flags {
    let mut flags = Flags::new();
    cursor.spaces();
    if !cursor.eat(b'(') {
        return flags;
    }
    loop {
        cursor.spaces();
        if cursor.eat(b')') || cursor.at_end() {
            return flags;
        }
        match cursor.flag() {
            b"" => cursor.skip(1),
            name => flags.insert_bytes(name),
        }
    }
}

/// Reads what `PERMANENTFLAGS` lists; `\*` says that keywords of one's own are kept.
pub(crate) fn read_permanent(list: &[u8]) -> PermanentFlags {
    let mut flags = read(&mut Cursor::new(list));
    let any_keyword = flags.has_keyword("\\*");
    flags.retain_keywords(|keyword| keyword != "\\*");
    PermanentFlags { flags, any_keyword }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailbox::SystemFlag;

    fn read_text(text: &str) -> Flags {
        read(&mut Cursor::new(text.as_bytes()))
    }

    #[test]
    fn reads_what_servers_write() {
        let flags = read_text(r"(\Flagged \Seen \Recent $Forwarded MyKeyword $forwarded)");
        assert!(flags.has(SystemFlag::Flagged) && flags.has_keyword("mykeyword"));
        assert_eq!(flags.to_string(), r"\Seen \Flagged $Forwarded MyKeyword");
        assert!(
            read_text("()").is_empty() && read_text("").is_empty() && read_text("(").is_empty()
        );
        // Exchange and old servers leave odd spaces; brackets and stars occur in real keywords.
        let odd = read_text(r"(  \seen  a]b * )");
        assert_eq!(odd.names().collect::<Vec<_>>(), [r"\Seen", "a]b", "*"]);
    }

    #[test]
    fn a_star_stands_for_any_keyword() {
        let none = read_permanent(br"(\Seen \Flagged)");
        assert!(!none.any_keyword && none.flags.has(SystemFlag::Flagged));
        let any = read_permanent(br"(\Seen \Draft \*)");
        assert!(any.any_keyword && any.flags.names().all(|name| name != r"\*"));
    }
}
