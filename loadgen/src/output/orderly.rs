//! What servers ended in an orderly way, in the table: nothing of it is an error.

use std::fmt::Write;
use std::time::Duration;

use results::OrderlyEnds;
use results::numbers::count;

/// A pause between two answers that nobody needs to be told of, ms.
const USUAL_PAUSE_MS: u64 = 1_000;

/// A line for each that there was.
pub(super) fn write(out: &mut String, orderly: &OrderlyEnds) {
    let OrderlyEnds { answers, sent_again, told_to_stop, longest_pause_ms, drain_lengthened_ms } = *orderly;
    if answers > 0 {
        let told = "answers of event streams ended in good order, each followed by another request";
        let _ = writeln!(out, "ended          {} {told}", count(answers));
    }
    if sent_again > 0 {
        let told = "requests went out again on a new connection: the server had ended the kept one";
        let _ = writeln!(out, "sent again     {} {told}", count(sent_again));
    }
    if told_to_stop > 0 {
        let told = "clients, by 204 on an event stream: they do not come back (WHATWG HTML 9.2.3)";
        let _ = writeln!(out, "told to stop   {} {told}", count(told_to_stop));
    }
    if longest_pause_ms > USUAL_PAUSE_MS || longest_pause_ms > drain_lengthened_ms {
        let of = |ms| humantime::format_duration(Duration::from_millis(ms));
        let more = match longest_pause_ms > drain_lengthened_ms {
            true => "longer than --reconnect-longest: what came meanwhile is missing",
            false => "the drain was so much longer",
        };
        let told = "at most, by `retry` or `Retry-After`";
        let _ = writeln!(out, "told to wait   {} {told}: {more}", of(longest_pause_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_happen_has_no_line_and_what_did_has_one() {
        let told = |orderly| {
            let mut out = String::new();
            write(&mut out, &orderly);
            out
        };
        assert_eq!(told(OrderlyEnds::default()), "");
        let all = told(OrderlyEnds { answers: 1_080, sent_again: 2, told_to_stop: 3, ..Default::default() });
        let starts: Vec<&str> = all.lines().map(|line| line.split(" of").next().unwrap_or_default()).collect();
        assert_eq!(starts[0], "ended          1,080 answers");
        assert!(all.contains("\nsent again     2 requests") && all.contains("\ntold to stop   3 clients"), "{all}");
        assert!(all.lines().all(|line| line.len() <= 100), "{all}");
        let waited = |longest_pause_ms, drain_lengthened_ms| {
            told(OrderlyEnds { longest_pause_ms, drain_lengthened_ms, ..Default::default() })
        };
        assert_eq!(waited(900, 900), "");
        assert!(waited(5_000, 5_000).starts_with("told to wait   5s at most, by `retry` or `Retry-After`: the drain"));
        assert!(waited(60_000, 30_000).contains("1m at most"), "{}", waited(60_000, 30_000));
    }
}
