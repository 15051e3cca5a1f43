//! The folder, the command on it, and the comparison.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use atrest_core::Key;
use atrest_testing::random::Random;

use crate::compare::{Files, Looks, compare, looks};
use crate::writers::{Writers, content};

/// Files that nobody writes to.
const STILL: u64 = 32;
/// No run of so few files takes so long.
const HANGS: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Verb {
    Encrypt,
    Rotate,
    Decrypt,
}

impl Verb {
    pub(crate) const ALL: [Self; 3] = [Self::Encrypt, Self::Rotate, Self::Decrypt];

    fn name(self) -> &'static str {
        ["encrypt", "rotate", "decrypt"][self as usize]
    }
}

pub(crate) struct Site {
    /// Before the folder that they write to: they go first.
    writers: Writers,
    dir: tempfile::TempDir,
    binary: PathBuf,
    still: Files,
    about: BTreeMap<String, Looks>,
    /// About how long a whole run of each verb takes.
    whole: [Duration; 3],
    pub(crate) rounds: u64,
    killed: u64,
    left_over: u64,
    compared: u64,
    violations: Vec<String>,
}

impl Site {
    pub(crate) fn new(seed: u64) -> Self {
        let dir = match std::env::var_os("ATREST_TORTURE_FOLDER") {
            Some(folder) => tempfile::tempdir_in(folder).unwrap(),
            None => tempfile::tempdir().unwrap(),
        };
        let root = dir.path().join("clips");
        let mut random = Random::new(seed);
        let (mut still, mut about) = (Files::new(), BTreeMap::new());
        for number in 0..STILL {
            let name = format!("s{}/{number}", number % 5);
            let path = root.join(&name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let bytes = content(&mut random);
            fs::write(&path, &bytes).unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(0o600 | number as u32)).unwrap();
            about.insert(name.clone(), looks(&path));
            still.insert(name, Arc::new(bytes));
        }
        let staging = dir.path().join("staging");
        fs::create_dir(&staging).unwrap();
        let binary = std::env::var_os("ATREST_TORTURE_BINARY");
        let binary = binary.unwrap_or_else(|| env!("CARGO_BIN_EXE_atrest").into());
        let mut site = Self {
            writers: Writers::start(&root, &staging, seed),
            dir,
            binary: binary.into(),
            still,
            about,
            whole: [Duration::ZERO; 3],
            rounds: 0,
            killed: 0,
            left_over: 0,
            compared: 0,
            violations: Vec::new(),
        };
        sleep(Duration::from_millis(100)); // some of the writers' files
        for verb in Verb::ALL {
            site.finish(verb, "before the first round");
        }
        site
    }

    /// Kills a run of the verb, compares, and lets it end.
    pub(crate) fn round(&mut self, verb: Verb, random: &mut Random) {
        self.rounds += 1;
        self.policy(verb);
        let whole = self.whole[verb as usize].as_micros() as u64;
        let mut child = self.spawn(verb, Stdio::null());
        sleep(Duration::from_micros(random.below(whole.max(1000))));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        if status.signal() == Some(9) {
            self.killed += 1;
        } else {
            self.whole[verb as usize] = self.whole[verb as usize] * 9 / 10;
        }
        let case = format!("round {}, {}", self.rounds, verb.name());
        if !matches!(
            (status.code(), status.signal()),
            (Some(0 | 1), _) | (_, Some(9))
        ) {
            self.violations.push(format!("{case}: {status}"));
        }
        self.finish(verb, &case);
    }

    /// While the writers wait: is every file whole? Then the verb runs to its end.
    fn finish(&mut self, verb: Verb, case: &str) {
        self.policy(verb);
        let root = self.dir.path().join("clips");
        let mut found = Vec::new();
        let mut memories = self.writers.wait();
        let mut files = self.still.clone();
        for memory in &memories {
            files.extend(
                memory
                    .files
                    .iter()
                    .map(|(name, is)| (name.clone(), is.clone())),
            );
        }
        self.left_over += compare(
            &root,
            &files,
            &self.about,
            |_, _| true,
            &format!("{case}, killed"),
            &mut found,
        );

        let begin = Instant::now();
        let output = ended(self.spawn(verb, Stdio::piped()));
        let took = begin.elapsed();
        // Those that were written since they were last encrypted; `rotate` leaves them.
        let written: BTreeSet<String> = memories
            .iter()
            .flat_map(|memory| memory.written.iter().cloned())
            .collect();
        match output.status.code() {
            Some(0) => {}
            Some(1) if verb == Verb::Rotate && !written.is_empty() => {}
            _ => found.push(format!("{case}: {output:?}")),
        }
        let under = |byte: u8| Key::from_bytes([byte; 32]).id().0;
        let as_asked = |name: &str, content: &[u8]| match verb {
            Verb::Encrypt => content.starts_with(b"ATREST") && content[8..12] == under(0x11),
            Verb::Rotate if content.starts_with(b"ATREST") => content[8..12] == under(0x22),
            Verb::Rotate => written.contains(name),
            Verb::Decrypt => !content.starts_with(b"ATREST"),
        };
        let left = compare(&root, &files, &self.about, as_asked, case, &mut found);
        if left > 0 {
            found.push(format!("{case}: {left} temporary files were left over"));
        }
        if verb == Verb::Encrypt {
            memories
                .iter_mut()
                .for_each(|memory| memory.written.clear());
        }
        drop(memories);
        self.compared += 2 * files.len() as u64;
        self.whole[verb as usize] = self.whole[verb as usize].max(took);
        for it in &found {
            println!("VIOLATION: {it}");
        }
        self.violations.append(&mut found);
    }

    fn policy(&self, verb: Verb) {
        let (primary, previous) = match verb {
            Verb::Encrypt => ("KEY", "NEXT"),
            Verb::Rotate | Verb::Decrypt => ("NEXT", "KEY"),
        };
        let text = format!(
            "[keys]\nprimary = \"env:{primary}\"\nprevious = [\"env:{previous}\"]\n\
             [[files]]\nlocation = \"clips\"\n"
        );
        fs::write(self.dir.path().join("atrest.toml"), text).unwrap();
    }

    fn spawn(&self, verb: Verb, output: Stdio) -> Child {
        let mut command = Command::new(&self.binary);
        command
            .arg(verb.name())
            .current_dir(self.dir.path())
            .env_clear()
            .env("KEY", "11".repeat(32))
            .env("NEXT", "22".repeat(32))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output);
        command.spawn().unwrap()
    }

    pub(crate) fn summary(&self, took: Duration) -> String {
        let statements: u64 = self.writers.wait().iter().map(|it| it.statements).sum();
        format!(
            "files: {} rounds, {} killed at work, {} temporary files left to the next run, \
             {statements} writers' statements, {} files compared, {} violations, {} s",
            self.rounds,
            self.killed,
            self.left_over,
            self.compared,
            self.violations.len(),
            took.as_secs()
        )
    }

    pub(crate) fn assert_clean(&self, rounds: u64) {
        assert!(self.violations.is_empty(), "{:#?}", self.violations);
        assert!(
            self.killed * 2 >= self.rounds.min(rounds),
            "{} killed",
            self.killed
        );
    }
}

/// The output of a run that is to end by itself.
fn ended(mut child: Child) -> Output {
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begin.elapsed() > HANGS {
            child.kill().unwrap();
        }
        sleep(Duration::from_millis(2));
    }
    child.wait_with_output().unwrap()
}
