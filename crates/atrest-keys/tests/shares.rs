//! Recovery shares: any k give the key, and what is wrong with others is told before
//! they are put together.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use atrest_core::Key;
use atrest_keys::keyring::{Share, ShareError};

fn split(key: &Key, k: u8, n: u8) -> Vec<String> {
    let shares = Share::split(key, k, n).unwrap();
    shares.iter().map(|s| s.to_text().to_string()).collect()
}

fn combine(texts: &[&String]) -> Result<Key, ShareError> {
    let read = |(index, text): (usize, &&String)| {
        let origin = format!("share {index}");
        Share::parse(text, &origin).map(|share| (origin.clone(), share))
    };
    let shares: Vec<_> = texts
        .iter()
        .enumerate()
        .map(read)
        .collect::<Result<_, _>>()?;
    Share::combine(&shares)
}

#[test]
fn every_three_of_five_give_the_key_and_no_two_do() {
    let key = Key::generate().unwrap();
    let texts = split(&key, 3, 5);
    let mut combined = 0;
    for a in 0..5 {
        for b in 0..a {
            let error = combine(&[&texts[a], &texts[b]]).unwrap_err();
            assert!(
                matches!(
                    error,
                    ShareError::TooFew {
                        have: 2,
                        need: 3,
                        count: 5,
                        ..
                    }
                ),
                "{error}"
            );
            for c in 0..b {
                let got = combine(&[&texts[a], &texts[b], &texts[c]]).unwrap();
                assert_eq!(got.expose_secret(), key.expose_secret());
                combined += 1;
            }
        }
    }
    assert_eq!(combined, 10);
    let all: Vec<&String> = texts.iter().collect();
    assert_eq!(combine(&all).unwrap().id(), key.id());
}

#[test]
fn the_most_shares_there_may_be() {
    let key = Key::generate().unwrap();
    let texts = split(&key, 255, 255);
    let all: Vec<&String> = texts.iter().collect();
    assert_eq!(combine(&all).unwrap().expose_secret(), key.expose_secret());
    for (k, n) in [(0, 0), (1, 1), (1, 5), (3, 2)] {
        assert!(matches!(
            Share::split(&key, k, n),
            Err(ShareError::Numbers { .. })
        ));
    }
}

#[test]
fn mixed_shares_are_told_apart() {
    let (key, other) = (Key::generate().unwrap(), Key::generate().unwrap());
    let (first, again, foreign) = (split(&key, 2, 3), split(&key, 2, 3), split(&other, 2, 3));
    let error = combine(&[&first[0], &again[1]]).unwrap_err();
    assert!(
        matches!(
            error,
            ShareError::Mixed {
                keyrings: false,
                ..
            }
        ),
        "{error}"
    );
    let error = combine(&[&first[0], &foreign[1]]).unwrap_err();
    assert!(
        matches!(error, ShareError::Mixed { keyrings: true, .. }),
        "{error}"
    );
    let error = combine(&[&first[0], &first[1], &first[0]]).unwrap_err();
    assert!(matches!(error, ShareError::Twice { .. }), "{error}");
    assert!(matches!(
        combine(&[]),
        Err(ShareError::TooFew { have: 0, .. })
    ));
}

#[test]
fn every_changed_and_every_missing_character_is_seen() {
    let text = split(&Key::generate().unwrap(), 2, 2).remove(0);
    for at in 0..text.len() {
        for other in ["0", "1", "a", "f", ".", "-", "é"] {
            let mut damaged = text.clone();
            damaged.replace_range(at..=at, other);
            if damaged != text {
                assert!(Share::parse(&damaged, "s").is_err(), "{at} {other}");
            }
        }
        let mut shorter = text.clone();
        shorter.remove(at);
        assert!(
            shorter == text || Share::parse(&shorter, "s").is_err(),
            "{at}"
        );
        assert!(Share::parse(&text[..at], "s").is_err(), "cut at {at}");
    }
    let error = Share::parse(&text.replace("share.1.", "share.2."), "s").unwrap_err();
    assert!(matches!(error, ShareError::Version { .. }), "{error}");
    let error = Share::parse("hunter2", "s").unwrap_err();
    assert!(matches!(error, ShareError::NotAShare { .. }), "{error}");
}

#[test]
fn capitals_and_white_space_do_not_count() {
    let text = split(&Key::generate().unwrap(), 2, 2).remove(0);
    let (start, end) = text.split_at(40);
    let typed = format!(" {}\n  {} \r\n", start.to_uppercase(), end);
    assert_eq!(*Share::parse(&typed, "s").unwrap().to_text(), text);
}

#[test]
fn nothing_shown_holds_a_share() {
    let shares = Share::split(&Key::generate().unwrap(), 2, 2).unwrap();
    let text = shares[0].to_text();
    let value = text.split('.').nth(7).unwrap();
    assert!(!format!("{shares:?}").contains(value));
    let damaged = text.replace("atrest-share.1.", "atrest-share.1.0");
    let error = Share::parse(&damaged, "s").unwrap_err();
    assert!(!format!("{error} {error:?}").contains(value));
}
