//! No core dumps: a process that dies must not leave passwords and keys on the disk.

/// Forbids them for this process and its children. Where that is not possible, nothing is lost
/// but the precaution.
#[cfg(target_os = "linux")]
pub(crate) fn forbid() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

/// Elsewhere that is left to the system's own settings.
#[cfg(not(target_os = "linux"))]
pub(crate) fn forbid() {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{Resource, getrlimit};

    #[test]
    fn none_is_written() {
        super::forbid();
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
    }
}
