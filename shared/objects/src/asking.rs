//! Asks a service, and asks again where it leaves something out.

use std::collections::BTreeMap;

use services::objects::{
    Listed, Listing, OBJECT_MAX_OCTETS, Objects, Part, Place, READ_MAX_OCTETS, Read,
};
use services::{Lack, Reason, Rejection, Trouble};

use crate::record::Print;

/// How often one object is asked for that is not answered.
const TRIES_MAX: u32 = 3;
/// Objects that are read at once.
pub(crate) const AT_ONCE: usize = 32;
/// Objects of one collection; parts of a listing, too, so that there is an end to empty ones.
const OBJECTS_MAX: usize = 1_000_000;

/// Reads the first of these objects, as many as are held at a time; at least one.
pub(crate) async fn read<S: Objects>(
    service: &mut S,
    place: &Place,
    names: &[String],
) -> Result<Vec<Read>, Trouble> {
    let mut found: BTreeMap<String, Read> = BTreeMap::new();
    let (mut octets, mut in_vain) = (0, 0);
    loop {
        let mut missing: Vec<String> =
            names.iter().filter(|name| !found.contains_key(*name)).cloned().collect();
        let first_is_there = names.first().is_none_or(|name| found.contains_key(name));
        if missing.is_empty() || (octets >= READ_MAX_OCTETS && first_is_there) {
            break;
        }
        if in_vain > 0 || octets >= READ_MAX_OCTETS {
            missing.truncate(1);
        }
        let before = found.len();
        for (name, answer) in service.read(place, &missing).await? {
            if missing.contains(&name) && !found.contains_key(&name) {
                octets += octets_of(&answer);
                found.insert(name, bounded(answer));
            }
        }
        in_vain = if found.len() > before { 0 } else { in_vain + 1 };
        if in_vain >= TRIES_MAX
            && let Some(name) = missing.pop()
        {
            let words = "it is listed, and no answer comes when it is asked for".to_owned();
            let unanswered = Rejection { reason: Reason::Other, wait_s: None, words };
            found.insert(name, Read::Refused(unanswered));
            in_vain = 0;
        }
    }
    Ok(names.iter().map_while(|name| found.get(name).cloned()).collect())
}

fn octets_of(answer: &Read) -> usize {
    match answer {
        Read::Found(object) => object.body.len(),
        Read::Absent | Read::Refused(_) => 0,
    }
}

/// Objects that no adapter should have let through are refused here.
fn bounded(answer: Read) -> Read {
    match answer {
        Read::Found(object) if object.body.len() > OBJECT_MAX_OCTETS => {
            let words = format!("it has {} octets", object.body.len());
            Read::Refused(Rejection { reason: Reason::TooLarge, wait_s: None, words })
        }
        answer => answer,
    }
}

/// What is seen of an object without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    There(Sight),
    Absent,
    Refused(Rejection),
}

/// An object that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sight {
    pub(crate) tag: Option<String>,
    pub(crate) identity: Print,
    pub(crate) content: Print,
}

/// Looks at objects by name.
pub(crate) async fn see<S: Objects>(
    service: &mut S,
    place: &Place,
    names: &[String],
) -> Result<Vec<Seen>, Trouble> {
    let mut seen = Vec::new();
    while let Some(rest) = names.get(seen.len()..).filter(|rest| !rest.is_empty()) {
        let some = rest.get(..AT_ONCE).unwrap_or(rest);
        seen.extend(read(service, place, some).await?.into_iter().map(|answer| match answer {
            Read::Found(object) => Seen::There(Sight {
                tag: object.tag,
                identity: Print::of(&[&object.identity]),
                content: object.digest.into(),
            }),
            Read::Absent => Seen::Absent,
            Read::Refused(rejection) => Seen::Refused(rejection),
        }));
    }
    Ok(seen)
}

/// A listing that is being read, within its limits.
pub(crate) struct Reader {
    /// Whether what is not listed is not there.
    pub(crate) whole: bool,
    parts: usize,
    objects: usize,
}

/// What comes next in a listing.
pub(crate) enum Next {
    Some(Vec<Listed>, Vec<String>),
    End(Option<String>),
}

impl Reader {
    /// Asks for what changed since a state; for everything where there is none, or it is not valid.
    pub(crate) async fn start<S: Objects>(
        service: &mut S,
        place: &Place,
        since: Option<&str>,
    ) -> Result<Reader, Trouble> {
        let mut listing = service.start_listing(place, since).await?;
        if listing == Listing::Expired {
            listing = service.start_listing(place, None).await?;
        }
        match listing {
            Listing::Whole | Listing::Since => {
                Ok(Reader { whole: listing == Listing::Whole, parts: 0, objects: 0 })
            }
            Listing::Expired => {
                let words = "a listing without a state was refused as one of an old state".into();
                Err(Trouble::Unreadable(words))
            }
        }
    }

    /// The next part.
    pub(crate) async fn next<S: Objects>(&mut self, service: &mut S) -> Result<Next, Trouble> {
        match service.next_part().await? {
            Part::End { state } => Ok(Next::End(state)),
            Part::Some { there, gone } => {
                self.parts += 1;
                self.objects += there.len() + gone.len();
                if self.objects > OBJECTS_MAX || self.parts > OBJECTS_MAX {
                    let words = format!("a collection has more than {OBJECTS_MAX} objects");
                    return Err(Trouble::Impossible(Lack::Room, words));
                }
                Ok(Next::Some(there, gone))
            }
        }
    }
}
