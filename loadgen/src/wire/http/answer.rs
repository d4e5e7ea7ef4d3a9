//! A whole answer: head and body, from bytes or from a connection.

use super::body::whole_body;
use super::{Body, Head, HttpError, read_head, read_head_with};
use crate::wire::Connection;

/// The head of the whole answer at the start of `bytes`, and the length of all of it; `None` when it has not come whole.
pub fn read_whole(bytes: &[u8]) -> Result<Option<(usize, Head)>, HttpError> {
    let Some((head_len, head)) = read_head(bytes)? else { return Ok(None) };
    let body = whole_body(&head, &bytes[head_len..])?;
    Ok(body.map(|(_, body_len)| (head_len + body_len, head)))
}

/// Calls `take` with the head, the fields named in `wanted` included, and the body of the answer at the start of `bytes`; returns
/// the answer's length and what `take` made of it, `None` when it has not come whole.
pub fn take_answer<T>(
    bytes: &[u8],
    wanted: &[String],
    take: impl FnOnce(Head, &[u8]) -> T,
) -> Result<Option<(usize, T)>, HttpError> {
    let Some((head_len, head)) = read_head_with(bytes, wanted)? else { return Ok(None) };
    let body = whole_body(&head, &bytes[head_len..])?;
    Ok(body.map(|(body, body_len)| (head_len + body_len, take(head, &body))))
}

/// Reads one whole answer and calls `take` with its head, the fields named in `wanted` included, its body and the instant at
/// which its end was received (ns).
pub async fn read_answer<T>(
    connection: &mut Connection,
    wanted: &[String],
    mut take: impl FnMut(Head, &[u8], u64) -> T,
) -> Result<T, HttpError> {
    let mut until_close = None;
    let answer = connection
        .read(|bytes, at| {
            let Some((head_len, head)) = read_head_with(bytes, wanted)? else { return Ok(None) };
            Ok(match whole_body(&head, &bytes[head_len..])? {
                Some((body, body_len)) => Some((head_len + body_len, take(head, &body, at))),
                None => {
                    until_close = (head.body == Body::UntilClose).then_some((head_len, head, at));
                    None
                }
            })
        })
        .await
        .map_err(|e: HttpError| e)?;
    match (answer, until_close) {
        (Some(taken), _) => Ok(taken),
        (None, Some((head_len, head, at))) => {
            connection.ensure_closed()?;
            Ok(take(head, &connection.rest()[head_len..], at))
        }
        (None, None) if connection.rest().is_empty() => Err(HttpError::Closed),
        (None, None) => Err(HttpError::Truncated),
    }
}
