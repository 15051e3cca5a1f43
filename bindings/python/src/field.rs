//! `Field`: one column's values.

use std::sync::Arc;

use atrest::FieldError;
use atrest_core::{Context, Suite};
use atrest_engine::policy::{Bind, ColumnPolicy};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyInt, PyList, PyString, PyTuple};

use crate::bulk::{self, Done, Piece, Work};
use crate::errors::{self, PolicyError};
use crate::inspection::Inspection;
use crate::keyring::{Keyring, not_pickled};
use crate::stored::{Value, Wanted, to_python};
use crate::subjects::{self, People, Whose};
use crate::worker::{Failure, Kept, Worker};

/// Seals and opens the values of one column.
///
/// `str` becomes a token for a text column and `bytes` one for a binary column; `None`
/// stays `None`. Safe between threads and in children of a fork.
#[pyclass(frozen, module = "atrest")]
pub(crate) struct Field {
    id: String,
    context: String,
    bind: Bind,
    /// What tokens are bound to.
    bound_to: Context,
    row_given: bool,
    whose: Whose,
    worker: Arc<Worker>,
}

impl Field {
    /// A value longer than this is worked on with the GIL released.
    const LONG: usize = 64 * 1024;

    /// The field of a policy's column.
    pub(crate) fn of(keyring: &Keyring, column: &ColumnPolicy, people: &Arc<People>) -> Self {
        let context = column.context();
        Self {
            id: column.id(),
            bind: column.bind,
            bound_to: Context::new(&context),
            context,
            row_given: false,
            whose: match column.subject {
                None => Whose::Everybodys,
                Some(_) => Whose::Unknown(Arc::clone(people)),
            },
            worker: Arc::new(Worker::new(&keyring.core, column.suite)),
        }
    }

    /// What tokens are bound to, once that is settled.
    fn settled(&self) -> PyResult<&Context> {
        let field = || self.id.clone();
        if let Whose::Unknown(_) = self.whose {
            return Err(errors::field(&FieldError::NeedsSubject { field: field() }));
        }
        if self.bind == Bind::Row && !self.row_given {
            return Err(errors::field(&FieldError::NeedsRow { field: field() }));
        }
        Ok(&self.bound_to)
    }

    /// The same, where values may be sealed.
    fn settled_to_seal(&self) -> PyResult<&Context> {
        let context = self.settled()?;
        let may = self.whose.may_seal(&self.id);
        may.map(|()| context).map_err(|error| errors::field(&error))
    }

    /// The field in rows of somebody, or of nobody.
    fn of_whom(&self, whose: Whose) -> Self {
        let worker = match &whose {
            Whose::Subject(keys) => Arc::new(Worker::new(keys.keyring(), self.worker.suite)),
            _ => Arc::clone(&self.worker),
        };
        Self {
            whose,
            worker,
            ..self.same()
        }
    }

    fn same(&self) -> Self {
        Self {
            id: self.id.clone(),
            context: self.context.clone(),
            bind: self.bind,
            bound_to: self.bound_to.clone(),
            row_given: self.row_given,
            whose: self.whose.clone(),
            worker: Arc::clone(&self.worker),
        }
    }

    fn people(&self) -> PyResult<&People> {
        match &self.whose {
            Whose::Unknown(people) => Ok(people),
            Whose::Everybodys => {
                let field = self.id.clone();
                Err(errors::field(&FieldError::NoSubject { field }))
            }
            Whose::Nobodys | Whose::Subject(_) => Err(PolicyError::new_err(format!(
                "{}: this field is of one subject already; call `of` on the one of the policy",
                self.id
            ))),
        }
    }

    /// Does `work` with what is kept, then `take` with the GIL; for long values aside, and
    /// the work without the GIL.
    fn work<T: Send, U>(
        &self,
        py: Python<'_>,
        length: usize,
        work: impl FnOnce(&mut Kept) -> Result<T, Failure> + Send,
        take: impl FnOnce(T, &Kept) -> Option<U>,
    ) -> PyResult<U> {
        let taken = if length <= Self::LONG {
            let done = |kept: &mut Kept| work(kept).map(|it| take(it, kept));
            self.worker.with(done)
        } else {
            let aside = || {
                let mut kept = self.worker.fresh();
                work(&mut kept).map(|it| (it, kept))
            };
            py.detach(aside).map(|(it, kept)| take(it, &kept))
        };
        let taken = taken.map_err(|failure| self.error(failure))?;
        taken.ok_or_else(|| self.error(Failure::NotText))
    }

    fn error(&self, failure: Failure) -> PyErr {
        let field = self.id.clone();
        errors::field(&match failure {
            Failure::Seal(source) => FieldError::Seal { field, source },
            Failure::Open(source) => self.whose.not_opened(field, self.worker.suite, source),
            Failure::NotText => FieldError::NotText { field },
            Failure::Clock => FieldError::Clock,
        })
    }

    fn many<'py>(
        &self,
        py: Python<'py>,
        work: Work,
        values: &Bound<'py, PyAny>,
        give_errors: bool,
    ) -> PyResult<Bound<'py, PyList>> {
        let (context, wanted) = match work {
            Work::Seal => (self.settled_to_seal()?, Wanted::ToSeal),
            Work::Open | Work::Read => (self.settled()?, Wanted::ToOpen),
        };
        let list = PyList::empty(py);
        let value = |value: &Bound<'py, PyAny>| Value::of(value, wanted, &self.id);
        let give = |index, done: Done<'_>| {
            list.append(match self.given(py, work, done) {
                Ok(value) => value,
                Err(error) => {
                    let value = error.value(py);
                    value.setattr("index", index)?;
                    match give_errors {
                        true => value.clone().into_any(),
                        false => return Err(error),
                    }
                }
            })
        };
        bulk::run(py, work, &self.worker, context, values, value, give)?;
        Ok(list)
    }

    fn given<'py>(
        &self,
        py: Python<'py>,
        work: Work,
        done: Done<'_>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (value, was_sealed) = match done {
            Done::Null => (py.None().into_bound(py), false),
            Done::Refused(error) => return Err(error.clone_ref(py)),
            Done::Failed(failure) => return Err(self.error(failure)),
            Done::Value { piece, was_sealed } => match piece {
                Piece::Text(text) => (PyString::new(py, text).into_any(), was_sealed),
                Piece::Bytes(bytes) => (PyBytes::new(py, bytes).into_any(), was_sealed),
                Piece::NotText => return Err(self.error(Failure::NotText)),
            },
        };
        match work {
            Work::Read => Ok((value, was_sealed).into_pyobject(py)?.into_any()),
            Work::Seal | Work::Open => Ok(value),
        }
    }
}

#[pymethods]
impl Field {
    #[new]
    #[pyo3(signature = (keyring, context, *, suite = "xaes-256-gcm", bind = "column", id = None))]
    fn python_new(
        keyring: &Bound<'_, Keyring>,
        context: String,
        suite: &str,
        bind: &str,
        id: Option<String>,
    ) -> PyResult<Self> {
        let suite: Suite = suite
            .parse()
            .map_err(|error: atrest_core::ParseSuiteError| {
                PyValueError::new_err(error.to_string())
            })?;
        let bind = match bind {
            "column" => Bind::Column,
            "row" => Bind::Row,
            other => {
                return Err(PyValueError::new_err(format!(
                    "`{other}` is nothing that a token is bound to; write \"column\" or \"row\""
                )));
            }
        };
        if (suite, bind) == (Suite::Fernet, Bind::Row) {
            return Err(PyValueError::new_err(
                "a fernet token binds to nothing; leave bind = \"row\" out, or take another suite",
            ));
        }
        Ok(Self {
            id: id.unwrap_or_else(|| context.clone()),
            bind,
            bound_to: Context::new(&context),
            context,
            row_given: false,
            whose: Whose::Everybodys,
            worker: Arc::new(Worker::new(&keyring.get().core, suite)),
        })
    }

    /// What names it in messages: "table.column".
    #[getter]
    fn id(&self) -> &str {
        &self.id
    }

    /// The logical identity that tokens are bound to.
    #[getter]
    fn context(&self) -> &str {
        &self.context
    }

    /// How values are sealed.
    #[getter]
    fn suite(&self) -> &'static str {
        self.worker.suite.name()
    }

    /// "column" or "row".
    #[getter]
    fn bind(&self) -> &'static str {
        self.bind.name()
    }

    /// The token of a value.
    fn seal<'py>(&self, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (py, context) = (value.py(), self.settled_to_seal()?);
        let Some(value) = Value::of(value, Wanted::ToSeal, &self.id)? else {
            return Ok(py.None().into_bound(py));
        };
        let (form, clear) = (value.form(), value.bytes());
        let seal = |kept: &mut Kept| {
            let mut token = Vec::new();
            kept.sealer()?.seal(form, context, clear, &mut token)?;
            Ok(token)
        };
        self.work(py, clear.len(), seal, |token, _| {
            to_python(py, form, &token)
        })
    }

    /// The value of a token. A value in clear is an error here; see `read`.
    fn open<'py>(&self, token: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (py, context) = (token.py(), self.settled()?);
        let Some(token) = Value::of(token, Wanted::ToOpen, &self.id)? else {
            return Ok(py.None().into_bound(py));
        };
        let (form, token) = (token.form(), token.bytes());
        let open = |kept: &mut Kept| kept.open(form, context, token);
        let take = |_, kept: &Kept| to_python(py, form, kept.clear());
        self.work(py, token.len(), open, take)
    }

    /// A stored value that may still be in clear: the value, and whether it was sealed.
    /// What looks sealed and does not open raises.
    fn read<'py>(&self, stored: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, bool)> {
        let (py, context) = (stored.py(), self.settled()?);
        let Some(value) = Value::of(stored, Wanted::ToOpen, &self.id)? else {
            return Ok((stored.clone(), false));
        };
        let (form, bytes) = (value.form(), value.bytes());
        let read = |kept: &mut Kept| kept.read(form, context, bytes);
        let take = |was_sealed, kept: &Kept| Some((to_python(py, form, kept.clear())?, was_sealed));
        self.work(py, bytes.len(), read, take)
    }

    /// What a stored value is.
    fn inspect(&self, stored: &Bound<'_, PyAny>) -> PyResult<Inspection> {
        let (py, context) = (stored.py(), self.settled()?);
        let Some(value) = Value::of(stored, Wanted::ToOpen, &self.id)? else {
            return Ok(Inspection::NULL);
        };
        let (form, bytes) = (value.form(), value.bytes());
        let inspect = |kept: &mut Kept| Ok(kept.inspect(form, context, bytes));
        self.work(py, bytes.len(), inspect, |what, _| {
            Some(Inspection::of(what))
        })
    }

    /// The tokens of many values, sealed on all cores.
    fn seal_many<'py>(&self, values: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        self.many(values.py(), Work::Seal, values, false)
    }

    /// The values of many tokens, opened on all cores. With `errors="return"` exceptions
    /// stand in the list in the place of values.
    #[pyo3(signature = (tokens, *, errors = "raise"))]
    fn open_many<'py>(
        &self,
        tokens: &Bound<'py, PyAny>,
        errors: &str,
    ) -> PyResult<Bound<'py, PyList>> {
        self.many(tokens.py(), Work::Open, tokens, gives_errors(errors)?)
    }

    /// As `read`, of many.
    #[pyo3(signature = (stored, *, errors = "raise"))]
    fn read_many<'py>(
        &self,
        stored: &Bound<'py, PyAny>,
        errors: &str,
    ) -> PyResult<Bound<'py, PyList>> {
        self.many(stored.py(), Work::Read, stored, gives_errors(errors)?)
    }

    /// The field in one row, by its primary key: each value in canonical text, in key
    /// order. What `bind="row"` needs.
    #[pyo3(signature = (*key))]
    fn row(&self, key: &Bound<'_, PyTuple>) -> PyResult<Self> {
        if self.bind != Bind::Row {
            let field = self.id.clone();
            return Err(errors::field(&FieldError::NotBoundToRows { field }));
        }
        if key.is_empty() {
            let field = self.id.clone();
            return Err(errors::field(&FieldError::NeedsRow { field }));
        }
        let key: Vec<String> = key
            .iter()
            .map(|part| key_part(&part))
            .collect::<PyResult<_>>()?;
        Ok(Self {
            bound_to: self.bound_to.with_row(key),
            row_given: true,
            ..self.same()
        })
    }

    /// The field in the rows of one subject, whose keys the policy's database gives; `None`
    /// is a row whose subject is NULL. What a column with a `subject` needs. With `seal`,
    /// who has no key yet is made one.
    #[pyo3(name = "of", signature = (subject, *, seal = false))]
    fn of_subject(&self, py: Python<'_>, subject: &Bound<'_, PyAny>, seal: bool) -> PyResult<Self> {
        let people = self.people()?;
        let Some(subject) = subjects::name(subject)?.map(|name| [name]) else {
            return Ok(self.of_whom(Whose::Nobodys));
        };
        let mut keys = people.keys(py, &subject, seal)?.into_values();
        Ok(match keys.next() {
            Some(keys) => self.of_whom(Whose::Subject(keys)),
            None => self.same(), // nobody's: it neither seals nor opens
        })
    }

    /// The same for many subjects, asked for at once: a dict from each to its field.
    #[pyo3(signature = (subjects, *, seal = false))]
    fn of_many<'py>(
        &self,
        subjects: &Bound<'py, PyAny>,
        seal: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        let (py, people) = (subjects.py(), self.people()?);
        let given = subjects.try_iter()?.collect::<PyResult<Vec<_>>>()?;
        let names = given
            .iter()
            .map(subjects::name)
            .collect::<PyResult<Vec<_>>>()?;
        let asked: Vec<String> = names.iter().flatten().cloned().collect();
        let keys = people.keys(py, &asked, seal)?;
        let fields = PyDict::new(py);
        for (subject, name) in given.into_iter().zip(names) {
            let whose = match name {
                None => Whose::Nobodys,
                Some(name) => match keys.get(&name) {
                    Some(keys) => Whose::Subject(keys.clone()),
                    None => self.whose.clone(), // nobody's: it neither seals nor opens
                },
            };
            fields.set_item(subject, self.of_whom(whose))?;
        }
        Ok(fields)
    }

    fn __repr__(&self) -> String {
        format!("<atrest.Field {} {}>", self.id, self.suite())
    }

    fn __copy__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __deepcopy__(this: Py<Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        this
    }

    fn __reduce_ex__<'py>(&self, _protocol: u8) -> PyResult<Bound<'py, PyTuple>> {
        Err(not_pickled("Field"))
    }
}

fn gives_errors(errors: &str) -> PyResult<bool> {
    match errors {
        "raise" => Ok(false),
        "return" => Ok(true),
        _ => Err(PyValueError::new_err("errors is \"raise\" or \"return\"")),
    }
}

/// Text, or an integer, whose canonical text is no secret to anybody.
fn key_part(part: &Bound<'_, PyAny>) -> PyResult<String> {
    if let Ok(text) = part.cast::<PyString>() {
        return Ok(text.to_str()?.to_owned());
    }
    if part.is_instance_of::<PyInt>() && !part.is_instance_of::<PyBool>() {
        return integer_text(part);
    }
    Err(PyTypeError::new_err(
        "a row's key is given in canonical text: str (or int) for each of its columns",
    ))
}

/// The digits of an int, whatever its class says of itself: an IntEnum's text may be its
/// name.
pub(crate) fn integer_text(value: &Bound<'_, PyAny>) -> PyResult<String> {
    let digits = value
        .py()
        .get_type::<PyInt>()
        .call_method1("__repr__", (value,))?;
    digits.extract()
}
