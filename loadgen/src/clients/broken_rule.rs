//! Which rule of its protocol a server broke.

use std::borrow::Cow;
use std::fmt;

/// A rule that a server broke, by a name of which there are few, and what was seen that broke it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenRule {
    /// What was wrong, with the section that forbids it, for example `an unknown opcode (RFC 6455 5.2)`. Errors are counted by it, so
    /// nothing that a server makes up may stand in it.
    pub name: Cow<'static, str>,
    /// What the server sent, as far as it shows more than the name says.
    pub seen: Option<String>,
}

impl BrokenRule {
    /// A rule by its name.
    pub fn named(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), seen: None }
    }

    /// The same, with what was seen.
    pub fn seen(self, seen: impl fmt::Display) -> Self {
        Self { seen: Some(seen.to_string()), ..self }
    }
}

impl fmt::Display for BrokenRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.seen {
            Some(seen) => write!(f, "{}: `{seen}`", self.name),
            None => f.write_str(&self.name),
        }
    }
}
