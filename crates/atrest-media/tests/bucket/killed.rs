//! Runs that are killed at any moment: this test program runs itself.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use atrest_testing::server;

use super::*;

const PREFIX: &str = "ATREST_TEST_KILLED_PREFIX";
const STEP: &str = "ATREST_TEST_KILLED_STEP";
const KILLS: u32 = 30;
/// One of several parts among short ones.
const LENGTHS: [usize; 12] = [
    0,
    1,
    100,
    16_384,
    50_000,
    1 << 20,
    3 << 20,
    9 << 20,
    17 << 20,
    7,
    8,
    9,
];

/// What is done in turn, so that there always is something to do.
fn step(number: u32) -> (Operation, Arc<Keyring>) {
    let ring = |one, two| Arc::new(Keyring::new(key(one), vec![key(two)]).unwrap());
    match number % 3 {
        0 => (Operation::Encrypt, ring(1, 2)),
        1 => (Operation::Rotate, ring(2, 1)),
        _ => (Operation::Decrypt, ring(1, 2)),
    }
}

#[tokio::test]
#[ignore = "what the other test of this file starts and kills"]
async fn child() {
    let prefix = std::env::var(PREFIX).expect("started by the other test");
    let number = std::env::var(STEP).unwrap().parse().unwrap();
    let place = Place::at(&server::s3(), &prefix);
    let (operation, keyring) = step(number);
    let report = place
        .bucket()
        .run(operation, &keyring, &Options::default())
        .await;
    assert!(report.unwrap().is_clean());
}

fn start(prefix: &str, number: u32) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["killed::child", "--exact", "--ignored"])
        .env(PREFIX, prefix)
        .env(STEP, number.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    child.spawn().unwrap()
}

#[tokio::test]
async fn each_object_is_whole_whenever_a_run_is_killed() {
    let place = Place::on(&server::s3());
    let prefix = place.url.split_once("atrest/").unwrap().1.to_owned();
    for (number, length) in LENGTHS.into_iter().enumerate() {
        place.put(&number.to_string(), bytes(length)).await;
    }
    let before = place.contents().await;
    let begin = Instant::now();
    assert!(start(&prefix, 0).wait().unwrap().success());
    let whole = begin.elapsed().min(Duration::from_secs(3));

    let mut killed = 0;
    for number in 1..=KILLS {
        let mut child = start(&prefix, number);
        // Spread over a whole run, without a pattern.
        sleep(whole * (number * 37 % 100) / 100);
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        check(&place, &before).await;
    }
    eprintln!("{killed} of {KILLS} killed");
    assert!(killed > KILLS / 3, "{killed}");

    let (operation, keyring) = step(2);
    let report = place
        .bucket()
        .run(operation, &keyring, &Options::default())
        .await
        .unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert!(place.contents().await == before);
}

/// Each object is what it was, clear or sealed; there is at most a probe beside.
async fn check(place: &Place, before: &BTreeMap<String, (Vec<u8>, BTreeMap<String, String>)>) {
    let (_, keyring) = step(0);
    let mut now = place.contents().await;
    now.retain(|name, _| !name.starts_with(".atrest-"));
    assert!(now.keys().eq(before.keys()), "{:?}", now.keys());
    for (name, (content, _)) in &now {
        let clear = if content.starts_with(b"ATREST") {
            &atrest_core::object::open_object(&keyring, name.as_bytes(), content).unwrap()
        } else {
            content
        };
        assert!(*clear == before[name].0, "{name}");
    }
}
