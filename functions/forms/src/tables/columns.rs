//! The columns of an import, under the names that the commercial original gave them.

use ::tables::TableRow;

macro_rules! columns {
    ($($variant:ident $name:literal $($alias:literal)*;)*) => {
        /// A column of an import.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Column {
            $(#[doc = $name] $variant,)*
        }

        impl Column {
            /// Every column; the template has all but the last.
            pub const ALL: &[Column] = &[$(Column::$variant,)*];

            /// Its name in the header.
            pub fn name(self) -> &'static str {
                match self { $(Column::$variant => $name,)* }
            }

            fn aliases(self) -> &'static [&'static str] {
                match self { $(Column::$variant => &[$($alias),*],)* }
            }
        }
    };
}

columns! {
    SourceType "Source Type(IMAP/Exchange/POP)" "Source Type";
    SourceUrl "Source Server url" "Source Url" "Source Server" "Source Host";
    SourceLogin "Source Login/Mail" "Source Login" "Source Mail" "Source Email";
    SourcePassword "Source Password";
    DestinationType "Destination Type" "Destination Type(IMAP/Exchange)";
    DestinationUrl "Destination Url(can be leaved empty if hosted by OVH)" "Destination Url" "Destination Server url" "Destination Server" "Destination Host";
    DestinationLogin "Destination Mail" "Destination Login/Mail" "Destination Login" "Destination Email";
    DestinationPassword "Destination Password";
    SourceDelegate "Source admin mail (delegation)" "Source Admin Mail" "Source Admin";
    DestinationDelegate "Destination Admin Mail (delegation)" "Destination Admin Mail" "Destination Admin";
    Group "Group" "Wave";
}

impl Column {
    /// What no import can do without; a server that is not named is looked for.
    pub const NEEDED: &[Column] = &[
        Column::SourceLogin,
        Column::SourcePassword,
        Column::DestinationLogin,
        Column::DestinationPassword,
    ];

    /// The column of that name; case, blanks, quotation marks, hyphens and underscores do not
    /// matter.
    pub fn named(name: &str) -> Option<Column> {
        let wanted = bare(name);
        let is = |known: &&str| bare(known) == wanted;
        Column::ALL
            .iter()
            .copied()
            .find(|column| is(&column.name()) || column.aliases().iter().any(is))
    }
}

/// What is compared of a name.
pub(super) fn bare(name: &str) -> String {
    let meant = name.chars().filter(|c| !c.is_whitespace() && !"\"'’“”-_".contains(*c));
    meant.flat_map(char::to_lowercase).collect()
}

/// A header that is understood: where each column stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header(Vec<(usize, Column)>);

/// What is wrong with a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// No column has a name that is known: this is no header at all.
    NoHeader,
    /// The columns that are missing, those that are not known, and those that are there twice.
    Columns {
        /// Of those that are needed.
        missing: Vec<Column>,
        /// As they are written.
        unknown: Vec<String>,
        /// Under whatever names.
        repeated: Vec<Column>,
    },
}

impl Header {
    /// Reads the first row.
    pub fn of(row: &TableRow) -> Result<Header, Wrong> {
        let mut columns: Vec<(usize, Column)> = Vec::new();
        let (mut unknown, mut repeated) = (Vec::new(), Vec::new());
        for (at, name) in row.cells.iter().enumerate().filter(|(_, it)| !it.trim().is_empty()) {
            match Column::named(name) {
                Some(column) if columns.iter().any(|(_, it)| *it == column) => {
                    repeated.push(column);
                }
                Some(column) => columns.push((at, column)),
                // A name may be anything, so a long one is cut.
                None => unknown.push(name.trim().chars().take(60).collect()),
            }
        }
        let has = |column: &Column| columns.iter().any(|(_, it)| it == column);
        let missing: Vec<_> = Column::NEEDED.iter().copied().filter(|it| !has(it)).collect();
        if columns.is_empty() {
            Err(Wrong::NoHeader)
        } else if missing.is_empty() && unknown.is_empty() && repeated.is_empty() {
            Ok(Header(columns))
        } else {
            Err(Wrong::Columns { missing, unknown, repeated })
        }
    }

    /// The column at a place from 0.
    pub fn at(&self, place: usize) -> Option<Column> {
        self.0.iter().find(|(at, _)| *at == place).map(|(_, column)| *column)
    }

    /// Where a column stands, from 0.
    pub fn place(&self, column: Column) -> Option<usize> {
        self.0.iter().find(|(_, it)| *it == column).map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_matched_as_people_write_them() {
        for (name, column) in [
            ("\"Source Type(IMAP/Exchange/POP)\"", Some(Column::SourceType)),
            (" SOURCE_TYPE ", Some(Column::SourceType)),
            ("destination url(CAN be leaved empty if hosted by ovh)", Some(Column::DestinationUrl)),
            ("source e-mail", Some(Column::SourceLogin)),
            ("group", Some(Column::Group)),
            ("Sorce Type", None),
            ("", None),
        ] {
            assert_eq!(Column::named(name), column, "{name}");
        }
        for column in Column::ALL {
            assert_eq!(Column::named(column.name()), Some(*column));
            for alias in column.aliases() {
                assert_eq!(Column::named(alias), Some(*column), "{alias}");
            }
        }
    }

    #[test]
    fn a_wrong_header_is_told_whole() {
        let read = |cells: &[&str]| {
            Header::of(&TableRow { line: 1, cells: cells.iter().map(|it| (*it).into()).collect() })
        };
        assert_eq!(read(&["a@example.org", "secret"]), Err(Wrong::NoHeader));
        let needed: Vec<_> = Column::NEEDED.iter().map(|it| it.name()).collect();
        let header = read(&[&needed[..], &["", "Wave"]].concat()).unwrap();
        assert_eq!(header.place(Column::Group), Some(5));
        assert_eq!((header.at(1), header.at(4)), (Some(Column::SourcePassword), None));
        assert_eq!(
            read(&["Source Login", "source mail", "Notes", "Destination Mail"]),
            Err(Wrong::Columns {
                missing: vec![Column::SourcePassword, Column::DestinationPassword],
                unknown: vec!["Notes".into()],
                repeated: vec![Column::SourceLogin],
            })
        );
    }
}
