//! What a base URL has every request carry: user and password as Basic credentials (RFC 7617), and its query.

use anyhow::ensure;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;

use super::spelling::percent_decode;

/// Shortest password that is looked for by itself in what is shown, characters; with its user's name it is whatever its length.
const SHORTEST_PASSWORD: usize = 4;
/// Shortest value of a query that is looked for without its name, characters: shorter ones stand in too much that says nothing of them.
const SHORTEST_VALUE: usize = 6;

/// What stands in a base URL besides an address and a path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Carried {
    /// Value of the `Authorization` field that its user and password are.
    pub authorization: Option<String>,
    /// Its query, without the question mark.
    pub query: Option<String>,
    /// What of it must not be shown, however it is spelt.
    pub hidden: Vec<String>,
}

impl Carried {
    /// Reads it from a URL.
    ///
    /// # Errors
    ///
    /// When the user's name has a colon, or either has control characters: neither can be said in Basic credentials (RFC 7617, section 2).
    pub(super) fn of(url: &Url) -> anyhow::Result<Self> {
        let mut this = Self::default();
        let (user, password) = (percent_decode(url.username()), percent_decode(url.password().unwrap_or_default()));
        if !user.is_empty() || url.password().is_some() {
            ensure!(
                !user.contains(':'),
                "the user's name in the URL has a colon: Basic credentials cannot say it (RFC 7617, section 2)"
            );
            let has_control = user.chars().chain(password.chars()).any(char::is_control);
            ensure!(!has_control, "user or password in the URL have control characters: expected one line of text");
            let pair = format!("{user}:{password}");
            let credentials = STANDARD.encode(&pair);
            this.authorization = Some(format!("Basic {credentials}"));
            this.hidden.extend([pair, credentials]);
            this.hidden.extend(Some(password).filter(|password| password.chars().count() >= SHORTEST_PASSWORD));
        }
        if let Some(query) = url.query().filter(|query| !query.is_empty()) {
            this.query = Some(query.to_owned());
            this.hidden.push(query.to_owned());
            for field in query.split('&') {
                let value = percent_decode(field.split_once('=').map_or(field, |(_, value)| value));
                this.hidden.push(field.to_owned());
                this.hidden.extend(Some(value).filter(|value| value.chars().count() >= SHORTEST_VALUE));
            }
        }
        this.hidden.retain(|hidden| !hidden.is_empty());
        Ok(this)
    }

    /// `path`, which may have a query of its own, with this query before that.
    pub(super) fn extend(&self, path: &str) -> String {
        match (&self.query, path.split_once('?')) {
            (None, _) => path.to_owned(),
            (Some(query), None) => format!("{path}?{query}"),
            (Some(query), Some((path, own))) => format!("{path}?{query}&{own}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Carried {
        Carried::of(&url.parse().unwrap()).unwrap()
    }

    #[test]
    fn user_and_password_become_basic_credentials() {
        // RFC 7617, section 2 and 2.1.
        let authorization = |url: &str| of(url).authorization;
        let aladdin = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
        assert_eq!(authorization("http://Aladdin:open%20sesame@h/").as_deref(), Some(aladdin));
        assert_eq!(authorization("http://test:123%C2%A3@h/").as_deref(), Some("Basic dGVzdDoxMjPCow=="));
        assert_eq!(authorization("http://user@h/").as_deref(), Some("Basic dXNlcjo="));
        assert_eq!(authorization("http://h/"), None);
        for bad in ["http://a%3Ab:c@h/", "http://a:b%0D%0Ac@h/"] {
            let error = Carried::of(&bad.parse().unwrap()).unwrap_err().to_string();
            assert!(!error.contains("%0D") && error.contains("in the URL ha"), "{error}");
        }
    }

    #[test]
    fn the_query_goes_before_a_paths_own() {
        let carried = of("http://h/base?apikey=7&v=2");
        assert_eq!(carried.extend("/stats"), "/stats?apikey=7&v=2");
        assert_eq!(carried.extend("/poll?wait=1"), "/poll?apikey=7&v=2&wait=1");
        assert_eq!(of("http://h/").extend("/poll?wait=1"), "/poll?wait=1");
    }

    #[test]
    fn what_must_not_be_shown_is_named_in_every_spelling_that_says_something() {
        let carried = of("http://me:p%40ss@h/?apikey=7&secret=long%20value");
        for hidden in ["me:p@ss", "p@ss", "bWU6cEBzcw==", "apikey=7", "secret=long%20value", "long value"] {
            assert!(carried.hidden.iter().any(|own| own == hidden), "{hidden}: {:?}", carried.hidden);
        }
        assert!(!carried.hidden.iter().any(|own| own == "7"));
    }
}
