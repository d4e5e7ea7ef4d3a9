//! The secret that lets a client in: known to requests, to nothing else.

use std::fmt;

use anyhow::bail;

/// The flag that says it.
const FLAG: &str = "--token";

/// A secret. It is shown as `***` wherever it is not sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// What stands where the secret would.
    pub const HIDDEN: &str = "***";

    /// A secret as it was given. What cannot stand in a header field is refused, without being repeated.
    pub fn new(secret: String) -> anyhow::Result<Self> {
        if secret.is_empty() || secret.chars().any(char::is_control) {
            bail!(
                "the token of --token or WIRELAB_TOKEN is empty or has control characters: expected one line of text"
            );
        }
        Ok(Self(secret))
    }

    /// The secret, to be sent.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// `text` without the secret.
    pub fn redact(&self, text: &str) -> String {
        text.replace(&self.0, Token::HIDDEN)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Token::HIDDEN)
    }
}

/// `text` without the secret, if there is one.
pub fn redacted(token: Option<&Token>, text: &str) -> String {
    token.map_or_else(|| text.to_owned(), |token| token.redact(text))
}

/// The words of a command line without what `--token` says in them, whatever that is, nor the secret anywhere else.
pub fn redacted_words(token: Option<&Token>, words: impl Iterator<Item = String>) -> Vec<String> {
    let mut is_secret = false;
    words
        .map(|word| {
            if std::mem::replace(&mut is_secret, word == FLAG) {
                return Token::HIDDEN.to_owned();
            }
            match word.strip_prefix(FLAG) {
                Some(rest) if rest.starts_with('=') => format!("{FLAG}={}", Token::HIDDEN),
                _ => redacted(token, &word),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_in_no_word_and_no_debug_text() {
        let token = Token::new("s3cret".into()).unwrap();
        let words = ["loadgen", "--token", "s3cret", "--token=s3cret", "--url", "http://h/?key=s3cret"];
        let shown = redacted_words(Some(&token), words.iter().map(|&word| word.to_owned()));
        assert_eq!(shown, ["loadgen", "--token", "***", "--token=***", "--url", "http://h/?key=***"]);
        assert_eq!(format!("{token:?}"), "***");
    }

    #[test]
    fn a_token_that_fits_no_header_is_refused_without_being_repeated() {
        for bad in ["", "line\r\nbreak"] {
            let error = Token::new(bad.into()).unwrap_err().to_string();
            assert!(error.contains("expected one line") && !error.contains("break"), "{error}");
        }
    }
}
