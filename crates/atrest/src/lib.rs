//! Encryption at rest, in place, for applications that already run.
