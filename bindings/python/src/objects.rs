//! Objects: files of any size, and any part of one. `objects.py` makes Python's files of
//! what is here.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use atrest_core::object;
use atrest_media::{ObjectReader as CoreReader, ObjectWriter as CoreWriter};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use tempfile::NamedTempFile;

use crate::errors;
use crate::keyring::Keyring;
use crate::stored::{Value, Wanted};

/// What an object is bound to: bytes, or text in UTF-8.
fn bound_to(id: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let id = Value::of(id, Wanted::ToSeal, "id")?;
    let id =
        id.ok_or_else(|| PyTypeError::new_err("id is bytes or str; b\"\" binds to nothing"))?;
    Ok(id.bytes().to_vec())
}

/// An object of `data`, bound to `id`.
#[pyfunction]
#[pyo3(signature = (data, keyring, *, id = None))]
pub(crate) fn seal_object<'py>(
    data: &Bound<'py, PyAny>,
    keyring: &Bound<'py, Keyring>,
    id: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let (py, keyring) = (data.py(), &keyring.get().core);
    let (data, id) = (bytes(data)?, id.map_or(Ok(Vec::new()), bound_to)?);
    let sealed = py.detach(|| object::seal_object(keyring, &id, data.bytes()));
    let sealed = sealed.map_err(|error| errors::object(&error, true))?;
    Ok(PyBytes::new(py, &sealed))
}

/// The clear bytes of an object that was bound to `id`.
#[pyfunction]
#[pyo3(signature = (data, keyring, *, id = None))]
pub(crate) fn open_object_bytes<'py>(
    data: &Bound<'py, PyAny>,
    keyring: &Bound<'py, Keyring>,
    id: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let (py, keyring) = (data.py(), &keyring.get().core);
    let (data, id) = (bytes(data)?, id.map_or(Ok(Vec::new()), bound_to)?);
    let clear = py.detach(|| object::open_object(keyring, &id, data.bytes()));
    let clear = zeroize::Zeroizing::new(clear.map_err(|error| errors::object(&error, false))?);
    Ok(PyBytes::new(py, &clear))
}

fn bytes(data: &Bound<'_, PyAny>) -> PyResult<Value> {
    match Value::of(data, Wanted::ToSeal, "data")? {
        Some(value @ Value::Bytes(_)) => Ok(value),
        _ => Err(PyTypeError::new_err("data must be bytes")),
    }
}

/// A file of the system, or one of Python's, which is called with the GIL.
enum Place {
    File(File),
    Python(Py<PyAny>),
}

impl Read for Place {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(out),
            Self::Python(file) => Python::attach(|py| {
                let read = file.bind(py).call_method1("read", (out.len(),))?;
                let read = read.cast_into::<PyBytes>().map_err(PyErr::from)?;
                let read = read.as_bytes();
                let room = out.get_mut(..read.len());
                let room = room.ok_or_else(|| io::Error::other("read gave too many bytes"))?;
                room.copy_from_slice(read);
                Ok(read.len())
            }),
        }
    }
}

impl Seek for Place {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::File(file) => file.seek(to),
            Self::Python(file) => Python::attach(|py| {
                let file = file.bind(py);
                let at = match to {
                    SeekFrom::Start(at) => file.call_method1("seek", (at, 0)),
                    SeekFrom::Current(by) => file.call_method1("seek", (by, 1)),
                    SeekFrom::End(by) => file.call_method1("seek", (by, 2)),
                };
                Ok(at?.extract()?)
            }),
        }
    }
}

/// The clear bytes of an object; of `io.RawIOBase` in `objects.py`.
#[pyclass(frozen, module = "atrest", name = "_ObjectReader")]
pub(crate) struct ObjectReader(Mutex<CoreReader<Place>>);

impl ObjectReader {
    /// Without the GIL, which whoever has the reader may be waiting for.
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut CoreReader<Place>) -> io::Result<T> + Send,
    ) -> PyResult<T> {
        let done = py.detach(|| work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner)));
        done.map_err(errors::io)
    }
}

#[pymethods]
impl ObjectReader {
    #[new]
    fn python_new(
        source: &Bound<'_, PyAny>,
        keyring: &Bound<'_, Keyring>,
        id: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let (py, id) = (source.py(), bound_to(id)?);
        let keyring = &keyring.get().core;
        let place = match source.hasattr("read")? {
            true => Place::Python(source.clone().unbind()),
            false => Place::File(File::open(path(source)?)?),
        };
        let reader = py.detach(|| CoreReader::new(place, keyring, &id));
        Ok(Self(Mutex::new(reader.map_err(errors::media)?)))
    }

    /// At most so many of the next bytes; none at the end.
    fn read<'py>(&self, py: Python<'py>, most: usize) -> PyResult<Bound<'py, PyBytes>> {
        let read = self.with(py, |reader| {
            let mut clear = zeroize::Zeroizing::new(vec![0; most.min(1 << 18)]);
            let count = reader.read(&mut clear)?;
            clear.truncate(count);
            Ok(clear)
        });
        Ok(PyBytes::new(py, &read?))
    }

    fn seek(&self, py: Python<'_>, offset: i64, whence: u8) -> PyResult<u64> {
        let to = match whence {
            0 => SeekFrom::Start(u64::try_from(offset).map_err(|_| {
                PyValueError::new_err("a seek to before the first byte; begin at 0 or later")
            })?),
            1 => SeekFrom::Current(offset),
            2 => SeekFrom::End(offset),
            _ => return Err(PyValueError::new_err("whence is 0, 1 or 2")),
        };
        self.with(py, |reader| reader.seek(to))
    }

    /// How many clear bytes there are, proven.
    fn length(&self, py: Python<'_>) -> PyResult<u64> {
        self.with(py, CoreReader::len)
    }
}

/// Where an object is written to: what is new takes its name when it is whole.
enum Target {
    File(NamedTempFile, PathBuf),
    Python(Py<PyAny>),
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file, _) => file.write(bytes),
            Self::Python(file) => Python::attach(|py| {
                let bytes = PyBytes::new(py, bytes);
                let length = bytes.as_bytes().len();
                let written = file.bind(py).call_method1("write", (bytes,))?;
                match written.extract()? {
                    Some(written) if written > length => Err(io::Error::other(
                        "write says that it took more bytes than it was given",
                    )),
                    Some(written) => Ok(written),
                    None if is_raw(file.bind(py))? => Err(io::Error::new(
                        io::ErrorKind::WouldBlock,
                        "the file takes nothing without blocking; give one that blocks",
                    )),
                    // Those of old say nothing.
                    None => Ok(length),
                }
            }),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file, _) => file.flush(),
            Self::Python(file) => Python::attach(|py| {
                if file.bind(py).hasattr("flush")? {
                    file.call_method0(py, "flush")?;
                }
                Ok(())
            }),
        }
    }
}

/// An object that is being written; of `io.RawIOBase` in `objects.py`.
#[pyclass(frozen, module = "atrest", name = "_ObjectWriter")]
pub(crate) struct ObjectWriter(Mutex<Option<CoreWriter<Target>>>);

#[pymethods]
impl ObjectWriter {
    #[new]
    fn python_new(
        target: &Bound<'_, PyAny>,
        keyring: &Bound<'_, Keyring>,
        id: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let (py, id) = (target.py(), bound_to(id)?);
        let keyring = &keyring.get().core;
        let target = match target.hasattr("write")? {
            true => Target::Python(target.clone().unbind()),
            false => {
                let path = path(target)?;
                Target::File(beside(&path)?, path)
            }
        };
        let writer = py.detach(|| CoreWriter::new(target, keyring, &id));
        Ok(Self(Mutex::new(Some(writer.map_err(errors::media)?))))
    }

    fn write(&self, data: &Bound<'_, PyAny>) -> PyResult<usize> {
        let (py, data) = (data.py(), bytes(data)?);
        let clear = data.bytes();
        let written = py.detach(|| {
            let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let writer = writer.as_mut().ok_or_else(closed)?;
            writer.write_all(clear)
        });
        written.map_err(errors::io)?;
        Ok(clear.len())
    }

    /// Writes the end; a file then has its name, durably.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        let finished = py.detach(|| {
            let writer = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
            match writer.ok_or_else(closed)?.finish()? {
                Target::Python(_) => Ok(()),
                Target::File(file, path) => {
                    file.as_file().sync_all()?;
                    file.persist(&path).map_err(io::Error::from)?;
                    File::open(folder(&path))?.sync_all()
                }
            }
        });
        finished.map_err(errors::io)
    }

    /// Gives it up: no file is left, and what went into one of Python's does not open.
    fn discard(&self, py: Python<'_>) {
        py.detach(|| drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take()));
    }
}

/// Whether it is an `io.RawIOBase`, which says None for nothing.
fn is_raw(file: &Bound<'_, PyAny>) -> PyResult<bool> {
    file.is_instance(&file.py().import("io")?.getattr("RawIOBase")?)
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the object is closed")
}

fn path(place: &Bound<'_, PyAny>) -> PyResult<PathBuf> {
    if place.is_instance_of::<PyString>() || place.hasattr("__fspath__")? {
        return place.extract();
    }
    Err(PyTypeError::new_err(
        "an object is in a path, or in a binary file with read, seek or write",
    ))
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A new file in the folder of `path`, for whom the umask says.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let mut new = tempfile::Builder::new();
    new.prefix(".atrest-").suffix(".tmp");
    #[cfg(unix)]
    let anybody = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    new.permissions(anybody);
    new.tempfile_in(folder(path))
}
