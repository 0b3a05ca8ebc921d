//! No copy of this process's memory on disk.

/// Forbids core files, and on Linux other users' programs to look into this process as well. A system that does not let us is
/// no reason not to work: the limits are a second line of defence.
pub fn forbid_core_files() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    if let Err(cause) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        tracing::warn!(%cause, "core files cannot be forbidden");
    }
    #[cfg(target_os = "linux")]
    if let Err(cause) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable) {
        tracing::warn!(%cause, "the process stays dumpable");
    }
}
