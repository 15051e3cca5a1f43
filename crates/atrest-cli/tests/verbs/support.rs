//! A folder with a policy, keys and a scratch database, and the command run in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use atrest_testing::{Dialect, ScratchDatabase};

pub(crate) const KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
pub(crate) const NEXT: &str = "oaKjpKWmp6ipqqusra6vsLGys7S1tre4ubq7vL2-v8A=";

/// What no output may hold: both keys, in each spelling, without their padding.
const SECRETS: [&str; 4] = [
    "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA",
    "0102030405060708090a0b0c0d0e0f",
    "oaKjpKWmp6ipqqusra6vsLGys7S1tre4ubq7vL2-v8A",
    "a1a2a3a4a5a6a7a8a9aaabacadaeaf",
];

/// A place to run the command in.
pub(crate) struct Place {
    pub(crate) db: ScratchDatabase,
}

/// What one run gave.
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, status, "\n{}\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        let both = format!("{}\n{}", self.out, self.err);
        assert!(both.contains(text), "`{text}` is not in\n{both}");
        self
    }

    #[track_caller]
    pub(crate) fn hides(self, text: &str) -> Self {
        let both = format!("{}\n{}", self.out, self.err);
        assert!(!both.contains(text), "`{text}` is in\n{both}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|e| panic!("{e}: {}\n{}", self.out, self.err))
    }
}

impl Place {
    /// `people(id, email, note)` with `rows` rows, one e-mail in ten NULL.
    pub(crate) async fn new(db: ScratchDatabase, rows: u32) -> Self {
        let text = match db.dialect() {
            Dialect::Sqlite => "TEXT",
            _ => "VARCHAR(40)",
        };
        db.execute(&format!(
            "CREATE TABLE people (id INTEGER NOT NULL PRIMARY KEY, email {text}, note VARCHAR(20) NOT NULL)"
        ))
        .await;
        let ids: Vec<u32> = (1..=rows).collect();
        for some in ids.chunks(500) {
            let values: Vec<String> = some
                .iter()
                .map(|id| match id % 10 {
                    0 => format!("({id}, NULL, 'note {id}')"),
                    _ => format!("({id}, 'user{id}@example.org', 'note {id}')"),
                })
                .collect();
            db.execute(&format!("INSERT INTO people VALUES {}", values.join(", ")))
                .await;
        }
        let place = Self { db };
        place.keys("primary = \"env:KEY\"");
        place
    }

    pub(crate) async fn sqlite(rows: u32) -> Self {
        Self::new(ScratchDatabase::sqlite().await, rows).await
    }

    pub(crate) fn folder(&self) -> &Path {
        self.db.folder()
    }

    /// Writes the policy with these lines in `[keys]`.
    pub(crate) fn keys(&self, keys: &str) {
        let column = "[[column]]\ntable = \"people\"\nname = \"email\"\n";
        self.policy(&format!(
            "[keys]\n{keys}\n\n[database]\nurl = \"{}\"\n\n{column}",
            self.db.url()
        ));
    }

    pub(crate) fn policy(&self, text: &str) {
        std::fs::write(self.folder().join("atrest.toml"), text).unwrap();
    }

    /// The command, in the folder, with nothing else in its environment than the keys
    /// `KEY` and `NEXT`.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_atrest"));
        command
            .args(arguments)
            .current_dir(self.folder())
            .env_clear()
            .env("KEY", KEY)
            .env("NEXT", NEXT)
            .stdin(Stdio::null());
        command
    }

    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        ran(self.command(arguments).output().unwrap())
    }

    /// The backup files, the oldest name first.
    pub(crate) fn backups(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.folder())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "atrest"))
            .collect();
        files.sort();
        files
    }

    /// Recovery shares of the keyring, `3/5` for three of five, in files below `out`.
    pub(crate) fn shares(&self, spec: &str, out: &str) -> Vec<String> {
        let made = self.run(&["key", "export", "--shares", spec, "--out", out, "--json"]);
        let made = made.expect(0).json();
        let shares = made["shares"].as_array().unwrap().iter();
        shares.map(|it| it.as_str().unwrap().to_owned()).collect()
    }

    /// How many e-mails are stored as tokens.
    pub(crate) async fn tokens(&self) -> u64 {
        let n = self
            .db
            .scalar("SELECT count(*) FROM people WHERE email LIKE 'ar1.%'")
            .await;
        n.unwrap().parse().unwrap()
    }
}

/// The output as text, after a search for key text in all of it.
#[track_caller]
pub(crate) fn ran(output: Output) -> Ran {
    let ran = Ran {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    };
    for secret in SECRETS {
        assert!(
            !ran.out.contains(secret) && !ran.err.contains(secret),
            "key text in the output"
        );
    }
    ran
}
