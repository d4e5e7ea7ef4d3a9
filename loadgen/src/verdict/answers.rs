//! Reasons that lie in what the server answered: a coding that nobody asked for, more at once than is read, and 204 on an event stream.

use results::numbers::count;
use results::{Measured, Reason};

use super::reason;
use crate::read_limits::beyond;

/// Errors of this kind begin with it; the coding's name follows.
const CODED: &str = "coded: ";

/// Answers that could not be read, because they were coded.
pub(super) fn unreadable(measured: &Measured) -> Option<Reason> {
    let coded = measured.connections.errors.iter().filter_map(|(kind, times)| {
        // Those to publications are told as their publisher's.
        Some((kind.strip_prefix("publish-").unwrap_or(kind).strip_prefix(CODED)?, times))
    });
    let coded: Vec<String> = coded.map(|(name, times)| format!("{} with {name}", count(*times))).collect();
    (!coded.is_empty()).then(|| {
        reason(
            "coded-answers",
            format!("answers came coded: {}", coded.join(", ")),
            "none: loadgen asks for no coding, and decodes none".into(),
            "The server, or a proxy before it, compresses answers (Content-Encoding or Transfer-Encoding), so what they held was not read.",
            "Switch compression off there, or give the target the header Accept-Encoding = \"identity\".",
        )
    })
}

/// Messages, answers and events that were larger than loadgen reads: what their clients lost by it is no loss of the server's.
pub(super) fn too_large(measured: &Measured) -> Option<Reason> {
    let errors = &measured.connections.errors;
    let beyond: Vec<String> =
        errors.iter().filter_map(|(kind, times)| Some(format!("{} times {}", count(*times), beyond(kind)?))).collect();
    (!beyond.is_empty()).then(|| {
        reason(
            "too-large",
            beyond.join("; "),
            "none".into(),
            "That is a bound of loadgen's, and no fault of the server's: it read no further there, so what was lost by it is not the server's loss.",
            "Have the server send less at once in this test: smaller messages, a shorter history, fewer messages an answer (see --payload, \
             --rate and --poll-interval).",
        )
    })
}

/// Clients that the server told not to come back.
pub(super) fn told_to_stop(measured: &Measured) -> Option<Reason> {
    let told = measured.connections.orderly.map_or(0, |orderly| orderly.told_to_stop);
    (told > 0).then(|| {
        reason(
            "told-to-stop",
            format!("{} clients were answered 204 No Content on an event stream", count(told)),
            "none".into(),
            "That tells a client not to come back (WHATWG HTML, section 9.2.3), so they heard no more.",
            "See when the server answers 204 there; one that has nothing to say yet keeps the stream open.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coding_is_named_and_who_was_told_to_stop_is_counted() {
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/results/examples/v1/ws");
        let mut measured = results::load(example.as_ref()).unwrap().run.measured;
        assert_eq!((unreadable(&measured), too_large(&measured), told_to_stop(&measured)), (None, None, None));
        let body = "too-large: an answer with a body of more than 16777216 bytes, which is the most that loadgen reads";
        measured.connections.errors.insert(body.into(), 1);
        assert_eq!(
            too_large(&measured).unwrap().seen,
            "1 times an answer with a body of more than 16777216 bytes, which is the most that loadgen reads"
        );
        measured.connections.errors.insert("coded: gzip".into(), 12);
        measured.connections.orderly = Some(results::OrderlyEnds { told_to_stop: 2, ..Default::default() });
        assert_eq!(unreadable(&measured).unwrap().seen, "answers came coded: 12 with gzip");
        assert_eq!(told_to_stop(&measured).unwrap().seen, "2 clients were answered 204 No Content on an event stream");
    }
}
