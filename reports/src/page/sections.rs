//! The sections of the page, a function each, in the order in which they stand.

use results::numbers::{NOT_MEASURED, count, counted, number, size, time_us};
use results::{Ending, LoadedRun, Percentiles};

use crate::drawing::{escaped, svg};
use crate::groups::Contender;
use crate::plots::Plot;
use crate::summary::{HEADINGS, Summary};

pub(super) fn table(summaries: &[Summary], contenders: &[Contender<'_>]) -> String {
    if summaries.is_empty() {
        return String::new();
    }
    let headings: String = HEADINGS.iter().map(|heading| format!("<th>{heading}</th>")).collect();
    let rows: String = summaries
        .iter()
        .zip(contenders)
        .map(|(summary, contender)| {
            let [label, cells @ .., verdict] = summary.cells();
            let cells: String = cells.iter().map(|cell| figure_cell(cell)).collect();
            let colour = contender.colour.css();
            let class = if summary.is_clean() { "" } else { " class=\"marked\"" };
            format!(
                "<tr><td><span class=\"swatch\" style=\"background:{colour}\"></span>{}</td>{cells}\
                 <td{class}>{}</td></tr>\n",
                escaped(&label),
                escaped(&verdict)
            )
        })
        .collect();
    format!("<div class=\"wide\"><table class=\"figures\">\n<tr>{headings}</tr>\n{rows}</table></div>\n")
}

pub(crate) fn figure_cell(text: &str) -> String {
    let class = if text == NOT_MEASURED { " class=\"missing\"" } else { "" };
    format!("<td{class}>{}</td>", escaped(text))
}

/// One of a quantity's percentiles.
pub(super) fn percentile(of: &Percentiles, ns: u64) -> String {
    if of.count > 0 { time_us(ns as f64 / 1e3) } else { NOT_MEASURED.to_owned() }
}

pub(super) fn comparisons(sentences: &[String]) -> String {
    if sentences.is_empty() {
        return String::new();
    }
    let items: String = sentences.iter().map(|sentence| format!("<li>{}</li>\n", escaped(sentence))).collect();
    format!("<h2>Side by side</h2>\n<ul>\n{items}</ul>\n")
}

/// Who differs from whom in what, by how much, and how sure that is.
pub(super) fn differences(rows: &[[String; 6]]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let headings = ["quantity", "pair", "difference", "95 % interval", "multiple", "the first is"];
    let headings: String = headings.iter().map(|heading| format!("<th>{heading}</th>")).collect();
    let rows: String = rows
        .iter()
        .map(|cells| format!("<tr>{}</tr>\n", cells.iter().map(|cell| figure_cell(cell)).collect::<String>()))
        .collect();
    format!(
        "<details class=\"differences\"><summary>Every difference with its interval</summary>\n\
         <p>Intervals hold for all five quantities of a pair together; runs of one round are compared as pairs.</p>\n\
         <div class=\"wide\"><table>\n<tr>{headings}</tr>\n{rows}</table></div></details>\n"
    )
}

pub(crate) fn figures(plots: &[Plot]) -> String {
    plots
        .iter()
        .map(|plot| {
            let (id, caption) = (plot.file, escaped(plot.caption));
            format!("<figure id=\"{id}\">\n{}<figcaption>{caption}</figcaption>\n</figure>\n", svg(&plot.drawing))
        })
        .collect()
}

/// Why a measurement is not to be believed, what may cause it and what to try, for every round that is invalid.
pub(super) fn reasons(contenders: &[Contender<'_>]) -> String {
    let items: String = contenders
        .iter()
        .flat_map(|contender| contender.all.iter().map(move |run| (contender, run)))
        .flat_map(|(contender, run)| run.run.verdict.reasons.iter().map(move |reason| (contender, run, reason)))
        .map(|(contender, run, reason)| {
            let used = if contender.used.iter().any(|used| std::ptr::eq(*used, *run)) { "" } else { ", left out" };
            let whose = format!("{} (run {}{used})", contender.label, run.run.id);
            format!("<li><strong>{}</strong> {}</li>\n", escaped(&whose), escaped(&reason.to_string()))
        })
        .collect();
    if items.is_empty() { String::new() } else { format!("<h2>What was wrong</h2>\n<ul>\n{items}</ul>\n") }
}

/// What was asked and on what machine, contender by contender, and how each of its rounds went.
pub(super) fn runs(contenders: &[Contender<'_>]) -> String {
    if contenders.is_empty() {
        return String::new();
    }
    let blocks: String = contenders
        .iter()
        .map(|contender| {
            let rounds: String = contender.all.iter().map(|run| round(contender, run)).collect();
            let headings: String = ROUND_HEADINGS.iter().map(|heading| format!("<th>{heading}</th>")).collect();
            format!(
                "<h3>{}</h3>\n{}<div class=\"wide\"><table class=\"rounds\">\n<tr>{headings}</tr>\n{rounds}</table></div>\n",
                escaped(&contender.label_with_note()),
                asked(contender.all[0])
            )
        })
        .collect();
    format!("<h2>What was asked, and where</h2>\n{blocks}")
}

/// Command, workload and machine of a contender's first round; the other rounds differ in nothing but chance.
pub(super) fn asked(loaded: &LoadedRun) -> String {
    let (asked, machine) = (&loaded.run.asked, &loaded.run.machine);
    let phases: Vec<String> = loaded
        .run
        .measured
        .phases
        .iter()
        .map(|phase| format!("{} {} s", phase.name, number(phase.end_s - phase.start_s)))
        .collect();
    let workload = format!(
        "{}; {} notifications/s and topic, {} arrivals; {} B payload; {} ({}); seed {}",
        counted(asked.clients as usize, "client"),
        number(asked.rate_per_s),
        asked.arrival,
        count(asked.payload_bytes.into()),
        counted(asked.topics as usize, "topic"),
        asked.topic,
        asked.seed
    );
    let place = format!(
        "{}; {}; {}; {} of memory; {}, {} build; allocator {}; pinning {}",
        machine.os,
        machine.cpu,
        counted(machine.cores as usize, "core"),
        size(machine.memory_bytes as f64),
        machine.tool,
        machine.build,
        machine.allocator,
        asked.pin
    );
    let place_of_server = asked.url.as_deref().unwrap_or("its own, a child process");
    let flags = match asked.server_flags.join(" ") {
        none if none.is_empty() => none,
        flags => format!(" with {flags}"),
    };
    let server = format!("{place_of_server}{flags}, spoken with as {}", asked.target_name());
    let terms = [("server", &server), ("workload", &workload), ("phases", &phases.join(" → ")), ("machine", &place)];
    let terms: String =
        terms.iter().map(|(name, text)| format!("<dt>{name}</dt><dd>{}</dd>\n", escaped(text))).collect();
    let command = escaped(&asked.command.join(" "));
    format!("<dl class=\"asked\">\n<dt>command</dt><dd><code>{command}</code></dd>\n{terms}</dl>\n")
}

const ROUND_HEADINGS: [&str; 11] = [
    "run",
    "began",
    "p50",
    "p99",
    "send lag p99",
    "loop lag p99",
    "accepted of due",
    "live at start, end",
    "failed",
    "reconnected",
    "verdict",
];

fn round(contender: &Contender<'_>, loaded: &LoadedRun) -> String {
    let (run, measured) = (&loaded.run, &loaded.run.measured);
    let (published, connections) = (&measured.published, &measured.connections);
    let left_out = !contender.used.iter().any(|used| std::ptr::eq(*used, loaded));
    let mut verdict = vec![run.verdict.word().to_owned()];
    verdict.extend(left_out.then(|| "left out".to_owned()));
    verdict.extend((run.ending == Ending::Interrupted).then(|| "interrupted".to_owned()));
    verdict.extend(connections.errors.iter().map(|(kind, times)| format!("{kind}: {}", count(*times))));
    verdict.extend(run.assertions.iter().map(|assertion| {
        let word = if assertion.holds { "holds" } else { "does not hold" };
        format!("{} {word} ({})", assertion.text, assertion.seen)
    }));
    let cells = [
        run.id.clone(),
        run.started_at.clone(),
        percentile(&measured.latency, measured.latency.p50_ns),
        percentile(&measured.latency, measured.latency.p99_ns),
        percentile(&published.send_lag, published.send_lag.p99_ns),
        percentile(&measured.generator.loop_lag, measured.generator.loop_lag.p99_ns),
        format!("{} of {}", count(published.accepted), count(published.due)),
        format!("{}, {}", count(connections.live_at_start), count(connections.live_at_end)),
        count(connections.failed),
        count(connections.reconnected),
        verdict.join("; "),
    ];
    format!("<tr>{}</tr>\n", cells.iter().map(|cell| figure_cell(cell)).collect::<String>())
}

const DEFINITIONS: [(&str, &str); 17] = [
    (
        "phases",
        "Connect (paced), settle, warm-up (published but not recorded), measure, drain (bounded), close. Measuring starts \
         when all clients are live, so the number of expected deliveries is exact. The instants of polls are spread over \
         the poll interval at random.",
    ),
    ("window", "The measure phase. A notification belongs to it when its intended publishing instant lies in it."),
    (
        "delivery latency",
        "Receipt by the client's code minus the intended publishing instant, per delivery, never clamped. Publisher and \
         clients share one clock and one process, so no clocks have to agree.",
    ),
    (
        "latency from actual publishing instants",
        "Receipt minus the actual publishing instant. What it is shorter by is the publisher's own lag, which delivery latency \
         counts and this does not.",
    ),
    ("send lag", "Actual minus intended publishing instant: the generator's own fault."),
    ("expected", "Notifications that the server accepted, times the clients that were meant to get each."),
    (
        "offered, accepted per s",
        "Notifications of the window over its seconds (as asked, or fewer when interrupted), all topics together. \
         Offered: due by the plan, sent or not. Accepted: answered with success by the server.",
    ),
    (
        "deliveries per s",
        "The load that was carried: different notifications of the window that clients received before the drain bound, per \
         client, over the seconds of the window.",
    ),
    ("lost, late", "Lost: not received before the drain bound. Late: received after it; counted as lost, too."),
    ("duplicated, reordered", "Received again; received after a notification that was published later."),
    ("payload bytes", "Bytes of the published payload, once per delivery."),
    (
        "framing bytes",
        "Everything else in the byte stream: HTTP heads, chunk sizes, SSE field names, WebSocket headers, envelopes, pings, \
         empty polls.",
    ),
    (
        "TCP/IP bytes",
        "Headers, pure acknowledgements, handshakes and retransmissions, from the kernel's segment counts.",
    ),
    ("overhead factor", "Bytes on the wire, both directions, over payload bytes delivered."),
    (
        "server CPU, RSS",
        "From the server's own process counters; of servers that are no feed, from /proc, summed over the process and its \
         descendants, CPU to the tick of 10 ms. CPU: over the window, per delivery in it. RSS: growth from before the first \
         client to the end of measuring, per client.",
    ),
    (
        "counts of both sides",
        "Counts of the whole run, warm-up and closing included, by the generator and by the server's own counters. A \
         difference is explained when something was lost on its way. Not reconciled: the server did not tell, or its \
         counters may hold others' clients as well.",
    ),
    (
        "rounds",
        "Histograms of rounds are merged and percentiles read from the merged one. Counts are summed. Other figures are \
         medians over rounds with 95 % intervals: the median plus and minus Student's t times its bootstrap standard error, \
         which is wide for few rounds because few rounds say little. Invalid rounds are left out when a valid one exists.",
    ),
];

pub(super) fn definitions() -> String {
    glossary(&DEFINITIONS)
}

/// Words and what they mean here.
pub(crate) fn glossary(words: &[(&str, &str)]) -> String {
    let items: String =
        words.iter().map(|(term, text)| format!("<dt>{term}</dt><dd>{}</dd>\n", escaped(text))).collect();
    format!("<h2>What the words mean</h2>\n<dl>\n{items}</dl>\n")
}
