//! Whether these are the application's keys. A wrong key in the environment seals
//! values that the application cannot read, so it is refused before the first row:
//! samples from all over the key tell, and where they raise a doubt, all values do.

use crate::column::{Column, Reader};
use crate::engine::RunOptions;
use crate::journal::Journal;
use crate::report::Tally;
use crate::target::{KeyRange, Row, RowKey, Value};
use crate::transition::Goal;
use crate::{Engine, EngineError, Operation};

/// Rows looked at where the key begins, and on each page where it ends: new rows,
/// which the application seals first, are mostly there.
const END: u64 = 1000;
/// Pages at the end at most, where the database's count of rows was too low.
const LAST_PAGES: usize = 10;
/// Places between, and rows looked at in each.
const PLACES: u64 = 32;
const SAMPLE: u64 = 64;
/// Values longer than this many bytes are not looked at.
const INLINE: u64 = 8 << 10;

/// Values are encrypted, and none shows that the application has these keys.
///
/// One value that names a missing key is enough. Fernet tokens name none, and text may
/// look like them: a tenth of all values must. `own` tokens prove nothing
/// ([`Journal::unproven`]).
pub(crate) fn suspicious(tally: &Tally, own: u64) -> bool {
    let named = tally.unknown_total();
    let nameless = tally.foreign - named;
    let many = nameless > 0 && nameless * 10 >= tally.total - tally.null;
    tally.sealed_total() <= own && (named > 0 || many)
}

/// Values look like other software's, and its key opens none.
///
/// Where all but a few are taken over already, what is left may be damaged; where a run
/// ended that did so, it is ([`Journal::adopted`]).
pub(crate) fn wrong_external(tally: &Tally) -> bool {
    let nameless = tally.foreign - tally.unknown_total();
    let many = nameless * 10 >= tally.total - tally.null;
    tally.external == 0 && nameless > 0 && (many || tally.sealed_total() == 0)
}

impl Engine {
    /// Refuses the wrong key, by what was sampled. Gives whether a value showed that it is
    /// the right one.
    pub(crate) async fn probe(
        &self,
        column: &Column,
        operation: Operation,
        options: &RunOptions,
        journal: &Journal,
        sampled: Option<Tally>,
    ) -> Result<bool, EngineError> {
        let id = column.name();
        let Some(mut tally) = sampled else {
            return Ok(false);
        };
        let own = journal.unproven(operation, id);
        let adopt = operation == Operation::Adopt && !journal.adopted(id);
        if suspicious(&tally, own) || adopt && wrong_external(&tally) {
            tally = self.scan(column, operation, options).await?;
        }
        if adopt && wrong_external(&tally) {
            return Err(EngineError::WrongExternalKey {
                column: id.to_owned(),
                rows: tally.total,
                undecryptable: tally.foreign,
            });
        }
        if suspicious(&tally, own) {
            return Err(EngineError::WrongKey {
                column: id.to_owned(),
                rows: tally.total,
                undecryptable: tally.foreign,
                key_ids: tally.key_ids(),
                next: tally.missing_keys(),
            });
        }
        Ok(tally.sealed_total() > own)
    }

    /// Classifies both ends of the key and places between, of about `rows` rows; the
    /// table's size does not matter. `None` where values that no key opens are no doubt.
    pub(crate) async fn sample(
        &self,
        column: &Column,
        operation: Operation,
        options: &RunOptions,
        journal: &Journal,
        rows: u64,
    ) -> Result<Option<Tally>, EngineError> {
        // What is left of a rotate or decrypt that was interrupted may be what no key
        // opens.
        let begun = |held: &crate::journal::Held<crate::journal::RunRecord>| {
            held.record.operation == operation
                && matches!(operation, Operation::Rotate | Operation::Decrypt)
        };
        let run = journal.runs.get(column.name());
        if options.accept_lookalikes || run.is_some_and(begun) {
            return Ok(None);
        }
        let goal = column.goal(operation, &self.keyring, options);
        // The last place is then END rows before the end.
        let step = rows.saturating_sub(END) / PLACES;
        let (mut range, mut reader) = (KeyRange::default(), column.reader(&self.keyring));
        let mut tally = Tally::default();
        for place in 0..PLACES {
            // No row twice, which would count twice what proves the key.
            let limit = if place == 0 { END } else { SAMPLE }.min(step) as usize;
            if limit == 0 {
                break;
            }
            // The next place is looked up while this one is read.
            let (page, next) = tokio::try_join!(
                column.target.read(&range, limit, INLINE),
                column.target.key_at(&range, step - 1),
            )?;
            count(column, &mut reader, &goal, &page, &mut tally).await?;
            match next {
                Some(key) => range.after = Some(key),
                // Fewer rows than the database thought: the end is near.
                None => {
                    range.after = page.last().map(|row| row.key.clone()).or(range.after);
                    break;
                }
            }
        }
        for _ in 0..LAST_PAGES {
            let page = column.target.read(&range, END as usize, INLINE).await?;
            count(column, &mut reader, &goal, &page, &mut tally).await?;
            match page.last() {
                Some(row) if page.len() == END as usize => range.after = Some(row.key.clone()),
                _ => break,
            }
        }
        Ok(Some(tally))
    }
}

async fn count(
    column: &Column,
    reader: &mut Reader,
    goal: &Goal,
    page: &[Row],
    tally: &mut Tally,
) -> Result<(), EngineError> {
    let keys: Vec<RowKey> = page.iter().map(|row| row.key.clone()).collect();
    let rings = column.rings_of(&keys).await?;
    for row in page {
        reader.row_of(rings.get(&row.key));
        if !matches!(row.value, Value::Deferred(_)) {
            let key = || Ok(row.key.clone());
            reader.tally(&key, row.value.as_ref(), goal, tally)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use atrest_core::KeyId;

    /// `named` and `nameless` values that look encrypted and do not open, `sealed`
    /// that do, of 100.
    fn tally(named: u64, nameless: u64, sealed: u64) -> Tally {
        let keys = |n: u64| (n > 0).then_some((KeyId([1; 4]), n)).into_iter().collect();
        Tally {
            total: 110,
            null: 10,
            foreign: named + nameless,
            unknown_keys: keys(named),
            sealed: keys(sealed),
            ..Tally::default()
        }
    }

    #[test]
    fn one_that_names_a_key_is_enough_and_of_others_a_tenth() {
        for (named, nameless, want) in [
            (0, 0, false),
            (1, 0, true),
            (0, 9, false),
            (0, 10, true),
            (1, 9, true),
        ] {
            assert_eq!(suspicious(&tally(named, nameless, 0), 0), want);
            assert!(!suspicious(&tally(named, nameless, 1), 0), "one opens");
            assert_eq!(suspicious(&tally(named, nameless, 5), 5), want, "our own");
        }
    }
}
