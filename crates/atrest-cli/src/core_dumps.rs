//! No core dump of this process, and no other process of the same user that reads its
//! memory: keys and clear values stand in it.
//!
//! Keys lie in pages that no dump contains anyway ([`atrest_core::SecretMemory`]); the
//! schedules that are made of them, and clear values on their way, do not.

use crate::env_vars;

/// Turns core dumps off, unless the environment asks for them.
///
/// A limit of 0 keeps the kernel from writing a file; on Linux the process is marked as
/// not dumpable too, which also counts where dumps go to a program
/// (`kernel.core_pattern`), and leaves `/proc/PID/mem` and debuggers to root.
pub(crate) fn turn_off() {
    let allowed = std::env::var_os(env_vars::ALLOW_CORE_DUMPS);
    if allowed.is_some_and(|value| value == "1") {
        return;
    }
    // Neither can fail for the process itself; if it did, the work would go on.
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let none = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        let _ = setrlimit(Resource::Core, none);
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}
