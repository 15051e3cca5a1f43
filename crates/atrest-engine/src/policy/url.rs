//! The database's URL: a template with `${VAR}` in it, and a likely place for a
//! password, so it has no plain `Debug` or `Display`.

use std::fmt;

use zeroize::Zeroizing;

use super::error::{At, PolicyError, nearest_or_all};

/// The schemes that have a target.
const SCHEMES: [&str; 5] = ["postgresql", "postgres", "mysql", "mariadb", "sqlite"];

/// A database URL as the policy writes it, `${VAR}` and all.
///
/// A variable's value goes in as it is: one that holds `@`, `/`, `:`, `#` or `%`
/// must be percent-encoded there, as everywhere in a URL. `$${` writes a plain
/// `${`. `Debug` and `Display` show the URL without its password.
#[derive(Clone)]
pub struct DatabaseUrl {
    template: String,
    at: At,
}

impl DatabaseUrl {
    /// Checks the template: its `${VAR}` are well formed and its scheme is one of
    /// ours, as far as that stands in it.
    pub(super) fn new(template: &str, at: At) -> Result<Self, PolicyError> {
        let url = Self {
            template: template.to_owned(),
            at,
        };
        let shape = url.expand(|_| Some(Zeroizing::new(String::new())))?;
        if !url.template.starts_with("${") {
            url.check_scheme(&shape)?;
        }
        Ok(url)
    }

    /// The URL with every `${VAR}` replaced by what `vars` gives for it.
    ///
    /// # Errors
    /// [`PolicyError::UnsetVariable`], or [`PolicyError::BadValue`] when the whole
    /// has no scheme that is known.
    pub fn resolve(
        &self,
        vars: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Zeroizing<String>, PolicyError> {
        let url = self.expand(|name| vars(name).map(Zeroizing::new))?;
        self.check_scheme(&url)?;
        Ok(url)
    }

    fn expand(
        &self,
        vars: impl Fn(&str) -> Option<Zeroizing<String>>,
    ) -> Result<Zeroizing<String>, PolicyError> {
        let mut out = Zeroizing::new(String::with_capacity(self.template.len() + 256));
        let mut rest = self.template.as_str();
        while let Some(start) = rest.find("${") {
            if let Some(before) = rest[..start].strip_suffix('$') {
                out.push_str(before);
                out.push_str("${");
                rest = &rest[start + 2..];
                continue;
            }
            out.push_str(&rest[..start]);
            let Some((name, after)) = rest[start + 2..].split_once('}') else {
                return Err(self.bad(
                    "has a `${` without its `}`".to_owned(),
                    "write `${NAME}`, or `$${` for a plain `${`".to_owned(),
                ));
            };
            if !is_variable_name(name) {
                return Err(self.bad(
                    "has a `${...}` that is no variable's name".to_owned(),
                    "a name has letters, digits and `_`; write `$${` for a plain `${`".to_owned(),
                ));
            }
            let value = vars(name).ok_or_else(|| PolicyError::UnsetVariable {
                at: self.at.clone(),
                name: name.to_owned(),
            })?;
            out.push_str(&value);
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }

    fn check_scheme(&self, url: &str) -> Result<(), PolicyError> {
        let scheme = url.split(':').next().unwrap_or_default();
        if url.contains(':')
            && SCHEMES
                .iter()
                .any(|known| known.eq_ignore_ascii_case(scheme))
        {
            return Ok(());
        }
        let example = "write for example `postgresql://user:${DB_PASSWORD}@localhost/name`, `mysql://...` or `sqlite:app.db`";
        // Only what is surely a scheme is repeated: the rest may be a secret.
        if url.contains("://")
            && !scheme.is_empty()
            && scheme.len() <= 16
            && scheme.bytes().all(|b| b.is_ascii_alphabetic() || b == b'+')
        {
            return Err(self.bad(
                format!("has the scheme `{scheme}`, which is not a database that atrest knows"),
                format!("{}; {example}", nearest_or_all(scheme, SCHEMES)),
            ));
        }
        Err(self.bad(
            "does not start with a database's scheme".to_owned(),
            example.to_owned(),
        ))
    }

    fn bad(&self, problem: String, next: String) -> PolicyError {
        PolicyError::BadValue {
            at: self.at.clone(),
            key: "url",
            problem,
            next,
        }
    }
}

fn is_variable_name(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && name.bytes().next().is_some_and(|b| !b.is_ascii_digit())
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = match self.template.split_once("://") {
            Some((scheme, rest)) => (format!("{scheme}://"), rest),
            None => (String::new(), self.template.as_str()),
        };
        // A password may itself hold `/` or `?` if somebody forgot to encode it:
        // everything before the last `@` is treated as user information.
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, rest)) => match user.split_once(':') {
                Some((name, _)) => (format!("{name}:***@"), rest),
                None => (format!("{user}@"), rest),
            },
            None => (String::new(), rest),
        };
        // Parameters may carry a password too (`?password=`).
        let place = rest.split('?').next().unwrap_or_default();
        write!(f, "{scheme}{user}{place}")
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}
