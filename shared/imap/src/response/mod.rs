//! From bytes to values: the grammar of RFC 9051 section 9, read leniently.

mod cursor;

pub(crate) use cursor::Cursor;
