//! Questions, the progress bar and colours: on a terminal, and nowhere else.

use std::process::{Command, Stdio};

use crate::pty::{ENTER, ESCAPE, Terminal};
use crate::support::{Place, ran};

/// A colour, bold, and their end: `ESC [ ... m`.
fn coloured(shown: &str) -> bool {
    shown.split("\u{1b}[").skip(1).any(|rest| {
        rest.find(|c: char| !c.is_ascii_digit() && c != ';')
            .is_some_and(|end| rest[end..].starts_with('m'))
    })
}

/// A folder with a database and no policy yet.
async fn no_policy() -> Place {
    let place = Place::sqlite(20).await;
    std::fs::remove_file(place.folder().join("atrest.toml")).unwrap();
    place
}

fn policy(place: &Place) -> Option<String> {
    std::fs::read_to_string(place.folder().join("atrest.toml")).ok()
}

#[tokio::test]
async fn init_asks_for_the_database_and_the_columns() {
    let place = no_policy().await;
    let mut terminal = Terminal::start(place.command(&["init"]));
    terminal.wait_for("Database URL");
    terminal.press(place.db.url());
    terminal.press(ENTER);
    terminal.wait_for("Columns to encrypt");
    terminal.wait_for("people.email");
    assert!(
        policy(&place).is_none(),
        "nothing is written before the answer"
    );
    terminal.press(ENTER);
    let (status, shown) = terminal.end();
    assert_eq!(status, 0, "{shown}");
    let text = policy(&place).unwrap();
    assert!(
        text.contains("\n[[column]]") && text.contains("\nname = \"email\""),
        "{text}"
    );
    assert!(place.folder().join("atrest.key").exists());
    place.run(&["encrypt", "--no-backup"]).expect(0);
    assert_eq!(place.tokens().await, 18);
}

#[tokio::test]
async fn init_takes_what_was_marked_and_escape_writes_nothing() {
    let place = no_policy().await;
    let begin = || {
        let terminal = Terminal::start(place.command(&["init", "--url", place.db.url()]));
        terminal.wait_for("people.email");
        terminal
    };
    let mut terminal = begin();
    terminal.press(ESCAPE);
    let (status, shown) = terminal.end();
    assert_eq!(status, 2, "{shown}");
    assert!(shown.contains("nothing was written"), "{shown}");
    assert!(policy(&place).is_none() && !place.folder().join("atrest.key").exists());

    // The mark before the first column is taken away.
    let mut terminal = begin();
    terminal.press(" ");
    terminal.press(ENTER);
    let (status, shown) = terminal.end();
    assert_eq!(status, 0, "{shown}");
    let text = policy(&place).unwrap();
    assert!(!text.contains("\nname = \"email\""), "{text}");
}

#[tokio::test]
async fn what_is_hard_to_undo_is_asked_and_no_is_no() {
    let place = Place::sqlite(20).await;
    place.run(&["encrypt", "--backup", "kept.atrest"]).expect(0);
    for (arguments, question) in [
        (&["decrypt"][..], "back into clear text?"),
        (&["rotate", "--no-backup"], "Keep no backup"),
        (
            &["restore", "kept.atrest", "--force"],
            "Overwrite rows that changed",
        ),
    ] {
        for answer in ["n", ENTER, ESCAPE] {
            let mut terminal = Terminal::start(place.command(arguments));
            terminal.wait_for(question);
            terminal.press(answer);
            let (status, shown) = terminal.end();
            assert_eq!(status, 2, "{arguments:?}: {shown}");
            assert!(shown.contains("nothing was changed"), "{shown}");
            assert_eq!(place.tokens().await, 18, "{arguments:?}");
        }
    }
    let mut terminal = Terminal::start(place.command(&["decrypt"]));
    terminal.wait_for("back into clear text?");
    terminal.press("y");
    let (status, shown) = terminal.end();
    assert_eq!(status, 0, "{shown}");
    assert_eq!(place.tokens().await, 0);

    // Answered beforehand.
    let (status, shown) = Terminal::start(place.command(&["decrypt", "--yes"])).end();
    assert_eq!(status, 0, "{shown}");
    assert!(!shown.contains("back into clear text?"), "{shown}");
}

#[tokio::test]
async fn files_on_a_terminal() {
    let place = Place::sqlite(20).await;
    std::fs::write(place.folder().join("clip"), vec![7; 3 << 20]).unwrap();
    // Encrypted bytes would only garble it.
    let (status, shown) = Terminal::start(place.command(&["file", "seal", "clip"])).end();
    assert_eq!(status, 2, "{shown}");
    assert!(shown.contains("are not for a terminal"), "{shown}");
    let seal = ["file", "seal", "clip", "sealed"];
    let (status, shown) = Terminal::start(place.command(&seal)).end();
    assert_eq!(status, 0, "{shown}");
    assert!(
        shown.contains("sealing clip") && shown.contains("/3.00 MiB"),
        "{shown}"
    );

    for (answer, left) in [("n", true), (ESCAPE, true), ("y", false)] {
        let mut terminal = Terminal::start(place.command(&["file", "shred", "clip"]));
        terminal.wait_for("Overwrite and remove clip?");
        terminal.press(answer);
        let (status, shown) = terminal.end();
        assert_eq!(status, if left { 2 } else { 0 }, "{shown}");
        assert_eq!(place.folder().join("clip").exists(), left, "{shown}");
    }
}

/// Slow enough that a bar is drawn more than once.
const SLOWLY: [&str; 5] = ["encrypt", "--batch-size", "20", "--max-rate", "400"];

#[tokio::test]
async fn a_bar_is_drawn_on_a_terminal_and_taken_away() {
    let place = Place::sqlite(600).await;
    let terminal = Terminal::start(place.command(&SLOWLY));
    terminal.wait_for("people.email: changing");
    terminal.wait_for("/600 rows, ");
    terminal.wait_for(" left");
    let (status, shown) = terminal.end();
    assert_eq!(status, 0, "{shown}");
    let bars = shown.matches("/600 rows, ").count();
    assert!(bars > 2, "drawn {bars} times:\n{shown}");
    let (_, last) = shown.rsplit_once("rows, ").unwrap();
    assert!(
        last.contains("\u{1b}[2K"),
        "the line of the bar is cleared: {last:?}"
    );
    assert!(last.contains("540 encrypted"), "{last:?}");
}

/// Without a terminal: no question, no bar, no control sequence, not even when the
/// environment speaks of one.
#[tokio::test]
async fn nothing_of_that_without_a_terminal() {
    let place = Place::sqlite(600).await;
    let plain = |mut command: Command| {
        command
            .env("TERM", "xterm-256color")
            .env("COLUMNS", "160")
            .stdin(Stdio::null());
        let ran = ran(command.output().unwrap());
        for text in [&ran.out, &ran.err] {
            assert!(!text.contains(['\u{1b}', '\r', '\u{8}']), "{text:?}");
        }
        ran
    };
    plain(place.command(&SLOWLY)).expect(0).hides("rows, ");
    plain(place.command(&["verify"])).expect(0);
    plain(place.command(&["encrypt", "--bakcup", "x"])).expect(2);
    plain(place.command(&["--help"])).expect(0);
    plain(place.command(&["decrypt"]))
        .expect(0)
        .hides("back into clear text?");
    let place = no_policy().await;
    plain(place.command(&["init", "--url", place.db.url()]))
        .expect(2)
        .says("--yes")
        .hides("Columns to encrypt");
    plain(place.command(&["init"]))
        .expect(2)
        .hides("Database URL");
    assert!(policy(&place).is_none());
}

#[tokio::test]
async fn json_on_a_terminal_asks_nothing_and_draws_nothing() {
    let place = Place::sqlite(600).await;
    let slowly = [&SLOWLY[..], &["--json", "--no-backup"]].concat();
    for arguments in [&slowly[..], &["decrypt", "--json"]] {
        let (status, shown) = Terminal::start(place.command(arguments)).end();
        assert_eq!(status, 0, "{shown}");
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
        let object = shown.lines().find(|line| line.starts_with('{')).unwrap();
        let json: serde_json::Value = serde_json::from_str(object.trim_end()).unwrap();
        assert_eq!(json["ok"], true);
    }
}

#[tokio::test]
async fn no_color_is_heard() {
    let place = no_policy().await;
    let shown = |no_color: bool, arguments: &[&str], wait: Option<&str>| {
        let mut command = place.command(arguments);
        if no_color {
            command.env("NO_COLOR", "1");
        }
        let mut terminal = Terminal::start(command);
        if let Some(text) = wait {
            terminal.wait_for(text);
            terminal.press(ESCAPE);
        }
        terminal.end().1
    };
    let init = ["init", "--url", place.db.url()];
    for (arguments, wait) in [
        (&init[..], Some("people.email")),
        (&["--help"], None),
        (&["encrypt", "--bakcup", "x"], None),
    ] {
        let text = shown(false, arguments, wait);
        assert!(
            coloured(&text),
            "{arguments:?} uses no colours at all: {text:?}"
        );
        let text = shown(true, arguments, wait);
        assert!(!coloured(&text), "{arguments:?}: {text:?}");
    }
}
