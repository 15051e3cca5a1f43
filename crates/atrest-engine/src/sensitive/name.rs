//! What a column's name says.

use super::Confidence::{self, High, Low, Medium};
use super::words::split;
use super::{Sign, Suggestion};
use crate::target::Column;

/// A kind of sensitive value, and the names it goes by.
struct Kind {
    what: &'static str,
    confidence: Confidence,
    suggested: Suggestion,
    /// Numbers can be it, so that a numeric column counts too.
    numeric: bool,
    /// Phrases; written together they count as well ("firstname").
    phrases: &'static [&'static str],
}

const fn kind(
    what: &'static str,
    confidence: Confidence,
    phrases: &'static [&'static str],
) -> Kind {
    Kind {
        what,
        confidence,
        suggested: Suggestion::Encrypt,
        numeric: false,
        phrases,
    }
}

const fn number(
    what: &'static str,
    confidence: Confidence,
    phrases: &'static [&'static str],
) -> Kind {
    Kind {
        what,
        confidence,
        suggested: Suggestion::Encrypt,
        numeric: true,
        phrases,
    }
}

/// English first, then common German, French and Spanish words. A longer phrase
/// is tried before a shorter one, so "ip address" is not an address.
const KINDS: &[Kind] = &[
    kind(
        "an e-mail address",
        High,
        &[
            "email",
            "e mail",
            "email address",
            "e mail address",
            "mail address",
            "courriel",
            "correo",
            "correo electronico",
            "mailadresse",
            "emailadresse",
        ],
    ),
    number(
        "a telephone number",
        High,
        &[
            "phone",
            "phone number",
            "phone no",
            "mobile",
            "mobile number",
            "mobile phone",
            "cell phone",
            "telephone",
            "fax",
            "fax number",
            "msisdn",
            "telefon",
            "telefonnummer",
            "handynummer",
            "handy",
            "mobilnummer",
            "telefono",
            "movil",
        ],
    ),
    kind(
        "a person's name",
        High,
        &[
            "first name",
            "last name",
            "full name",
            "given name",
            "family name",
            "middle name",
            "maiden name",
            "surname",
            "forename",
            "contact name",
            "customer name",
            "patient name",
            "person name",
            "vorname",
            "nachname",
            "familienname",
            "geburtsname",
            "prenom",
            "nom de famille",
            "apellido",
            "apellidos",
        ],
    ),
    kind(
        "a name somebody is known by",
        Medium,
        &[
            "user name",
            "display name",
            "nick name",
            "login name",
            "nutzername",
            "benutzername",
        ],
    ),
    kind(
        "a postal address",
        High,
        &[
            "address",
            "street",
            "address line",
            "street address",
            "home address",
            "postal address",
            "billing address",
            "shipping address",
            "adresse",
            "anschrift",
            "strasse",
            "hausnummer",
            "direccion",
            "domicilio",
        ],
    ),
    number(
        "a postal code",
        Medium,
        &[
            "postal code",
            "post code",
            "zip",
            "zip code",
            "plz",
            "postleitzahl",
            "code postal",
            "codigo postal",
        ],
    ),
    number(
        "a date of birth",
        High,
        &[
            "birth date",
            "date of birth",
            "birth day",
            "dob",
            "birth",
            "born on",
            "geburtsdatum",
            "geburtstag",
            "date de naissance",
            "naissance",
            "fecha de nacimiento",
            "nacimiento",
        ],
    ),
    number(
        "a national or tax id",
        High,
        &[
            "ssn",
            "social security",
            "social security number",
            "national id",
            "identity number",
            "id card",
            "passport",
            "passport number",
            "passport id",
            "driver license",
            "driving licence",
            "tax id",
            "tax number",
            "vat id",
            "nin",
            "nino",
            "dni",
            "nif",
            "nie",
            "steuernummer",
            "steuer id",
            "sozialversicherungsnummer",
            "ausweisnummer",
            "personalausweis",
            "securite sociale",
            "pasaporte",
        ],
    ),
    number(
        "a bank account or card",
        High,
        &[
            "iban",
            "bank account",
            "account number",
            "account no",
            "routing number",
            "sort code",
            "card number",
            "credit card",
            "debit card",
            "cvv",
            "cvc",
            "pan",
            "kontonummer",
            "kreditkarte",
            "tarjeta",
            "carte bancaire",
        ],
    ),
    Kind {
        what: "a password",
        confidence: High,
        suggested: Suggestion::Hash,
        numeric: false,
        phrases: &[
            "password",
            "passwd",
            "pwd",
            "passphrase",
            "passwort",
            "kennwort",
            "mot de passe",
            "contrasena",
        ],
    },
    kind(
        "a secret of a program",
        High,
        &[
            "secret",
            "api key",
            "access key",
            "private key",
            "secret key",
            "client secret",
            "credential",
            "credentials",
            "access token",
            "refresh token",
            "auth token",
            "otp secret",
            "totp",
        ],
    ),
    kind(
        "a token that lets somebody in",
        Medium,
        &["token", "session key", "session token", "recovery code"],
    ),
    kind(
        "a biometric feature",
        High,
        &[
            "face",
            "face template",
            "face encoding",
            "face embedding",
            "facial",
            "biometric",
            "biometrics",
            "fingerprint",
            "finger print",
            "iris",
            "retina",
            "voice print",
            "voiceprint",
            "gesicht",
            "fingerabdruck",
        ],
    ),
    kind(
        "a feature vector or template",
        Medium,
        &[
            "embedding",
            "embeddings",
            "template data",
            "feature vector",
            "descriptor vector",
        ],
    ),
    kind(
        "a feature vector or template",
        Low,
        &["encoding", "template"],
    ),
    kind(
        "medical data",
        High,
        &[
            "medical",
            "diagnosis",
            "diagnoses",
            "icd",
            "icd10",
            "disease",
            "allergy",
            "allergies",
            "blood type",
            "blood group",
            "health",
            "prescription",
            "medication",
            "disability",
            "diagnose",
            "krankheit",
            "befund",
            "maladie",
            "enfermedad",
            "diagnostico",
        ],
    ),
    number(
        "pay",
        High,
        &[
            "salary",
            "wage",
            "income",
            "gehalt",
            "lohn",
            "einkommen",
            "salaire",
            "salario",
            "sueldo",
        ],
    ),
    kind(
        "belief, origin or orientation",
        High,
        &[
            "religion",
            "ethnicity",
            "race",
            "sexual orientation",
            "political party",
            "konfession",
        ],
    ),
    number(
        "gender or sex",
        Low,
        &["gender", "sex", "geschlecht", "sexe", "sexo"],
    ),
    kind(
        "a network address",
        Medium,
        &[
            "ip",
            "ip address",
            "ipv4",
            "ipv6",
            "remote addr",
            "remote address",
            "client ip",
            "mac address",
            "ipaddr",
        ],
    ),
    number(
        "a place on earth",
        Medium,
        &[
            "latitude",
            "longitude",
            "lat",
            "lng",
            "lon",
            "geo",
            "gps",
            "geolocation",
            "coordinates",
        ],
    ),
    kind("a place", Low, &["location", "position"]),
    kind(
        "a picture's box or what it shows",
        Low,
        &[
            "bbox",
            "bounding box",
            "label",
            "labels",
            "annotation",
            "annotations",
            "license plate",
            "licence plate",
            "kennzeichen",
        ],
    ),
    kind(
        "free text",
        Low,
        &[
            "note",
            "notes",
            "message",
            "comment",
            "comments",
            "remark",
            "remarks",
            "message body",
            "notiz",
            "bemerkung",
            "nachricht",
            "kommentar",
            "commentaire",
            "message text",
            "mensaje",
            "nota",
            "notas",
            "comentario",
        ],
    ),
];

/// Words after a phrase that turn it into something about the thing, not the
/// thing itself: "email_verified", "message_count", "password_changed_at".
const ABOUT: &[&str] = &[
    "id",
    "uuid",
    "count",
    "at",
    "on",
    "type",
    "kind",
    "status",
    "state",
    "verified",
    "confirmed",
    "enabled",
    "disabled",
    "sent",
    "flag",
    "version",
    "hash",
    "digest",
    "format",
    "size",
    "length",
    "width",
    "height",
    "score",
    "quality",
    "expires",
    "expiry",
    "ttl",
    "template",
    "subject",
    "language",
    "class",
    "category",
    "index",
    "order",
    "required",
    "attempts",
    "policy",
    "hint",
];

/// Tables that hold people, so that a bare "name" or "city" is somebody's.
const PEOPLE: &[&str] = &[
    "customer",
    "employee",
    "user",
    "person",
    "people",
    "patient",
    "member",
    "contact",
    "student",
    "teacher",
    "staff",
    "client",
    "guest",
    "profile",
    "account",
    "subscriber",
    "applicant",
    "candidate",
    "recipient",
    "passenger",
    "tenant",
    "visitor",
    "worker",
    "child",
    "children",
    "parent",
    "donor",
    "voter",
    "kunde",
    "kunden",
    "mitarbeiter",
    "benutzer",
    "personen",
    "patienten",
    "mitglied",
    "mitglieder",
    "utilisateur",
    "employe",
    "usuario",
    "cliente",
    "empleado",
    "persona",
    "personas",
    "paciente",
];

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
        .flat_map(|kind| {
            kind.phrases
                .iter()
                .map(move |p| (kind, p.split(' ').collect()))
        })
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
            .any(|word| ABOUT.contains(&word.as_str()));
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
        PEOPLE.contains(&word.as_str()) || PEOPLE.contains(&one)
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
