//! The `atrest` command: arguments in, tables, progress and exit statuses out.
//!
//! | file | what it is for |
//! |---|---|
//! | `args.rs` | the command line, which is the manual too |
//! | `core_dumps.rs` | that this process leaves none |
//! | `env_vars.rs` | the environment variables that the command reads |
//! | `session.rs` | policy, environment, keys and database of one command |
//! | `keys.rs` | the keys that a policy names, and where its keyring is kept |
//! | `subjects.rs` | the keys of files whose names say whose they are |
//! | `files.rs` | the folders of a policy, at work under a verb |
//! | `progress.rs` | the engine's events, on a terminal or as plain lines |
//! | `byte_progress.rs` | bytes of a file, in the same way |
//! | `output.rs` | tables, numbers, the JSON envelope |
//! | `verbs/` | one file for each verb |

mod args;
mod backups;
mod byte_progress;
mod core_dumps;
mod env_vars;
mod files;
mod output;
mod progress;
mod session;
mod stop;
mod subjects;
mod verbs;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use mimalloc::MiMalloc;
use zeroizing_alloc::ZeroAlloc;

/// A page's values are allocated by one thread and freed by another, which the
/// system's allocator answers by returning and fetching memory all the time. What is
/// freed is wiped: clear values and parts of secrets go through buffers of many
/// libraries, which free them as they are.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<MiMalloc> = ZeroAlloc(MiMalloc);

/// How a verb ended that could run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done and clean: exit status 0.
    Clean,
    /// It ran, and found or left something: exit status 1.
    Left,
}

impl Outcome {
    /// [`Outcome::Clean`] if `clean`.
    pub(crate) fn from_clean(clean: bool) -> Self {
        if clean { Self::Clean } else { Self::Left }
    }
}

fn main() -> ExitCode {
    // Before anything is read that could stand in a dump.
    core_dumps::turn_off();
    let cli = args::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start worker threads: {error}; raise the limit on processes");
            return ExitCode::from(2);
        }
    };
    let name = verbs::name(&cli.command);
    let result = runtime.block_on(verbs::run(cli.command, &cli.global));
    runtime.shutdown_background();
    match result {
        Ok(Outcome::Clean) => ExitCode::SUCCESS,
        Ok(Outcome::Left) => ExitCode::from(1),
        Err(error) => {
            report(name, &error, cli.global.json);
            ExitCode::from(2)
        }
    }
}

/// Says why a verb could not run: what happened and each cause that is not in that
/// sentence already.
fn report(command: &str, error: &anyhow::Error, json: bool) {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    if json {
        let object = serde_json::json!({"command": command, "ok": false, "error": text});
        // A closed pipe has nobody to tell.
        let _ = writeln!(std::io::stdout(), "{object}");
    } else {
        let _ = writeln!(std::io::stderr(), "error: {text}");
    }
}
