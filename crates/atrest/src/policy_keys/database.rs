//! Where a policy's database is.

use std::path::Path;
use std::sync::Arc;

use atrest_engine::target::Database;
use zeroize::Zeroizing;

use super::{PolicyKeys, PolicyKeysError};

impl PolicyKeys<'_> {
    /// Connects to the policy's database.
    ///
    /// # Errors
    /// [`PolicyKeysError::Policy`], [`PolicyKeysError::Database`].
    pub async fn connect(&self) -> Result<Arc<dyn Database>, PolicyKeysError> {
        Ok(atrest_sql::connect(&self.database_url()?).await?)
    }

    /// Where it is, with its variables filled in.
    ///
    /// # Errors
    /// [`PolicyKeysError::Policy`].
    pub fn database_url(&self) -> Result<Zeroizing<String>, PolicyKeysError> {
        let variable = |name: &str| self.environment.get(name).map(str::to_owned);
        let url = self.policy.database_url()?.resolve(&variable)?;
        Ok(Zeroizing::new(from_folder(&url, self.policy.directory())))
    }
}

/// A `sqlite:` URL whose path is relative, made to start from `folder`; any other URL
/// as it is.
#[must_use]
pub fn from_folder(url: &str, folder: &Path) -> String {
    let Some((scheme, rest)) = url.split_once(':') else {
        return url.to_owned();
    };
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let relative = !rest.starts_with('/') && !rest.starts_with(":memory:") && !rest.is_empty();
    if !scheme.eq_ignore_ascii_case("sqlite") || !relative || folder == Path::new(".") {
        return url.to_owned();
    }
    let folder = folder
        .display()
        .to_string()
        .replace('%', "%25")
        .replace('?', "%3F");
    format!("sqlite:{}/{rest}", folder.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_sqlite_path_starts_from_the_policy() {
        for (url, folder, want) in [
            ("sqlite:app.db", "conf", "sqlite:conf/app.db"),
            (
                "sqlite://app.db?mode=rw",
                "/etc/a",
                "sqlite:/etc/a/app.db?mode=rw",
            ),
            ("sqlite:app.db", "100%?", "sqlite:100%25%3F/app.db"),
            ("sqlite:app.db", ".", "sqlite:app.db"),
            ("sqlite:///srv/app.db", "conf", "sqlite:///srv/app.db"),
            ("sqlite:/srv/app.db", "conf", "sqlite:/srv/app.db"),
            ("postgres://h/d", "conf", "postgres://h/d"),
        ] {
            assert_eq!(from_folder(url, Path::new(folder)), want);
        }
    }
}
