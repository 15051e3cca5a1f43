//! Whole files under AES-256-CBC, as earlier systems wrote them: an IV of 16 bytes,
//! then the content with PKCS #7 padding (SP 800-38A §6.2, RFC 5652 §6.3), and no
//! MAC. Only read, never written.

use std::fmt;

use aes::Aes256;
use aes::cipher::KeyInit;
use zeroize::{Zeroize, Zeroizing};

use crate::cbc::{self, BLOCK};
use crate::hazmat::CipherError;
use crate::stack;

/// Decrypts such a file piece by piece, in constant memory.
///
/// **Nothing authenticates it.** Whoever could write to the file may have changed
/// what comes out: in whole blocks at will, bit by bit where the block before may be
/// garbled. A wrong key or a cut is noticed at the end, and only nearly always (one
/// wrong end in 256 looks like padding). Use it to take a file over into an object,
/// and compare what came out with something that knows better.
///
/// ```
/// use atrest_core::hazmat::Aes256CbcFile;
/// // openssl enc -aes-256-cbc -K 0101.. -iv 0202.. -in clip, behind its IV
/// let file: [u8; 32] = [
///     2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0x2b, 0x8e, 0xc4, 0x15, 0xb3, 0x76, 0x12,
///     0xa4, 0xc0, 0xfa, 0x72, 0xad, 0x92, 0x35, 0xd8, 0xf7,
/// ];
/// let mut clear = Vec::new();
/// let mut opener = Aes256CbcFile::new(&[1; 32]);
/// for piece in file.chunks(7) {
///     opener.update(piece, &mut clear)?;
/// }
/// opener.finish(&mut clear)?;
/// assert_eq!(clear, b"a frame");
/// # Ok::<(), atrest_core::hazmat::CipherError>(())
/// ```
pub struct Aes256CbcFile {
    aes: Box<Aes256>,
    /// The IV, then the ciphertext block before what comes next; `None` before it
    /// is whole.
    before: Option<[u8; BLOCK]>,
    /// What is not decrypted yet: one whole block at most, for it may be the last.
    rest: Zeroizing<Vec<u8>>,
}

impl Aes256CbcFile {
    /// A file under `key`, from its beginning.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self {
            aes: stack::wiped(|| Box::new(Aes256::new(key.into()))),
            before: None,
            rest: Zeroizing::new(Vec::new()),
        }
    }

    /// Takes the file's next bytes, and appends what they decrypt to to `clear`.
    ///
    /// # Errors
    /// None in practice; see [`CipherError`].
    pub fn update(&mut self, mut file: &[u8], clear: &mut Vec<u8>) -> Result<(), CipherError> {
        if self.before.is_none() {
            let missing = BLOCK - self.rest.len();
            let (now, later) = file.split_at(missing.min(file.len()));
            self.rest.extend_from_slice(now);
            file = later;
            self.before = self.rest.first_chunk().copied();
            if self.before.is_some() {
                self.rest.clear();
            }
        }
        let Some(before) = &mut self.before else {
            return Ok(());
        };
        let all = self.rest.len() + file.len();
        let ready = all.saturating_sub(1) / BLOCK * BLOCK;
        if ready == 0 {
            self.rest.extend_from_slice(file);
            return Ok(());
        }
        let from = clear.len();
        let (now, later) = file.split_at(ready - self.rest.len());
        clear.extend_from_slice(&self.rest);
        clear.extend_from_slice(now);
        self.rest.clear();
        self.rest.extend_from_slice(later);
        let blocks = clear.get_mut(from..).unwrap_or_default();
        cbc::decrypt_blocks(&*self.aes, before, blocks).ok_or(CipherError)
    }

    /// The file has ended: appends its last bytes to `clear`.
    ///
    /// # Errors
    /// When it is not whole blocks, or does not end with padding: cut off, another
    /// key's, or no such file. What came out before is then worth nothing.
    pub fn finish(mut self, clear: &mut Vec<u8>) -> Result<(), CipherError> {
        let before = self.before.ok_or(CipherError)?;
        let length = cbc::decrypt(&*self.aes, &before, &mut self.rest).ok_or(CipherError)?;
        clear.extend_from_slice(self.rest.get(..length).ok_or(CipherError)?);
        Ok(())
    }
}

impl Drop for Aes256CbcFile {
    fn drop(&mut self) {
        self.before.zeroize();
    }
}

impl fmt::Debug for Aes256CbcFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Aes256CbcFile")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Aes256CbcFile;
    use crate::cbc;
    use aes::cipher::KeyInit;

    fn file(clear: &[u8]) -> Vec<u8> {
        let iv: [u8; 16] = std::array::from_fn(|i| i as u8);
        let mut file = [&iv[..], clear].concat();
        cbc::encrypt(&aes::Aes256::new(&[7; 32].into()), &iv, &mut file, 16);
        file
    }

    fn open(file: &[u8], cuts: &[usize]) -> Option<Vec<u8>> {
        let (mut opener, mut clear) = (Aes256CbcFile::new(&[7; 32]), Vec::new());
        let (mut rest, mut cuts) = (file, cuts.iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at((*cuts.next()?).min(rest.len()));
            opener.update(now, &mut clear).ok()?;
            rest = later;
        }
        opener.finish(&mut clear).ok()?;
        Some(clear)
    }

    proptest! {
        #[test]
        fn in_any_pieces(clear in proptest::collection::vec(any::<u8>(), 0..500), cuts in proptest::collection::vec(1usize..70, 1..5)) {
            let file = file(&clear);
            prop_assert_eq!(open(&file, &cuts), Some(clear));
        }

        #[test]
        fn cut_off_is_refused(length in 0usize..200, cut in 0usize..240) {
            let file = file(&vec![9; length]);
            prop_assume!(cut < file.len());
            // A cut between blocks leaves clear bytes at the end, which are 9s: nine
            // of them would be padding.
            let opened = open(&file[..cut], &[33]);
            prop_assert!(opened.is_none() || cut % 16 == 0 && cut > 16);
        }
    }
}
