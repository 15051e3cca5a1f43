use atrest_core::object::{ObjectError, ObjectOpener, PROLOGUE_LEN, SLOT_LEN, clear_len};

/// Opens chunks that follow each other and come in parts of any length.
pub(crate) struct Opening {
    opener: ObjectOpener,
    /// The number of the next chunk.
    next: u64,
    /// Sealed bytes of it: always fewer than a whole one.
    kept: Vec<u8>,
}

impl Opening {
    /// What is pushed begins with chunk number `first`.
    pub(crate) const fn new(opener: ObjectOpener, first: u64) -> Self {
        Self {
            opener,
            next: first,
            kept: Vec::new(),
        }
    }

    /// The room that [`Opening::push`] needs for so many sealed bytes, and `finish` after
    /// it, in a buffer that is not to move.
    pub(crate) const fn room(&self, sealed: usize) -> usize {
        match self.kept.len() + sealed {
            0..SLOT_LEN => 0,
            sealed => sealed + SLOT_LEN,
        }
    }

    /// Takes `sealed` and appends the clear bytes of the chunks that are whole with
    /// it to `clear`. After an error, nothing that this call appended is clear.
    pub(crate) fn push(&mut self, sealed: &[u8], clear: &mut Vec<u8>) -> Result<(), ObjectError> {
        let mut rest = sealed;
        if !self.kept.is_empty() {
            let taken = rest.len().min(SLOT_LEN - self.kept.len());
            self.kept.extend_from_slice(&rest[..taken]);
            rest = &rest[taken..];
            if self.kept.len() < SLOT_LEN {
                return Ok(());
            }
            open(&self.opener, &mut self.next, &self.kept, clear)?;
            self.kept.clear();
        }
        let (whole, begun) = rest.split_at(rest.len() - rest.len() % SLOT_LEN);
        open(&self.opener, &mut self.next, whole, clear)?;
        self.kept.extend_from_slice(begun);
        Ok(())
    }

    /// What is left is the object's last chunk: appends its clear bytes.
    ///
    /// # Errors
    /// [`ObjectError::Length`] when nothing is left, or too little for a chunk.
    pub(crate) fn finish(&mut self, clear: &mut Vec<u8>) -> Result<(), ObjectError> {
        let before = PROLOGUE_LEN as u64 + self.next * SLOT_LEN as u64;
        clear_len(before + self.kept.len() as u64)?;
        open(&self.opener, &mut self.next, &self.kept, clear)?;
        self.kept.clear();
        Ok(())
    }
}

fn open(
    opener: &ObjectOpener,
    next: &mut u64,
    sealed: &[u8],
    clear: &mut Vec<u8>,
) -> Result<(), ObjectError> {
    let from = clear.len();
    // Room for the tags as well is more than is needed.
    clear.resize(from + sealed.len(), 0);
    let opened = opener.open(*next, sealed, &mut clear[from..]);
    clear.truncate(from + *opened.as_ref().unwrap_or(&0));
    *next += sealed.len().div_ceil(SLOT_LEN) as u64;
    opened.map(drop)
}
