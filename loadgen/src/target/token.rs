//! Secrets that let a client in, by --token or in a base URL: known to requests, to nothing else.

use std::fmt;

use anyhow::bail;

use super::spelling;

/// The flag that says it.
const FLAG: &str = "--token";
/// Most characters of a reason for a failure; more is cut off, and dots say so. A server may answer with a whole page.
const LONGEST_REASON: usize = 200;
/// Most characters of an error of ours, with the server's words in it.
const LONGEST_FAILURE: usize = 1_000;

/// A secret, and whatever else must not be shown. It stands as `***` wherever it is not sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// What is sent for `{token}`.
    secret: Option<String>,
    /// All that is hidden, longest first.
    hidden: Vec<String>,
}

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
        Ok(Self { hidden: vec![secret.clone()], secret: Some(secret) })
    }

    /// `token`, if there is one, which hides `more` as well; `None` when there is nothing to hide.
    pub fn hiding(token: Option<Self>, more: &[String]) -> Option<Self> {
        let Self { secret, mut hidden } = token.unwrap_or(Self { secret: None, hidden: Vec::new() });
        hidden.extend(more.iter().filter(|text| !text.is_empty()).cloned());
        // One may be the beginning of another.
        hidden.sort_by_key(|text| std::cmp::Reverse(text.len()));
        (!hidden.is_empty()).then_some(Self { secret, hidden })
    }

    /// The secret, to be sent, if there is one besides what else is hidden.
    pub fn secret(&self) -> Option<&str> {
        self.secret.as_deref()
    }

    /// `text` without the secret, as it is or in another spelling of some or all of its characters: see `spelling`.
    pub fn redact(&self, text: &str) -> String {
        let mut redacted = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            if let Some(len) = self.length_at_start(rest) {
                redacted.push_str(Token::HIDDEN);
                rest = &rest[len..];
            } else {
                redacted.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
        redacted
    }

    /// How many bytes a secret takes at the start of `text`; `None` when none stands there.
    fn length_at_start(&self, text: &str) -> Option<usize> {
        self.hidden.iter().find_map(|secret| length_of(secret, text))
    }
}

/// How many bytes `secret` takes at the start of `text`, which may spell each of its characters in any way.
fn length_of(secret: &str, text: &str) -> Option<usize> {
    if text.starts_with(secret) {
        return Some(secret.len());
    }
    let mut rest = text;
    for character in secret.chars() {
        rest = &rest[spelling::length_of(character, rest)?..];
    }
    Some(text.len() - rest.len())
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Token::HIDDEN)
    }
}

/// Why something failed, as a server may have put it: on one line, without the secret, and no longer than anybody reads.
pub fn reason(token: Option<&Token>, text: &str) -> String {
    shortened(token, text, LONGEST_REASON)
}

/// The same of an error of ours, in which a server's words may stand: what it says to try is at its end, and is not cut off.
pub fn failure(token: Option<&Token>, text: &str) -> String {
    shortened(token, text, LONGEST_FAILURE)
}

fn shortened(token: Option<&Token>, text: &str, longest: usize) -> String {
    // Control characters first: one of them in its middle would hide the secret from the search for it.
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    let text = redacted(token, &text);
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// `text` without the secret, if there is one, and without what URLs in it say of user, password and the values of their queries.
pub fn redacted(token: Option<&Token>, text: &str) -> String {
    let text = without_secrets_of_urls(text);
    token.map_or_else(|| text.clone(), |token| token.redact(&text))
}

/// `text` without user and password of the URLs in it, what stands before an `@` in their authority (RFC 3986, section 3.2.1), and without
/// the values in their queries.
fn without_secrets_of_urls(text: &str) -> String {
    const AUTHORITY: &str = "://";
    let mut parts = text.split(AUTHORITY);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_whitespace() || "/?#".contains(c)).unwrap_or(part.len());
        shown += AUTHORITY;
        let part = match part[..end].rfind('@') {
            Some(at) => {
                shown += Token::HIDDEN;
                &part[at..]
            }
            None => part,
        };
        let end = end_of_url(part);
        shown += &without_values(&part[..end]);
        shown += &part[end..];
    }
    shown
}

/// Where a URL ends that `text` begins with: before a space, a quotation mark, or a comma and the scheme of the next.
fn end_of_url(text: &str) -> usize {
    let end = text.find(|c: char| c.is_whitespace() || "\"'`<>".contains(c)).unwrap_or(text.len());
    let is_scheme =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-".contains(&b));
    let next = text[..end].rfind(',').filter(|comma| end == text.len() && is_scheme(&text[comma + 1..]));
    next.unwrap_or(end)
}

/// A URL with `***` for each value in its query, or for a field that is nothing but a value.
fn without_values(url: &str) -> String {
    let Some((before, rest)) = url.split_once('?') else { return url.to_owned() };
    let (query, fragment) = rest.split_at(rest.find('#').unwrap_or(rest.len()));
    let field = |field: &str| match field.split_once('=') {
        _ if field.is_empty() => String::new(),
        Some((name, "")) => format!("{name}="),
        Some((name, _)) => format!("{name}={}", Token::HIDDEN),
        None => Token::HIDDEN.to_owned(),
    };
    let fields: Vec<String> = query.split('&').map(field).collect();
    format!("{before}?{}{fragment}", fields.join("&"))
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
            ("http://127.0.0.1/@me#to=you@h", "http://127.0.0.1/@me#to=you@h"),
            ("--url=http://u:p@h/?key=7&x", "--url=http://***@h/?key=***&***"),
            ("http://a?k=1,http://b/?k=2,3 k=4", "http://a?k=***,http://b/?k=*** k=4"),
            ("error for url (http://h/stats?key=7)", "error for url (http://h/stats?key=***"),
            ("at `ws://h/?a=b#c`: no", "at `ws://h/?a=***#c`: no"),
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
        for spelt in [
            r"a b\/\u00e9%c",
            "a+b/\u{e9}%25c",
            "a b&#47;&eacute;%c",
            r"a\u0020b\u002f\u00E9\u0025c",
            "a b&#x2F;&#233;%c",
        ] {
            let shown =
                if spelt.contains("&eacute;") { format!("no {spelt}, sorry") } else { "no ***, sorry".to_owned() };
            assert_eq!(
                reason(Some(&token), &format!("no {spelt}, sorry")),
                shown,
                "of named entities only those of XML"
            );
        }
        assert_eq!(reason(Some(&token), "a b/\u{e9}%d 100%"), "a b/\u{e9}%d 100%");
        assert_eq!(reason(None, "\u{1b}[31mred\r\n"), "[31mred");
        let long = reason(Some(&token), &format!("{}{}", "\u{e9}".repeat(195), token.secret().unwrap().repeat(9)));
        assert_eq!(long, format!("{}*****...", "\u{e9}".repeat(195)));
    }

    #[test]
    fn whatever_else_is_hidden_is_hidden_as_the_token_is_and_never_sent() {
        let more = ["me:secret".to_owned(), "secret".to_owned(), String::new()];
        let token = Token::hiding(Some(Token::new("t0ken".into()).unwrap()), &more).unwrap();
        assert_eq!(token.redact("me:secret, secret, me%3Asecret, t0ken, me"), "***, ***, ***, ***, me");
        assert_eq!(token.secret(), Some("t0ken"));
        let without = Token::hiding(None, &more).unwrap();
        assert_eq!((without.secret(), without.redact("secret t0ken").as_str()), (None, "*** t0ken"));
        assert_eq!(Token::hiding(None, &[]), None);
    }

    #[test]
    fn a_token_that_fits_no_header_is_refused_without_being_repeated() {
        for bad in ["", "line\r\nbreak"] {
            let error = Token::new(bad.into()).unwrap_err().to_string();
            assert!(error.contains("expected one line") && !error.contains("break"), "{error}");
        }
    }
}
