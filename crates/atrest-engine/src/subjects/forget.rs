//! The end of a subject's keys: asked for, undone while there is time, and done; or
//! held.
//!
//! The order is what survives a crash: [`Subjects::begin`], from which on nothing is
//! undone; the face writes the subject's tag and key ids into the keyring (a tombstone);
//! [`Subjects::destroy`]; the face writes the receipt; [`Subjects::finished`]. From the
//! tombstone on the keys are not used, wherever a copy of them comes from; running
//! `forget` again finishes what was begun.

use atrest_core::{FieldOpener, Form, KeyId, Suite, seal_one};
use jiff::Timestamp;
use serde::Serialize;

use super::record::{Forget, Hold, NAME, Proven, SubjectKey, place};
use super::{SubjectError, Subjects};

/// What is known of a subject's keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SubjectState {
    /// The subject's tag: it names the subject to who has the index key, and nobody else.
    pub tag: String,
    /// Its keys, the newest first.
    pub keys: Vec<SubjectKeyState>,
    /// Since when it is to be forgotten.
    pub forget_since: Option<Timestamp>,
    /// Until when that can be undone.
    pub undo_until: Option<Timestamp>,
    /// It is being done, and cannot be undone any more.
    pub begun: bool,
    /// Why it may not be forgotten.
    pub hold: Option<String>,
}

/// Erasures that are not as they should be: `forget` is to be run again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenErasures {
    /// Tags of subjects that were forgotten and whose keys are in the database again: an
    /// old copy of it was put back.
    pub back: Vec<String>,
    /// Tags of subjects whose erasure was begun, and has no receipt yet.
    pub begun: Vec<String>,
    /// Tags of subjects whose erasure was asked for and can no longer be undone, and which
    /// nobody has begun.
    pub due: Vec<String>,
}

impl OpenErasures {
    /// Whether all is as it should be.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.back.is_empty() && self.begun.is_empty() && self.due.is_empty()
    }
}

/// What is known of one key of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SubjectKeyState {
    /// Its id, 8 hex digits.
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it was destroyed; `None`: it is there.
    pub destroyed: Option<Timestamp>,
}

impl SubjectState {
    fn of(record: &Proven) -> Self {
        let body = &record.body;
        let key = |key: &super::SubjectKey| SubjectKeyState {
            id: key.id.clone(),
            created: key.created,
            destroyed: key.destroyed,
        };
        Self {
            tag: record.tag.clone(),
            keys: body.keys.iter().map(key).collect(),
            forget_since: body.forget.as_ref().map(|forget| forget.since),
            undo_until: body.forget.as_ref().map(|forget| forget.undo_until),
            begun: body.forget.as_ref().is_some_and(|forget| forget.begun),
            hold: body.hold.as_ref().map(|hold| hold.reason.clone()),
        }
    }

    /// The ids of keys that are still there.
    #[must_use]
    pub fn alive(&self) -> Vec<KeyId> {
        let alive = self.keys.iter().filter(|key| key.destroyed.is_none());
        alive.filter_map(|key| key.id.parse().ok()).collect()
    }

    /// Its keys were destroyed, and nothing else is asked for.
    #[must_use]
    pub fn is_over(&self) -> bool {
        !self.keys.is_empty() && self.alive().is_empty() && self.forget_since.is_none()
    }

    /// Its erasure was asked for, and the time to undo it is over.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.undo_until.is_some_and(|until| until <= now)
    }
}

impl Subjects {
    /// What is known of a subject, by its tag; `None`: it never had a key here.
    ///
    /// # Errors
    /// The database's; [`SubjectError::Damaged`].
    pub async fn state(&self, tag: &str) -> Result<Option<SubjectState>, SubjectError> {
        let record = self.one(tag).await?;
        Ok(record.as_ref().map(SubjectState::of))
    }

    /// Keeps a record of a subject that has none, without a key: of somebody whose values
    /// were never sealed under one, and who is to be forgotten or held.
    ///
    /// # Errors
    /// The database's.
    pub async fn enroll(&self, subject: &str) -> Result<(), SubjectError> {
        self.database.keys_create().await?;
        let record = self
            .prover
            .record(&self.tag(subject), &super::Body::default())?;
        self.database.keys_add(&[record]).await?;
        self.refresh(subject);
        Ok(())
    }

    /// What is known of a subject that is not held.
    ///
    /// # Errors
    /// [`SubjectError::Unknown`], [`SubjectError::Held`]; the database's.
    pub async fn not_held(&self, tag: &str) -> Result<SubjectState, SubjectError> {
        let record = self.known(tag).await?;
        not_held(&record)?;
        Ok(SubjectState::of(&record))
    }

    /// Asks for a subject's erasure: from now on its keys are not used, and after
    /// `undo_until` they are to be destroyed.
    ///
    /// # Errors
    /// [`SubjectError::Unknown`], [`SubjectError::Held`]; the database's.
    pub async fn forget(
        &self,
        subject: &str,
        undo_until: Timestamp,
        now: Timestamp,
    ) -> Result<SubjectState, SubjectError> {
        let tag = &self.tag(subject);
        let record = self.known(tag).await?;
        not_held(&record)?;
        let mut body = record.body.clone();
        // Asked again: the earlier end counts.
        let forget = match &mut body.forget {
            Some(forget) => forget,
            none => none.insert(Forget {
                since: now,
                undo_until,
                subject: self.seal(tag, subject)?,
                begun: false,
            }),
        };
        forget.undo_until = forget.undo_until.min(undo_until);
        self.save(record, body).await
    }

    /// Takes an erasure back that was asked for and not begun.
    ///
    /// # Errors
    /// [`SubjectError::Unknown`]; [`SubjectError::NothingToUndo`];
    /// [`SubjectError::Begun`]; the database's.
    pub async fn undo(&self, tag: &str) -> Result<SubjectState, SubjectError> {
        let record = self.known(tag).await?;
        self.not_begun(&record)?;
        if record.body.forget.is_none() {
            return Err(SubjectError::NothingToUndo {
                tag: tag.to_owned(),
            });
        }
        let mut body = record.body.clone();
        body.forget = None;
        self.save(record, body).await
    }

    /// Begins an erasure that was asked for: from now on it is not undone.
    ///
    /// # Errors
    /// [`SubjectError::Unknown`], [`SubjectError::Held`]; [`SubjectError::NothingToUndo`]
    /// when it was taken back meanwhile; the database's.
    pub async fn begin(&self, tag: &str) -> Result<SubjectState, SubjectError> {
        let record = self.known(tag).await?;
        not_held(&record)?;
        let mut body = record.body.clone();
        let forget = body.forget.as_mut();
        let forget = forget.ok_or_else(|| SubjectError::NothingToUndo {
            tag: tag.to_owned(),
        })?;
        forget.begun = true;
        self.save(record, body).await
    }

    /// The erasure is done, and its receipt is written.
    ///
    /// # Errors
    /// [`SubjectError::Unknown`]; the database's.
    pub async fn finished(&self, tag: &str) -> Result<SubjectState, SubjectError> {
        let record = self.known(tag).await?;
        let mut body = record.body.clone();
        body.forget = None;
        self.save(record, body).await
    }

    /// Destroys the keys of a subject whose erasure was asked for and whose tombstone
    /// is written. There is no way back. What was begun stays open until
    /// [`Self::finished`]. Of a subject that was forgotten before, and whose keys have
    /// come back from an old copy, it destroys those.
    ///
    /// # Errors
    /// [`SubjectError::Unknown`], [`SubjectError::Held`]; [`SubjectError::NothingToUndo`]
    /// when nobody asks for it; the database's.
    pub async fn destroy(&self, tag: &str, now: Timestamp) -> Result<SubjectState, SubjectError> {
        let record = self.known(tag).await?;
        let mut body = record.body.clone();
        let begun = body.forget.as_ref().is_some_and(|forget| forget.begun);
        if self.is_buried(&record) && !begun {
            // An old copy: with what it says of a hold, too. A key of later stays.
            let buried = |key: &&mut SubjectKey| {
                let id = key.key_id();
                id.is_some_and(|id| self.is_in_tombstone(tag, id))
            };
            let back = body.keys.iter_mut().filter(buried);
            back.for_each(|key| key.destroy(now));
        } else {
            not_held(&record)?;
            if body.forget.is_none() {
                return Err(SubjectError::NothingToUndo {
                    tag: tag.to_owned(),
                });
            }
            body.keys.iter_mut().for_each(|key| key.destroy(now));
        }
        body.forget = body.forget.filter(|forget| forget.begun);
        self.save(record, body).await
    }

    /// Keeps a subject from being forgotten, or with `None` lets go of it.
    ///
    /// # Errors
    /// [`SubjectError::Unknown`], [`SubjectError::Begun`]; the database's.
    pub async fn hold(
        &self,
        tag: &str,
        reason: Option<&str>,
        now: Timestamp,
    ) -> Result<SubjectState, SubjectError> {
        let record = self.known(tag).await?;
        if reason.is_some() {
            self.not_begun(&record)?;
        }
        let mut body = record.body.clone();
        body.hold = reason.map(|reason| Hold {
            since: now,
            reason: reason.to_owned(),
        });
        self.save(record, body).await
    }

    /// Every subject whose erasure is not finished: asked for, or with keys that are
    /// back though a tombstone says that they were destroyed.
    ///
    /// # Errors
    /// The database's; [`SubjectError::Damaged`].
    pub async fn unfinished(&self) -> Result<Vec<SubjectState>, SubjectError> {
        let mut found = Vec::new();
        let mut after = NAME.to_owned();
        while let Some(page) = self.page(&mut after).await? {
            for state in page.iter().map(SubjectState::of) {
                let back = self.has_come_back(&state);
                if back {
                    self.is_back(&state.tag);
                }
                if back || state.forget_since.is_some() {
                    found.push(state);
                }
            }
        }
        Ok(found)
    }

    /// Whether a tombstone says of keys that are there that they were destroyed: an old
    /// copy of the database was put back.
    #[must_use]
    pub fn has_come_back(&self, state: &SubjectState) -> bool {
        let mut alive = state.alive().into_iter();
        alive.any(|id| self.is_in_tombstone(&state.tag, id))
    }

    /// What of [`Self::unfinished`] does not wait for a time to undo: it is to be done.
    ///
    /// # Errors
    /// As [`Self::unfinished`].
    pub async fn open_erasures(&self) -> Result<OpenErasures, SubjectError> {
        let (mut open, now) = (OpenErasures::default(), Timestamp::now());
        for state in self.unfinished().await? {
            if state.begun {
                open.begun.push(state.tag);
            } else if self.has_come_back(&state) {
                open.back.push(state.tag);
            } else if state.is_due(now) && state.hold.is_none() {
                open.due.push(state.tag);
            }
        }
        Ok(open)
    }

    /// The subject whose erasure was asked for, by name.
    ///
    /// # Errors
    /// [`SubjectError::Unknown`]; [`SubjectError::NothingToUndo`]; when the keyring does
    /// not open the name.
    pub async fn named(&self, tag: &str) -> Result<String, SubjectError> {
        self.name_in(&self.known(tag).await?)
    }

    pub(super) fn name_in(&self, record: &Proven) -> Result<String, SubjectError> {
        let tag = &record.tag;
        let forget = record.body.forget.as_ref();
        let forget = forget.ok_or_else(|| SubjectError::NothingToUndo { tag: tag.clone() })?;
        let (mut opener, mut clear) = (FieldOpener::new(&self.shared), Vec::new());
        opener
            .open(
                Form::Text,
                &place(tag),
                forget.subject.as_bytes(),
                &mut clear,
            )
            .ok()
            .and_then(|_| String::from_utf8(clear).ok())
            .ok_or_else(|| SubjectError::Unnamed { tag: tag.clone() })
    }

    pub(super) fn seal(&self, tag: &str, subject: &str) -> Result<String, SubjectError> {
        let (suite, form) = (Suite::Xaes256Gcm, Form::Text);
        let token = seal_one(
            &self.shared,
            suite,
            0,
            form,
            &place(tag),
            subject.as_bytes(),
        )?;
        Ok(String::from_utf8_lossy(&token).into_owned())
    }

    /// Whether a tombstone says that keys that are there were destroyed.
    fn is_buried(&self, record: &Proven) -> bool {
        self.has_come_back(&SubjectState::of(record))
    }

    /// Whether a tombstone of the subject names this key.
    pub(super) fn is_in_tombstone(&self, tag: &str, key: KeyId) -> bool {
        let gone = self.forgotten.get(tag);
        gone.is_some_and(|gone| gone.contains(&key))
    }

    fn not_begun(&self, record: &Proven) -> Result<(), SubjectError> {
        let begun = record.body.forget.as_ref().is_some_and(|it| it.begun);
        if begun || self.is_buried(record) {
            return Err(SubjectError::Begun {
                tag: record.tag.clone(),
            });
        }
        Ok(())
    }

    async fn one(&self, tag: &str) -> Result<Option<Proven>, SubjectError> {
        Ok(self.proven(&[tag.to_owned()]).await?.remove(tag))
    }

    async fn known(&self, tag: &str) -> Result<Proven, SubjectError> {
        self.one(tag).await?.ok_or_else(|| SubjectError::Unknown {
            tag: tag.to_owned(),
        })
    }

    async fn save(
        &self,
        mut record: Proven,
        body: super::Body,
    ) -> Result<SubjectState, SubjectError> {
        let change = self.prover.change(&record, &body)?;
        self.database.keys_change(&[change]).await?;
        self.kept.clear();
        record.body = body;
        Ok(SubjectState::of(&record))
    }
}

fn not_held(record: &Proven) -> Result<(), SubjectError> {
    match &record.body.hold {
        None => Ok(()),
        Some(hold) => Err(SubjectError::Held {
            tag: record.tag.clone(),
            since: hold.since,
            reason: hold.reason.clone(),
        }),
    }
}
