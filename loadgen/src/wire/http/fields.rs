//! Values of header fields (RFC 9110, section 5): folded lines, lists, numbers, media types, dates.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use super::HttpError;

/// The value without leading and trailing whitespace, each folded line joined by one space (RFC 9112, section 5.2).
pub(super) fn text(value: &[u8]) -> Cow<'_, str> {
    let value = value.trim_ascii();
    if !value.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        return String::from_utf8_lossy(value);
    }
    let lines = value.split(|byte| matches!(byte, b'\r' | b'\n')).map(<[u8]>::trim_ascii);
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).map(String::from_utf8_lossy).collect();
    Cow::Owned(lines.join(" "))
}

/// The elements of a list; empty ones are passed over (RFC 9110, section 5.6.1.2).
pub(super) fn elements(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|element| !element.is_empty())
}

/// Adds the length that a `Content-Length` field states to what was `known`: a list, or several fields, may say the same
/// number again (RFC 9110, section 8.6), and nothing else.
pub(super) fn content_length(known: Option<usize>, value: &str) -> Result<Option<usize>, HttpError> {
    let mut length = known;
    let mut is_empty = true;
    for element in elements(value) {
        is_empty = false;
        let is_number = element.bytes().all(|byte| byte.is_ascii_digit());
        let number = if is_number { element.parse().ok() } else { None };
        let number = number.ok_or_else(|| {
            HttpError::NotHttp(format!("Content-Length `{element}`: expected a decimal number (RFC 9110, section 8.6)"))
        })?;
        match length {
            Some(length) if length != number => {
                return Err(HttpError::NotHttp(format!(
                    "Content-Length says both {length} and {number}: expected one length (RFC 9112, section 6.3)"
                )));
            }
            _ => length = Some(number),
        }
    }
    if is_empty {
        return Err(HttpError::NotHttp("an empty Content-Length: expected a decimal number".into()));
    }
    Ok(length)
}

/// The media type without its parameters, in lower case (RFC 9110, section 8.3.1).
pub(super) fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The opaque tag of an entity tag, weak or strong, without its quotes (RFC 9110, section 8.8.3).
pub(super) fn opaque_tag(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"')
}

/// How long `Retry-After` says to wait (RFC 9110, section 10.2.3): seconds, or a date in any of its three forms (section 5.6.7), which
/// counts from the `date` of the same answer, so that no clocks need to agree; without one, from this machine's clock.
pub(super) fn retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return value.parse().ok().map(Duration::from_secs);
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let since = date.and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or_else(SystemTime::now);
    let wait = until.duration_since(since).unwrap_or_default();
    // A date is of whole seconds: never come back before it.
    Some(Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)))
}
