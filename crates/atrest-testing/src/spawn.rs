//! Starts server processes that cannot outlive the test program, even when it is
//! killed.
//!
//! Linux can send a process a signal when the *thread* that started it ends, so
//! one thread that lives as long as the program starts them all.

use std::process::{Child, Command};
use std::sync::{Mutex, OnceLock, mpsc};

type Job = (Command, mpsc::Sender<std::io::Result<Child>>);

/// Starts `program`, under another user when given as `(user id, group id)`, to be
/// killed when this program ends.
pub(crate) fn spawn(
    program: &std::path::Path,
    user: Option<(u32, u32)>,
    configure: impl FnOnce(&mut Command),
) -> std::io::Result<Child> {
    static STARTER: OnceLock<Mutex<mpsc::Sender<Job>>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (jobs, todo) = mpsc::channel::<Job>();
        std::thread::Builder::new()
            .name("server-starter".into())
            .spawn(move || {
                for (mut command, answer) in todo {
                    let _nobody_waits = answer.send(command.spawn());
                }
            })
            .expect("a thread can be started");
        Mutex::new(jobs)
    });

    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if let Some((uid, gid)) = user {
        command.args([format!("--reuid={uid}"), format!("--regid={gid}")]);
        command.arg("--clear-groups");
    }
    command.arg(program);
    configure(&mut command);
    let (answer, child) = mpsc::channel();
    starter
        .lock()
        .unwrap()
        .send((command, answer))
        .expect("the starter thread lives");
    child.recv().expect("the starter thread answers")
}
