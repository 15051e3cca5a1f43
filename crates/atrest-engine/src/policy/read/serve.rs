//! Reading `[serve]`.

use std::net::SocketAddr;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::DeValue;

use super::{Section, Source, kind};
use crate::policy::error::{PolicyError, nearest_or_all};
use crate::policy::files::FilesPolicy;
use crate::policy::serve::{ServePolicy, TokenPolicy, TokenRole};

const SERVE: [&str; 5] = ["listen", "location", "tokens", "tls_certificate", "tls_key"];
const TOKEN: [&str; 2] = ["role", "sha256"];
/// What to do about a token that cannot stand.
const TOKENS: &str = "write `tokens = [{ role = \"read\", sha256 = \"...\" }]`; \
                      `atrest serve --generate-token read` makes a token and prints its line";

impl Source<'_> {
    pub(super) fn serve(
        &self,
        value: &Spanned<DeValue<'_>>,
        files: &[FilesPolicy],
    ) -> Result<ServePolicy, PolicyError> {
        let DeValue::Table(table) = value.get_ref() else {
            let problem = format!("is {}, not a table", kind(value.get_ref()));
            let next = "start it with a line `[serve]`";
            return Err(self.bad(value.span(), "serve", problem, next));
        };
        let section = self.section(table, value.span(), "[serve]", &SERVE)?;
        Ok(ServePolicy {
            listen: self.listen(&section)?,
            location: self.location(&section, files)?,
            tokens: self.tokens(&section)?,
            tls: self.tls(&section)?,
            line: self.at(section.span.clone()).line,
        })
    }

    fn listen(&self, section: &Section<'_, '_>) -> Result<SocketAddr, PolicyError> {
        let Some((listen, span)) = self.string(section, "listen")? else {
            return Ok(ServePolicy::LISTEN);
        };
        listen.parse().map_err(|_| {
            let problem = format!("is `{listen}`, which is not an address and a port");
            let next = "write for example `127.0.0.1:8080` or `[::1]:8080`";
            self.bad(span, "listen", problem, next)
        })
    }

    /// One of `[[files]]`.
    fn location(
        &self,
        section: &Section<'_, '_>,
        files: &[FilesPolicy],
    ) -> Result<Option<String>, PolicyError> {
        let Some((location, span)) = self.string(section, "location")? else {
            return Ok(None);
        };
        let known = files.iter().map(|files| files.location.as_str());
        if known.clone().any(|known| known == location) {
            return Ok(Some(location.to_owned()));
        }
        let problem = format!("is `{location}`, which is no location of a [[files]]");
        Err(self.bad(span, "location", problem, nearest_or_all(location, known)))
    }

    fn tokens(&self, section: &Section<'_, '_>) -> Result<Vec<TokenPolicy>, PolicyError> {
        let Some(value) = section.get("tokens") else {
            return Ok(Vec::new());
        };
        let DeValue::Array(items) = value.get_ref() else {
            let problem = format!("is {}, not a list", kind(value.get_ref()));
            return Err(self.bad(value.span(), "tokens", problem, TOKENS));
        };
        let mut tokens = Vec::with_capacity(items.len());
        for item in items.iter() {
            let DeValue::Table(table) = item.get_ref() else {
                let problem = format!("holds {}", kind(item.get_ref()));
                return Err(self.bad(item.span(), "tokens", problem, TOKENS));
            };
            let section = self.section(table, item.span(), "a token of [serve]", &TOKEN)?;
            let (role, span) = self.required(&section, "role", "role = \"read\"")?;
            let role = self.one_of(role, span, "role", TokenRole::NAMES)?;
            let (sha256, span) = self.required(&section, "sha256", "sha256 = \"...\"")?;
            if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                // Not repeated: somebody may have written the token itself.
                let problem = "is not the 64 hex digits of a token's SHA-256";
                return Err(self.bad(span, "sha256", problem, TOKENS));
            }
            let sha256 = sha256.to_owned();
            tokens.push(TokenPolicy { role, sha256 });
        }
        Ok(tokens)
    }

    /// Both or neither.
    fn tls(&self, section: &Section<'_, '_>) -> Result<Option<(PathBuf, PathBuf)>, PolicyError> {
        let certificate = self.string(section, "tls_certificate")?;
        let key = self.string(section, "tls_key")?;
        match (certificate, key) {
            (Some((certificate, _)), Some((key, _))) => Ok(Some((certificate.into(), key.into()))),
            (None, None) => Ok(None),
            (Some((_, span)), None) => {
                let next = "write `tls_key = \"key.pem\"` beside it";
                Err(self.bad(span, "tls_certificate", "stands without its key", next))
            }
            (None, Some((_, span))) => {
                let next = "write `tls_certificate = \"certificate.pem\"` beside it";
                Err(self.bad(span, "tls_key", "stands without its certificate", next))
            }
        }
    }
}
