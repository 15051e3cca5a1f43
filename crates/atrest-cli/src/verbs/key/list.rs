//! `atrest key list`.

use std::collections::BTreeMap;
use std::time::Instant;

use atrest::policy_keys::protects;
use atrest_core::KeyId;
use atrest_engine::RunOptions;
use atrest_engine::report::{ColumnReport, KeyUsage, key_usage, of_a_part};
use atrest_media::folder;

use super::life;
use crate::Outcome;
use crate::args::Global;
use crate::files::Locations;
use crate::output::{Envelope, warn};
use crate::session::{Connected, Session};

/// Runs the verb.
pub(super) async fn run(global: &Global) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    let session = Session::load(global)?;
    let nothing = session.policy.columns.is_empty() && session.policy.files.is_empty();
    let (session, mut usage, subjects) = match nothing {
        true => uncounted(session),
        false => counted(session, global).await?,
    };
    life::add(&mut usage, subjects.as_ref(), &session);
    if global.json {
        let columns: Vec<ColumnReport> = Vec::new();
        let file = session.path;
        Envelope::new("key list", true, columns, begin.elapsed().as_secs_f64())
            .with("policy", file)?
            .with("keys", usage)?
            .print()?;
    } else {
        crate::verbs::status::keys(&usage);
    }
    Ok(Outcome::Clean)
}

/// How many records of subjects each key of the keyring protects.
pub(crate) type OfSubjects = BTreeMap<KeyId, u64>;

/// With how many values and files each key holds, and how many records of subjects, when
/// the database can be reached and the locations are there.
async fn counted(
    session: Session,
    global: &Global,
) -> anyhow::Result<(Session, Vec<KeyUsage>, Option<OfSubjects>)> {
    if !session.policy.columns.is_empty()
        && let Err(error) = session.database().await
    {
        warn(&format!("values and files were not counted: {error}"));
        return Ok(uncounted(session));
    }
    let connected = session.connect(global).await?;
    let locations = match Locations::open(&connected, None, global).await {
        Ok(locations) => locations,
        Err(error) => {
            warn(&format!("values and files were not counted: {error:#}"));
            return Ok(uncounted(connected.session));
        }
    };
    let usage = count(&connected, &locations, global).await?;
    drop(locations);
    let subjects = of_subjects(&connected).await?;
    connected.close().await;
    Ok((connected.session, usage, subjects))
}

/// How many records of subjects each key protects, where the policy names subjects.
pub(crate) async fn of_subjects(connected: &Connected) -> anyhow::Result<Option<OfSubjects>> {
    match &connected.subjects {
        Some(subjects) => Ok(Some(subjects.needed().await?)),
        None => Ok(None),
    }
}

/// What of the subjects' records needs a key, in words.
pub(super) async fn needed_by_subjects(
    connected: &Connected,
    id: KeyId,
) -> anyhow::Result<Option<String>> {
    let needed = of_subjects(connected).await?.unwrap_or_default();
    Ok(needed.get(&id).map(|records| protects(*records)))
}

pub(super) async fn count(
    connected: &Connected,
    locations: &Locations<'_>,
    global: &Global,
) -> anyhow::Result<Vec<KeyUsage>> {
    let runs = match connected.columns(global)?.is_empty() {
        true => Vec::new(),
        false => connected.engine()?.open_runs().await?,
    };
    let columns = crate::verbs::verify::read(connected, &RunOptions::default(), global).await?;
    let files = locations.run(folder::Operation::Look, |_| {}).await?;
    let session = &connected.session;
    let origin = |id| session.origin(id);
    let mut usage = key_usage(session.keyring(), &columns, &files, &runs, &origin);
    if !global.only.is_empty() {
        of_a_part(&mut usage);
    }
    Ok(usage)
}

fn uncounted(session: Session) -> (Session, Vec<KeyUsage>, Option<OfSubjects>) {
    let usage = KeyUsage::uncounted(session.keyring(), &|id| session.origin(id));
    (session, usage, None)
}
