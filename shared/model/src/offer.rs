//! What this version can move, and between what. This is the one place that says it: the form, the API, the
//! tables and the pages refuse with the sentences of here.
//!
//! A new protocol is a line in [`readable`] or [`writable`], and its type in [`SOURCES`] or [`DESTINATIONS`].

use crate::{Item, ServerType};

/// Types of server that can be a source.
pub const SOURCES: &[ServerType] = &[ServerType::Ovh, ServerType::Imap, ServerType::Pop];
/// Types of server that can be a destination.
pub const DESTINATIONS: &[ServerType] = &[ServerType::Ovh, ServerType::Imap];
/// Types whose server is found from the address where none is named.
pub const FOUND: &[ServerType] = &[ServerType::Ovh, ServerType::Imap, ServerType::Pop];
/// Items that some pair of these carries.
pub const ITEMS: &[Item] = &[Item::Mail];

/// An item, and why a pair does not carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offered {
    /// What.
    pub item: Item,
    /// `None` where it is carried.
    pub lack: Option<Lack>,
}

/// Which side an item is not carried for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// It cannot be read from the source.
    Source,
    /// It can be read there, but not be put into the destination.
    Destination,
}

/// What can be read from a source of this type. What is found from the address is spoken to over IMAP.
fn readable(server_type: ServerType) -> &'static [Item] {
    match server_type {
        ServerType::Ovh | ServerType::Imap | ServerType::Pop => &[Item::Mail],
        ServerType::Exchange
        | ServerType::Zimbra
        | ServerType::Pst
        | ServerType::Ics
        | ServerType::Vcf => &[],
    }
}

/// What can be put into a destination of this type.
fn writable(server_type: ServerType) -> &'static [Item] {
    match server_type {
        ServerType::Ovh | ServerType::Imap => &[Item::Mail],
        ServerType::Pop
        | ServerType::Exchange
        | ServerType::Zimbra
        | ServerType::Pst
        | ServerType::Ics
        | ServerType::Vcf => &[],
    }
}

/// Every item, and whether the pair carries it.
pub fn offer(source: ServerType, destination: ServerType) -> [Offered; Item::ALL.len()] {
    Item::ALL.map(|item| {
        let lack = if !readable(source).contains(&item) {
            Some(Lack::Source)
        } else if !writable(destination).contains(&item) {
            Some(Lack::Destination)
        } else {
            None
        };
        Offered { item, lack }
    })
}

/// What the pair carries, in the order of [`Item::ALL`].
pub fn carried(source: ServerType, destination: ServerType) -> Vec<Item> {
    let carried = offer(source, destination).into_iter().filter(|it| it.lack.is_none());
    carried.map(|it| it.item).collect()
}

impl Lack {
    /// Why the pair does not carry an item, in a sentence for its owner.
    pub fn sentence(self, item: Item, source: ServerType, destination: ServerType) -> String {
        let (server_type, known, done) = match self {
            Lack::Source => (source, readable(source), "is read from a source"),
            Lack::Destination => (destination, writable(destination), "is put into a destination"),
        };
        let names: Vec<&str> = known.iter().map(|item| item.name()).collect();
        let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        let (item, server_type) = (item.name(), server_type.name());
        format!(
            "Between these two servers {item} cannot be moved: only {names} {done} of type \
             {server_type} by this version."
        )
        .replace("only nothing", "nothing")
    }
}

/// Why a server of this type cannot be a source; `None` where it can.
pub fn no_source(server_type: ServerType) -> Option<String> {
    (!SOURCES.contains(&server_type)).then(|| not_there(server_type))
}

/// Why a server of this type cannot be a destination; `None` where it can.
pub fn no_destination(server_type: ServerType) -> Option<String> {
    match server_type {
        ServerType::Pop => {
            Some("A POP server can only be a source: nothing can be put into it.".to_owned())
        }
        other => (!DESTINATIONS.contains(&other)).then(|| not_there(other)),
    }
}

fn not_there(server_type: ServerType) -> String {
    format!("This installation cannot use {} there.", server_type.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lists, the pairs and the sentences say the same.
    #[test]
    fn lists_and_pairs_agree() {
        let mut some = Vec::new();
        for source in ServerType::ALL {
            assert_eq!(SOURCES.contains(&source), !readable(source).is_empty(), "{source:?}");
            assert_eq!(SOURCES.contains(&source), no_source(source).is_none());
            assert_eq!(DESTINATIONS.contains(&source), !writable(source).is_empty(), "{source:?}");
            assert_eq!(DESTINATIONS.contains(&source), no_destination(source).is_none());
            for destination in ServerType::ALL {
                some.extend(carried(source, destination));
                for Offered { item, lack } in offer(source, destination) {
                    let both =
                        readable(source).contains(&item) && writable(destination).contains(&item);
                    assert_eq!(lack.is_none(), both, "{source:?} {destination:?} {item:?}");
                }
            }
        }
        some.sort();
        some.dedup();
        assert_eq!(some, ITEMS);
    }

    #[test]
    fn a_lack_is_told_with_the_side_that_has_it() {
        let (imap, pop, pst) = (ServerType::Imap, ServerType::Pop, ServerType::Pst);
        let lack = |from, to, item| {
            offer(from, to).into_iter().find(|it| it.item == item).and_then(|it| it.lack)
        };
        assert_eq!(lack(imap, imap, Item::Mail), None);
        assert_eq!(lack(imap, pop, Item::Mail), Some(Lack::Destination));
        assert_eq!(lack(pop, imap, Item::Tasks), Some(Lack::Source));
        assert_eq!(
            Lack::Source.sentence(Item::Tasks, pop, imap),
            "Between these two servers tasks cannot be moved: only mail is read from a source of type \
             pop by this version."
        );
        assert_eq!(
            Lack::Destination.sentence(Item::Mail, imap, pst),
            "Between these two servers mail cannot be moved: nothing is put into a destination of type \
             pst by this version."
        );
    }
}
