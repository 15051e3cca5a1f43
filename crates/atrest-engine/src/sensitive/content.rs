//! What a sample of a column's values says.

use super::Confidence::{self, High, Low, Medium};
use super::{Sign, Suggestion, json, name, shape};
use crate::target::{Column, Value};

/// What a value can be, one by one.
struct Test {
    /// In a sentence: "12 of 50 sampled values are ...".
    many: &'static str,
    one: &'static str,
    confidence: Confidence,
    suggested: Suggestion,
    /// The least share of the sample, in percent.
    share: usize,
    /// The least number of values.
    least: usize,
    is: fn(&str) -> bool,
}

const TESTS: &[Test] = &[
    test(
        "are e-mail addresses",
        "is an e-mail address",
        High,
        60,
        1,
        shape::is_email,
    ),
    test(
        "are telephone numbers",
        "is a telephone number",
        Medium,
        60,
        2,
        shape::is_phone,
    ),
    test(
        "are payment card numbers",
        "is a payment card number",
        High,
        60,
        3,
        shape::is_card,
    ),
    test(
        "are bank accounts (IBAN)",
        "is a bank account (IBAN)",
        High,
        60,
        1,
        shape::is_iban,
    ),
    test(
        "are IP addresses",
        "is an IP address",
        Medium,
        60,
        1,
        shape::is_ip,
    ),
    test(
        "are JSON Web Tokens",
        "is a JSON Web Token",
        High,
        60,
        1,
        shape::is_jwt,
    ),
    test(
        "are keys or certificates (PEM)",
        "is a key or certificate (PEM)",
        High,
        30,
        1,
        shape::is_pem,
    ),
    test(
        "mention an e-mail address",
        "mentions an e-mail address",
        Medium,
        10,
        1,
        shape::mentions_email,
    ),
    Test {
        many: "are encrypted already (atrest or Fernet)",
        one: "is encrypted already (atrest or Fernet)",
        confidence: High,
        suggested: Suggestion::AlreadySealed,
        share: 30,
        least: 1,
        is: shape::is_token,
    },
];

const fn test(
    many: &'static str,
    one: &'static str,
    confidence: Confidence,
    share: usize,
    least: usize,
    is: fn(&str) -> bool,
) -> Test {
    Test {
        many,
        one,
        confidence,
        suggested: Suggestion::Encrypt,
        share,
        least,
        is,
    }
}

/// What the values say. NULLs and blank values do not count.
pub(super) fn signs(sample: &[Value]) -> Vec<Sign> {
    let texts: Vec<&str> = sample
        .iter()
        .filter_map(text)
        .filter(|text| !text.is_empty())
        .collect();
    let mut signs: Vec<Sign> = TESTS
        .iter()
        .filter_map(|test| {
            let hits = texts.iter().filter(|text| (test.is)(text)).count();
            let enough = hits >= test.least && hits * 100 >= texts.len() * test.share;
            enough.then(|| Sign {
                confidence: test.confidence,
                reason: reason(hits, texts.len(), test.many, test.one),
                suggested: test.suggested,
            })
        })
        .collect();
    signs.extend(birth_dates(&texts));
    signs.extend(documents(&texts));
    signs
}

fn reason(hits: usize, of: usize, many: &str, one: &str) -> String {
    format!(
        "{hits} of {of} sampled values {}",
        if hits == 1 { one } else { many }
    )
}

fn text(value: &Value) -> Option<&str> {
    let bytes = match value {
        Value::Text(bytes) | Value::Bytes(bytes) | Value::Number(bytes) => bytes,
        Value::Null | Value::Deferred(_) => return None,
    };
    // A sampled value may be cut in the middle of a character.
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return None,
    };
    Some(text.trim())
}

/// Dates that reach back over a generation, as people's do and orders' do not.
fn birth_dates(texts: &[&str]) -> Option<Sign> {
    let years: Vec<u32> = texts.iter().filter_map(|text| shape::year(text)).collect();
    let (first, last) = (years.iter().min()?, years.iter().max()?);
    let wide = *first >= 1900 && *first <= 1985 && *last >= *first + 15;
    (years.len() >= 5 && years.len() * 100 >= texts.len() * 80 && wide).then(|| Sign {
        confidence: Low,
        reason: format!(
            "{} of {} sampled values are dates that spread over {} years, as dates of birth do",
            years.len(),
            texts.len(),
            last - first
        ),
        suggested: Suggestion::Encrypt,
    })
}

/// JSON documents with feature vectors, or with keys that name what is sensitive.
fn documents(texts: &[&str]) -> Vec<Sign> {
    let documents: Vec<json::Json> = texts.iter().filter_map(|text| json::scan(text)).collect();
    if documents.is_empty() || documents.len() * 2 < texts.len() {
        return Vec::new();
    }
    let mut signs = Vec::new();
    let vectors = documents.iter().filter(|json| json.vector).count();
    if vectors * 10 >= documents.len() && vectors > 0 {
        signs.push(Sign {
            confidence: High,
            reason: reason(
                vectors,
                texts.len(),
                "are JSON with a long array of numbers, as face templates are",
                "is JSON with a long array of numbers, as a face template is",
            ),
            suggested: Suggestion::Encrypt,
        });
    }
    let mut best: Option<(usize, Confidence)> = None;
    for json in &documents {
        let certain = json
            .keys
            .iter()
            .filter(|key| key.len() <= 64)
            .flat_map(|key| {
                name::signs(
                    "",
                    &Column {
                        name: key.clone(),
                        declared_type: String::new(),
                        nullable: true,
                    },
                )
            })
            .map(|sign| sign.confidence)
            .max();
        if let Some(confidence) = certain.filter(|confidence| *confidence >= Medium) {
            let (count, before) = best.unwrap_or((0, confidence));
            best = Some((count + 1, before.max(confidence)));
        }
    }
    if let Some((count, confidence)) = best.filter(|(count, _)| count * 10 >= documents.len()) {
        // Which keys is not said: keys of a document can be data ("ada@example.org").
        signs.push(Sign {
            confidence,
            reason: reason(
                count,
                texts.len(),
                "are JSON with keys that name something sensitive",
                "is JSON with a key that names something sensitive",
            ),
            suggested: Suggestion::Encrypt,
        });
    }
    signs
}
