//! `aws-ssm:/PATH/NAME`: keys from a SecureString parameter of Systems Manager.

use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::ParameterType;
use zeroize::Zeroizing;

use super::account::{self, Account};
use super::refused::{Advice, failure};
use crate::remote::address::{Address, Grammar};
use crate::remote::{Deliver, Failure};
use crate::{Environment, KeySourceError, RemoteProblem, Settings};

static GRAMMAR: Grammar = Grammar {
    scheme: "aws-ssm",
    form: "aws-ssm:/PATH/NAME (or the parameter's ARN; a version or label after a colon)",
    parameters: &account::PARAMETERS,
};

/// One parameter.
#[derive(Debug)]
pub(crate) struct Parameter {
    name: String,
    parameter: String,
    account: Account,
}

impl Parameter {
    /// Reads what stands after `aws-ssm:`.
    ///
    /// # Errors
    /// [`KeySourceError::BadUri`].
    pub(crate) fn parse(rest: &str, _: &Settings) -> Result<Self, KeySourceError> {
        let address = Address::parse(&GRAMMAR, rest)?;
        let parameter = address.place();
        // A name of more than one level starts with a slash.
        let whole = parameter.starts_with('/') || parameter.starts_with("arn:");
        if (parameter.contains('/') && !whole) || parameter.ends_with('/') {
            return Err(address.bad("it names no parameter; a path starts with a slash"));
        }
        Ok(Self {
            name: format!("aws-ssm:{rest}"),
            parameter,
            account: Account::of(&address)?,
        })
    }

    fn advice(&self) -> Advice {
        let name = &self.parameter;
        // What is made has no version, and is not named by an ARN.
        let make = match name.contains(':') {
            true => "check name, region and version; `aws ssm get-parameter-history` shows which versions there are, if there is such a parameter".to_owned(),
            false => format!("check name and region, or make it: {}", self.make()),
        };
        Advice {
            permission: format!(
                "allow ssm:GetParameter on the parameter {name}, and kms:Decrypt on the key that it is encrypted with, in a policy of this role or user"
            ),
            make,
        }
    }

    fn make(&self) -> String {
        format!(
            "`aws ssm put-parameter --type SecureString --name {} --value \"$(atrest key generate)\"`",
            self.parameter
        )
    }
}

impl Deliver for Parameter {
    fn name(&self) -> &str {
        &self.name
    }

    async fn deliver(&self, env: &Environment) -> Result<Zeroizing<String>, Failure> {
        let client = Client::new(&self.account.config("SSM", env).await?);
        let request = client
            .get_parameter()
            .name(&self.parameter)
            .with_decryption(true);
        let answer = request
            .send()
            .await
            .map_err(|error| failure(error, &self.advice()))?;
        let Some(parameter) = answer.parameter else {
            return Err(Failure::new(
                RemoteProblem::Format,
                "the answer holds no parameter",
                "check the endpoint",
            ));
        };
        let value = Zeroizing::new(parameter.value.unwrap_or_default());
        match parameter.r#type {
            Some(ParameterType::SecureString) => Ok(value),
            other => {
                let kind = other
                    .as_ref()
                    .map_or("without a type", ParameterType::as_str);
                Err(Failure::new(
                    RemoteProblem::Format,
                    format!(
                        "the parameter is {kind}, which AWS stores and shows in clear; a key must be a SecureString"
                    ),
                    format!(
                        "delete it, and make a new key where it is encrypted: {}",
                        self.make()
                    ),
                ))
            }
        }
    }
}
