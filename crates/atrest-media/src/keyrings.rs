//! Whose keys a file is sealed under: everybody's, or those of the subject that its
//! name says.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use atrest_core::object::ObjectError;
use atrest_core::{KeyId, Keyring};
use atrest_engine::policy::{FilesPolicy, SubjectPattern};
use atrest_engine::subjects::{Erasure, SubjectError, SubjectKeys, Subjects};
use tokio::runtime::Handle;

use crate::MediaError;

/// Names whose keys are asked for at once.
pub(crate) const BATCH: usize = 1000;

/// The keys of one file.
#[derive(Debug, Clone)]
pub enum FileKeys {
    /// Those that everybody shares: it is nobody's.
    Shared(Keyring),
    /// Those of its subject, before the shared ones.
    Subject(SubjectKeys),
}

/// What a file is to be sealed under.
pub(crate) enum ToSeal {
    /// This key, the primary one of its keyring.
    Under(KeyId),
    /// A key of its subject, which is to be made first, if its others open.
    NotMade,
    /// Nothing: its subject is being forgotten.
    Never,
}

impl FileKeys {
    /// What opens the file.
    #[must_use]
    pub fn keyring(&self) -> &Keyring {
        match self {
            Self::Shared(keyring) => keyring,
            Self::Subject(keys) => keys.keyring(),
        }
    }

    /// The keyring whose primary key the file is to be sealed under.
    ///
    /// # Errors
    /// [`SubjectError::Forgetting`] for a file of who is being forgotten.
    pub fn sealing(&self) -> Result<&Keyring, SubjectError> {
        match self {
            Self::Shared(keyring) => Ok(keyring),
            Self::Subject(keys) => keys.sealing(),
        }
    }

    /// Whether a key is one of its subject's.
    #[must_use]
    pub fn is_own(&self, key: KeyId) -> bool {
        matches!(self, Self::Subject(keys) if keys.is_own(key))
    }

    /// How far the erasure of what its subject's key sealed has come; `None`: nobody asked
    /// for it, or the key is none of the subject's.
    #[must_use]
    pub fn erasure_of(&self, key: KeyId) -> Option<Erasure> {
        match self {
            Self::Shared(_) => None,
            Self::Subject(keys) => keys.erasure_of(key),
        }
    }

    /// The same of what does not open.
    pub(crate) fn erasure(&self, error: &ObjectError) -> Option<Erasure> {
        match error {
            ObjectError::UnknownKey(key) => self.erasure_of(*key),
            _ => None,
        }
    }

    /// Why a key of its subject is not at hand, which is there and does not open.
    pub(crate) fn closed(&self, key: KeyId) -> Option<SubjectError> {
        match self {
            Self::Shared(_) => None,
            Self::Subject(keys) => keys.closed(key),
        }
    }

    pub(crate) fn to_seal(&self) -> ToSeal {
        match self {
            Self::Shared(keyring) => ToSeal::Under(keyring.primary().id()),
            Self::Subject(keys) => match keys.own() {
                Some(own) => ToSeal::Under(own),
                None if keys.is_being_forgotten() => ToSeal::Never,
                None => ToSeal::NotMade,
            },
        }
    }

    /// How far the subject's erasure has come, where nothing new was sealed for it since:
    /// what an older copy holds of it must not come back.
    pub(crate) fn gone(&self) -> Option<Erasure> {
        let Self::Subject(keys) = self else {
            return None;
        };
        if keys.own().is_some() || keys.is_closed() {
            return None;
        }
        let asked = keys.is_being_forgotten().then_some(Erasure::Asked);
        keys.erasure().or(asked)
    }

    /// Whether its subject may have got keys that are not here.
    pub(crate) fn may_lack(&self, error: &ObjectError) -> bool {
        matches!((self, error), (Self::Subject(keys), ObjectError::UnknownKey(key))
            if keys.erasure_of(*key).is_none())
    }

    /// What it means that the file does not open: a key that was destroyed is one that is
    /// not at hand, and meant to be.
    #[must_use]
    pub fn explained(&self, error: MediaError) -> MediaError {
        match error {
            MediaError::Object(error) => self.explain(error),
            error => error,
        }
    }

    pub(crate) fn explain(&self, error: ObjectError) -> MediaError {
        match error {
            ObjectError::UnknownKey(key) => match self.erasure_of(key) {
                Some(Erasure::Done) => MediaError::Forgotten(key),
                Some(Erasure::Asked) => MediaError::ToBeForgotten(key),
                None => match self.closed(key) {
                    Some(closed) => MediaError::Keys(closed),
                    None => error.into(),
                },
            },
            error => error.into(),
        }
    }
}

/// The keys of files by their names below a location.
#[async_trait]
pub trait Keyrings: Send + Sync {
    /// The keys of the files of these names (raw bytes, `/` between folders), in their
    /// order: all in one request, and those of a file's next use from memory. With
    /// `make`, each has a key to be sealed under, unless its subject is being forgotten.
    ///
    /// # Errors
    /// Those of subjects' keys.
    async fn keyrings(&self, names: &[&[u8]], make: bool) -> Result<Vec<FileKeys>, SubjectError>;

    /// [`Self::keyrings`], for threads that may wait.
    ///
    /// # Errors
    /// As [`Self::keyrings`].
    fn wait(&self, names: &[&[u8]], make: bool) -> Result<Vec<FileKeys>, SubjectError>;

    /// Whether they depend on the name at all.
    fn by_name(&self) -> bool {
        true
    }

    /// Whose the file of this name is; `None`: nobody's.
    fn subject_of<'n>(&self, name: &'n [u8]) -> Option<&'n str>;

    /// Lets go of what is in memory of the keys of this name.
    fn refresh(&self, name: &[u8]) {
        let _ = name;
    }
}

/// The keys of a location's files. Cloning shares them.
///
/// ```
/// use atrest_core::{Key, Keyring};
/// use atrest_media::Keys;
///
/// let keys: Keys = Keyring::new(Key::generate()?, vec![])?.into(); // nobody's files
/// assert!(!keys.by_name());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Keys(Arc<dyn Keyrings>);

impl Keys {
    /// By name.
    #[must_use]
    pub fn new(keyrings: Arc<dyn Keyrings>) -> Self {
        Self(keyrings)
    }

    /// Of a `[[files]]`: with a `subject` those of `subjects`, else `shared`.
    ///
    /// # Errors
    /// [`SubjectError::NoKeyring`] for files with subjects where there are none.
    pub fn of(
        policy: &FilesPolicy,
        shared: &Keyring,
        subjects: Option<&Arc<Subjects>>,
    ) -> Result<Self, SubjectError> {
        let Some(pattern) = &policy.subject else {
            return Ok(shared.into());
        };
        let subjects = subjects.ok_or(SubjectError::NoKeyring)?;
        let keyrings = SubjectKeyrings::new(Arc::clone(subjects), pattern.clone());
        Ok(Self::new(Arc::new(keyrings)))
    }

    /// Whether they depend on the name.
    #[must_use]
    pub fn by_name(&self) -> bool {
        self.0.by_name()
    }

    /// Whose the file of this name below the location is; `None`: nobody's.
    #[must_use]
    pub fn subject_of<'n>(&self, name: &'n [u8]) -> Option<&'n str> {
        self.0.subject_of(name)
    }

    /// The keys of one name. See [`Keyrings::keyrings`].
    ///
    /// # Errors
    /// Those of subjects' keys.
    pub async fn one(&self, name: &[u8], make: bool) -> Result<FileKeys, SubjectError> {
        let mut keys = self.0.keyrings(&[name], make).await?;
        keys.pop().ok_or(SubjectError::NoKeyring)
    }

    /// [`Self::one`], for threads that may wait.
    ///
    /// # Errors
    /// As [`Self::one`].
    pub fn wait_one(&self, name: &[u8], make: bool) -> Result<FileKeys, SubjectError> {
        let mut keys = self.0.wait(&[name], make)?;
        keys.pop().ok_or(SubjectError::NoKeyring)
    }

    /// The keys of many names. See [`Keyrings::keyrings`].
    ///
    /// # Errors
    /// Those of subjects' keys.
    pub async fn many(&self, names: &[&[u8]], make: bool) -> Result<Vec<FileKeys>, SubjectError> {
        self.0.keyrings(names, make).await
    }

    /// [`Self::many`], for threads that may wait.
    ///
    /// # Errors
    /// As [`Self::many`].
    pub fn wait_many(&self, names: &[&[u8]], make: bool) -> Result<Vec<FileKeys>, SubjectError> {
        self.0.wait(names, make)
    }

    /// The keys of one name as the database has them now.
    pub(crate) async fn again(&self, name: &[u8]) -> Result<FileKeys, SubjectError> {
        self.0.refresh(name);
        self.one(name, false).await
    }

    /// [`Self::again`], for threads that may wait.
    pub(crate) fn wait_again(&self, name: &[u8]) -> Result<FileKeys, SubjectError> {
        self.0.refresh(name);
        self.wait_one(name, false)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("by_name", &self.by_name())
            .finish_non_exhaustive()
    }
}

/// One keyring for every file.
struct Shared(Keyring);

#[async_trait]
impl Keyrings for Shared {
    async fn keyrings(&self, names: &[&[u8]], make: bool) -> Result<Vec<FileKeys>, SubjectError> {
        self.wait(names, make)
    }

    fn wait(&self, names: &[&[u8]], _: bool) -> Result<Vec<FileKeys>, SubjectError> {
        Ok(vec![FileKeys::Shared(self.0.clone()); names.len()])
    }

    fn by_name(&self) -> bool {
        false
    }

    fn subject_of<'n>(&self, _: &'n [u8]) -> Option<&'n str> {
        None
    }
}

impl From<&Keyring> for Keys {
    fn from(keyring: &Keyring) -> Self {
        Self::new(Arc::new(Shared(keyring.clone())))
    }
}

impl From<Keyring> for Keys {
    fn from(keyring: Keyring) -> Self {
        Self::from(&keyring)
    }
}

impl From<&Arc<Keyring>> for Keys {
    fn from(keyring: &Arc<Keyring>) -> Self {
        Self::from(&**keyring)
    }
}

impl From<Arc<Keyring>> for Keys {
    fn from(keyring: Arc<Keyring>) -> Self {
        Self::from(&*keyring)
    }
}

impl From<&Self> for Keys {
    fn from(keys: &Self) -> Self {
        keys.clone()
    }
}

/// The keys of subjects, which a part of a file's name names.
pub struct SubjectKeyrings {
    subjects: Arc<Subjects>,
    pattern: SubjectPattern,
    /// Where the database's connections live.
    runtime: Option<Handle>,
}

impl SubjectKeyrings {
    /// Of the subjects that `pattern` finds in names.
    ///
    /// Made within a runtime of tokio, one of several threads where [`Keyrings::wait`]
    /// is used on a thread of that runtime.
    #[must_use]
    pub fn new(subjects: Arc<Subjects>, pattern: SubjectPattern) -> Self {
        Self {
            subjects,
            pattern,
            runtime: Handle::try_current().ok(),
        }
    }
}

#[async_trait]
impl Keyrings for SubjectKeyrings {
    async fn keyrings(&self, names: &[&[u8]], make: bool) -> Result<Vec<FileKeys>, SubjectError> {
        let whose = names.iter().map(|name| self.pattern.subject_of(name));
        let whose: Vec<Option<&str>> = whose.collect();
        let keys = self
            .subjects
            .keyrings(whose.iter().flatten().copied(), make);
        let keys = keys.await?;
        let of = |subject: &Option<&str>| match subject.and_then(|subject| keys.get(subject)) {
            Some(keys) => FileKeys::Subject(keys.clone()),
            None => FileKeys::Shared(self.subjects.shared().clone()),
        };
        Ok(whose.iter().map(of).collect())
    }

    fn wait(&self, names: &[&[u8]], make: bool) -> Result<Vec<FileKeys>, SubjectError> {
        let asked = self.keyrings(names, make);
        match &self.runtime {
            // A thread of its own: this one may be the runtime's.
            Some(runtime) => std::thread::scope(|scope| {
                let waiting = scope.spawn(|| runtime.block_on(asked));
                waiting.join().unwrap_or(Err(SubjectError::NoKeyring))
            }),
            None => futures::executor::block_on(asked),
        }
    }

    fn subject_of<'n>(&self, name: &'n [u8]) -> Option<&'n str> {
        self.pattern.subject_of(name)
    }

    fn refresh(&self, name: &[u8]) {
        if let Some(subject) = self.pattern.subject_of(name) {
            self.subjects.refresh(subject);
        }
    }
}

impl fmt::Debug for SubjectKeyrings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubjectKeyrings")
            .field("pattern", &self.pattern)
            .finish_non_exhaustive()
    }
}
