//! What this version can move, and between what.

use model::{Item, ServerType};

/// Types of server that can be a source.
pub const SOURCES: &[ServerType] = &[ServerType::Ovh, ServerType::Imap, ServerType::Pop];
/// Types of server that can be a destination.
pub const DESTINATIONS: &[ServerType] = &[ServerType::Ovh, ServerType::Imap];
/// Types whose server is found from the address where none is named.
pub const FOUND: &[ServerType] = &[ServerType::Ovh, ServerType::Imap, ServerType::Pop];
/// Items that some pair of these carries.
pub const ITEMS: &[Item] = &[Item::Mail];

/// How a server of this type is spoken to: what is found from the address is IMAP.
fn spoken(server_type: ServerType) -> ServerType {
    match server_type {
        ServerType::Ovh => ServerType::Imap,
        other => other,
    }
}

/// What the pair carries; nothing where one of the two is not there yet.
pub fn carried(source: ServerType, destination: ServerType) -> &'static [Item] {
    match (spoken(source), spoken(destination)) {
        (ServerType::Imap | ServerType::Pop, ServerType::Imap) => &[Item::Mail],
        _ => &[],
    }
}
