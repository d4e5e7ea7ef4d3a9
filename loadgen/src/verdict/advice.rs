//! What the errors that a run counted mean, and what to try against each kind: the cause and the remedy of a reason follow from them.

use std::collections::BTreeMap;

use results::numbers::count;

use crate::read_limits::TOO_LARGE;

/// Kinds of errors that are explained, those with most first; the rest is in the table.
const MOST_EXPLAINED: usize = 3;
/// What stands before the kind of a publisher's error.
const OF_PUBLISHER: &str = "publish-";

/// Whose errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Those of clients.
    Clients,
    /// Those of publishers.
    Publishers,
}

/// Cause and remedy as the errors of one side have it; `None` where it has none.
pub(super) fn advice(errors: &BTreeMap<String, u64>, side: Side) -> Option<(String, String)> {
    let mut kinds: Vec<(&str, u64)> = errors.iter().filter_map(|(kind, n)| Some((of_side(kind, side)?, *n))).collect();
    kinds.sort_by_key(|(kind, n)| (std::cmp::Reverse(*n), *kind));
    if kinds.is_empty() {
        return None;
    }
    let mut counted = Vec::new();
    let mut remedies: Vec<&str> = Vec::new();
    for (kind, n) in kinds.iter().take(MOST_EXPLAINED) {
        let Advice { means, remedy } = of_kind(kind);
        counted.push(format!("{kind} {}: {means}", count(*n)));
        if !remedies.contains(&remedy) {
            remedies.push(remedy);
        }
    }
    let more = match kinds.len().saturating_sub(MOST_EXPLAINED) {
        0 => String::new(),
        some => format!(" {some} more kinds of errors are in the table."),
    };
    Some((format!("{}.{more}", counted.join(". ")), remedies.join(" ")))
}

/// The kind of an error of a side, as both sides call it. What faults did is no error.
fn of_side(kind: &str, side: Side) -> Option<&str> {
    let of_publisher = kind.strip_prefix(OF_PUBLISHER);
    match side {
        Side::Clients => (of_publisher.is_none() && !kind.starts_with("fault-")).then_some(kind),
        Side::Publishers => of_publisher,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Advice {
    means: &'static str,
    remedy: &'static str,
}

fn of_kind(kind: &str) -> Advice {
    let (means, remedy) = match kind {
        "refused" => (
            "nothing listens at that address, or the queue of new connections is full",
            "See that the server runs and listens there; raise its backlog (listen(2), net.core.somaxconn), or lower --connect-rate.",
        ),
        "reset" => (
            "the server, or something between, broke connections off",
            "See the server's log and its limits of connections, and those of proxies and firewalls between.",
        ),
        "timeout" => (
            "there was no answer in time",
            "Raise --connect-timeout, or lower --connect-rate, --clients or --rate until the server keeps up.",
        ),
        "tls" => (
            "TLS was not agreed on: the certificate, the version, or no TLS at all",
            "Name the authority with --ca or believe anybody with --insecure; see whether the URL should say https or http.",
        ),
        "no-free-port" => (
            "this machine has no free port left towards the server",
            "Widen /proc/sys/net/ipv4/ip_local_port_range, keep connections (--connection reuse), wait a minute until closed ones are \
             forgotten (TIME_WAIT), or play a part from another machine (--shard).",
        ),
        "no-free-descriptor" => (
            "this process may open no more files",
            "Raise the limit of descriptors (ulimit -n), or play from several processes (--workers).",
        ),
        "hostunreachable" | "networkunreachable" => {
            ("there is no way to the server's address", "See the address of the URL, routes and firewalls.")
        }
        "closed-by-server" | "ended-by-server" => (
            "the server ended connections and did not say why",
            "See the server's log, its limits of connections and of their age, and the idle timeouts of proxies between.",
        ),
        "answer-ended" | "kept-connection-ended" => (
            "the server ended answers in order, and what followed was late or not to be had",
            "See whether the server is to keep streams open; a proxy between may end them by its time limits.",
        ),
        "told-to-stop" => (
            "the server told clients to stay away (204 on an event stream)",
            "See why the server has nothing to stream there: path, topic and subscription in the target file.",
        ),
        "truncated" => (
            "the server broke off in the middle of an answer",
            "See the server's log for what ended it, and the time limits of proxies between.",
        ),
        "unexpected-answer" => (
            "the answer is not what the transport needs",
            "See with `loadgen check` what is answered; compare the path in the target file with the server's routes.",
        ),
        "connect-error" | "disconnected" => (
            "the Socket.IO namespace refused clients, or threw them out",
            "Compare `namespace` and `auth` in the target file with what the server wants; see its log.",
        ),
        "silent" => (
            "the server did not keep its promised interval of pings",
            "See whether the server is overloaded: its log, its CPU; lower --clients or --rate until it keeps up.",
        ),
        "unconnected" => (
            "there was no connection to publish over, and none could be opened at once",
            "See the server's log for why it ends or refuses a publisher's connection.",
        ),
        "unknown" => (
            "the server ended connections in the middle of a publication, and no answer tells whether it took it",
            "See the server's log for why; with an idempotency key ({unique} in `headers` of [publish]) such publications are sent again.",
        ),
        "not-accepted" => (
            "the server said, in an answer of success or in a message, that it did not accept them",
            "See what the first one says, in the server's words; `accepted` and `refused` of [publish] say what is taken for what.",
        ),
        "subscription-refused" => (
            "the server said what `refused` in the target file calls a refusal",
            "See what it said, in its own words, and what it wants of those who subscribe.",
        ),
        "event-without-end" => (
            "answers of event streams ended before the empty line that ends an event, so those events were discarded",
            "Have the server end each event with an empty line (WHATWG HTML, section 9.2.6).",
        ),
        "unanswered" => (
            "they were sent, and the server had not answered 5 s after the last one was due",
            "Lower --rate until the server keeps up, or lengthen --duration, so that the last ones are a smaller share.",
        ),
        "unsent" => (
            "they were due and could not be sent in time: no connection for publishing was free, or the server did not take in what was \
             written for it",
            "Lower --rate or --payload until the server keeps up, or raise --publish-connections; see the server's log.",
        ),
        _ => return of_family(kind),
    };
    Advice { means, remedy }
}

/// Advice for kinds that say more than their family.
fn of_family(kind: &str) -> Advice {
    let status = kind.strip_prefix("status-").and_then(|status| status.parse::<u16>().ok());
    let (means, remedy) = match status {
        Some(429) => (
            "the server limits how often it is asked",
            "Raise the server's limit for the test, or ask less often: --connect-rate, --rate, --poll-interval.",
        ),
        Some(401 | 403 | 407) => (
            "the server does not let in who asks",
            "Give the secret with --token, and see that the target file puts {token} where the server looks for it.",
        ),
        Some(404 | 405 | 410) => (
            "the server has no such resource, or not for this method",
            "Compare method and path in the target file with the server's routes.",
        ),
        Some(503 | 504 | 408 | 502) => (
            "the server, or a proxy before it, is overloaded or has lost what is behind it",
            "See their logs and limits; lower --rate, --clients or --connect-rate until they keep up.",
        ),
        Some(500..) => ("the server failed", "See the server's log."),
        Some(400..) => (
            "the server does not take the request as it is",
            "See with `loadgen check` what it answers; compare the target file with what it expects.",
        ),
        Some(300..) => (
            "the server points elsewhere, and redirects are not followed",
            "Name the URL in --url, or the path in the target file, that it points to.",
        ),
        Some(_) => (
            "the server answered what carries no notifications",
            "See with `loadgen check` what it answers; compare the target file with what it expects.",
        ),
        None if kind.starts_with("coded") => (
            "the server, or a proxy before it, encodes answers though no coding was asked for",
            "Switch the compression off for these paths; loadgen sends no Accept-Encoding.",
        ),
        None if kind.starts_with(TOO_LARGE) => (
            "that is a bound of loadgen's, and no fault of the server's",
            "Have the server send less at once: smaller messages, a shorter history, fewer messages an answer.",
        ),
        None if kind.starts_with("protocol") => (
            "the server, or a proxy before it, broke the rule that is named, which no load explains",
            "Mend that, or report it; a packet capture shows the bytes.",
        ),
        None if kind.starts_with("ended-") => (
            "the server closed WebSockets with this code",
            "See what the code and its reason say (RFC 6455 7.4), and the server's log.",
        ),
        None => ("see the errors", "See the server's log, and try one client with `loadgen check`."),
    };
    Advice { means, remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(errors: &[(&str, u64)], side: Side) -> Option<(String, String)> {
        advice(&errors.iter().map(|(kind, n)| ((*kind).to_owned(), *n)).collect(), side)
    }

    #[test]
    fn each_kind_has_advice_of_its_own() {
        let kinds = [
            "refused",
            "reset",
            "timeout",
            "protocol: an unknown opcode (RFC 6455 5.2)",
            "status-429",
            "status-401",
            "status-404",
            "status-500",
            "status-503",
            "status-302",
            "status-422",
            "tls",
            "no-free-port",
            "no-free-descriptor",
            "closed-by-server",
            "ended-1008",
            "answer-ended",
            "told-to-stop",
            "coded: gzip",
            "too-large: an event of more than 4194304 bytes, which is the most that loadgen reads",
            "truncated",
            "silent",
        ];
        let mut remedies: Vec<String> = kinds.iter().map(|kind| told(&[(kind, 1)], Side::Clients).unwrap().1).collect();
        let all = remedies.len();
        remedies.sort();
        remedies.dedup();
        assert_eq!(remedies.len(), all, "{remedies:#?}");
        let of_load = |kind: &str| told(&[(kind, 1)], Side::Clients).unwrap().1.contains("--clients");
        assert_eq!(["protocol: x", "tls", "status-401", "no-free-port", "refused"].map(of_load), [false; 5]);
        assert!(of_load("timeout"));
    }

    #[test]
    fn the_kinds_with_most_errors_are_explained_and_the_rest_is_counted() {
        let errors =
            [("refused", 30), ("timeout", 2_000), ("reset", 3), ("tls", 2), ("fault-cut", 9), ("publish-timeout", 7)];
        let (cause, remedy) = told(&errors, Side::Clients).unwrap();
        assert!(
            cause.starts_with("timeout 2,000: there was no answer in time. refused 30: nothing listens"),
            "{cause}"
        );
        assert!(cause.ends_with(". 1 more kinds of errors are in the table."), "{cause}");
        assert!(!remedy.contains("--ca") && remedy.contains("backlog"), "{remedy}");
        let (cause, _) = told(&errors, Side::Publishers).unwrap();
        assert_eq!(cause, "timeout 7: there was no answer in time.");
        assert_eq!(told(&[("fault-cut", 1), ("publish-unsent", 1)], Side::Clients), None);
    }

    #[test]
    fn kinds_with_the_same_advice_give_it_once() {
        let (_, remedy) = told(&[("closed-by-server", 1), ("ended-by-server", 1)], Side::Clients).unwrap();
        assert_eq!(remedy.matches("See the server's log").count(), 1, "{remedy}");
    }
}
