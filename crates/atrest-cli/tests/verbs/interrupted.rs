//! Killed or stopped in the middle: the same command goes on.

use std::process::Child;
use std::time::{Duration, Instant};

use crate::support::{Place, ran};

const ROWS: u32 = 6_000;
const SLOWLY: [&str; 5] = ["encrypt", "--batch-size", "20", "--max-rate", "1000"];

/// A run that has changed some rows and is far from its end.
async fn begun(place: &Place) -> Child {
    let child = place
        .command(&SLOWLY)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    while place.tokens().await == 0 {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "it changes nothing"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child
}

#[tokio::test]
async fn killed_with_sigkill_it_goes_on_and_comes_back_whole() {
    let place = Place::sqlite(ROWS).await;
    let original = place.db.dump().await;
    let mut child = begun(&place).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let then = place.tokens().await;
    assert!(then > 0 && then < 5_400, "{then} of 5400 done");

    let status = place.run(&["status"]).expect(1).says("is not finished");
    assert!(status.out.contains("run atrest encrypt again"));
    let json = place.run(&["status", "--json"]).expect(1).json();
    assert_eq!(json["open_runs"][0]["column"], "people.email");

    place
        .run(&["encrypt"])
        .expect(0)
        .says("taking up the encrypt that began")
        .says("was interrupted")
        .says("5,400 encrypted, 0 in clear");
    let backups = place.backups();
    assert_eq!(backups.len(), 1, "it goes on in the same file");
    let backup = backups[0].to_str().unwrap();
    place
        .run(&["verify", "--against", backup])
        .expect(0)
        .says("5,400");
    place.run(&["decrypt"]).expect(0);
    place.db.dump().await.assert_same(&original);
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_finishes_the_page_and_says_how_to_go_on() {
    use rustix::process::{Pid, Signal, kill_process};
    let place = Place::sqlite(ROWS).await;
    let child = begun(&place).await;
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    ran(child.wait_with_output().unwrap())
        .expect(2)
        .says("stopping after the page at hand")
        .says("error: interrupted")
        .says("run the same command again");
    assert!(place.tokens().await < 5_400);
    place.run(&["encrypt"]).expect(0);
    assert_eq!(place.tokens().await, 5_400);
}
