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
    let open = json["open_runs"][0].as_object().unwrap();
    assert_eq!(open["column"], "people.email");
    let documented = include_str!("../../../../docs/json.md");
    for name in open.keys() {
        assert!(documented.contains(&format!("`{name}`")), "{name}");
    }

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

/// Killed when the first of two columns is done, and again in the second: with one
/// backup named, the same command goes on, and the backup holds both columns whole.
#[tokio::test]
async fn killed_between_two_columns_the_same_backup_goes_on() {
    use std::io::BufRead as _;
    let place = Place::sqlite(600).await;
    let original = place.db.dump().await;
    let column = |name: &str| format!("[[column]]\ntable = \"people\"\nname = \"{name}\"\n");
    let policy = |columns: &str| {
        place.policy(&format!(
            "[keys]\nprimary = \"env:KEY\"\n[database]\nurl = \"sqlite:scratch.sqlite\"\n{columns}"
        ));
    };
    policy(&(column("email") + &column("note")));
    let sealed = |name: &'static str| {
        let query = format!("SELECT count(*) FROM people WHERE {name} LIKE 'ar1.%'");
        let db = &place.db;
        async move { db.scalar(&query).await.unwrap().parse::<u64>().unwrap() }
    };
    for verb in ["encrypt", "decrypt"] {
        let backup = format!("{verb}.atrest");
        let arguments = [verb, "--backup", &backup, "--batch-size", "20"];
        let slowly = [&arguments[..], &["--max-rate", "600"]].concat();
        for kill_at in ["people.email", "people.note"] {
            let mut child = place
                .command(&slowly)
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap();
            // The summary of the first column is printed when that column is done.
            let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
            let first = lines
                .map(Result::unwrap)
                .find(|l| l.starts_with("people.email: "));
            assert!(first.is_some());
            if kill_at == "people.note" {
                let begin = (sealed("note").await, Instant::now());
                while sealed("note").await == begin.0 {
                    assert!(begin.1.elapsed() < Duration::from_secs(60));
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let (email, note) = (sealed("email").await, sealed("note").await);
        assert_eq!(email, if verb == "encrypt" { 540 } else { 0 });
        assert!((1..600).contains(&note), "{note} notes are tokens");

        // What the killed run left is used, and not called whole.
        place
            .run(&["verify", "--against", &backup])
            .expect(1)
            .says("the backup is not finished");
        place
            .run(&arguments)
            .expect(0)
            .says(&format!("which an earlier {verb} wrote"))
            .says(&backup);
        place
            .run(&["verify", "--against", &backup])
            .expect(0)
            .says("540")
            .says("600");
        // And once more, with nothing to do.
        let before = std::fs::read(place.folder().join(&backup)).unwrap();
        place.run(&arguments).expect(0);
        assert_eq!(std::fs::read(place.folder().join(&backup)).unwrap(), before);
    }
    place.db.dump().await.assert_same(&original);
}
