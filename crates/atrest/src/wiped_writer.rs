//! A buffer that leaves nothing behind when it grows.

use std::io::{self, Write};

use zeroize::Zeroizing;

/// What is written, in memory that is wiped when it is dropped and when it becomes too
/// small.
#[derive(Default)]
pub(crate) struct WipedWriter {
    bytes: Zeroizing<Vec<u8>>,
}

impl WipedWriter {
    const FIRST: usize = 256;

    /// What was written so far.
    pub(crate) fn written(&self) -> &[u8] {
        &self.bytes
    }
}

impl Write for WipedWriter {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        let needed = self.bytes.len() + more.len();
        if needed > self.bytes.capacity() {
            let capacity = needed.next_power_of_two().max(Self::FIRST);
            let mut larger = Zeroizing::new(Vec::with_capacity(capacity));
            larger.extend_from_slice(&self.bytes);
            self.bytes = larger;
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::WipedWriter;

    #[test]
    fn what_is_written_is_there_whole() {
        let mut writer = WipedWriter::default();
        let mut all = Vec::new();
        for n in 0..200u8 {
            let some = vec![n; usize::from(n)];
            writer.write_all(&some).unwrap();
            all.extend_from_slice(&some);
        }
        assert_eq!(writer.written(), all);
    }
}
