//! `aws-secret:NAME[?field=NAME]`: keys from a secret of Secrets Manager.

use aws_sdk_secretsmanager::Client;
use zeroize::Zeroizing;

use super::account::{self, Account};
use super::refused::{Advice, failure};
use crate::remote::address::{Address, Grammar};
use crate::remote::{Deliver, Failure, json};
use crate::{Environment, KeySourceError, RemoteProblem, Settings};

static GRAMMAR: Grammar = Grammar {
    scheme: "aws-secret",
    form: "aws-secret:NAME or aws-secret:ARN, with ?field=NAME where the secret is a JSON object",
    parameters: &{
        let [a, b, c] = account::PARAMETERS;
        ["field", "version-stage", a, b, c]
    },
};

/// One secret, or one field of it.
#[derive(Debug)]
pub(crate) struct Secret {
    name: String,
    secret: String,
    field: Option<String>,
    version_stage: Option<String>,
    account: Account,
}

impl Secret {
    /// Reads what stands after `aws-secret:`.
    ///
    /// # Errors
    /// [`KeySourceError::BadUri`].
    pub(crate) fn parse(rest: &str, _: &Settings) -> Result<Self, KeySourceError> {
        let address = Address::parse(&GRAMMAR, rest)?;
        Ok(Self {
            name: format!("aws-secret:{rest}"),
            secret: address.place(),
            field: address.get("field").map(str::to_owned),
            version_stage: address.get("version-stage").map(str::to_owned),
            account: Account::of(&address)?,
        })
    }

    fn advice(&self) -> Advice {
        let name = &self.secret;
        let make = match name.starts_with("arn:") || self.version_stage.is_some() {
            true => format!(
                "check name, region and version stage: `aws secretsmanager describe-secret --secret-id {name}` shows them, if there is such a secret"
            ),
            false => format!(
                "check name and region, or make it: `aws secretsmanager create-secret --name {name} --secret-string \"$(atrest key generate)\"`"
            ),
        };
        Advice {
            permission: format!(
                "allow secretsmanager:GetSecretValue on the secret {name}, and kms:Decrypt on its key if it has one of your own, in a policy of this role or user"
            ),
            make,
        }
    }

    fn text(&self, text: Zeroizing<String>) -> Result<Zeroizing<String>, Failure> {
        match &self.field {
            Some(field) => json::member(&text, field),
            None => match json::fields(&text) {
                None => Ok(text),
                Some(fields) => Err(Failure::new(
                    RemoteProblem::NoSuchField,
                    format!("the secret is a JSON object with {fields}"),
                    "name the one that holds the key as `field=`",
                )),
            },
        }
    }
}

impl Deliver for Secret {
    fn name(&self) -> &str {
        &self.name
    }

    async fn deliver(&self, env: &Environment) -> Result<Zeroizing<String>, Failure> {
        let client = Client::new(&self.account.config("SECRETS_MANAGER", env).await?);
        let request = client
            .get_secret_value()
            .secret_id(&self.secret)
            .set_version_stage(self.version_stage.clone());
        let answer = request
            .send()
            .await
            .map_err(|error| failure(error, &self.advice()))?;
        match answer.secret_string {
            Some(text) => self.text(Zeroizing::new(text)),
            None => Err(Failure::new(
                RemoteProblem::Format,
                "the secret is binary",
                "write the key as text, with --secret-string; `atrest key generate` prints one",
            )),
        }
    }
}
