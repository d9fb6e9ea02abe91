//! File descriptors: as many as the system lets this process have, some of them kept back.
//!
//! Every connection is one, and so is every line of a migration and every file of the store. If
//! clients could have them all, migrations could not connect.

/// Connections that are never exceeded, whatever the system allows: each takes some 20 KiB.
const MAX_CONNECTIONS: usize = 4096;

/// What is kept for migrations, the store and the log: 48 slices with two lines each, the trials
/// of log-ins and searches for servers that pages ask for, and room.
const RESERVE: u64 = 1024;

/// The limit where the system does not tell: that of most systems.
#[cfg(not(target_os = "linux"))]
const USUAL: u64 = 256;

/// Raises the limit of this process to what it may be raised to, and tells what it is then.
pub fn raise() -> u64 {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        let before = limit.current;
        limit.current = limit.maximum;
        if before != limit.maximum
            && let Err(error) = setrlimit(Resource::Nofile, limit)
        {
            log::warn!("the limit on open files stays at {before:?}: {error}");
            return before.unwrap_or(u64::MAX);
        }
        limit.maximum.unwrap_or(u64::MAX)
    }
    #[cfg(not(target_os = "linux"))]
    {
        USUAL
    }
}

/// How many connections clients may have where `limit` files may be open.
pub fn connections(limit: u64) -> usize {
    let left = limit - RESERVE.min(limit / 2);
    usize::try_from(left).unwrap_or(MAX_CONNECTIONS).clamp(1, MAX_CONNECTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_few_and_all_but_the_reserve_of_many() {
        let figures = [(256, 128), (1024, 512), (4096, 3072), (1 << 20, 4096), (u64::MAX, 4096)];
        for (limit, expected) in figures {
            assert_eq!(connections(limit), expected, "{limit}");
        }
        assert_eq!(connections(0), 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_limit_is_the_hard_one() {
        use rustix::process::{Resource, getrlimit};
        let told = raise();
        assert_eq!(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX), told);
    }
}
