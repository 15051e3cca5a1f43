//! AWS, through its SDK.
//!
//! | file | what it is for |
//! |---|---|
//! | `parameter.rs` | `aws-ssm:/PATH/NAME`: a SecureString of Systems Manager's Parameter Store |
//! | `secret.rs` | `aws-secret:NAME`: a secret of Secrets Manager |
//! | `kms.rs` | `aws-kms:KEY`: a key of KMS, which wraps |
//! | `account.rs` | who asks, and where: credentials, region, endpoint |
//! | `refused.rs` | what an error of a service means |

mod account;
mod kms;
mod parameter;
mod refused;
mod secret;
#[cfg(test)]
mod tests;

pub(crate) use kms::Kms;
pub(crate) use parameter::Parameter;
pub(crate) use secret::Secret;
