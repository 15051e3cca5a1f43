//! `atrest encrypt` and `atrest serve`, stopped at work.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use atrest_core::Key;
use atrest_testing::ScratchDatabase;
use rustix::process::{Pid, Signal, kill_process};

use crate::running::{Running, Server, atrest, hex};
use crate::search::{Secrets, search};
use crate::write;

struct Stopped<'c>(&'c mut Child);

impl<'c> Stopped<'c> {
    /// Stops the process where it is.
    fn new(child: &'c mut Child) -> Self {
        kill_process(Pid::from_child(child), Signal::STOP).unwrap();
        let stat = format!("/proc/{}/stat", child.id());
        let begin = Instant::now();
        while !std::fs::read_to_string(&stat).unwrap().contains(") T ") {
            assert!(begin.elapsed() < Duration::from_secs(10), "it is at work");
            std::thread::sleep(Duration::from_millis(1));
        }
        Self(child)
    }

    /// The key's bytes stand in protected pages, and nowhere else; its text nowhere.
    #[track_caller]
    fn holds_only_in_protected_pages(&self, key: &Key) {
        let (mut raw, mut spelled) = (Secrets::default(), Secrets::default());
        raw.add("key", key.expose_secret());
        spelled.add_spellings("key", key);
        let found = search(self.0.id(), &raw);
        assert!(found.iter().any(|f| f.what == "key from byte 0"));
        assert!(found.iter().any(|f| f.what == "key from byte 16"));
        assert!(found.iter().all(|f| f.protected), "{found:#?}");
        let found = search(self.0.id(), &spelled);
        assert!(found.is_empty(), "{found:#?}");
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(self.0), Signal::CONT);
    }
}

#[tokio::test]
async fn encrypt_at_work_holds_the_key_in_protected_pages_only() {
    let db = ScratchDatabase::sqlite().await;
    db.execute("CREATE TABLE people (id INTEGER NOT NULL PRIMARY KEY, email TEXT)")
        .await;
    for from in (0..6_000).step_by(500) {
        let rows: Vec<String> = (from..from + 500)
            .map(|id| format!("({id}, 'user{id}@example.org')"))
            .collect();
        db.execute(&format!("INSERT INTO people VALUES {}", rows.join(", ")))
            .await;
    }
    let key = Key::generate().unwrap();
    write(
        &db.folder().join("a.key"),
        format!("# ours\n'{}'\n", *key.to_base64url()).as_bytes(),
    );
    let policy = format!(
        "[keys]\nprimary = \"file:a.key\"\n[database]\nurl = \"{}\"\n[[column]]\ntable = \"people\"\nname = \"email\"\n",
        db.url()
    );
    write(&db.folder().join("atrest.toml"), policy.as_bytes());
    let slowly = ["encrypt", "--batch-size", "20", "--max-rate", "1000"];
    let started = atrest(db.folder(), &slowly)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut child = Running(started.unwrap());
    let sealed = "SELECT count(*) FROM people WHERE email LIKE 'ar1.%'";
    let begin = Instant::now();
    while db.scalar(sealed).await.unwrap() == "0" {
        assert!(begin.elapsed() < Duration::from_secs(60), "it does nothing");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Stopped::new(&mut child.0).holds_only_in_protected_pages(&key);
    assert!(child.0.try_wait().unwrap().is_none(), "it was at work");
}

#[test]
fn serve_at_work_holds_the_key_in_protected_pages_only() {
    let folder = tempfile::tempdir().unwrap();
    let key = Key::generate().unwrap();
    write(&folder.path().join("a.key"), hex(&key).as_bytes());
    let mut server = Server::start(atrest(folder.path(), &[]), folder.path());
    // What went through is freed, and the command's allocator wipes what is freed.
    let clear = (0..3000)
        .map(|_| Key::generate().unwrap().to_base64url()[..43].to_owned())
        .collect::<String>();
    assert!(
        server
            .ask("PUT /clips/a.txt", clear.as_bytes())
            .starts_with(b"HTTP/1.1 201")
    );
    for _ in 0..3 {
        assert!(
            server
                .ask("GET /clips/a.txt", b"")
                .ends_with(clear.as_bytes())
        );
    }
    std::thread::sleep(Duration::from_millis(500));
    {
        let stopped = Stopped::new(&mut server.child.0);
        stopped.holds_only_in_protected_pages(&key);
        let mut content = Secrets::default();
        content.add("the clip", clear.as_bytes());
        let found = search(stopped.0.id(), &content);
        assert!(
            found.is_empty(),
            "{} of {}: {:#?}",
            found.len(),
            clear.len() / 16,
            &found[..found.len().min(5)]
        );
    }
    kill_process(Pid::from_child(&server.child.0), Signal::TERM).unwrap();
    assert!(server.child.0.wait().unwrap().success());
}
