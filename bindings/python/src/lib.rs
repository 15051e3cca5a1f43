//! The native half of the Python package `atrest`: a thin face on the crates.
//!
//! | Python | file |
//! |---|---|
//! | `Keyring`, `generate_key`, `key_id` | `keyring.rs` |
//! | `Field` | `field.rs`; lists in `bulk.rs`, what is kept between calls in `worker.rs` |
//! | `Fields` | `fields.rs`; when keys are looked at again in `look.rs`, whose rows are in `subjects.rs` |
//! | `Fernet`, `MultiFernet` | `fernet.rs` |
//! | `open_object`, `create_object` | `objects.rs`; files of Python's in `objects.py` |
//! | `Engine` | `engine.rs`: the verbs in `engine/verbs.rs`, waited for in `engine/wait.rs` |
//! | exceptions | `errors.rs`, which raises those of `errors.py` |
//!
//! Whatever takes long runs with the GIL released. A sealer that is kept between calls is
//! not used in a child of the process that made it (`fork.rs`).

mod bulk;
mod engine;
mod environment;
mod errors;
mod fernet;
mod field;
mod fields;
mod fork;
mod inspection;
mod keyring;
mod look;
mod objects;
mod origin;
mod runtime;
mod stored;
mod strings;
mod subjects;
mod worker;

use pyo3::prelude::*;

/// The module. Made for one interpreter; the GIL stays on where it could be off.
#[pymodule(gil_used = true)]
mod _atrest {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::engine::Engine;
    #[pymodule_export]
    use crate::fernet::{Fernet, Fernets, MultiFernet};
    #[pymodule_export]
    use crate::field::Field;
    #[pymodule_export]
    use crate::fields::Fields;
    #[pymodule_export]
    use crate::fork::forked;
    #[pymodule_export]
    use crate::inspection::Inspection;
    #[pymodule_export]
    use crate::keyring::{Keyring, generate_key, key_id};

    #[pymodule_export]
    use crate::objects::{ObjectReader, ObjectWriter, open_object_bytes, seal_object};

    /// Empty. Of a module inside another one PyO3 checks that it stays in one interpreter,
    /// which before Python 3.12 nobody does of the outer one.
    #[pymodule]
    mod _one_interpreter {}

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
