//! The keys of the people (or whatever else) that rows belong to.

use std::collections::HashMap;
use std::sync::Arc;

use atrest_engine::subjects::{SubjectError, SubjectKeyring, SubjectKeys, Subjects};
use atrest_engine::target::Database;

use crate::{FieldError, Fields};

/// The keys of all subjects of a database, for [`Field::of`](crate::Field::of). Cloning
/// shares them.
///
/// Keys are asked for many at once and kept in memory, those of 50,000 subjects at most,
/// for 30 s: so long may an application open what was forgotten elsewhere.
#[derive(Debug, Clone)]
pub struct FieldSubjects(Arc<Subjects>);

impl Fields {
    /// The keys of subjects, which the database at `url` keeps (`postgresql://`,
    /// `mysql://`, `sqlite:`): the one that the policy names. The account needs SELECT on
    /// the table `atrest_keys`, and INSERT for [`FieldSubjects::keys_to_seal`].
    ///
    /// # Errors
    /// [`FieldError::Database`]; else those of [`Self::subjects_in`].
    #[cfg(feature = "subjects")]
    pub async fn subjects(&self, url: &str) -> Result<FieldSubjects, FieldError> {
        self.subjects_in(atrest_sql::connect(url).await?).await
    }

    /// As `subjects` (feature `subjects`), over a database that is connected already.
    ///
    /// # Errors
    /// [`FieldError::Subjects`] for a policy without a keyring,
    /// [`FieldError::NoSubjectKeys`] for a keyring that never had subjects,
    /// [`FieldError::OldKeyring`] for an old copy of one.
    pub async fn subjects_in(
        &self,
        database: Arc<dyn Database>,
    ) -> Result<FieldSubjects, FieldError> {
        let opened = self.opened().ok_or(SubjectError::NoKeyring)?;
        let (Some(wrapping), Some(index)) = (opened.subjects(), opened.index()) else {
            return Err(FieldError::NoSubjectKeys {
                keyring: opened.origin().to_owned(),
            });
        };
        let gone = opened.forgotten().iter();
        let keys = SubjectKeyring {
            wrapping,
            index,
            forgotten: gone
                .map(|one| (one.tag.clone(), one.keys.clone()))
                .collect(),
        };
        let subjects = Subjects::new(database, self.keyring(), keys);
        if let Some(newest) = subjects.newer_than(opened.generation()).await? {
            return Err(FieldError::OldKeyring {
                keyring: opened.origin().to_owned(),
                generation: opened.generation(),
                newest,
            });
        }
        Ok(FieldSubjects(Arc::new(subjects)))
    }
}

impl FieldSubjects {
    /// The keys of each of these subjects, in one request, to open what is theirs.
    ///
    /// A subject is the canonical text of the column that the policy names as `subject`:
    /// 4711 is "4711", a UUID its 36 lower-case characters.
    ///
    /// # Errors
    /// [`FieldError::Subjects`]: the database's, and those of records that are not to be
    /// trusted.
    pub async fn keys<S: AsRef<str>>(
        &self,
        subjects: impl IntoIterator<Item = S>,
    ) -> Result<HashMap<String, SubjectKeys>, FieldError> {
        self.asked(subjects, false).await
    }

    /// As [`Self::keys`], to seal too: who has no key is made one, which is durable and
    /// read back.
    ///
    /// # Errors
    /// As [`Self::keys`].
    pub async fn keys_to_seal<S: AsRef<str>>(
        &self,
        subjects: impl IntoIterator<Item = S>,
    ) -> Result<HashMap<String, SubjectKeys>, FieldError> {
        self.asked(subjects, true).await
    }

    async fn asked<S: AsRef<str>>(
        &self,
        subjects: impl IntoIterator<Item = S>,
        make: bool,
    ) -> Result<HashMap<String, SubjectKeys>, FieldError> {
        let subjects: Vec<S> = subjects.into_iter().collect();
        let all = subjects.iter().map(AsRef::as_ref);
        Ok(self.0.keyrings(all, make).await?)
    }
}
