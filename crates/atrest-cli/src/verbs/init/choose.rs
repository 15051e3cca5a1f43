//! Questions on a terminal.

use anyhow::Context as _;
use dialoguer::theme::ColorfulTheme;
use dialoguer::{Input, MultiSelect};

use super::survey::Candidate;

/// Asks for the database.
pub(super) fn url() -> anyhow::Result<String> {
    eprintln!(
        "Which database? For example postgresql://user@localhost/app, mysql://user@localhost/app \
         or sqlite:app.db.\nA password can stay out of sight: export it and write ${{NAME}} in its place."
    );
    Input::with_theme(&ColorfulTheme::default())
        .with_prompt("Database URL")
        .interact_text()
        .context("no database was named")
}

/// Asks which columns to take: for each candidate, whether it is.
pub(super) fn columns(candidates: &[Candidate]) -> anyhow::Result<Vec<bool>> {
    let mut taken = vec![false; candidates.len()];
    let possible: Vec<usize> = (0..candidates.len())
        .filter(|i| candidates.get(*i).is_some_and(Candidate::possible))
        .collect();
    if possible.is_empty() {
        return Ok(taken);
    }
    let items = possible.iter().filter_map(|i| candidates.get(*i)).map(|c| {
        let label = format!(
            "{}.{}  {}  ({})",
            c.table, c.column.name, c.column.declared_type, c.finding.confidence
        );
        (label, c.recommended())
    });
    let chosen = MultiSelect::with_theme(&ColorfulTheme::default())
        .with_prompt("Columns to encrypt (space marks, enter goes on, escape leaves)")
        .items_checked(items)
        .max_length(20)
        .interact_opt()
        .context("no columns were chosen")?
        .context("left without a choice; nothing was written")?;
    for item in chosen {
        if let Some(slot) = possible.get(item).and_then(|i| taken.get_mut(*i)) {
            *slot = true;
        }
    }
    Ok(taken)
}
