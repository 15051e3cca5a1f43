//! An application that goes on writing while atrest works on its table.
//!
//! Some connections send INSERT, UPDATE and DELETE at a fixed rate, chosen by a
//! seed, each its own transaction. Every id belongs to one connection, so that the
//! order of a row's statements is known. Lost connections are opened again; the
//! [`Model`] says what the table must hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::connection::{Connection, Dialect};
use crate::model::{Model, Place, RowState};
use crate::random::Random;

/// What the application stores for a clear value: itself, or a token.
pub type Encode = Arc<dyn Fn(i64, &str) -> String + Send + Sync>;

/// How to write.
#[derive(Clone)]
pub struct Options {
    /// Chooses the statements.
    pub seed: u64,
    /// Statements a second, over all connections.
    pub per_second: u32,
    /// Connections (SQLite: one does best).
    pub connections: u32,
    /// What is stored for a clear value. The default stores it in clear, as an
    /// application does that knows nothing of atrest.
    pub encode: Encode,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            per_second: 500,
            connections: 4,
            encode: Arc::new(|_, clear| clear.to_owned()),
        }
    }
}

/// What the writers have done so far.
#[derive(Debug, Default)]
pub struct Counters {
    /// Statements that the server confirmed.
    pub confirmed: AtomicU64,
    /// Statements that the server refused (deadlock, lock timeout): no effect.
    pub refused: AtomicU64,
    /// Statements whose outcome nobody knows.
    pub unknown: AtomicU64,
}

/// Running writers. Dropped, they stop after the statement under way.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use atrest_testing::model::Place;
/// use atrest_testing::traffic::{Options, Traffic, fill};
/// use atrest_testing::ScratchDatabase;
/// let db = ScratchDatabase::postgres().await;
/// let place = Place::at(db.url());
/// db.execute(&place.create_sql()).await;
/// let model = fill(&place, 1_000, 7).await?;
/// let traffic = Traffic::start(&place, model, Options::default());
/// // ... encrypt the column meanwhile ...
/// let model = traffic.stop().await;
/// model.compare(&place, |_, stored| Ok(stored.to_vec())).await?.assert_clean();
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Traffic {
    stop: Arc<AtomicBool>,
    counters: Arc<Counters>,
    writers: Vec<JoinHandle<Model>>,
    idle: Model,
}

impl Traffic {
    /// Starts writing into a table that holds what `model` says, on the current
    /// tokio runtime.
    pub fn start(place: &Place, model: Model, options: Options) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let counters = Arc::new(Counters::default());
        let parts = u64::from(options.connections.max(1));
        let writers = (0..parts)
            .map(|number| {
                let writer = Writer {
                    place: place.clone(),
                    dialect: Dialect::of(&place.url),
                    model: model.part(parts, number),
                    ids: Vec::new(),
                    gone: Vec::new(),
                    next_id: 0,
                    parts,
                    number,
                    sequence: 0,
                    random: Random::new(options.seed.wrapping_add(number << 32)),
                    options: options.clone(),
                    stop: Arc::clone(&stop),
                    counters: Arc::clone(&counters),
                };
                tokio::spawn(writer.run())
            })
            .collect();
        Self {
            stop,
            counters,
            writers,
            idle: Model::new(),
        }
    }

    /// What was done so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Stops writing and gives the model of what must be there now.
    pub async fn stop(mut self) -> Model {
        self.stop.store(true, Ordering::SeqCst);
        let mut model = std::mem::take(&mut self.idle);
        for writer in std::mem::take(&mut self.writers) {
            model.merge(writer.await.expect("a writer does not panic"));
        }
        model
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

/// Fills an empty table with rows 1 to `rows` and gives its model. A few values
/// are NULL or empty, the rest about 60 to 400 characters.
pub async fn fill(place: &Place, rows: u32, seed: u64) -> Result<Model, sqlx::Error> {
    let dialect = Dialect::of(&place.url);
    let mut link = Connection::open(&place.url).await?;
    let mut random = Random::new(seed);
    let mut model = Model::new();
    let ids: Vec<i64> = (1..=i64::from(rows)).collect();
    for page in ids.chunks(500) {
        let tuples: Vec<String> = page
            .iter()
            .map(|id| {
                let state = RowState {
                    value: some_value(&mut random, *id, "fill"),
                    untouched: format!("untouched {id}"),
                };
                let value = state.value.as_deref().map(|v| dialect.literal(v));
                let tuple = format!(
                    "({id}, {}, {})",
                    value.as_deref().unwrap_or("NULL"),
                    dialect.literal(&state.untouched)
                );
                model.set(*id, Some(state));
                tuple
            })
            .collect();
        let columns = format!("(id, {}, untouched)", place.column_sql());
        let table = place.table_sql();
        link.execute(&format!(
            "INSERT INTO {table} {columns} VALUES {}",
            tuples.join(", ")
        ))
        .await?;
    }
    link.close().await;
    Ok(model)
}

/// A value that no other statement writes: its origin is in it.
fn some_value(random: &mut Random, id: i64, origin: &str) -> Option<String> {
    match random.below(40) {
        0 => None,
        1 => Some(String::new()),
        _ => {
            let filler = "0123456789 it's Zoë 山田 ".chars().cycle();
            let filler: String = filler.take(random.below(350) as usize).collect();
            Some(format!(
                "{{\"row\": {id}, \"by\": \"{origin}\", \"note\": \"{filler}\"}}"
            ))
        }
    }
}

/// One connection's worth of writing.
struct Writer {
    place: Place,
    dialect: Dialect,
    model: Model,
    /// Ids known to be there, and known to be deleted.
    ids: Vec<i64>,
    gone: Vec<i64>,
    next_id: i64,
    parts: u64,
    number: u64,
    sequence: u64,
    random: Random,
    options: Options,
    stop: Arc<AtomicBool>,
    counters: Arc<Counters>,
}

impl Writer {
    async fn run(mut self) -> Model {
        for (id, present) in self.model.certain_rows() {
            let list = if present {
                &mut self.ids
            } else {
                &mut self.gone
            };
            list.push(id);
        }
        let above = self.model.highest().max(0).unsigned_abs() + 1;
        let first = above.next_multiple_of(self.parts) + self.number;
        self.next_id = i64::try_from(first).expect("an id");
        let rate = f64::from(self.options.per_second.max(1)) / self.parts as f64;
        let mut clock = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
        // After a stall it goes on at its rate, without a burst.
        clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut link = None;
        while !self.stop.load(Ordering::SeqCst) {
            clock.tick().await;
            let Some(mut open) = link.take() else {
                match Connection::open(&self.place.url).await {
                    Ok(open) => link = Some(open),
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
                continue;
            };
            if self.statement(&mut open).await {
                link = Some(open);
            }
        }
        if let Some(link) = link {
            link.close().await;
        }
        self.model
    }

    /// Sends one statement and records its outcome; false when the connection is
    /// not to be used again.
    async fn statement(&mut self, link: &mut Connection) -> bool {
        self.sequence += 1;
        let table = self.place.table_sql();
        let column = self.place.column_sql();
        let origin = format!("{}/{}", self.number, self.sequence);
        let choice = if self.ids.is_empty() {
            0
        } else {
            self.random.below(10)
        };
        let (id, target, sql) = match choice {
            0 | 1 => {
                // A new row, or one that was deleted before.
                let again = !self.gone.is_empty() && self.random.below(3) == 0;
                let id = if again {
                    let i = self.random.below(self.gone.len() as u64) as usize;
                    self.gone.swap_remove(i)
                } else {
                    self.next_id += i64::try_from(self.parts).expect("a small number");
                    self.next_id
                };
                let value = some_value(&mut self.random, id, &origin);
                let state = RowState {
                    value,
                    untouched: format!("inserted {origin}"),
                };
                let sql = format!(
                    "INSERT INTO {table} (id, {column}, untouched) VALUES ({id}, {}, {})",
                    self.stored(id, state.value.as_deref()),
                    self.dialect.literal(&state.untouched)
                );
                (id, Some(state), sql)
            }
            2 => {
                let id = self.take_one();
                (id, None, format!("DELETE FROM {table} WHERE id = {id}"))
            }
            3 => {
                let id = self.take_one();
                let untouched = format!("changed {origin}");
                let new = self.dialect.literal(&untouched);
                let sql = format!("UPDATE {table} SET untouched = {new} WHERE id = {id}");
                (
                    id,
                    Some(RowState {
                        untouched,
                        ..self.state(id)
                    }),
                    sql,
                )
            }
            _ => {
                let id = self.take_one();
                let value = some_value(&mut self.random, id, &origin);
                let new = self.stored(id, value.as_deref());
                let sql = format!("UPDATE {table} SET {column} = {new} WHERE id = {id}");
                (
                    id,
                    Some(RowState {
                        value,
                        ..self.state(id)
                    }),
                    sql,
                )
            }
        };
        let outcome = link.execute(&sql).await;
        match outcome {
            Ok(rows) => {
                self.counters.confirmed.fetch_add(1, Ordering::Relaxed);
                // No row met: somebody lost it. The model keeps it and it gets no
                // more statements, so the comparison will miss it.
                if rows == 1 {
                    self.model.set(id, target);
                    self.give_back(id);
                }
                true
            }
            Err(error) if had_no_effect(&error) => {
                self.counters.refused.fetch_add(1, Ordering::Relaxed);
                self.give_back(id);
                true
            }
            Err(_) => {
                self.counters.unknown.fetch_add(1, Ordering::Relaxed);
                self.model.set_perhaps(id, target);
                false
            }
        }
    }

    /// Takes a row that is there out of the list, until its statement is done.
    fn take_one(&mut self) -> i64 {
        let i = self.random.below(self.ids.len() as u64) as usize;
        self.ids.swap_remove(i)
    }

    /// Puts a row back into the list it belongs to.
    fn give_back(&mut self, id: i64) {
        match self.model.row(id).map(Vec::as_slice) {
            Some([Some(_)]) => self.ids.push(id),
            Some([None]) => self.gone.push(id),
            _ => {}
        }
    }

    /// What is known of a row in the list.
    fn state(&self, id: i64) -> RowState {
        match self.model.row(id).map(Vec::as_slice) {
            Some([Some(state)]) => state.clone(),
            other => panic!("row {id} is in the list of present rows, but the model has {other:?}"),
        }
    }

    /// The SQL of a clear value as the application stores it.
    fn stored(&self, id: i64, value: Option<&str>) -> String {
        value.map_or_else(
            || "NULL".to_owned(),
            |clear| self.dialect.literal(&(self.options.encode)(id, clear)),
        )
    }
}

/// Whether an error says for certain that the statement changed nothing: the
/// server answered, and not that it was going down.
fn had_no_effect(error: &sqlx::Error) -> bool {
    let Some(said) = error.as_database_error() else {
        return false;
    };
    let code = said.code().unwrap_or_default();
    if let Some(said) = said.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        // Shutdown, interrupted, connection killed.
        return !matches!(said.number(), 1053 | 1317 | 1927 | 1080 | 1184);
    }
    if said
        .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
        .is_some()
    {
        // 57P01 to 57P03: shutdown, crash of another process, not ready; 08: connection.
        return !code.starts_with("57P") && !code.starts_with("08");
    }
    // SQLite: anything but an input or output error (10) rolled the statement back.
    code.parse::<u32>().is_ok_and(|code| code & 0xff != 10)
}
