//! The engine of atrest.

pub mod target;
