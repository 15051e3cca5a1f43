//! What a driver says, as what a person can act on.
//!
//! A server's message may quote the very value that it refused ("Incorrect
//! integer value: '…'"), and a driver error's `Debug` carries details and
//! statements. So nothing of the driver's error goes on but its code and its
//! message, and messages about data go on without what stands in quotes.

use std::fmt;

use atrest_engine::target::TargetError;
use sqlx::error::DatabaseError;

/// What the driver said, without values.
pub(crate) struct DriverError {
    code: Option<String>,
    message: String,
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "{} (code {code})", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl fmt::Debug for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for DriverError {}

impl DriverError {
    /// A message of our own in the driver's place.
    pub(crate) fn new(message: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            code: None,
            message: message.into(),
        })
    }

    fn of(error: &sqlx::Error) -> Box<Self> {
        let Some(db) = error.as_database_error() else {
            return Self::new(error.to_string());
        };
        let code = number(db).map_or_else(
            || db.code().map(|c| c.into_owned()),
            |n| Some(n.to_string()),
        );
        Box::new(Self {
            code,
            ..Self::shown(db.message(), about_data(db))
        })
    }

    /// The driver's message with its code; without what it quotes when it is
    /// `about_data`.
    pub(crate) fn with_code(code: String, message: &str, about_data: bool) -> Box<Self> {
        Box::new(Self {
            code: Some(code),
            ..Self::shown(message, about_data)
        })
    }

    fn shown(message: &str, about_data: bool) -> Self {
        let message = if about_data {
            without_quoted(message)
        } else {
            message.to_owned()
        };
        Self {
            code: None,
            message,
        }
    }
}

/// Where an error happened: the database's location, for messages.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Without a password.
    pub(crate) location: String,
}

impl Place {
    /// The driver's error while `doing` something to `what`.
    pub(crate) fn error(&self, doing: impl Into<String>, error: sqlx::Error) -> TargetError {
        self.said(doing, kind(&error), DriverError::of(&error))
    }

    /// An error of this `kind` while `doing` something.
    pub(crate) fn said(
        &self,
        doing: impl Into<String>,
        kind: Kind,
        source: Box<DriverError>,
    ) -> TargetError {
        let doing = doing.into();
        match kind {
            Kind::Connection => TargetError::Connection {
                what: self.location.clone(),
                source,
            },
            Kind::Permission => TargetError::Permission {
                next: format!(
                    "grant the account of {} this right, or use another account",
                    self.location
                ),
                what: doing,
                source,
            },
            Kind::Login => TargetError::Permission {
                what: format!("logging in to {}", self.location),
                next: "check the user and the password in the URL".to_owned(),
                source,
            },
            Kind::NoDatabase => TargetError::NotFound {
                what: format!("the database of {} ({source})", self.location),
                next: "check the name at the end of the URL".to_owned(),
            },
            Kind::Other => TargetError::Database { doing, source },
        }
    }
}

/// Whether a transaction that ended so may simply be run again: a deadlock's
/// victim, a serialization failure, a lock wait that timed out.
pub(crate) fn is_transient(error: &sqlx::Error) -> bool {
    let Some(db) = error.as_database_error() else {
        return false;
    };
    match number(db) {
        Some(n) => matches!(n, 1205 | 1213 | 1020),
        None => matches!(db.code().as_deref(), Some("40001" | "40P01" | "55P03")),
    }
}

/// What an error is about.
pub(crate) enum Kind {
    /// The database cannot be reached.
    Connection,
    /// A right is missing.
    Permission,
    /// The account is not let in.
    Login,
    /// The database named in the URL is not there.
    NoDatabase,
    /// Anything else.
    Other,
}

fn kind(error: &sqlx::Error) -> Kind {
    let db = match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::Protocol(_)
        | sqlx::Error::Configuration(_)
        | sqlx::Error::WorkerCrashed => return Kind::Connection,
        sqlx::Error::Database(db) => db,
        _ => return Kind::Other,
    };
    if let Some(n) = number(db.as_ref()) {
        return match n {
            1045 | 1698 => Kind::Login,
            1044 | 1142 | 1143 | 1227 | 1290 | 1370 | 1792 | 1836 => Kind::Permission,
            1049 => Kind::NoDatabase,
            1040
            | 1053
            | 1077
            | 1080
            | 1129
            | 1130
            | 1152
            | 1153..=1161
            | 1203
            | 1226
            | 1317
            | 1927 => Kind::Connection,
            _ => Kind::Other,
        };
    }
    match db.code().as_deref().unwrap_or_default() {
        "42501" | "25006" => Kind::Permission,
        "3D000" => Kind::NoDatabase,
        code if code.starts_with("28") => Kind::Login,
        code if code.len() == 5
            && (code.starts_with("08") || code.starts_with("57P") || code == "53300") =>
        {
            Kind::Connection
        }
        _ => Kind::Other,
    }
}

/// MySQL's own error number.
fn number(db: &dyn DatabaseError) -> Option<u16> {
    db.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
        .map(sqlx::mysql::MySqlDatabaseError::number)
}

/// Whether the message may quote a value of the application.
fn about_data(db: &dyn DatabaseError) -> bool {
    let state = db.code().unwrap_or_default();
    let by_number = number(db).is_some_and(|n| {
        matches!(n, 1062 | 1264 | 1265 | 1292 | 1366 | 1367 | 1406 | 1411 | 1525 | 1586 | 1690 | 3140..=3160 | 4025..=4042)
    });
    by_number || (state.len() == 5 && (state.starts_with("22") || state.starts_with("23")))
}

/// The message with everything between quotes taken out.
fn without_quoted(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    let mut open: Option<char> = None;
    for c in message.chars() {
        match open {
            // To the last quote: a value may hold quotes itself, so the rest of
            // the message goes with it.
            Some(_) => {}
            None if c == '\'' || c == '"' => {
                open = Some(c);
                out.push_str("(not shown)");
            }
            None => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::without_quoted;

    #[test]
    fn a_refused_value_is_not_repeated() {
        let said = "Incorrect integer value: 'it's secret' for column `d`.`t`.`c` at row 1";
        assert_eq!(without_quoted(said), "Incorrect integer value: (not shown)");
        assert_eq!(
            without_quoted("invalid input syntax for type json"),
            "invalid input syntax for type json"
        );
    }
}
