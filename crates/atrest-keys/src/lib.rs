//! Key sources of atrest.
