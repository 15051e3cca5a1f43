//! The database's URL: as it is connected to, and as the policy may write it,
//! which is never with a password in it.

use std::path::Path;

use anyhow::Context as _;
use atrest_engine::policy::Policy;
use atrest_keys::Environment;
use toml_edit::Value;
use zeroize::Zeroizing;

use crate::env_vars;
use atrest::policy_keys::from_folder;

/// The variable that the policy names in place of a password that stood in the URL.
const PASSWORD_VARIABLE: &str = "ATREST_DATABASE_PASSWORD";

/// URL parameters that carry a password.
const SECRET_PARAMETERS: [&str; 5] = [
    "password",
    "passwd",
    "pwd",
    "sslpassword",
    "ssl-key-password",
];

/// Where the URL came from.
#[derive(Debug)]
pub(super) enum Source {
    /// `--url`, or an answer on the terminal: may hold `${NAME}`.
    Typed(String),
    /// The variable `DATABASE_URL`.
    Variable,
}

/// The URL, twice.
pub(super) struct Resolved {
    /// With its password: to connect with, never shown.
    pub(super) connect: Zeroizing<String>,
    /// For the policy.
    pub(super) written: String,
    /// The variable to export before the next command, when a password was
    /// taken out.
    pub(super) password_variable: Option<&'static str>,
}

impl Resolved {
    /// Resolves `${NAME}`, and takes passwords out of what is to be written.
    ///
    /// # Errors
    /// When a variable is not set, or the URL is not one of ours.
    pub(super) fn new(
        source: &Source,
        environment: &Environment,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let (connect, written, password_variable) = match source {
            // A relative path in a variable starts where the policy is, as it
            // will for every later command.
            Source::Variable => {
                let template = format!("${{{}}}", env_vars::DATABASE_URL);
                let url = expand(&template, environment)?;
                (from_folder(&url, folder), template, None)
            }
            // What is typed starts where it is typed.
            Source::Typed(typed) => {
                let here =
                    std::env::current_dir().context("the folder that the command runs in")?;
                let started = if super::same_folder(folder, &here) {
                    typed.clone()
                } else {
                    from_folder(typed, &here)
                };
                let (written, taken) = without_passwords(&started);
                let connect = expand(typed, environment)?.to_string();
                (connect, written, taken.then_some(PASSWORD_VARIABLE))
            }
        };
        Ok(Self {
            connect: Zeroizing::new(connect),
            written,
            password_variable,
        })
    }
}

/// A template's `${NAME}` filled in, by the policy's own rules.
fn expand(template: &str, environment: &Environment) -> anyhow::Result<Zeroizing<String>> {
    let text = Zeroizing::new(format!(
        "[keys]\nprimary = \"env:NONE\"\n[database]\nurl = {}\n",
        Value::from(template)
    ));
    let policy = Policy::parse(&text, "the database URL")?;
    policy
        .database_url()?
        .resolve(&|name| environment.get(name).map(str::to_owned))
        .context("the database URL cannot be used")
}

/// The URL with every password replaced by a variable; whether there was one.
fn without_passwords(url: &str) -> (String, bool) {
    let Some((scheme, rest)) = url.split_once("://") else {
        return (url.to_owned(), false);
    };
    if scheme.eq_ignore_ascii_case("sqlite") {
        return (url.to_owned(), false);
    }
    let variable = format!("${{{PASSWORD_VARIABLE}}}");
    let mut taken = false;
    let (place, parameters) = match rest.find('?') {
        // Unless the `?` is an unencoded one of the password.
        Some(at) if !rest[at..].contains('@') || rest[..at].contains('@') => rest.split_at(at),
        _ => (rest, ""),
    };
    let mut written = format!("{scheme}://");
    match place.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((name, password)) if !password.is_empty() && !is_variable(password) => {
                taken = true;
                written.push_str(&format!("{name}:{variable}@{host}"));
            }
            _ => written.push_str(place),
        },
        None => written.push_str(place),
    }
    for (i, parameter) in parameters.split(['?', '&']).enumerate() {
        if i > 0 {
            written.push(if i == 1 { '?' } else { '&' });
        }
        match parameter.split_once('=') {
            Some((name, value))
                if SECRET_PARAMETERS.contains(&name.to_ascii_lowercase().as_str())
                    && !value.is_empty()
                    && !is_variable(value) =>
            {
                taken = true;
                written.push_str(&format!("{name}={variable}"));
            }
            _ => written.push_str(parameter),
        }
    }
    (written, taken)
}

/// Whether this is nothing but `${NAME}`.
fn is_variable(text: &str) -> bool {
    text.strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
        .is_some_and(|name| !name.contains(['$', '{', '}']))
}

#[cfg(test)]
mod tests {
    use super::without_passwords;

    #[test]
    fn no_password_is_written() {
        for (typed, written) in [
            (
                "postgresql://app:s3cret@localhost:5432/db",
                "postgresql://app:${ATREST_DATABASE_PASSWORD}@localhost:5432/db",
            ),
            (
                "mysql://app:s3cret@h/db?ssl-mode=DISABLED",
                "mysql://app:${ATREST_DATABASE_PASSWORD}@h/db?ssl-mode=DISABLED",
            ),
            (
                "postgres:///db?host=/tmp&user=a&password=s3cret&x=1",
                "postgres:///db?host=/tmp&user=a&password=${ATREST_DATABASE_PASSWORD}&x=1",
            ),
            (
                "postgres://app:s3c/r?e@t@h/db",
                "postgres://app:${ATREST_DATABASE_PASSWORD}@h/db",
            ),
            (
                "postgres://app:s3:cret@h/db?options=a@b",
                "postgres://app:${ATREST_DATABASE_PASSWORD}@h/db?options=a@b",
            ),
        ] {
            assert_eq!(
                without_passwords(typed),
                (written.to_owned(), true),
                "{typed}"
            );
        }
    }

    #[test]
    fn what_has_none_stays() {
        for typed in [
            "postgresql://localhost/db",
            "postgresql://app@localhost/db?sslmode=require",
            "postgresql://app:${DB_PASSWORD}@localhost/db",
            "postgresql://app:@localhost/db",
            "sqlite:app.db",
            "sqlite:///var/lib/a:b@c/app.db",
        ] {
            assert_eq!(
                without_passwords(typed),
                (typed.to_owned(), false),
                "{typed}"
            );
        }
    }
}
