//! The findings of a survey, a line for each transport, and below them what went wrong.

use std::fmt::Write;

use results::numbers::time_ns;

use super::{Finding, Resumption, Topics};
use crate::plan::SocketIoMode;
use crate::target::{Publishing, Target};

const NOTHING: &str = "-";

/// What `loadgen check --target` prints.
pub fn table(target: &Target, findings: &[Finding]) -> String {
    let file = &target.file;
    let mut out = format!("{} at {}", file.name, target.shown_url());
    let about = if file.about.is_empty() { String::new() } else { format!(": {}", file.about) };
    let how = match &file.publishing {
        Publishing::Http { method, accepted, .. } => {
            let and = accepted.as_ref().map(|accepted| format!(" and {accepted}")).unwrap_or_default();
            format!("{method} requests; accepted when answered with 2xx{and}")
        }
        Publishing::Ws { accepted: None, .. } => "a WebSocket of the publisher's own; accepted when written".to_owned(),
        Publishing::Ws { accepted: Some(accepted), .. } => {
            format!("a WebSocket of the publisher's own; accepted when answered with {accepted}")
        }
        Publishing::SocketIo { .. } => "a Socket.IO connection of the publisher's own".to_owned(),
    };
    let _ = writeln!(out, "{about}\npublishing over {how}\n");
    let heads = ["subscribed", "came back", "receivers", "framing", "history", "comes back to", "topics"];
    line(&mut out, "", &heads.map(str::to_owned));
    for finding in findings {
        line(&mut out, finding.transport.name(), &cells(finding));
    }
    out.push('\n');
    for finding in findings {
        for fault in faults(finding) {
            let _ = writeln!(out, "{}: {fault}", finding.transport);
        }
    }
    for finding in findings {
        if let Some(first) = &finding.first_foreign {
            let _ = writeln!(out, "{}: the first that was no notification: `{first}`", finding.transport);
        }
    }
    let answer = findings.iter().find_map(|finding| finding.answer.as_ref());
    let is_described = file.publishing.accepted().is_some() || file.publishing.refused().is_some();
    if let Some(answer) = answer.filter(|_| !is_described) {
        let (what, remedy) = match &file.publishing {
            Publishing::Http { .. } => (
                "the first answer was",
                "if a refusal is answered so, too, say in `accepted` of [publish] what an acceptance looks like",
            ),
            Publishing::Ws { .. } | Publishing::SocketIo { .. } => (
                "on the publisher's own socket the server said",
                "if it refuses so what is published, say in `refused` of [publish] what a refusal looks like",
            ),
        };
        let _ = writeln!(out, "publishing: {what} `{answer}`\n            {remedy}");
    }
    let working = findings.iter().filter(|finding| finding.works()).count();
    let _ = writeln!(out, "{working} of {} transports deliver what is published.", findings.len());
    out
}

fn line(out: &mut String, name: &str, cells: &[String]) {
    let _ = write!(out, "{name:<11}");
    for cell in cells {
        let _ = write!(out, "  {cell:>13}");
    }
    out.push('\n');
}

fn cells(finding: &Finding) -> [String; 7] {
    let time = |time: std::time::Duration| time_ns(time.as_nanos() as u64);
    [
        finding.subscribed.as_ref().map_or_else(|_| "no".to_owned(), |took| time(*took)),
        finding.latency.map_or_else(|| NOTHING.to_owned(), time),
        finding.subscribed.as_ref().map_or_else(|_| NOTHING.to_owned(), |_| format!("{} of 2", finding.receivers)),
        finding.framing_bytes.map_or_else(|| NOTHING.to_owned(), |bytes| format!("{bytes} B")),
        finding.has_history.map_or(NOTHING, |has_history| if has_history { "yes" } else { "no" }).to_owned(),
        match finding.resumption {
            Resumption::Exact => "all it missed",
            Resumption::Repeats => "repetitions",
            Resumption::Lost => "nothing",
            Resumption::NothingToResumeFrom => "no cursor",
            Resumption::NotTried => NOTHING,
        }
        .to_owned(),
        match finding.topics {
            Topics::Apart => "kept apart",
            Topics::Mixed => "mixed",
            Topics::NotTried => NOTHING,
        }
        .to_owned(),
    ]
}

fn faults(finding: &Finding) -> Vec<String> {
    let mut faults = Vec::new();
    if let Err(why) = &finding.subscribed {
        faults.push(format!("cannot subscribe: {why}"));
    }
    if let Some(why) = &finding.refused {
        let answer =
            finding.answer.as_ref().map(|answer| format!("; the first answer was `{answer}`")).unwrap_or_default();
        faults.push(format!("what was published was not accepted: {why}{answer}"));
    }
    if let Some(why) = &finding.lost {
        faults.push(format!("a client that had subscribed was lost: {why}"));
    }
    if finding.subscribed.is_ok() && finding.lost.is_none() && finding.refused.is_none() && finding.receivers < 2 {
        faults.push(format!("what was published came back to {} of 2 clients within 3 s", finding.receivers));
    }
    if let Some(why) = &finding.not_back {
        faults.push(format!("a client that came back could not go on: {why}"));
    }
    if let Some(why) = &finding.not_later {
        faults.push(format!("a client that came later could not go on: {why}"));
    }
    if finding.carrier == SocketIoMode::Websocket {
        faults.push("lets clients in over a WebSocket alone: runs need `--socketio websocket`".to_owned());
    }
    for name in &finding.never_learnt {
        faults.push(format!(
            "{name} was never learnt: no answer had it, so clients never ask for what follows; see `remember` in the target file"
        ));
    }
    if !finding.keeps_topics_apart() {
        faults.push(
            "what was published on one topic came to a client of another (misdelivered): the server does not tell topics apart by \
             what the target file has {topic} in, so a run of several topics would be invalid"
                .to_owned(),
        );
    }
    faults
}
