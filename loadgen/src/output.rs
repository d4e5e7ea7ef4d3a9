//! The table for people at the end of a run.

mod orderly;
mod recovery;

use std::fmt::Write;

use crate::recording::TOLD_PUBLISHERS;
use results::numbers::{NOT_MEASURED, count, number, percent, size, time_ns, time_us};
use results::{Accepted, CostSource, Ending, Layers, Percentiles, Run};

/// What a run says, the verdict first. No line is wider than 100 columns unless a value is.
pub fn run_table(run: &Run) -> String {
    let mut out = String::new();
    write_head(&mut out, run);
    write_times(&mut out, run);
    write_deliveries(&mut out, run);
    write_bytes(&mut out, run);
    write_costs(&mut out, run);
    write_connections(&mut out, run);
    write_reconciliation(&mut out, run);
    recovery::write(&mut out, run);
    write_shards(&mut out, run);
    for assertion in &run.assertions {
        let outcome = if assertion.holds { "holds" } else { "FAILED" };
        let _ = writeln!(out, "assert         {} {outcome}: {}", assertion.text, assertion.seen);
    }
    out
}

fn write_head(out: &mut String, run: &Run) {
    let _ = writeln!(out);
    if run.ending == Ending::Interrupted {
        let _ = writeln!(out, "INTERRUPTED: what follows was measured until then.");
    }
    if run.verdict.is_valid() {
        let _ = writeln!(out, "verdict valid");
    } else {
        let _ = writeln!(out, "INVALID MEASUREMENT: do not use these numbers.");
        for reason in &run.verdict.reasons {
            let _ = writeln!(out, "  {reason}");
        }
    }
    let asked = &run.asked;
    let carrier = asked.socketio.as_ref().map(|carrier| format!(" over {carrier}")).unwrap_or_default();
    let _ = writeln!(
        out,
        "{}{carrier}: {} clients, {} topic{}, {}/s of {} B for {} s ({})",
        asked.contender(),
        count(asked.clients.into()),
        asked.topics,
        if asked.topics == 1 { "" } else { "s" },
        asked.rate_per_s,
        asked.payload_bytes,
        asked.duration_s,
        asked.arrival
    );
}

/// A line of right-aligned cells behind a name.
fn cells(out: &mut String, name: &str, cells: &[String]) {
    let _ = write!(out, "{name:<14}");
    for cell in cells {
        let _ = write!(out, " {cell:>11}");
    }
    let _ = writeln!(out);
}

fn header(out: &mut String, names: &[&str]) {
    let _ = writeln!(out);
    cells(out, "", &names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
}

fn write_times(out: &mut String, run: &Run) {
    let measured = &run.measured;
    header(out, &["p50", "p90", "p99", "p99.9", "max", "values"]);
    let not_measured = Percentiles::default();
    let from_actual = measured.latency_from_actual.as_ref().unwrap_or(&not_measured);
    for (name, p) in [("latency", &measured.latency), ("  from actual", from_actual)]
        .into_iter()
        .chain(recovery::latencies(run, &not_measured))
        .chain([
            ("connect", &measured.connect),
            ("publish", measured.published.publish_time.as_ref().unwrap_or(&not_measured)),
            ("send lag", &measured.published.send_lag),
            ("loop lag", &measured.generator.loop_lag),
        ])
        .chain(measured.generator.turn_wait.as_ref().map(|wait| ("turn wait", wait)))
    {
        let times = [p.p50_ns, p.p90_ns, p.p99_ns, p.p999_ns, p.max_ns];
        let shown = |ns| if p.count == 0 { "-".to_owned() } else { time_ns(ns) };
        cells(out, name, &times.into_iter().map(shown).chain([count(p.count)]).collect::<Vec<_>>());
    }
}

fn write_deliveries(out: &mut String, run: &Run) {
    let d = &run.measured.deliveries;
    let _ = writeln!(
        out,
        "\ndeliveries     expected {}, delivered {}, lost {}, duplicated {}, reordered {}, late {}, gaps told {}",
        count(d.expected),
        count(d.delivered),
        count(d.lost),
        count(d.duplicated),
        count(d.reordered),
        count(d.late),
        count(d.gaps)
    );
    if let Some(misdelivered @ 1..) = run.measured.misdelivered {
        let told = "notifications of this run reached clients of other topics";
        let _ = writeln!(out, "misdelivered   {} {told}", count(misdelivered));
    }
    if let Some(repeated @ 1..) = run.measured.repeated_within_messages {
        let told = "repetitions of a notification within its own message; each was one delivery";
        let _ = writeln!(out, "within message {} {told}", count(repeated));
    }
    if let Some(foreign @ 1..) = run.measured.foreign {
        let told = "neither notifications of this run nor the feed's own";
        let first =
            run.measured.quotes.get("foreign").map(|first| format!("; the first: `{first}`")).unwrap_or_default();
        let _ = writeln!(out, "foreign        {} messages were {told}{first}", count(foreign));
    }
    let told: Vec<&str> = run
        .measured
        .quotes
        .iter()
        .filter(|(kind, _)| kind.starts_with(TOLD_PUBLISHERS))
        .map(|(_, words)| words.as_str())
        .collect();
    if !told.is_empty() {
        let _ = writeln!(
            out,
            "to publishers  on their own sockets the server said, of each kind the first: `{}`",
            told.join("`, `")
        );
    }
    if !run.measured.never_learnt.is_empty() {
        let names = run.measured.never_learnt.join(", ");
        let _ = writeln!(out, "never learnt   {names}: no answer had it, so no request repeated it");
    }
    let p = &run.measured.published;
    let (accepted, how) = match p.accepted_when {
        Accepted::Answered => ("accepted", ""),
        Accepted::Written => ("written", "; nothing answers there, so publish time is not measured"),
    };
    let delivered = match p.refused_and_delivered {
        Some(delivered @ 1..) => format!(" (of which {} arrived all the same)", count(delivered)),
        _ => String::new(),
    };
    let unknown = if p.unknown > 0 { format!(", unknown {}", count(p.unknown)) } else { String::new() };
    let _ = writeln!(
        out,
        "published      due {}, {accepted} {}, refused {}{unknown}{delivered}{how}",
        count(p.due),
        count(p.accepted),
        count(p.refused)
    );
    if p.waited + p.sent_again > 0 {
        let _ = writeln!(
            out,
            "  requests     waited for a free connection {}, sent again {}; at most {} connections",
            count(p.waited),
            count(p.sent_again),
            count(p.most_connections)
        );
    }
    if let Some(polls) = &run.measured.polls {
        let _ = writeln!(out, "polls          answered {}, wasted {}", count(polls.answered), count(polls.wasted));
    }
}

fn write_bytes(out: &mut String, run: &Run) {
    let bytes = &run.measured.bytes;
    if bytes.deliveries == 0 {
        let _ = writeln!(out, "\nbytes          {NOT_MEASURED}: nothing was delivered");
        return;
    }
    let each = |total: u64| number(total as f64 / bytes.deliveries as f64);
    let told = |total: Option<u64>| total.map_or_else(|| NOT_MEASURED.to_owned(), each);
    let is_sealed = bytes.received.tls + bytes.sent.tls > 0;
    // Who speaks in the clear need not read of TLS.
    let shown = |cells: [String; 5]| -> Vec<String> {
        cells.into_iter().enumerate().filter(|(column, _)| is_sealed || *column != 2).map(|(_, cell)| cell).collect()
    };
    let names = shown(["payload", "framing", "TLS", "TCP/IP", "B/delivery"].map(str::to_owned));
    header(out, &names.iter().map(String::as_str).collect::<Vec<_>>());
    for (name, layers) in [("received", &bytes.received), ("sent", &bytes.sent)] {
        let Layers { payload, framing, tls, tcp_ip } = *layers;
        cells(out, name, &shown([each(payload), each(framing), each(tls), told(tcp_ip), told(layers.wire())]));
    }
    let overhead =
        bytes.overhead_factor().map_or_else(|| NOT_MEASURED.to_owned(), |factor| format!("{}x", number(factor)));
    let total = bytes.per_delivery().map_or_else(|| NOT_MEASURED.to_owned(), |total| size(total.round()));
    let _ = writeln!(out, "in all         {total} per delivery, overhead {overhead} the payload");
}

fn write_costs(out: &mut String, run: &Run) {
    let (server, g) = (&run.measured.server, &run.measured.generator);
    let per_delivery = |us: Option<f64>| us.map_or_else(|| "-".to_owned(), time_us);
    header(out, &["CPU/delivery", "CPU", "user+system", "RSS/client", "RSS", "cores"]);
    if let Some(s) = server {
        let cost = [
            per_delivery(s.cpu_us_per_delivery),
            format!("{:.2} s", s.cpu_s),
            split(s.cpu_user_s, s.cpu_system_s),
            size(s.rss_per_connection_bytes),
            size(s.rss_end_bytes as f64),
            pinned(&s.cpus),
        ];
        cells(out, "server", &cost);
        let by_process = s
            .cpu_by_process_s
            .filter(|_| s.source == CostSource::Stats)
            .map_or_else(String::new, |seconds| format!(", CPU by /proc {seconds:.2} s"));
        let by_tree = match s.source {
            CostSource::Stats => "",
            CostSource::ProcessTree => "; by /proc, of its process and its descendants",
        };
        let _ = writeln!(
            out,
            "               idle: CPU {}, RSS {} per client{by_process}{by_tree}",
            s.idle_cpu_share.map_or_else(|| NOT_MEASURED.to_owned(), |used| format!("{} of a core", percent(used))),
            size(s.rss_per_idle_connection_bytes)
        );
    } else if run.asked.shard.is_some() {
        let _ = writeln!(out, "server         {NOT_MEASURED}: other shards use it, too; merging tells");
    } else {
        let why = match &run.asked.target {
            _ if recovery::is_of_several_servers(run) => "its process ended within the run, with what it had used",
            None => "it has no /stats of the feed's kind, or is one of several",
            Some(_) => "name its process with --server-pid, or have the run start it",
        };
        let _ = writeln!(out, "server         {NOT_MEASURED}: {why}");
    }
    let cost = [
        per_delivery(g.cpu_us_per_delivery),
        format!("{:.2} s", g.cpu_s),
        split(g.cpu_user_s, g.cpu_system_s),
        g.rss_per_client_bytes.map_or_else(|| "-".to_owned(), size),
        g.rss_end_bytes.map_or_else(|| "-".to_owned(), |bytes| size(bytes as f64)),
        pinned(&g.cpus),
    ];
    cells(out, "generator", &cost);
    let threads = if g.threads == 1 { "1 thread".to_owned() } else { format!("{} threads", g.threads) };
    let _ = writeln!(out, "               {} of its cores, {threads}", percent(g.cpu_share));
}

/// What each shard contributed to a merged run; of a shard alone, that it is one.
fn write_shards(out: &mut String, run: &Run) {
    if let Some(shard) = &run.asked.shard {
        let _ = writeln!(
            out,
            "\nshard          {shard}: deliveries are those of its own publisher; `loadgen merge` closes the books of all"
        );
    }
    if run.shards.is_empty() {
        return;
    }
    header(out, &["clients", "delivered", "lost", "p50", "p99", "CPU"]);
    for shard in &run.shards {
        let p = &shard.latency;
        let shown = |ns| if p.count == 0 { "-".to_owned() } else { time_ns(ns) };
        let row = [
            count(shard.clients),
            count(shard.delivered),
            count(shard.lost),
            shown(p.p50_ns),
            shown(p.p99_ns),
            percent(shard.cpu_share),
        ];
        let doubt = if shard.is_valid { "" } else { " INVALID" };
        cells(out, &format!("shard {}{doubt}", shard.shard), &row);
    }
    let _ = writeln!(out, "Latencies are of what each shard's own publisher sent to its own clients.");
}

/// CPU time in user mode and in the kernel.
fn split(user_s: Option<f64>, system_s: Option<f64>) -> String {
    user_s.zip(system_s).map_or_else(|| "-".to_owned(), |(user, system)| format!("{user:.2}+{system:.2} s"))
}

/// The cores that a process was bound to.
fn pinned(cpus: &[usize]) -> String {
    if cpus.is_empty() {
        return "not pinned".into();
    }
    let cpus: Vec<String> = cpus.iter().map(ToString::to_string).collect();
    format!("pinned {}", cpus.join(","))
}

/// What both sides counted: in one line where they agree, a line for each difference.
fn write_reconciliation(out: &mut String, run: &Run) {
    let rows = &run.measured.reconciliation;
    let differing: Vec<_> = rows.iter().filter(|row| row.generator != row.server).collect();
    let summary = match (rows.len(), differing.len()) {
        (0, _) if recovery::is_of_several_servers(run) => {
            "not done: the server was started again and counted anew".to_owned()
        }
        (0, _) if run.asked.target.is_some() => "not done: only a feed counts for itself".to_owned(),
        (0, _) if run.asked.url.is_some() => {
            "not done: the server's counters may hold others' clients as well".to_owned()
        }
        (0, _) => NOT_MEASURED.to_owned(),
        (all, 0) => format!("all {all} counts of the whole run agree with the server's /stats"),
        (all, some) => format!("{some} of {all} counts of the whole run differ from the server's /stats"),
    };
    let _ = writeln!(out, "reconciliation {summary}");
    for row in differing {
        let explained =
            row.explained.as_ref().map_or_else(|| "NOT EXPLAINED".to_owned(), |why| format!("explained: {why}"));
        let (here, there) = (count(row.generator), count(row.server));
        let _ = writeln!(out, "               {}: {here} here, {there} there; {explained}", row.quantity);
    }
}

fn write_connections(out: &mut String, run: &Run) {
    let c = &run.measured.connections;
    let errors: Vec<String> = c.errors.iter().map(|(kind, n)| format!("{kind} {}", count(*n))).collect();
    let _ = writeln!(
        out,
        "\nconnections    live {} of {} at the start, {} at the end; opened {}, failed {}, reconnected {}",
        count(c.live_at_start),
        count(c.asked),
        count(c.live_at_end),
        count(c.opened),
        count(c.failed),
        count(c.reconnected)
    );
    if let Some(orderly) = &c.orderly {
        orderly::write(out, orderly);
    }
    if let Some(closed) = c.errors.get("unasked-data") {
        let told = "connections were closed: data came on them that no request was outstanding for (RFC 9112 9.2)";
        let _ = writeln!(out, "unasked        {} {told}", count(*closed));
    }
    if !errors.is_empty() {
        let _ = writeln!(out, "errors         {}", errors.join(", "));
    }
    for (kind, words) in run.measured.quotes.iter().filter(|(kind, _)| c.errors.contains_key(*kind)) {
        let _ = writeln!(out, "               {kind}, the first: `{words}`");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn example(transport: &str) -> Run {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/examples/v1").join(transport);
        results::load(&folder).expect("the example is committed").run
    }

    #[test]
    fn foreign_messages_are_told_where_there_are_any() {
        let mut run = example("ws");
        assert_eq!(run.measured.foreign, None, "older than the count");
        assert!(!run_table(&run).contains("foreign"));
        run.measured.foreign = Some(0);
        assert!(!run_table(&run).contains("foreign"));
        run.measured.foreign = Some(1_234);
        assert!(run_table(&run).contains("\nforeign        1,234 messages were neither notifications of this run nor"));
    }

    #[test]
    fn misdelivered_notifications_are_told_where_there_are_any() {
        let mut run = example("ws");
        assert_eq!(run.measured.misdelivered, None, "older than the count");
        run.measured.misdelivered = Some(0);
        assert!(!run_table(&run).contains("misdelivered"));
        run.measured.misdelivered = Some(240);
        let told = run_table(&run);
        assert!(
            told.contains("\nmisdelivered   240 notifications of this run reached clients of other topics\n"),
            "{told}"
        );
    }

    #[test]
    fn what_the_system_does_not_tell_is_no_zero() {
        let mut run = example("ws");
        let told = run_table(&run);
        assert!(told.contains("idle: CPU 0.02 % of a core"), "{told}");
        run.measured.server.as_mut().unwrap().idle_cpu_share = None;
        let generator = &mut run.measured.generator;
        (generator.rss_before_bytes, generator.rss_end_bytes, generator.rss_per_client_bytes) = (None, None, None);
        let told = run_table(&run);
        assert!(told.contains("idle: CPU not measured, RSS "), "{told}");
        let cost = told.lines().find(|line| line.starts_with("generator")).unwrap();
        assert!(!cost.contains(" B") && cost.split_whitespace().filter(|cell| *cell == "-").count() >= 2, "{cost}");
    }

    #[test]
    fn user_and_system_are_told_where_they_were_measured() {
        let mut run = example("ws");
        let row = |run: &Run| {
            let told = run_table(run);
            told.lines()
                .filter(|line| line.starts_with("server "))
                .find(|line| line.contains(" s "))
                .unwrap()
                .to_owned()
        };
        assert!(!row(&run).contains('+'), "a run from before they were");
        let server = run.measured.server.as_mut().unwrap();
        (server.cpu_user_s, server.cpu_system_s) = (Some(0.216), Some(0.9));
        assert!(row(&run).contains(" 0.22+0.90 s "), "{}", row(&run));
    }

    #[test]
    fn the_wait_for_a_turn_is_told_of_clients_that_take_turns() {
        let mut run = example("long-poll");
        assert!(!run_table(&run).contains("turn wait"));
        run.measured.generator.turn_wait =
            Some(Percentiles { count: 5, p99_ns: 250_000_000, ..Percentiles::default() });
        let told = run_table(&run);
        let row = told.lines().find(|line| line.starts_with("turn wait")).unwrap();
        assert!(row.contains("250 ms") && row.ends_with(" 5"), "{row}");
    }
}
