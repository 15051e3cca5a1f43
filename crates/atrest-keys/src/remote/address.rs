//! The part of a source's URI that follows its scheme: `PLACE?name=value&name=value`.

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::{KeySourceError, source};

/// What the URIs of one scheme look like.
#[derive(Debug)]
pub(crate) struct Grammar {
    /// The scheme.
    pub(crate) scheme: &'static str,
    /// How one is written, for messages.
    pub(crate) form: &'static str,
    /// The parameters' names.
    pub(crate) parameters: &'static [&'static str],
}

/// A URI's parts, percent-decoded.
#[derive(Debug)]
pub(crate) struct Address {
    grammar: &'static Grammar,
    segments: Vec<String>,
    parameters: Vec<(&'static str, String)>,
}

impl Address {
    /// Reads what stands after the scheme. A slash that belongs to a name is written
    /// `%2F`.
    ///
    /// # Errors
    /// [`KeySourceError::BadUri`] when the place is empty, a parameter is unknown,
    /// empty or there twice, or a key stands anywhere; nothing of it is repeated.
    pub(crate) fn parse(grammar: &'static Grammar, rest: &str) -> Result<Self, KeySourceError> {
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut address = Self {
            grammar,
            segments: Vec::new(),
            parameters: Vec::new(),
        };
        for segment in place.split('/') {
            let segment = address.decoded(segment)?;
            address.segments.push(segment);
        }
        if place.is_empty() {
            return Err(address.bad("nothing is named"));
        }
        if source::may_be_a_key(place) {
            return Err(address.key_pasted());
        }
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let name = address.known(name)?;
            if address.get(name).is_some() {
                return Err(address.bad(format!("`{name}` stands twice")));
            }
            let value = address.decoded(value)?;
            if value.is_empty() {
                return Err(address.bad(format!("`{name}` has no value")));
            }
            address.parameters.push((name, value));
        }
        Ok(address)
    }

    /// The parts of the place between its slashes.
    pub(crate) fn segments(&self) -> &[String] {
        &self.segments
    }

    /// The place.
    pub(crate) fn place(&self) -> String {
        self.segments.join("/")
    }

    /// A parameter's value.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether a parameter is `true`; it may be `true` or `false`.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, KeySourceError> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(self.bad(format!("`{name}` is neither `true` nor `false`"))),
        }
    }

    /// The error for a URI of this scheme.
    pub(crate) fn bad(&self, problem: impl Into<String>) -> KeySourceError {
        KeySourceError::BadUri {
            scheme: self.grammar.scheme,
            problem: problem.into(),
            next: format!(
                "write {}; its parameters are {}",
                self.grammar.form,
                self.grammar.parameters.join(", ")
            ),
        }
    }

    fn key_pasted(&self) -> KeySourceError {
        self.bad("a key stands where a name should be, and the policy is no place for a key")
    }

    /// The parameter of this name; one that is not known is not repeated.
    fn known(&self, name: &str) -> Result<&'static str, KeySourceError> {
        let known = self.grammar.parameters;
        if let Some(known) = known.iter().find(|known| **known == name) {
            return Ok(known);
        }
        let near = known
            .iter()
            .find(|known| strsim::osa_distance(known, name) <= 2);
        Err(self.bad(near.map_or_else(
            || "there is a parameter that it does not have".to_owned(),
            |near| format!("there is a parameter that it does not have (did you mean `{near}`?)"),
        )))
    }

    fn decoded(&self, text: &str) -> Result<String, KeySourceError> {
        let text = percent_decode_str(text)
            .decode_utf8()
            .map_err(|_| self.bad("a percent-encoded part of it is not UTF-8"))?;
        if text.chars().any(char::is_control) {
            return Err(self.bad("it holds a control character"));
        }
        if source::may_be_a_key(&text) {
            return Err(self.key_pasted());
        }
        Ok(text.into_owned())
    }
}

/// The URL of a server. `http` is taken on this machine only, unless `allow_http`:
/// whoever listens on the way would have the key.
///
/// # Errors
/// What is wrong with it, without a word of it.
pub(crate) fn server(url: &str, allow_http: bool) -> Result<Url, &'static str> {
    let url = Url::parse(url.trim()).map_err(|_| "is not a URL")?;
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err("names no host"),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user's name or password, which do not belong there");
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if local || allow_http => Ok(url),
        "http" => Err(
            "is `http`, so that whoever listens on the way would have the key; write `https`, or add `allow-http=true` to the source where the way is safe",
        ),
        _ => Err("is neither `https` nor `http`"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, Grammar, server};

    static GRAMMAR: Grammar = Grammar {
        scheme: "test",
        form: "test:MOUNT/PATH?field=NAME",
        parameters: &["field", "region", "allow-http"],
    };
    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    #[test]
    fn parts_are_decoded_after_they_were_taken_apart() {
        let address = Address::parse(&GRAMMAR, "kv%2Fteam/a%3Fb/c?field=x%26y&allow-http=true");
        let address = address.unwrap();
        assert_eq!(address.segments(), ["kv/team", "a?b", "c"]);
        assert_eq!(address.place(), "kv/team/a?b/c");
        assert_eq!(address.get("field"), Some("x&y"));
        assert_eq!(address.get("region"), None);
        assert!(address.flag("allow-http").unwrap());
    }

    #[test]
    fn what_is_wrong_is_said_and_no_key_repeated() {
        for (rest, want) in [
            ("".to_owned(), "nothing is named"),
            ("?field=x".to_owned(), "nothing is named"),
            ("a?feild=x".to_owned(), "did you mean `field`?"),
            ("a?password=hunter2".to_owned(), "that it does not have"),
            ("a?field=x&field=y".to_owned(), "`field` stands twice"),
            ("a?field".to_owned(), "`field` has no value"),
            ("a%ff".to_owned(), "not UTF-8"),
            ("a%0a".to_owned(), "control character"),
            (HEX.to_owned(), "a key stands"),
            (format!("a/{HEX}"), "a key stands"),
            (format!("a?field={HEX}"), "a key stands"),
        ] {
            let error = Address::parse(&GRAMMAR, &rest).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(want), "{shown}");
            assert!(shown.contains("field, region, allow-http"), "{shown}");
            assert!(
                !shown.contains(HEX) && !shown.contains("hunter2"),
                "{shown}"
            );
        }
        let odd = Address::parse(&GRAMMAR, "a?allow-http=yes").unwrap();
        assert!(odd.flag("allow-http").is_err());
    }

    #[test]
    fn clear_http_stays_on_this_machine() {
        for url in [
            "https://vault.example:8200",
            "http://127.0.0.1:8200",
            "http://[::1]:8200",
            "http://localhost",
        ] {
            assert!(server(url, false).is_ok(), "{url}");
        }
        for url in [
            "http://vault.example:8200",
            "http://10.0.0.1",
            "http://localhost.example",
            "ftp://127.0.0.1",
            "vault.example",
            "https://me:hunter2@vault.example",
        ] {
            let problem = server(url, false).unwrap_err();
            assert!(!problem.contains("hunter2"));
        }
        assert!(server("http://vault.example:8200", true).is_ok());
        assert!(server("https://me:hunter2@vault.example", true).is_err());
    }
}
