//! The most that loadgen reads of a server at once, and how an error at one of these bounds is told: as loadgen's, not as the server's.
//!
//! Errors name the bound where they arise; results, tables and verdicts have them as [`TOO_LARGE`], apart from the rules of a protocol that a
//! server breaks.

use feed::framings::socket_io::MAX_ATTACHMENTS;
use feed::framings::sse::MAX_EVENT;

/// Largest WebSocket message that is accepted, bytes: no notification comes near it, and thousands of clients that each collect one without
/// end would fill our memory. Of a Socket.IO event with its attachments, too.
pub const MAX_MESSAGE: usize = 16 << 20;
/// Largest body of an answer that is read whole, bytes: a poll brings what was published since the last one, which is less by
/// far, and thousands of clients that each collect a body without end would fill our memory.
pub const MAX_BODY: usize = 16 << 20;
/// Largest head of an answer, bytes, interim answers before it included.
pub const MAX_HEAD: usize = 64 * 1024;
/// Most header fields of an answer: browsers and curl take some hundreds, and what has more is a fault.
pub const MAX_FIELDS: usize = 256;

/// How kinds of errors begin that are a bound of loadgen's; what was larger follows.
pub const TOO_LARGE: &str = "too-large: ";

/// What stands before the kind of a publisher's error.
const OF_PUBLISHER: &str = "publish-";
/// How kinds of errors begin that name what was wrong with what came.
const PROTOCOL: &str = "protocol: ";
/// How each sentence ends.
const MOST: &str = ", which is the most that loadgen reads";

/// A kind of error as results have it: one at a bound of loadgen's as [`TOO_LARGE`], any other as it is.
pub fn kind_in_results(kind: &str) -> String {
    let (side, rest) = match kind.strip_prefix(OF_PUBLISHER) {
        Some(rest) => (OF_PUBLISHER, rest),
        None => ("", kind),
    };
    let bound = rest.strip_prefix(PROTOCOL).and_then(|told| bounds().into_iter().find(|bound| told == bound.told));
    bound.map_or_else(|| kind.to_owned(), |bound| format!("{side}{TOO_LARGE}{}{MOST}", bound.what))
}

/// What an error of this kind says of a bound of loadgen's; `None` where it is another.
pub fn beyond(kind: &str) -> Option<&str> {
    kind.strip_prefix(OF_PUBLISHER).unwrap_or(kind).strip_prefix(TOO_LARGE)
}

/// A bound.
struct Bound {
    /// What its error says.
    told: String,
    /// What was more than is read.
    what: String,
}

impl Bound {
    /// One whose error says `what` and, behind it, what it is part of.
    fn within(before: &str, what: &str, behind: &str) -> Self {
        Self { told: format!("{before}{what}{behind}"), what: what.to_owned() }
    }
}

fn bounds() -> [Bound; 9] {
    let (chunked, of_chunks) = ("malformed chunked body: ", " (RFC 9112 7.1)");
    let attachments = "too many attachments in a Socket.IO packet (Socket.IO protocol 5)".to_owned();
    [
        Bound::within("", &format!("a message of more than {MAX_MESSAGE} bytes"), " (RFC 6455 10.4)"),
        Bound::within("", &format!("an event of more than {MAX_EVENT} bytes"), ""),
        Bound::within("", &format!("a Socket.IO event of more than {MAX_MESSAGE} bytes"), ""),
        Bound { told: attachments, what: format!("a Socket.IO event with more than {MAX_ATTACHMENTS} attachments") },
        Bound::within("", &format!("an answer with a body of more than {MAX_BODY} bytes"), MOST),
        Bound::within("", &format!("an answer with a head of more than {MAX_HEAD} bytes"), MOST),
        Bound::within("", &format!("an answer with more than {MAX_FIELDS} header fields"), MOST),
        Bound::within(chunked, "a chunk-size line of more than 256 bytes", of_chunks),
        Bound::within(chunked, "trailers of more than 65536 bytes", of_chunks),
    ]
}

#[cfg(test)]
mod tests {
    use feed::framings::websocket::Role;
    use feed::framings::{chunked, socket_io, sse, websocket};

    use super::*;
    use crate::clients::ClientError;
    use crate::wire::http::HttpError;

    #[test]
    fn each_error_at_a_bound_of_ours_is_told_as_ours() {
        let header = [&[0x82, 127][..], &(MAX_MESSAGE as u64 + 1).to_be_bytes()].concat();
        let message = websocket::Reader::new(Role::Client, MAX_MESSAGE).read(&header, |_| ()).unwrap_err();
        let event = sse::Reader::default().read(&vec![b'x'; MAX_EVENT + 1], |_| ()).unwrap_err();
        let chunk = |bytes: String| chunked::Reader::default().read(bytes.as_bytes(), |_| ()).unwrap_err();
        let errors: [ClientError; 8] = [
            message.into(),
            event.into(),
            socket_io::read(b"565-[]").unwrap_err().into(),
            HttpError::TooLarge.into(),
            HttpError::HeadTooLarge.into(),
            HttpError::TooManyFields.into(),
            chunk("0".repeat(300)).into(),
            chunk(format!("0\r\n{}", "x".repeat(70_000))).into(),
        ];
        let told = errors.map(|error| kind_in_results(&error.kind()));
        let whats = [
            "a message of more than 16777216 bytes",
            "an event of more than 4194304 bytes",
            "a Socket.IO event with more than 64 attachments",
            "an answer with a body of more than 16777216 bytes",
            "an answer with a head of more than 65536 bytes",
            "an answer with more than 256 header fields",
            "a chunk-size line of more than 256 bytes",
            "trailers of more than 65536 bytes",
        ];
        assert_eq!(told, whats.map(|what| format!("too-large: {what}, which is the most that loadgen reads")));
    }

    #[test]
    fn a_publishers_is_told_so_and_what_a_server_breaks_stays_its_own() {
        let told = kind_in_results("publish-protocol: an event of more than 4194304 bytes");
        assert_eq!(
            told,
            "publish-too-large: an event of more than 4194304 bytes, which is the most that loadgen reads"
        );
        assert_eq!(beyond(&told), Some("an event of more than 4194304 bytes, which is the most that loadgen reads"));
        for kind in ["protocol: a masked frame from the server (RFC 6455 5.1)", "publish-unknown", "reset"] {
            assert_eq!((kind_in_results(kind).as_str(), beyond(kind)), (kind, None));
        }
    }
}
