//! A database with live writers, and the rounds that are run on it.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use atrest_core::{Context, FieldOpener, Form, Stored, Suite, seal_one};
use atrest_engine::Operation;
use atrest_testing::model::{Model, Place};
use atrest_testing::random::Random;
use atrest_testing::traffic::{Options, Traffic, fill};
use atrest_testing::{CutProxy, Dialect, PrivateServer, ScratchDatabase};

use super::fault::Fault;
use super::worker;

const ROWS: u32 = 4000;
/// A worker that a fault did not end by now hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// What happened so far.
#[derive(Default)]
struct Totals {
    /// By fault: rounds, and how many of them hit a worker that was at work.
    faults: BTreeMap<Fault, (u32, u32)>,
    confirmed: u64,
    unknown: u64,
    comparisons: u32,
    rows: u64,
    uncertain: u64,
    violations: Vec<String>,
}

pub struct Site {
    scratch: ScratchDatabase,
    place: Place,
    server: Option<PrivateServer>,
    proxy: Option<CutProxy>,
    model: Option<Model>,
    traffic: Option<Traffic>,
    number: u64,
    seed: u64,
    /// How long a run takes about.
    usual: Duration,
    totals: Totals,
}

impl Site {
    /// On `server`, else in a SQLite file of this journal mode.
    pub async fn new(
        dialect: Dialect,
        server: Option<PrivateServer>,
        journal_mode: &str,
        seed: u64,
    ) -> Self {
        let scratch = match &server {
            Some(server) => ScratchDatabase::on(&server.url()).await,
            None => {
                let mode = format!("PRAGMA journal_mode = {journal_mode}");
                ScratchDatabase::sqlite_with(&mode).await
            }
        };
        assert_eq!(scratch.dialect(), dialect);
        let place = Place::at(scratch.url());
        scratch.execute(&place.create_sql()).await;
        let model = fill(&place, ROWS, seed).await.unwrap();
        Self {
            proxy: server.as_ref().map(|_| CutProxy::to(scratch.url())),
            scratch,
            place,
            server,
            model: Some(model),
            traffic: None,
            number: 0,
            seed,
            usual: Duration::from_millis(1200),
            totals: Totals::default(),
        }
    }

    pub fn has_server(&self) -> bool {
        self.server.is_some()
    }

    /// 500 statements a second, of an application in the middle of its change: half
    /// of it stores values the old way, half the new way.
    pub fn start_writers(&mut self, operation: Operation) {
        let (old, new) = match operation {
            Operation::Encrypt => (None, Some(Operation::Encrypt)),
            Operation::Rotate => (Some(Operation::Encrypt), Some(Operation::Rotate)),
            Operation::Decrypt => (Some(Operation::Rotate), None),
            Operation::Adopt | Operation::Exit => unreachable!("torture has three operations"),
        };
        let seal = |with: Option<Operation>, clear: &str| match with.map(worker::keyring) {
            None => clear.to_owned(),
            Some(keyring) => {
                let context = Context::new("traffic.value");
                let suite = Suite::Xaes256Gcm;
                let token = seal_one(&keyring, suite, 0, Form::Text, &context, clear.as_bytes());
                String::from_utf8(token.unwrap()).unwrap()
            }
        };
        self.seed += 1;
        let options = Options {
            seed: self.seed,
            per_second: 500,
            connections: if self.has_server() { 4 } else { 1 },
            encode: Arc::new(move |id, clear| seal(if id % 8 < 4 { old } else { new }, clear)),
        };
        let model = self.model.take().expect("no writers yet");
        self.traffic = Some(Traffic::start(&self.place, model, options));
    }

    fn worker(&mut self, operation: Operation, blocks: Option<u64>) -> Child {
        self.number += 1;
        let url = self
            .proxy
            .as_ref()
            .map_or(self.scratch.url(), CutProxy::url);
        worker::start(operation, url, self.scratch.folder(), self.number, blocks)
    }

    /// One fault in a run, at a random moment of it.
    pub async fn round(&mut self, operation: Operation, fault: Fault, random: &mut Random) {
        let blocks = (fault == Fault::DiskFull).then(|| match self.server {
            Some(_) => 1 + random.below(300),
            // The database is among the files: from some way before its end.
            None => {
                let len = std::fs::metadata(self.scratch.path()).unwrap().len() / 512;
                random.below(len * 5 / 4) + 1
            }
        });
        let mut child = self.worker(operation, blocks);
        let usual = u64::try_from(self.usual.as_micros()).unwrap();
        tokio::time::sleep(Duration::from_micros(random.below(usual))).await;
        let mut at_work = child.try_wait().unwrap().is_none();
        match fault {
            Fault::Kill => {
                // What has ended already cannot be killed.
                let _ended = child.kill();
                let status = self.wait(&mut child, fault).await;
                at_work = status.signal() == Some(9);
            }
            Fault::Cut => {
                let proxy = self.proxy.as_ref().expect("a link");
                if random.below(2) == 0 {
                    proxy.lose_answers(true);
                    tokio::time::sleep(Duration::from_millis(random.below(30))).await;
                    proxy.cut();
                    proxy.lose_answers(false);
                } else {
                    proxy.cut_after(u32::try_from(random.below(50_000)).unwrap());
                }
                at_work &= !self.wait(&mut child, fault).await.success();
                // A run that ended before the cut leaves it to nobody else.
                self.proxy.as_ref().expect("a link").cut_no_more();
            }
            Fault::DiskFull => at_work = !self.wait(&mut child, fault).await.success(),
            Fault::ServerKill => {
                let mut server = self.server.take().expect("a server");
                self.server = tokio::task::spawn_blocking(move || {
                    server.kill9();
                    server.start();
                    Some(server)
                })
                .await
                .expect("the server starts again");
                at_work &= !self.wait(&mut child, fault).await.success();
            }
        }
        let (rounds, hits) = self.totals.faults.entry(fault).or_default();
        *rounds += 1;
        *hits += u32::from(at_work);
    }

    async fn wait(&mut self, child: &mut Child, fault: Fault) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            if begin.elapsed() > PATIENCE {
                child.kill().unwrap();
                let said = self.log();
                self.totals
                    .violations
                    .push(format!("a run hung after {fault:?}: {said}"));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.scratch.folder().join("worker.log")).unwrap_or_default()
    }

    /// The writers stop, the operation runs to its end, and every row is compared.
    pub async fn finish(&mut self, operation: Operation) {
        let traffic = self.traffic.take().expect("writers");
        self.totals.confirmed += traffic.counters().confirmed.load(Ordering::Relaxed);
        self.totals.unknown += traffic.counters().unknown.load(Ordering::Relaxed);
        let model = traffic.stop().await;
        let begin = Instant::now();
        let mut child = self.worker(operation, None);
        let status = self.wait(&mut child, Fault::Kill).await;
        self.usual = begin.elapsed();
        if !status.success() {
            let said = self.log();
            self.totals.violations.push(format!(
                "the last {} ended with {status}: {said}",
                operation.verb()
            ));
        }
        self.compare(operation, &model).await;
        self.model = Some(model);
        for entry in std::fs::read_dir(self.scratch.folder()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.to_string_lossy();
            if name.contains("backup") {
                std::fs::remove_file(&path).unwrap();
            }
        }
    }

    async fn compare(&mut self, operation: Operation, model: &Model) {
        let keyring = worker::keyring(operation);
        let primary = keyring.primary().id();
        let mut opener = FieldOpener::new(&keyring);
        let context = Context::new("traffic.value");
        let mut clear = Vec::new();
        let report = model.compare(&self.place, |_, stored| {
            let found = opener.read(Form::Text, &context, stored, &mut clear);
            match (operation, found) {
                (Operation::Decrypt, Stored::Plaintext) => Ok(stored.to_vec()),
                (Operation::Encrypt, Stored::Sealed(_)) => Ok(clear.clone()),
                (Operation::Rotate, Stored::Sealed(s)) if s.key == primary => Ok(clear.clone()),
                (_, found) => Err(format!("after {} it is {found:?}", operation.verb())),
            }
        });
        let report = report.await.expect("the table can be read");
        self.totals.comparisons += 1;
        self.totals.rows += report.rows;
        self.totals.uncertain += report.uncertain;
        self.totals.violations.extend(report.violations);
    }

    /// A row of the table in docs/reliability.md.
    pub fn summary(&self, name: &str, took: Duration) -> String {
        let all: u32 = self.totals.faults.values().map(|(rounds, _)| rounds).sum();
        let faults = Fault::ALL.map(|fault| {
            let (rounds, hits) = self.totals.faults.get(&fault).copied().unwrap_or_default();
            format!("{hits} of {rounds}")
        });
        format!(
            "| {name} | {all} | {} | {} | {} | {} | {} | {} | {} s |",
            faults.join(" | "),
            self.totals.confirmed,
            self.totals.comparisons,
            self.totals.rows,
            self.totals.uncertain,
            self.totals.violations.len(),
            took.as_secs(),
        )
    }

    pub fn assert_clean(&self) {
        let shown = &self.totals.violations[..self.totals.violations.len().min(10)];
        assert!(shown.is_empty(), "{}", shown.join("\n"));
        let hits: u32 = self.totals.faults.values().map(|(_, hits)| hits).sum();
        assert!(hits > 0, "no fault met a run at work");
    }
}
