//! The core file of `atrest serve`, after a key was dropped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use atrest_core::Key;
use rustix::process::{Pid, Signal, kill_process};

use crate::running::{Server, atrest_with_core, hex};
use crate::search::{Secrets, search, search_file};
use crate::write;

/// What of the secrets is in the core file of the process, which ends by it. Where the
/// kernel writes none into the working directory: in the pages that would be in it.
fn in_core_file(child: &mut Child, folder: &Path, secrets: &Secrets) -> Vec<String> {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let limit = limits.lines().find(|l| l.starts_with("Max core file size"));
    let is_off = limit.unwrap().split_whitespace().nth(4) == Some("0");
    if is_off || pattern.starts_with(['|', '/']) {
        let found = search(child.id(), secrets).into_iter();
        let dumped = found.filter(|found| !found.protected);
        return dumped.map(|found| format!("{found:?}")).collect();
    }
    kill_process(Pid::from_child(child), Signal::ABORT).unwrap();
    assert!(!child.wait().unwrap().success());
    let name = pattern.split('%').next().unwrap().trim_end();
    let entries = fs::read_dir(folder).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    let is_core = |path: &PathBuf| {
        let file = path.file_name().unwrap().to_str().unwrap();
        file.starts_with(name)
    };
    let core = paths.find(is_core).expect("a core file");
    search_file(&core, secrets)
}

#[track_caller]
fn within_a_minute(holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_core_file_has_no_key_and_nothing_of_one_that_was_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (dropped, held) = (Key::generate().unwrap(), Key::generate().unwrap());
    write(&folder.join("a.key"), hex(&dropped).as_bytes());
    let mut server = Server::start(atrest_with_core(folder), folder);
    // Some threads work with it.
    let content = vec![7; 3 << 20];
    for name in ["a", "b", "c"] {
        let put = format!("PUT /clips/{name}");
        assert!(server.ask(&put, &content).starts_with(b"HTTP/1.1 201"));
        server.ask(&format!("GET /clips/{name}"), b"");
    }
    // First it seals under the next key, then the one before is taken away.
    let both = format!("{},{}", hex(&held), hex(&dropped));
    for (number, keys) in [both, hex(&held)].iter().enumerate() {
        let next = folder.join(format!("next-{number}"));
        write(&next, keys.as_bytes());
        fs::rename(next, folder.join("a.key")).unwrap();
        let there = number == 0;
        within_a_minute(|| {
            let metrics = String::from_utf8(server.ask("GET /metrics", b"")).unwrap();
            let holds = |key: &Key| {
                let info = format!("atrest_key_info{{key=\"{}\"", key.id());
                let mut lines = metrics.lines();
                lines.any(|line| line.starts_with(&info) && line.ends_with(" 1"))
            };
            holds(&held) && holds(&dropped) == there
        });
    }
    assert!(
        server
            .ask("PUT /clips/d", &content)
            .starts_with(b"HTTP/1.1 201")
    );
    std::thread::sleep(Duration::from_millis(500));

    let mut secrets = Secrets::default();
    for (name, key) in [("the dropped key", &dropped), ("the held key", &held)] {
        secrets.add(name, key.expose_secret());
        secrets.add_spellings(name, key);
    }
    secrets.add_subkeys("the dropped key", &dropped);
    // The control: that the memory of the process is searched.
    let control = "atrest_seal_seconds";
    secrets.add(control, control.as_bytes());
    let found = in_core_file(&mut server.child.0, folder, &secrets);
    let (there, found): (Vec<_>, Vec<_>) = found.iter().partition(|it| it.starts_with(control));
    assert!(!there.is_empty());
    assert!(found.is_empty(), "{found:#?}");
}
