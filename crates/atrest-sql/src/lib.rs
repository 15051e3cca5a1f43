//! SQL targets of atrest.
