//! A reader or writer that fails in the middle: its error comes out, and nothing
//! waits for ever.

use std::io::{self, Read, Write};
use std::sync::mpsc;
use std::time::Duration;

use atrest_media::{MediaError, ObjectWriter};

use crate::{ID, PIECE, bytes, keyring, open, seal};

/// Works for so many bytes, then fails.
struct Failing(usize);

impl Read for Failing {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.write(out)
    }
}

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::Error::other("the cable is out"));
        }
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Gives up after a minute.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    std::thread::spawn(move || done.send(work()));
    result
        .recv_timeout(Duration::from_secs(60))
        .expect("it hangs")
}

fn is_cable(error: &MediaError) -> bool {
    matches!(error, MediaError::Io { source, .. } if source.to_string() == "the cable is out")
}

#[test]
fn a_failing_reader() {
    for threads in [1, 2, 5] {
        for after in [0, 1, 71, 72, 100, PIECE, PIECE + 1, 9 * PIECE + 1] {
            let error = in_time(move || {
                atrest_media::seal(Failing(after), io::sink(), &keyring(), ID, threads, &|_| {})
                    .unwrap_err()
            });
            assert!(is_cable(&error), "{error}");
        }
        let object = seal(&bytes(5 * PIECE), 1);
        for after in [0, 1, 71, 72, 100, PIECE, 3 * PIECE, object.len()] {
            let part = object[..after].to_vec();
            let error = in_time(move || {
                let reader = part.chain(Failing(0));
                atrest_media::open(reader, io::sink(), &keyring(), ID, threads, &|_| {})
                    .unwrap_err()
            });
            assert!(is_cable(&error), "{error}");
        }
    }
}

/// The helper owns its bytes, since the test gives up on threads that hang.
trait Chained {
    fn chain(self, next: Failing) -> io::Chain<io::Cursor<Vec<u8>>, Failing>;
}

impl Chained for Vec<u8> {
    fn chain(self, next: Failing) -> io::Chain<io::Cursor<Vec<u8>>, Failing> {
        Read::chain(io::Cursor::new(self), next)
    }
}

#[test]
fn a_failing_writer() {
    for threads in [1, 2, 5] {
        for after in [0, 1, 72, 100, PIECE, 3 * PIECE, 9 * PIECE] {
            let error = in_time(move || {
                // Never ends: only the writer does.
                atrest_media::seal(
                    io::repeat(1),
                    Failing(after),
                    &keyring(),
                    ID,
                    threads,
                    &|_| {},
                )
                .unwrap_err()
            });
            assert!(is_cable(&error), "{error}");
        }
        for after in [0, 1, 100, PIECE, 3 * PIECE] {
            let object = seal(&bytes(5 * PIECE), 1);
            let error = in_time(move || {
                let mut writer = Failing(after);
                atrest_media::open(&object[..], &mut writer, &keyring(), ID, threads, &|_| {})
                    .unwrap_err()
            });
            assert!(is_cable(&error), "{error}");
        }
    }
}

#[test]
fn damage_in_a_stream_without_end() {
    let object = seal(&bytes(3 * PIECE), 1);
    let error = in_time(move || {
        let reader = Read::chain(io::Cursor::new(object), io::repeat(0));
        atrest_media::open(reader, io::sink(), &keyring(), ID, 3, &|_| {}).unwrap_err()
    });
    assert!(matches!(error, MediaError::Object(_)), "{error}");
}

#[test]
fn an_object_writer_stays_failed() {
    let mut writer = ObjectWriter::new(Failing(100_000), &keyring(), ID).unwrap();
    assert!(writer.write_all(&bytes(PIECE)).is_err());
    assert!(writer.flush().is_err());
    let error = writer.finish().map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("an earlier write"), "{error}");
    assert!(ObjectWriter::new(Failing(10), &keyring(), ID).is_err());
    assert!(open(b"", 1).is_err());
}
