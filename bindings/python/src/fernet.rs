//! `Fernet` and `MultiFernet`: what `cryptography.fernet` has, in its place.

use atrest_core::{Context, Form, Key, Keyring};
use base64_simd::URL_SAFE;
use pyo3::PyClassInitializer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple, PyType};

use crate::bulk::{self, Done, Piece, Work};
use crate::errors::{EncryptionError, InvalidToken, KeySourceError};
use crate::keyring::{KeyText, generate_key, not_pickled};
use crate::stored::{Value, Wanted};
use crate::worker::{Failure, Kept, Worker, unix_seconds};

/// How far ahead of ours the clock behind a token may be, where its age counts.
const SKEW: u64 = 60;

/// What both classes do.
#[pyclass(frozen, subclass, module = "atrest", name = "_Fernets")]
pub(crate) struct Fernets {
    worker: Worker,
    /// Fernet binds nothing.
    nothing: Context,
}

/// Standard Fernet under one key, as in `cryptography.fernet`.
#[pyclass(frozen, extends = Fernets, subclass, module = "atrest")]
pub(crate) struct Fernet;

/// Fernet that encrypts under the first key and decrypts under any.
#[pyclass(frozen, extends = Fernets, subclass, module = "atrest")]
pub(crate) struct MultiFernet;

impl Fernets {
    fn new(keyring: &Keyring) -> Self {
        keyring.prepare();
        Self {
            worker: Worker::new(keyring, atrest_core::Suite::Fernet),
            nothing: Context::new(""),
        }
    }

    fn sealed<'py>(&self, py: Python<'py>, clear: &[u8], at: u64) -> PyResult<Bound<'py, PyBytes>> {
        let mut token = Vec::new();
        let seal = |kept: &mut Kept| {
            let sealer = kept.sealer_at(at)?;
            Ok(sealer.seal(Form::Bytes, &self.nothing, clear, &mut token)?)
        };
        self.worker.with(seal).map_err(not_sealed)?;
        Ok(PyBytes::new(py, &token))
    }

    /// Opens a token and hands the clear value to `take`.
    fn opened<T>(&self, token: &Value, take: impl FnOnce(&[u8]) -> T) -> PyResult<T> {
        let open = |kept: &mut Kept| {
            kept.open(Form::Bytes, &self.nothing, token.bytes())?;
            Ok(take(kept.clear()))
        };
        self.worker.with(open).map_err(|_: Failure| not_opened())
    }
}

#[pymethods]
impl Fernets {
    /// The token of `data`, which carries the time.
    fn encrypt<'py>(&self, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        self.encrypt_at_time(data, unix_seconds().map_err(not_sealed)?)
    }

    /// The same with a time of the caller's, in seconds since 1970.
    fn encrypt_at_time<'py>(
        &self,
        data: &Bound<'py, PyAny>,
        current_time: u64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let clear = clear(data)?;
        self.sealed(data.py(), clear.bytes(), current_time)
    }

    /// What a token holds; with `ttl`, only if it is no older than so many seconds.
    #[pyo3(signature = (token, ttl = None))]
    fn decrypt<'py>(
        &self,
        token: &Bound<'py, PyAny>,
        ttl: Option<u64>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        match ttl {
            Some(ttl) => self.decrypt_at_time(token, ttl, unix_seconds().map_err(not_sealed)?),
            None => {
                let py = token.py();
                self.opened(&self::token(token)?, |clear| PyBytes::new(py, clear))
            }
        }
    }

    /// The same at a time of the caller's.
    fn decrypt_at_time<'py>(
        &self,
        token: &Bound<'py, PyAny>,
        ttl: u64,
        current_time: u64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let py = token.py();
        let token = self::token(token)?;
        let time = timestamp(token.bytes())?;
        let opened = self.opened(&token, |clear| PyBytes::new(py, clear))?;
        if time.saturating_add(ttl) < current_time {
            return Err(InvalidToken::new_err(format!(
                "the token is older than {ttl} seconds"
            )));
        }
        if current_time.saturating_add(SKEW) < time {
            return Err(InvalidToken::new_err(
                "the token's time is more than a minute ahead of this machine's clock; set the clock that is wrong",
            ));
        }
        Ok(opened)
    }

    /// When a token was made, in seconds since 1970, once it is known to be genuine.
    fn extract_timestamp(&self, token: &Bound<'_, PyAny>) -> PyResult<u64> {
        let token = self::token(token)?;
        self.opened(&token, |_| ())?;
        timestamp(token.bytes())
    }

    /// `encrypt` of many, on all cores.
    fn encrypt_many<'py>(&self, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        self.many(data, Work::Seal, clear)
    }

    /// `decrypt` of many, on all cores.
    fn decrypt_many<'py>(&self, tokens: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        self.many(tokens, Work::Open, token)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let ids = slf.get().worker.keyring.keys();
        let ids: Vec<String> = ids.map(|key| key.id().to_string()).collect();
        Ok(format!(
            "<atrest.{} {}>",
            slf.get_type().name()?,
            ids.join(" ")
        ))
    }

    fn __copy__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __deepcopy__(this: Py<Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        this
    }

    fn __reduce_ex__<'py>(slf: &Bound<'py, Self>, _protocol: u8) -> PyResult<Bound<'py, PyTuple>> {
        Err(not_pickled(&slf.get_type().name()?.to_string()))
    }
}

impl Fernets {
    fn many<'py>(
        &self,
        values: &Bound<'py, PyAny>,
        work: Work,
        value: fn(&Bound<'py, PyAny>) -> PyResult<Value>,
    ) -> PyResult<Bound<'py, PyList>> {
        let py = values.py();
        let list = PyList::empty(py);
        let value = |one: &Bound<'py, PyAny>| value(one).map(Some);
        let give = |index, done: Done<'_>| {
            let error = match done {
                Done::Value {
                    piece: Piece::Bytes(bytes),
                    ..
                } => return list.append(PyBytes::new(py, bytes)),
                Done::Refused(error) => error.clone_ref(py),
                Done::Failed(failure @ Failure::Seal(_)) => not_sealed(failure),
                Done::Failed(_) | Done::Null | Done::Value { .. } => not_opened(),
            };
            error.value(py).setattr("index", index)?;
            Err(error)
        };
        bulk::run(py, work, &self.worker, &self.nothing, values, value, give)?;
        Ok(list)
    }
}

#[pymethods]
impl Fernet {
    #[new]
    fn python_new(key: KeyText) -> PyResult<PyClassInitializer<Self>> {
        let keyring = Keyring::new(key.parse("the key")?, Vec::new()).map_err(refused)?;
        Ok(PyClassInitializer::from(Fernets::new(&keyring)).add_subclass(Self))
    }

    /// A new key.
    #[classmethod]
    fn generate_key<'py>(cls: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(cls.py(), generate_key()?.as_bytes()))
    }
}

#[pymethods]
impl MultiFernet {
    #[new]
    fn python_new(fernets: &Bound<'_, PyAny>) -> PyResult<PyClassInitializer<Self>> {
        let mut keys: Vec<Key> = Vec::new();
        for fernet in fernets.try_iter()? {
            let fernet = fernet?.cast_into::<Fernets>()?;
            for key in fernet.get().worker.keyring.keys() {
                // The same key twice is allowed where this comes from.
                if !keys
                    .iter()
                    .any(|it| it.expose_secret() == key.expose_secret())
                {
                    keys.push(Key::copied_from(key.expose_secret()));
                }
            }
        }
        let mut keys = keys.into_iter();
        let first = keys.next().ok_or_else(|| {
            PyValueError::new_err("MultiFernet requires at least one Fernet instance")
        })?;
        let keyring = Keyring::new(first, keys.collect()).map_err(refused)?;
        Ok(PyClassInitializer::from(Fernets::new(&keyring)).add_subclass(Self))
    }

    /// The same value and time under the first key.
    fn rotate<'py>(
        slf: &Bound<'py, Self>,
        msg: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let fernets = slf.as_super().get();
        let token = self::token(msg)?;
        let time = timestamp(token.bytes())?;
        let clear = fernets.opened(&token, |clear| zeroize::Zeroizing::new(clear.to_vec()))?;
        fernets.sealed(slf.py(), &clear, time)
    }
}

/// What is to be encrypted: bytes.
fn clear(data: &Bound<'_, PyAny>) -> PyResult<Value> {
    match Value::of(data, Wanted::ToSeal, "data")? {
        Some(value @ Value::Bytes(_)) => Ok(value),
        _ => Err(PyTypeError::new_err("data must be bytes")),
    }
}

/// A token: bytes or str.
fn token(token: &Bound<'_, PyAny>) -> PyResult<Value> {
    let value = if let Ok(text) = token.cast::<PyString>() {
        let text = text.clone().try_into().map_err(|_| not_opened())?;
        Value::Ascii(text)
    } else {
        let value = Value::of(token, Wanted::ToOpen, "token")?;
        value.ok_or_else(|| PyTypeError::new_err("token must be bytes or str"))?
    };
    // Whatever else begins otherwise; a token of ours is no Fernet token.
    match value.bytes().first() {
        Some(b'g') => Ok(value),
        _ => Err(not_opened()),
    }
}

/// The time in a token's first 9 bytes: 0x80 | time (8).
fn timestamp(token: &[u8]) -> PyResult<u64> {
    let head = token
        .get(..12)
        .and_then(|head| URL_SAFE.decode_to_vec(head).ok());
    let time = head.and_then(|head| head.last_chunk::<8>().copied());
    time.map(u64::from_be_bytes).ok_or_else(not_opened)
}

fn not_opened() -> PyErr {
    InvalidToken::new_err(
        "the token does not open: it was changed or cut off, or was encrypted under another key",
    )
}

fn not_sealed(failure: Failure) -> PyErr {
    EncryptionError::new_err(match failure {
        Failure::Seal(error) => error.to_string(),
        _ => atrest::FieldError::Clock.to_string(),
    })
}

fn refused(error: atrest_core::KeyringError) -> PyErr {
    KeySourceError::new_err(error.to_string())
}
