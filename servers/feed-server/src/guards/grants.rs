//! What a token allows: the topics that its claims `read` and `write` name, until it expires.

use std::sync::Arc;
use std::time::Duration;

use feed::TopicName;
use http::StatusCode;
use http::header::{HeaderValue, WWW_AUTHENTICATE};
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};

use super::count::Guard;
use crate::clock;
use crate::refusal::Refusal;

/// An expiry further away than this is as good as this: a year, far within what an instant holds.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// The claims of a token (RFC 7519, section 4) that say what it allows; others are checked by the library, or ignored.
#[derive(Deserialize)]
pub(super) struct Claims {
    /// Seconds since the Unix epoch, fractions allowed.
    exp: Option<f64>,
    /// Topics that may be read; none without the claim.
    #[serde(default)]
    read: Vec<Pattern>,
    /// Topics that may be published on; none without the claim.
    #[serde(default)]
    write: Vec<Pattern>,
}

/// A topic's name, `user-*` for all that begin so, or `*` for all.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Pattern(String);

impl TryFrom<String> for Pattern {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        // A star elsewhere would look as if it meant something.
        let name = text.strip_suffix('*').unwrap_or(&text);
        if name.contains('*') { Err("a star may only be last") } else { Ok(Self(text)) }
    }
}

impl Pattern {
    fn holds(&self, topic: &TopicName) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => topic.as_str().starts_with(beginning),
            None => topic.as_str() == self.0,
        }
    }
}

/// What a token allows whoever showed it. It travels as an extension of the request, the token does not.
#[derive(Debug, Clone)]
pub(crate) struct Pass(Arc<Allowed>);

#[derive(Debug)]
struct Allowed {
    read: Vec<Pattern>,
    write: Vec<Pattern>,
    until: Instant,
}

impl Pass {
    /// Of a good token's claims.
    pub(super) fn new(claims: Claims) -> Self {
        let left = claims.exp.unwrap_or_default() - clock::unix_us() as f64 / 1e6;
        let left = Duration::try_from_secs_f64(left.max(0.0)).unwrap_or(FAR).min(FAR);
        Self(Arc::new(Allowed { read: claims.read, write: claims.write, until: clock::now() + left }))
    }

    /// Until when it lasts.
    pub(crate) fn lease(&self) -> Lease {
        Lease(Some(self.0.until))
    }

    /// Refuses to read what is not named.
    pub(crate) fn read(&self, topic: &TopicName) -> Result<(), Refusal> {
        if self.0.read.iter().any(|pattern| pattern.holds(topic)) { Ok(()) } else { Err(refusal(topic, "read")) }
    }

    /// Refuses to publish on what is not named.
    pub(crate) fn write(&self, topic: &TopicName) -> Result<(), Refusal> {
        if self.0.write.iter().any(|pattern| pattern.holds(topic)) { Ok(()) } else { Err(refusal(topic, "write")) }
    }
}

/// 403 (RFC 6750, section 3.1).
fn refusal(topic: &TopicName, claim: &str) -> Refusal {
    let error = format!("your token does not allow to {claim} {topic}: expected it in the token's claim `{claim}`");
    Refusal::new(StatusCode::FORBIDDEN, error)
        .with(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="feed", error="insufficient_scope""#))
        .by(Guard::Grant)
}

/// How long a reader may stay: as long as its token lasts, for ever where none is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lease(Option<Instant>);

impl Lease {
    /// Of a reader who showed a pass, or needed none.
    pub(crate) fn of(pass: Option<&Pass>) -> Self {
        pass.map_or(Self(None), Pass::lease)
    }

    /// `due`, or the end of the lease where that comes first.
    pub(crate) fn cut(self, due: Instant) -> Instant {
        self.0.map_or(due, |until| until.min(due))
    }

    /// True once it has ended.
    pub(crate) fn is_over(self) -> bool {
        self.0.is_some_and(|until| clock::now() >= until)
    }

    /// Waits for its end.
    pub(crate) async fn over(self) {
        match self.0 {
            Some(until) => sleep_until(until).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(claims: &str) -> Pass {
        Pass::new(serde_json::from_str(claims).unwrap())
    }

    #[test]
    fn a_token_allows_what_it_names_and_nothing_else() {
        let pass = pass(r#"{"exp":4e9,"read":["news","user-*"],"write":["*"]}"#);
        let reads = |topic: &str| pass.read(&topic.parse().unwrap()).is_ok();
        assert!(reads("news") && reads("user-1") && reads("user-"));
        assert!(!reads("newsletter") && !reads("new") && !reads("user") && !reads("User-1"));
        assert!(pass.write(&"anything".parse().unwrap()).is_ok());
    }

    #[test]
    fn a_token_without_claims_allows_nothing() {
        let topic = "news".parse().unwrap();
        for claims in
            [r#"{"exp":4e9}"#, r#"{"exp":4e9,"read":[],"write":[""]}"#, r#"{"exp":4e9,"read":["ä"],"write":["€*"]}"#]
        {
            assert!(pass(claims).read(&topic).is_err() && pass(claims).write(&topic).is_err(), "{claims}");
        }
        for bad in [r#"{"exp":4e9,"read":["a*b"]}"#, r#"{"exp":4e9,"read":["**"]}"#, r#"{"exp":4e9,"read":"news"}"#] {
            assert!(serde_json::from_str::<Claims>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_lease_ends_with_its_token_however_far_that_is() {
        for exp in ["0", "-1e300", "1"] {
            assert!(pass(&format!(r#"{{"exp":{exp}}}"#)).lease().is_over(), "{exp}");
        }
        for exp in ["4e9", "1e300"] {
            assert!(!pass(&format!(r#"{{"exp":{exp}}}"#)).lease().is_over(), "{exp}");
        }
        assert!(!Lease::of(None).is_over());
    }
}
