//! The demo's SQLite file: made, shown, cleaned up.

use std::path::Path;

use anyhow::Context as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, QueryBuilder, Row as _, Sqlite};

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
pub(super) async fn open(file: &Path) -> anyhow::Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(file);
    SqliteConnection::connect_with(&options)
        .await
        .with_context(|| format!("cannot open {}", file.display()))
}

/// Makes the database.
pub(super) async fn make(file: &Path) -> anyhow::Result<()> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true);
    let mut link = SqliteConnection::connect_with(&options)
        .await
        .with_context(|| format!("cannot make {}", file.display()))?;
    fill(&mut link)
        .await
        .with_context(|| format!("cannot fill {}", file.display()))?;
    link.close().await?;
    Ok(())
}

async fn fill(link: &mut SqliteConnection) -> sqlx::Result<()> {
    let mut numbers = Numbers::new(20_260_101);
    let mut transaction = link.begin().await?;
    sqlx::raw_sql(TABLES).execute(&mut *transaction).await?;
    insert(
        &mut transaction,
        "doors (id, building, floor)",
        DOORS,
        |row, id| {
            let building = ["North", "South"][usize::from(id > DOORS / 2)];
            row.push_bind(number(id))
                .push_bind(building)
                .push_bind(number(id % 5));
        },
    )
    .await?;
    insert(
        &mut transaction,
        "users (id, first_name, last_name, email)",
        USERS,
        |row, id| {
            let person = people::person(id, &mut numbers);
            row.push_bind(number(id))
                .push_bind(person.first_name)
                .push_bind(person.last_name)
                .push_bind(person.email);
        },
    )
    .await?;
    insert(
        &mut transaction,
        "attendance_events (id, user_id, door_id, happened_at, face_template)",
        EVENTS,
        |row, id| {
            // One event every 50 seconds, all of them in January 2026.
            let second = id * 50;
            let (day, hour, minute) = (second / 86_400, second / 3_600 % 24, second / 60 % 60);
            row.push_bind(number(id))
                .push_bind(number(1 + numbers.below(USERS)))
                .push_bind(number(1 + numbers.below(DOORS)))
                .push_bind(format!(
                    "2026-01-{:02}T{hour:02}:{minute:02}:{:02}Z",
                    1 + day,
                    second % 60
                ))
                .push_bind(people::face(&mut numbers));
        },
    )
    .await?;
    transaction.commit().await
}

type Values<'a, 'b> = sqlx::query_builder::Separated<'a, Sqlite, &'b str>;

/// Rows 1 to `rows`, a hundred in a statement.
async fn insert(
    link: &mut SqliteConnection,
    into: &str,
    rows: u64,
    mut values: impl FnMut(&mut Values<'_, '_>, u64),
) -> sqlx::Result<()> {
    let ids: Vec<u64> = (1..=rows).collect();
    for some in ids.chunks(100) {
        let mut query = QueryBuilder::<Sqlite>::new(format!("INSERT INTO {into} "));
        query.push_values(some, |mut row, id| values(&mut row, *id));
        query.build().execute(&mut *link).await?;
    }
    Ok(())
}

/// A small number as SQLite stores it.
fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// The first row of a query, as text.
pub(super) async fn row(file: &Path, sql: &'static str) -> anyhow::Result<Vec<String>> {
    let mut link = open(file).await?;
    let row = sqlx::query(sql).fetch_one(&mut link).await?;
    let values = (0..row.len())
        .map(|i| {
            row.try_get_unchecked::<String, _>(i)
                .with_context(|| format!("cannot read a value of {}", file.display()))
        })
        .collect();
    link.close().await?;
    values
}

/// `VACUUM`: writes the file anew, without free pages.
pub(super) async fn vacuum(file: &Path) -> anyhow::Result<()> {
    let mut link = open(file).await?;
    sqlx::query("VACUUM")
        .execute(&mut link)
        .await
        .with_context(|| format!("cannot VACUUM {}", file.display()))?;
    link.close().await?;
    Ok(())
}
