//! `vault-transit:MOUNT/KEY`: a key of the Transit engine, which wraps and is never
//! shown.
//!
//! A wrapped key is Transit's ciphertext as it is, `vault:v1:...`. The place that it is
//! for is Transit's `associated_data`, so that the key must be of an AEAD type:
//! `aes256-gcm96` (the default), `aes128-gcm96`, `chacha20-poly1305`,
//! `xchacha20-poly1305`. For any other type Transit refuses the request, and so do we.

use base64_simd::STANDARD as BASE64;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::login::{self, Login};
use super::session::{No, Session};
use crate::remote::address::{Address, Grammar};
use crate::remote::{Failure, Wrap};
use crate::{Environment, KeySourceError, RemoteProblem, Settings};

static GRAMMAR: Grammar = Grammar {
    scheme: "vault-transit",
    form: "vault-transit:MOUNT/KEY, as vault-transit:transit/atrest",
    parameters: &login::PARAMETERS,
};

/// What a ciphertext of Transit begins with.
const CIPHERTEXT: &str = "vault:v";

/// Transit makes a key that does not exist when somebody encrypts under it, of the type
/// that the request names. Of this type it makes none: a key whose name was mistyped is
/// an error, not a new key.
const NO_NEW_KEY: &str = "existing-keys-only";

/// One key of a Transit engine.
#[derive(Debug)]
pub(crate) struct Transit {
    name: String,
    mount: String,
    key: String,
    login: Login,
}

impl Transit {
    /// Reads what stands after `vault-transit:`.
    ///
    /// # Errors
    /// [`KeySourceError::BadUri`].
    pub(crate) fn parse(rest: &str, settings: &Settings) -> Result<Self, KeySourceError> {
        let address = Address::parse(&GRAMMAR, rest)?;
        let [mount @ .., key] = address.segments() else {
            return Err(address.bad("nothing is named"));
        };
        if mount.is_empty() || mount.iter().any(String::is_empty) || key.is_empty() {
            return Err(address.bad("it names no key below a mount"));
        }
        Ok(Self {
            name: format!("vault-transit:{rest}"),
            mount: mount.join("/"),
            key: key.clone(),
            login: Login::of(&address, settings)?,
        })
    }

    /// One request to `encrypt` or `decrypt`; an answer that is *no* with its status.
    async fn ask(
        &self,
        session: &Session,
        verb: &'static str,
        context: &[u8],
        (name, value): (&str, &str),
    ) -> Result<Result<Zeroizing<String>, No>, Failure> {
        let path: Vec<&str> = self.mount.split('/').chain([verb, &self.key]).collect();
        let context = BASE64.encode_to_string(context);
        let mut members = vec![
            (name, value),
            ("associated_data", &context),
            // For a key made with `derived`, whose every context has a subkey.
            ("context", &context),
        ];
        if verb == "encrypt" {
            members.push(("type", NO_NEW_KEY));
        }
        session.post(&path, &members).await
    }

    async fn encrypt(
        &self,
        session: &Session,
        key: &[u8; 32],
        context: &[u8],
    ) -> Result<Vec<u8>, Failure> {
        let clear = Zeroizing::new(BASE64.encode_to_string(key));
        let answer = match self
            .ask(session, "encrypt", context, ("plaintext", &clear))
            .await?
        {
            Ok(answer) => answer,
            Err(no) => return Err(self.refused(session, &no, "encrypt").await),
        };
        let wrapped = serde_json::from_str::<Answer<Encrypted>>(&answer)
            .map(|answer| answer.data.ciphertext)
            .ok()
            .filter(|text| text.starts_with(CIPHERTEXT))
            .ok_or_else(not_transit)?;
        self.is_bound(session, &wrapped, context).await?;
        Ok(wrapped.into_bytes())
    }

    /// Makes sure that the server does not open it for another place: Vault before 1.12
    /// knows no `associated_data`, and ignores what it does not know.
    async fn is_bound(
        &self,
        session: &Session,
        wrapped: &str,
        context: &[u8],
    ) -> Result<(), Failure> {
        let elsewhere = [context, b"\0elsewhere"].concat();
        match self
            .ask(session, "decrypt", &elsewhere, ("ciphertext", wrapped))
            .await?
        {
            Err(no) if no.status == 400 => Ok(()),
            Err(no) => Err(self.refused(session, &no, "decrypt").await),
            Ok(_) => Err(Failure::new(
                RemoteProblem::Format,
                "the server does not bind a wrapped key to its place: it ignores `associated_data`",
                "use Vault 1.12 or newer, or OpenBao",
            )),
        }
    }

    async fn decrypt(
        &self,
        session: &Session,
        wrapped: &str,
        context: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let answer = match self
            .ask(session, "decrypt", context, ("ciphertext", wrapped))
            .await?
        {
            Ok(answer) => answer,
            Err(no) => return Err(self.refused(session, &no, "decrypt").await),
        };
        let answer: Answer<Decrypted<'_>> =
            serde_json::from_str(&answer).map_err(|_| not_transit())?;
        BASE64
            .decode_to_vec(answer.data.plaintext)
            .map(Zeroizing::new)
            .map_err(|_| not_transit())
    }

    /// What Transit's *no* means.
    async fn refused(&self, session: &Session, no: &No, verb: &str) -> Failure {
        let (mount, key) = (&self.mount, &self.key);
        let make = format!(
            "make it with `vault write -f {mount}/keys/{key}`; `vault list {mount}/keys` shows what there is"
        );
        let said = no.said();
        let any = |parts: &[&str]| parts.iter().any(|part| said.contains(part));
        let (problem, next) = match no.status {
            403 => {
                let rule =
                    format!("path \"{mount}/{verb}/{key}\" {{ capabilities = [\"update\"] }}");
                let also = if verb == "encrypt" {
                    format!("; a key that does not exist is refused in this way too: {make}")
                } else {
                    String::new()
                };
                return session.denied(no, &rule, &also).await;
            }
            404 => (
                RemoteProblem::NotFound,
                format!(
                    "no Transit engine is mounted at {mount}: `vault secrets list` shows what is, `vault secrets enable -path={mount} transit` mounts one"
                ),
            ),
            400 if any(&["unknown key type", "key not found"]) => (RemoteProblem::NotFound, make),
            400 if any(&["non-AEAD", "not support", "unsupported"]) => (
                RemoteProblem::Format,
                format!(
                    "a wrapped key is bound to its place, which takes a key of an AEAD type: make one with `vault write {mount}/keys/NAME type=aes256-gcm96`"
                ),
            ),
            400 if any(&["too old", "disallowed by policy"]) => (
                RemoteProblem::Unusable,
                format!(
                    "lower `min_decryption_version` of the key (`vault read {mount}/keys/{key}`), rewrap, and raise it again"
                ),
            ),
            400 if any(&[
                "authentication failed",
                "invalid ciphertext",
                "unable to decrypt",
            ]) =>
            {
                return not_its_key(said);
            }
            _ => return no.failure(&format!("look at the key: `vault read {mount}/keys/{key}`")),
        };
        Failure::new(problem, said, next)
    }
}

impl Wrap for Transit {
    fn name(&self) -> &str {
        &self.name
    }

    async fn wrap(
        &self,
        key: &[u8; 32],
        context: &[u8],
        env: &Environment,
    ) -> Result<Vec<u8>, Failure> {
        let session = self.login.session(env).await?;
        let answer = self.encrypt(&session, key, context).await;
        session.end().await;
        answer
    }

    async fn unwrap(
        &self,
        wrapped: &[u8],
        context: &[u8],
        env: &Environment,
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let wrapped = std::str::from_utf8(wrapped)
            .ok()
            .filter(|text| text.starts_with(CIPHERTEXT))
            .ok_or_else(|| not_its_key("it is no ciphertext of Transit"))?;
        let session = self.login.session(env).await?;
        let answer = self.decrypt(&session, wrapped, context).await;
        session.end().await;
        answer
    }
}

fn not_its_key(detail: impl Into<String>) -> Failure {
    Failure::new(
        RemoteProblem::NotItsKey,
        detail,
        "it was wrapped by another key or for another place, or was changed: name the key that wrapped it, or put a backup of the keyring back",
    )
}

fn not_transit() -> Failure {
    Failure::new(
        RemoteProblem::Format,
        "the answer is not that of a Transit engine",
        "check that VAULT_ADDR is the address of Vault, and that a Transit engine is mounted there",
    )
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct Encrypted {
    ciphertext: String,
}

/// Base64 has no character that JSON escapes, so that it is read where it lies.
#[derive(Deserialize)]
struct Decrypted<'a> {
    plaintext: &'a str,
}
