//! Kills runs at random moments, under live writers, and proves that nothing was
//! lost, is stale, came back, stayed in clear or was sealed twice.
//!
//! A round is one fault: the process ended with `kill -9`, its connection cut, its
//! disk full, the server ended with `kill -9` and started again. Every operation
//! gets its share of the rounds; then the writers stop, the operation runs once
//! more to its end, and every row is compared with what the writers know.
//!
//! | variable | meaning |
//! |---|---|
//! | `ATREST_TORTURE_ROUNDS` | rounds for each database (9) |
//! | `ATREST_TORTURE_SECONDS` | stop after so long, whatever the rounds |
//! | `ATREST_TORTURE_BINARY` | the `atrest` command; without it, this test program runs the engine in a process of its own |
//! | `ATREST_TORTURE_SEED` | repeats the choices of an earlier run |
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

#[path = "torture/fault.rs"]
mod fault;
#[path = "torture/site.rs"]
mod site;
#[path = "torture/worker.rs"]
mod worker;

use std::time::{Duration, Instant};

use atrest_engine::Operation;
use atrest_testing::random::Random;
use atrest_testing::{Dialect, PrivateServer};

use fault::Fault;
use site::Site;

const OPERATIONS: [Operation; 3] = [Operation::Encrypt, Operation::Rotate, Operation::Decrypt];

/// Rounds between two comparisons.
const ROUNDS_PER_RUN: u32 = 8;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|n| n.parse().ok())
}

/// The process that is killed, when there is no `atrest` command to kill.
#[test]
fn worker_process() {
    worker::main();
}

async fn torture(name: &str, dialect: Dialect, server: Option<PrivateServer>) {
    torture_in(name, dialect, server, "WAL").await;
}

async fn torture_in(name: &str, dialect: Dialect, server: Option<PrivateServer>, mode: &str) {
    if std::env::var_os(worker::TASK).is_some() {
        return;
    }
    let rounds = u32::try_from(number("ATREST_TORTURE_ROUNDS").unwrap_or(9)).unwrap();
    let seconds = number("ATREST_TORTURE_SECONDS").unwrap_or(u64::MAX / 4);
    let (mut random, seed) = match number("ATREST_TORTURE_SEED") {
        Some(seed) => (Random::new(seed), seed),
        None => Random::from_clock(),
    };
    println!("{name}: seed {seed}");
    let begin = Instant::now();
    let mut site = Site::new(dialect, server, mode, random.next_u64()).await;
    let mut done = 0;
    while done < rounds && begin.elapsed() < Duration::from_secs(seconds) {
        for operation in OPERATIONS {
            let share = rounds
                .saturating_sub(done)
                .div_ceil(3)
                .clamp(1, ROUNDS_PER_RUN);
            site.start_writers(operation);
            for _ in 0..share {
                let fault = Fault::choose(&mut random, site.has_server());
                site.round(operation, fault, &mut random).await;
                done += 1;
            }
            site.finish(operation).await;
        }
    }
    println!("{}", site.summary(name, begin.elapsed()));
    site.assert_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite() {
    torture("SQLite", Dialect::Sqlite, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_with_a_rollback_journal() {
    torture_in("SQLite, rollback journal", Dialect::Sqlite, None, "DELETE").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres() {
    let server = (std::env::var_os(worker::TASK).is_none()).then(PrivateServer::postgres);
    torture("PostgreSQL", Dialect::Postgres, server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb() {
    let server = (std::env::var_os(worker::TASK).is_none()).then(PrivateServer::mariadb);
    torture("MariaDB", Dialect::MySql, server).await;
}
