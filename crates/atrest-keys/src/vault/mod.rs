//! HashiCorp Vault and OpenBao, through the HTTP API that both document
//! (<https://developer.hashicorp.com/vault/api-docs>, <https://openbao.org/api-docs/>).
//!
//! | file | what it is for |
//! |---|---|
//! | `secret.rs` | `vault:MOUNT/PATH`: a secret of KV version 2 that is a key |
//! | `transit.rs` | `vault-transit:MOUNT/KEY`: a key of Transit that wraps |
//! | `login.rs` | who asks: a token, AppRole, Kubernetes |
//! | `session.rs` | requests of whoever is logged in, and what an answer means |

mod login;
mod secret;
mod session;
#[cfg(test)]
mod tests;
mod transit;

pub(crate) use secret::Secret;
pub(crate) use transit::Transit;
