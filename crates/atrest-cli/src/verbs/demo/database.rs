//! The demo's SQLite file: made, shown, cleaned up.

use std::path::Path;

use anyhow::Context as _;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OpenFlags, params_from_iter};

use super::people::{self, Numbers};

/// Users.
pub(super) const USERS: u64 = 1_000;
/// Attendance events.
pub(super) const EVENTS: u64 = 50_000;
/// Doors: the table that nothing touches.
const DOORS: u64 = 40;

const TABLES: &str = "
    CREATE TABLE users (
        id INTEGER PRIMARY KEY,
        first_name VARCHAR(40) NOT NULL,
        last_name VARCHAR(40) NOT NULL,
        email VARCHAR(100) NOT NULL
    );
    CREATE TABLE doors (id INTEGER PRIMARY KEY, building TEXT NOT NULL, floor INTEGER NOT NULL);
    CREATE TABLE attendance_events (
        id INTEGER PRIMARY KEY,
        user_id INTEGER NOT NULL REFERENCES users (id),
        door_id INTEGER NOT NULL REFERENCES doors (id),
        happened_at TEXT NOT NULL,
        face_template TEXT NOT NULL
    );
    CREATE INDEX attendance_events_by_user ON attendance_events (user_id, happened_at);";

/// Opens a file that is there.
pub(super) fn open(file: &Path) -> anyhow::Result<Connection> {
    Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .with_context(|| format!("cannot open {}", file.display()))
}

/// Makes the database.
pub(super) fn make(file: &Path) -> anyhow::Result<()> {
    let mut link =
        Connection::open(file).with_context(|| format!("cannot make {}", file.display()))?;
    fill(&mut link).with_context(|| format!("cannot fill {}", file.display()))
}

fn fill(link: &mut Connection) -> rusqlite::Result<()> {
    let mut numbers = Numbers::new(20_260_101);
    let transaction = link.transaction()?;
    transaction.execute_batch(TABLES)?;
    insert(&transaction, "doors (id, building, floor)", DOORS, |id| {
        let building = ["North", "South"][usize::from(id > DOORS / 2)];
        vec![number(id), text(building), number(id % 5)]
    })?;
    insert(
        &transaction,
        "users (id, first_name, last_name, email)",
        USERS,
        |id| {
            let person = people::person(id, &mut numbers);
            vec![
                number(id),
                text(person.first_name),
                text(person.last_name),
                text(person.email),
            ]
        },
    )?;
    insert(
        &transaction,
        "attendance_events (id, user_id, door_id, happened_at, face_template)",
        EVENTS,
        |id| {
            // One event every 50 seconds, all of them in January 2026.
            let second = id * 50;
            let (day, hour, minute) = (second / 86_400, second / 3_600 % 24, second / 60 % 60);
            vec![
                number(id),
                number(1 + numbers.below(USERS)),
                number(1 + numbers.below(DOORS)),
                text(format!(
                    "2026-01-{:02}T{hour:02}:{minute:02}:{:02}Z",
                    1 + day,
                    second % 60
                )),
                text(people::face(&mut numbers)),
            ]
        },
    )?;
    transaction.commit()
}

/// Rows 1 to `rows`.
fn insert(
    link: &Connection,
    into: &str,
    rows: u64,
    mut values: impl FnMut(u64) -> Vec<Value>,
) -> rusqlite::Result<()> {
    let places = vec!["?"; into.split(',').count()].join(", ");
    let mut statement = link.prepare(&format!("INSERT INTO {into} VALUES ({places})"))?;
    for id in 1..=rows {
        statement.execute(params_from_iter(values(id)))?;
    }
    Ok(())
}

/// A small number as SQLite stores it.
fn number(n: u64) -> Value {
    Value::Integer(i64::try_from(n).unwrap_or(i64::MAX))
}

fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

/// The first row of a query, as text.
pub(super) fn row(file: &Path, sql: &'static str) -> anyhow::Result<Vec<String>> {
    let link = open(file)?;
    let mut statement = link.prepare(sql)?;
    let columns = statement.column_count();
    statement
        .query_row([], |row| {
            (0..columns)
                .map(|i| Ok(shown(row.get_ref(i)?)))
                .collect::<rusqlite::Result<Vec<_>>>()
        })
        .with_context(|| format!("cannot read a row of {}", file.display()))
}

fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(n) => n.to_string(),
        ValueRef::Real(x) => x.to_string(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            String::from_utf8_lossy(bytes).into_owned()
        }
    }
}

/// `VACUUM`: writes the file anew, without free pages.
pub(super) fn vacuum(file: &Path) -> anyhow::Result<()> {
    open(file)?
        .execute_batch("VACUUM")
        .with_context(|| format!("cannot VACUUM {}", file.display()))
}
