//! What a column's name says.

use super::Confidence::{High, Medium};
use super::kinds::{ABOUT, KINDS, Kind, PEOPLE, items};
use super::words::split;
use super::{Sign, Suggestion};
use crate::target::Column;

/// What the name of a column says about it, given its table's name.
pub(super) fn signs(table: &str, column: &Column) -> Vec<Sign> {
    let words = split(&column.name);
    if words
        .first()
        .is_some_and(|first| ["is", "has", "can", "num"].contains(&first.as_str()))
    {
        return Vec::new();
    }
    let numeric = is_numeric(&column.declared_type);
    let mut phrases: Vec<(&Kind, Vec<&str>)> = KINDS
        .iter()
        .filter(|kind| kind.numeric || !numeric)
        .flat_map(|kind| items(kind.phrases).map(move |p| (kind, p.split(' ').collect())))
        .collect();
    phrases.sort_by_key(|(_, phrase)| std::cmp::Reverse(phrase.len()));

    let mut taken = vec![false; words.len()];
    let mut signs: Vec<Sign> = Vec::new();
    for (kind, phrase) in phrases {
        let Some((at, len)) = find(&words, &phrase) else {
            continue;
        };
        let about = words[at + len..]
            .iter()
            .any(|word| items(ABOUT).any(|about| about == word));
        let free = taken[at..at + len].iter().all(|taken| !taken);
        // What follows belongs to it: an "email_template" is no template either.
        let end = if about { words.len() } else { at + len };
        taken[at..end].fill(true);
        let reason = format!(
            "name contains “{}” ({})",
            words[at..at + len].join(" "),
            kind.what
        );
        if free && !about {
            signs.push(Sign {
                confidence: kind.confidence,
                reason,
                suggested: kind.suggested,
            });
        }
    }
    if signs.is_empty() {
        signs.extend(of_people(table, &words, numeric));
    }
    signs
}

/// A bare "name" or "city" in a table of people.
fn of_people(table: &str, words: &[String], numeric: bool) -> Option<Sign> {
    let table_words = split(table);
    let who = table_words.iter().find(|word| {
        let one = word.strip_suffix('s').unwrap_or(word);
        items(PEOPLE).any(|people| people == word.as_str() || people == one)
    });
    let somewhere = words
        .iter()
        .any(|w| ["billing", "shipping", "home", "delivery"].contains(&w.as_str()));
    let sign = |confidence, reason| {
        Some(Sign {
            confidence,
            reason,
            suggested: Suggestion::Encrypt,
        })
    };
    match (words.last().map(String::as_str), who) {
        _ if numeric => None,
        (Some("name" | "nom" | "nombre"), Some(who)) if words.len() == 1 || words[0] == *who => {
            sign(
                High,
                format!(
                    "name is “{}” in a table of people (“{who}”)",
                    words.join(" ")
                ),
            )
        }
        (Some("city" | "town" | "ort" | "ville" | "ciudad" | "wohnort"), Some(who)) => sign(
            Medium,
            format!("name contains “city” or a word for it in a table of people (“{who}”)"),
        ),
        (Some("city" | "town"), None) if somewhere => {
            sign(Medium, "name is a city of somebody's address".to_owned())
        }
        _ => None,
    }
}

/// Where a phrase stands in the words: apart, or written as one word.
fn find(words: &[String], phrase: &[&str]) -> Option<(usize, usize)> {
    let apart = words
        .windows(phrase.len())
        .position(|window| window == phrase);
    if let Some(at) = apart {
        return Some((at, phrase.len()));
    }
    let joined = phrase.concat();
    // Two letters written together ("e mail" as "email") are a word as well.
    (phrase.len() > 1).then(|| {
        words
            .iter()
            .position(|word| *word == joined)
            .map(|at| (at, 1))
    })?
}

/// Whether a declared type holds numbers or truth values only.
fn is_numeric(declared_type: &str) -> bool {
    let lower = declared_type.to_ascii_lowercase();
    let base: &str = lower.split(['(', ' ']).next().unwrap_or_default();
    const NUMERIC: [&str; 19] = [
        "int",
        "integer",
        "bigint",
        "smallint",
        "tinyint",
        "mediumint",
        "int2",
        "int4",
        "int8",
        "serial",
        "bigserial",
        "bool",
        "boolean",
        "real",
        "float",
        "double",
        "numeric",
        "decimal",
        "bit",
    ];
    NUMERIC.contains(&base)
}
