//! What a server says about itself.

use super::answer::Answer;
use super::report::Report;
use super::server::Server;
use super::step::{Held, Objection, departs, ensure, quoted};
use feed::ServerStats;

/// Puts the area's claims to the server.
pub(super) async fn walk(server: &Server, report: &mut Report<'_>) {
    report.enter("health");
    report.step("GET /healthz answers 200", healthz(server)).await;
    report.step("GET /stats answers JSON with the server's counters", stats(server)).await;
    report.step("GET /metrics answers Prometheus text", metrics(server)).await;
}

async fn healthz(server: &Server) -> Held {
    server.get("/healthz").await?.with_status(200).map(drop)
}

/// Servers in other languages may leave these out; the generator then does without.
async fn optional(server: &Server, path: &str) -> Held<Answer> {
    let answer = server.get(path).await?;
    match answer.status {
        404 => Err(Objection::NotOffered(format!("not offered: {}", answer.seen()))),
        _ => answer.with_status(200),
    }
}

async fn stats(server: &Server) -> Held {
    let answer = optional(server, "/stats").await?;
    match serde_json::from_slice::<ServerStats>(&answer.body) {
        Ok(_) => Ok(()),
        Err(error) => Err(departs(
            "the fields server, pid, uptime_s, workers, allocator, cpu_s, rss_bytes, topics, published, refused, connections",
            format!("{} ({error})", quoted(&answer.body)),
        )),
    }
}

async fn metrics(server: &Server) -> Held {
    let answer = optional(server, "/metrics").await?;
    let is_text = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain"));
    ensure(is_text, "`content-type: text/plain; version=0.0.4`", answer.seen_header("content-type"))?;
    let text = String::from_utf8_lossy(&answer.body);
    match text.lines().find(|line| !is_metrics_line(line)) {
        None => ensure(!text.trim().is_empty(), "metrics", "an empty body"),
        Some(line) => Err(departs("lines such as `name{label=\"value\"} 1.5` or `# comment`", quoted(line.as_bytes()))),
    }
}

/// True for a comment, an empty line, or `name{labels} value [timestamp]`.
fn is_metrics_line(line: &str) -> bool {
    if line.is_empty() || line.starts_with('#') {
        return true;
    }
    let Some(name_end) = line.find(['{', ' ']) else { return false };
    let is_name = |name: &str| {
        let legal = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':');
        legal && name.starts_with(|first: char| !first.is_ascii_digit())
    };
    let rest = &line[name_end..];
    let values = match rest.rfind('}') {
        Some(end) => &rest[end + 1..],
        None => rest,
    };
    let numbers: Vec<&str> = values.split_whitespace().collect();
    is_name(&line[..name_end]) && matches!(numbers.len(), 1 | 2) && numbers.iter().all(|n| n.parse::<f64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_metrics_is_a_name_labels_and_a_number() {
        for good in ["", "# HELP a b", "up 1", "a_total{x=\"y z\",q=\"{\"} 1.5e3 1700000000000", "a +Inf", "a NaN"] {
            assert!(is_metrics_line(good), "{good}");
        }
        for bad in ["<html>", "up", "1up 1", "up one", "{\"a\": 1}"] {
            assert!(!is_metrics_line(bad), "{bad}");
        }
    }
}
