//! Every key there is. Nothing else spells one.
//!
//! `m/ID` and below belong to one migration; erasing it is deleting exactly what [`of_migration`],
//! [`erasing`] and the counted lists below name, so nothing needs a scan.

use model::{MigrationId, ProjectId};

/// Number of shards of the index of due migrations: two drivers seldom meet in one.
pub const DUE_SHARDS: u8 = 8;

/// The migration as it is shown.
pub fn migration(id: &MigrationId) -> String {
    format!("m/{id}")
}

/// Its sealed credentials; gone when no run needs them.
pub fn credentials(id: &MigrationId) -> String {
    format!("m/{id}/credentials")
}

/// What its owner asked for and no slice has seen yet.
pub fn control(id: &MigrationId) -> String {
    format!("m/{id}/control")
}

/// That its project wants it held, as long as the project itself is.
pub fn hold(id: &MigrationId) -> String {
    format!("m/{id}/hold")
}

/// Who works on it.
pub fn lease(id: &MigrationId) -> String {
    format!("m/{id}/lease")
}

/// Counts its leases; only ever incremented.
pub fn fence(id: &MigrationId) -> String {
    format!("m/{id}/fence")
}

/// Slices of it that were begun and had no result.
pub fn fruitless(id: &MigrationId) -> String {
    format!("m/{id}/fruitless")
}

/// How far the erasure is; while it is there, the migration is there for nobody. Erased last.
pub fn erasing(id: &MigrationId) -> String {
    format!("m/{id}/erasing")
}

/// Where the engine stands.
pub fn cursor(id: &MigrationId) -> String {
    format!("m/{id}/cursor")
}

/// The batch that may be under way.
pub fn intention(id: &MigrationId) -> String {
    format!("m/{id}/intention")
}

/// The messages that are being moved at the destination.
pub fn moving(id: &MigrationId) -> String {
    format!("m/{id}/moving")
}

/// The messages that are being taken back.
pub fn removing(id: &MigrationId) -> String {
    format!("m/{id}/removing")
}

/// Journalled messages of a folder that are gone at the source.
pub fn orphans(id: &MigrationId, folder: u32) -> String {
    format!("m/{id}/orphans/{folder}")
}

/// A further page of them, from 1.
pub fn more_orphans(id: &MigrationId, folder: u32, page: u32) -> String {
    format!("m/{id}/orphans/{folder}/{page}")
}

/// What the owner is to be told; written by whoever writes the migration's record.
pub fn notices(id: &MigrationId) -> String {
    format!("m/{id}/notices")
}

/// What became of it; written by whoever delivers.
pub fn delivery(id: &MigrationId) -> String {
    format!("m/{id}/delivery")
}

/// The sealed secret that signs what goes to the owner's webhook.
pub fn webhook_secret(id: &MigrationId) -> String {
    format!("m/{id}/webhook_secret")
}

/// A page of the unique-ids that the source's messages have, in the order of their numbers here.
pub fn unique_ids(id: &MigrationId, page: u32) -> String {
    format!("m/{id}/unique_ids/{page}")
}

/// A page of the folder table.
pub fn folders(id: &MigrationId, page: u32) -> String {
    format!("m/{id}/folders/{page}")
}

/// What has no room in a page of the folder table; from 1.
pub fn more_folders(id: &MigrationId, page: u32, part: u32) -> String {
    format!("m/{id}/folders/{page}/{part}")
}

/// A page of failures.
pub fn failures(id: &MigrationId, page: u32) -> String {
    format!("m/{id}/failures/{page}")
}

/// A segment of the journal of one folder.
pub fn journal(id: &MigrationId, folder: u32, segment: u32) -> String {
    format!("m/{id}/journal/{folder}/{segment}")
}

/// The lines of the manifest that belong to a segment of the journal.
pub fn manifest(id: &MigrationId, folder: u32, segment: u32) -> String {
    format!("m/{id}/manifest/{folder}/{segment}")
}

/// How far the lane of objects is: contacts, events, tasks and others that are held whole.
pub fn objects(id: &MigrationId) -> String {
    format!("m/{id}/objects")
}

/// The objects that are being put or removed.
pub fn objects_intention(id: &MigrationId) -> String {
    format!("m/{id}/objects/intention")
}

/// A collection of objects.
pub fn collection(id: &MigrationId, number: u32) -> String {
    format!("m/{id}/objects/{number}")
}

/// A segment of the journal of one collection.
pub fn objects_journal(id: &MigrationId, number: u32, segment: u32) -> String {
    format!("m/{id}/objects/{number}/journal/{segment}")
}

/// A page of what is still to be done in one collection.
pub fn objects_work(id: &MigrationId, number: u32, page: u32) -> String {
    format!("m/{id}/objects/{number}/work/{page}")
}

/// A page of what stands in a collection of the destination that we did not bring.
pub fn objects_standing(id: &MigrationId, number: u32, page: u32) -> String {
    format!("m/{id}/objects/{number}/standing/{page}")
}

/// What a document was before it was replaced, to be put back.
pub fn objects_before(id: &MigrationId, number: u32) -> String {
    format!("m/{id}/objects/{number}/before")
}

/// A project, with its options.
pub fn project(id: &ProjectId) -> String {
    format!("p/{id}")
}

/// The hash of its password.
pub fn project_password(id: &ProjectId) -> String {
    format!("p/{id}/password")
}

/// The hashes of the tokens that open it.
pub fn project_sessions(id: &ProjectId) -> String {
    format!("p/{id}/sessions")
}

/// How many wrong passwords were tried, and when the next may be.
pub fn project_guesses(id: &ProjectId) -> String {
    format!("p/{id}/guesses")
}

/// Which of its migrations run, and which come next.
pub fn queue(id: &ProjectId) -> String {
    format!("p/{id}/queue")
}

/// A page of its migrations.
pub fn members(id: &ProjectId, page: u32) -> String {
    format!("p/{id}/members/{page}")
}

/// The sums of its pages.
pub fn totals(id: &ProjectId) -> String {
    format!("p/{id}/totals")
}

/// The migrations that are being added; gone once they all are.
pub fn importing(id: &ProjectId) -> String {
    format!("p/{id}/importing")
}

/// How far its erasure is; while it is there, the project is there for nobody.
pub fn project_erasing(id: &ProjectId) -> String {
    format!("p/{id}/erasing")
}

/// The keys that every project has at most once, but [`project_erasing`].
pub fn of_project(id: &ProjectId) -> Vec<String> {
    let once =
        [project, project_password, project_sessions, project_guesses, queue, totals, importing];
    let mut keys = once.map(|key| key(id)).to_vec();
    keys.push(look(id.entry()));
    keys
}

/// The list of projects that have something to do.
pub fn due_projects() -> String {
    "due/projects".to_owned()
}

/// What was found for a mail domain not long ago; domains share slots, so that there is an end to
/// them.
pub fn autodetect(slot: u16) -> String {
    format!("autodetect/{slot}")
}

/// A shard of what is known of mail servers.
pub fn hosts(shard: u8) -> String {
    format!("hosts/{shard}")
}

/// A slot of the buckets that limit what strangers make the installation do.
pub fn limits(slot: u8) -> String {
    format!("limits/{slot}")
}

/// A slot of what networks have begun and may not have ended.
pub fn begun(slot: u8) -> String {
    format!("limits/begun/{slot}")
}

/// A shard of the index of due migrations.
pub fn due(shard: u8) -> String {
    format!("due/{shard}")
}

/// A shard of the index of migrations whose owners have not been told everything yet.
pub fn due_notices(shard: u8) -> String {
    format!("due/notices/{shard}")
}

/// The list of migrations that are being erased.
pub fn due_erasures() -> String {
    "due/erasures".to_owned()
}

/// A shard of the pairs of accounts and who has them.
pub fn pairs(shard: u8) -> String {
    format!("pairs/{shard}")
}

/// A shard of what requests were answered.
pub fn answers(shard: u8) -> String {
    format!("answers/{shard}")
}

/// Counts the makings of a record that several may make at once; only ever incremented.
pub fn made(key: &str) -> String {
    format!("{key}/made")
}

/// The slot of the calendar in which it is looked at.
pub fn look(id: &MigrationId) -> String {
    format!("m/{id}/look")
}

/// The hash of the token that begins a run without passwords.
pub fn hook(id: &MigrationId) -> String {
    format!("m/{id}/hook")
}

/// What the clock said when it was last written down.
pub fn clock() -> String {
    "due/clock".to_owned()
}

/// A slot of the calendar.
pub fn calendar(slot: u64) -> String {
    format!("calendar/{slot}")
}

/// Which slot of the calendar comes next.
pub fn calendar_next() -> String {
    "calendar/next".to_owned()
}

/// A counter for `/metrics`; only ever incremented.
pub fn metric(name: &str) -> String {
    format!("metric/{name}")
}

/// What `/healthz` writes, to see whether the store takes writes.
pub fn health() -> String {
    "health".to_owned()
}

/// Whether a key belongs to this migration.
pub fn belongs_to(key: &str, id: &MigrationId) -> bool {
    let own = key.strip_prefix("m/").and_then(|rest| rest.strip_prefix(id.as_str()));
    own.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a key belongs to no single migration.
pub fn is_shared(key: &str) -> bool {
    ["due/", "hosts/", "pairs/", "answers/", "calendar/", "autodetect/", "metric/", "p/"]
        .iter()
        .any(|begin| key.starts_with(begin))
}

/// What is in a migration's record, in words for its owner.
pub fn kind(key: &str) -> &'static str {
    match key.split('/').nth(2) {
        None if key.starts_with("m/") => "how it stands",
        Some("credentials") => "its passwords",
        Some("control") => "what you asked for last",
        Some("lease" | "fence" | "fruitless") => "who works on it",
        Some("cursor") => "how far it is",
        Some("intention") => "the messages under way",
        Some("moving") => "the messages being moved",
        Some("removing") => "the messages being removed",
        Some("orphans") => "the messages that are gone at the source",
        Some("notices" | "delivery" | "webhook_secret") => "what you are to be told",
        Some("unique_ids") => "the identifiers of messages",
        Some("folders") => "the list of folders",
        Some("failures") => "the list of failures",
        Some("journal") => "the list of what was copied",
        Some("manifest") => "the manifest",
        Some("objects") => "the list of contacts, events and other objects",
        Some(_) | None => "its records",
    }
}

/// The keys that every migration has at most once, but [`erasing`].
pub fn of_migration(id: &MigrationId) -> Vec<String> {
    let once = [
        migration,
        credentials,
        control,
        hold,
        look,
        hook,
        lease,
        fence,
        cursor,
        intention,
        moving,
        removing,
        objects,
        objects_intention,
        notices,
        delivery,
        webhook_secret,
        fruitless,
    ];
    once.map(|key| key(id)).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The embedded runtime does not wait for the disk with these (`runtime/src/group_commit.rs`).
    #[test]
    fn names_that_the_runtime_knows() {
        let id = MigrationId::from_random(&[7; 26]);
        assert!(lease(&id).ends_with("/lease"));
        assert!(fence(&id).ends_with("/fence"));
        assert!(fruitless(&id).ends_with("/fruitless"));
        assert_eq!(
            (hosts(1), limits(2), begun(3)),
            ("hosts/1".into(), "limits/2".into(), "limits/begun/3".into())
        );
    }
}
