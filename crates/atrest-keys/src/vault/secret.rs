//! `vault:MOUNT/PATH?field=NAME`: keys from a secret of KV version 2.

use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::login::{self, Login};
use super::session::{No, Session};
use crate::remote::address::{Address, Grammar};
use crate::remote::{Deliver, Failure, json};
use crate::{Environment, KeySourceError, RemoteProblem, Settings};

static GRAMMAR: Grammar = Grammar {
    scheme: "vault",
    form: "vault:MOUNT/PATH?field=NAME, as vault:secret/app (a slash inside MOUNT as %2F)",
    parameters: &{
        let [a, b, c, d, e, f] = login::PARAMETERS;
        ["field", "version", a, b, c, d, e, f]
    },
};

/// One field of a secret.
#[derive(Debug)]
pub(crate) struct Secret {
    name: String,
    mount: String,
    path: Vec<String>,
    field: String,
    version: Option<u64>,
    login: Login,
}

impl Secret {
    /// Reads what stands after `vault:`.
    ///
    /// # Errors
    /// [`KeySourceError::BadUri`].
    pub(crate) fn parse(rest: &str, settings: &Settings) -> Result<Self, KeySourceError> {
        let address = Address::parse(&GRAMMAR, rest)?;
        let [mount, path @ ..] = address.segments() else {
            return Err(address.bad("nothing is named"));
        };
        if path.is_empty() || path.iter().any(String::is_empty) || mount.is_empty() {
            return Err(address.bad("it names no secret below a mount"));
        }
        let version = address.get("version").map(|text| match text.parse() {
            Ok(0) | Err(_) => Err(address.bad("`version` is not a whole number from 1")),
            Ok(version) => Ok(version),
        });
        Ok(Self {
            name: format!("vault:{rest}"),
            mount: mount.clone(),
            path: path.to_vec(),
            field: address.get("field").unwrap_or("key").to_owned(),
            version: version.transpose()?,
            login: Login::of(&address, settings)?,
        })
    }

    async fn read(&self, session: &Session) -> Result<Zeroizing<String>, Failure> {
        let path: Vec<&str> = self
            .mount
            .split('/')
            .chain(["data"])
            .chain(self.path.iter().map(String::as_str))
            .collect();
        match session.get(&path, self.version).await? {
            Ok(text) => self.field(&text),
            Err(no) if no.status == 403 => {
                let rule = format!(
                    "path \"{}\" {{ capabilities = [\"read\"] }}",
                    path.join("/")
                );
                Err(session.denied(&no, &rule, "").await)
            }
            Err(no) if no.status == 404 => Err(self.not_found(&no)),
            Err(no) => Err(no.failure("check the mount, the path and the version")),
        }
    }

    fn field(&self, text: &str) -> Result<Zeroizing<String>, Failure> {
        match serde_json::from_str::<Answer<'_>>(text) {
            Ok(answer) => json::member(answer.data.data.get(), &self.field),
            Err(_) => Err(Failure::new(
                RemoteProblem::Format,
                "the answer is not that of a KV version 2 store",
                format!(
                    "check that {} is one (`vault secrets list -detailed`), or make it one (`vault kv enable-versioning {}`)",
                    self.mount, self.mount
                ),
            )),
        }
    }

    fn not_found(&self, no: &No) -> Failure {
        let path = self.path.join("/");
        let (mount, field) = (&self.mount, &self.field);
        // Metadata, and data that is null.
        if let Ok(gone) = serde_json::from_str::<Gone>(&no.text) {
            let version = gone.data.metadata.version;
            return Failure::new(
                RemoteProblem::NotFound,
                if gone.data.metadata.destroyed {
                    format!("version {version} of the secret was destroyed")
                } else {
                    format!("version {version} of the secret was deleted")
                },
                format!(
                    "`vault kv undelete -mount={mount} -versions={version} {path}` brings back what was deleted; or name another `version=`"
                ),
            );
        }
        let next = if no.said().contains("no handler") {
            format!(
                "nothing is mounted at {mount}: `vault secrets list` shows what is; a slash inside a mount's name is written %2F"
            )
        } else if matches!(
            self.path.first().map(String::as_str),
            Some("data" | "metadata")
        ) {
            "write the path without `data/`, as `vault kv get` takes it".to_owned()
        } else if self.version.is_some() {
            // A write would make a new version the newest, for whoever reads that.
            format!(
                "`vault kv metadata get -mount={mount} {path}` shows which versions there are; name one of them, or leave `version` out for the newest"
            )
        } else {
            format!(
                "write it with `vault kv put -mount={mount} {path} {field}=\"$(atrest key generate)\"`; the store must be KV version 2"
            )
        };
        Failure::new(RemoteProblem::NotFound, no.said(), next)
    }
}

impl Deliver for Secret {
    fn name(&self) -> &str {
        &self.name
    }

    async fn deliver(&self, env: &Environment) -> Result<Zeroizing<String>, Failure> {
        let session = self.login.session(env).await?;
        let answer = self.read(&session).await;
        session.end().await;
        answer
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
    /// KV version 1 has none.
    #[serde(rename = "metadata")]
    _metadata: serde::de::IgnoredAny,
}

#[derive(Deserialize)]
struct Gone {
    data: GoneData,
}

#[derive(Deserialize)]
struct GoneData {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    version: u64,
    destroyed: bool,
}
