//! The secret that lets a client in: known to requests, to nothing else.

use std::fmt;

use anyhow::bail;

/// The flag that says it.
const FLAG: &str = "--token";
/// Most characters of a reason for a failure; more is cut off, and dots say so. A server may answer with a whole page.
const LONGEST_REASON: usize = 200;

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

    /// `text` without the secret, as it is or percent-encoded (RFC 3986, section 2.1), whichever of its characters are.
    pub fn redact(&self, text: &str) -> String {
        let mut redacted = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            if let Some(len) = self.length_at_start(rest.as_bytes()) {
                redacted.push_str(Token::HIDDEN);
                rest = &rest[len..];
            } else {
                redacted.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
        redacted
    }

    /// How many bytes the secret takes at the start of `text`; `None` when it does not stand there.
    fn length_at_start(&self, text: &[u8]) -> Option<usize> {
        if text.starts_with(self.0.as_bytes()) {
            return Some(self.0.len());
        }
        let mut at = 0;
        for &byte in self.0.as_bytes() {
            at += match text.get(at)? {
                b'%' if text.get(at + 1..at + 3).and_then(hexadecimal) == Some(byte) => 3,
                plain if *plain == byte => 1,
                _ => return None,
            };
        }
        Some(at)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Token::HIDDEN)
    }
}

/// The byte that two hexadecimal digits say.
fn hexadecimal(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(digits[at]).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// Why something failed, as a server may have put it: on one line, without the secret, and no longer than anybody reads.
pub fn reason(token: Option<&Token>, text: &str) -> String {
    // Control characters first: one of them in its middle would hide the secret from the search for it.
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    let text = redacted(token, &text);
    match text.char_indices().nth(LONGEST_REASON) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// `text` without the secret, if there is one, and without what URLs in it say of user and password.
pub fn redacted(token: Option<&Token>, text: &str) -> String {
    let text = without_userinfo(text);
    token.map_or_else(|| text.clone(), |token| token.redact(&text))
}

/// `text` without user and password of the URLs in it: what stands before an `@` in their authority (RFC 3986, section 3.2.1).
fn without_userinfo(text: &str) -> String {
    const AUTHORITY: &str = "://";
    let mut parts = text.split(AUTHORITY);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_whitespace() || "/?#".contains(c)).unwrap_or(part.len());
        shown += AUTHORITY;
        match part[..end].rfind('@') {
            Some(at) => {
                shown += Token::HIDDEN;
                shown += &part[at..];
            }
            None => shown += part,
        }
    }
    shown
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
    fn a_password_in_a_url_is_hidden_wherever_the_url_stands() {
        for (given, shown) in [
            ("--broker redis://me:p'w@d@127.0.0.1:6379/2", "--broker redis://***@127.0.0.1:6379/2"),
            ("--server-flags=--broker=redis://:pw@h --log=info", "--server-flags=--broker=redis://***@h --log=info"),
            ("http://a:b@h http://c@i, said x@y", "http://***@h http://***@i, said x@y"),
            ("http://127.0.0.1/@me?to=you@h", "http://127.0.0.1/@me?to=you@h"),
            ("me@h: no URL", "me@h: no URL"),
        ] {
            assert_eq!(redacted(None, given), shown);
        }
    }

    #[test]
    fn what_a_server_says_is_told_without_the_secret_control_characters_or_end() {
        let token = Token::new("a b/\u{e9}%c".into()).unwrap();
        for echoed in ["a b/\u{e9}%c", "a%20b%2F%C3%A9%25c", "a%20b/%c3%a9%c", "a b\u{7}/\u{e9}%c"] {
            assert_eq!(reason(Some(&token), &format!("no {echoed}, sorry")), "no ***, sorry");
        }
        assert_eq!(reason(Some(&token), "a b/\u{e9}%d 100%"), "a b/\u{e9}%d 100%");
        assert_eq!(reason(None, "\u{1b}[31mred\r\n"), "[31mred");
        let long = reason(Some(&token), &format!("{}{}", "\u{e9}".repeat(195), token.secret().repeat(9)));
        assert_eq!(long, format!("{}*****...", "\u{e9}".repeat(195)));
    }

    #[test]
    fn a_token_that_fits_no_header_is_refused_without_being_repeated() {
        for bad in ["", "line\r\nbreak"] {
            let error = Token::new(bad.into()).unwrap_err().to_string();
            assert!(error.contains("expected one line") && !error.contains("break"), "{error}");
        }
    }
}
