//! A row's key against its table's.

use atrest_engine::target::{RowKey, TargetError};

/// Refuses a key that has not one value for each of the table's `columns` key
/// columns: bound so, it would name no row, and a range would look done.
pub(crate) fn whole(columns: usize, row: &RowKey) -> Result<(), TargetError> {
    if columns == row.0.len() {
        return Ok(());
    }
    Err(TargetError::Refused {
        what: format!(
            "a key of {} value(s) was given where the table's has {columns}",
            row.0.len()
        ),
        next: "the primary key may have changed since the run began; end the run and begin anew"
            .to_owned(),
    })
}
