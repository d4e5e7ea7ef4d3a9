//! Whether two runs may be held against each other: what was asked, over which network, on which machine, measured how.

use std::fmt;

use crate::{Asked, CostSource, Run};

/// A kind of things in which two runs differ, with each of them in words: `clients 1000 against 500`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// Another load, transport or target was asked for.
    Workload(Vec<String>),
    /// The server was reached over another network, or with TLS on one side.
    Network(Vec<String>),
    /// Another processor.
    Machine(Vec<String>),
    /// Another way of measuring.
    Method(Vec<String>),
}

impl Mismatch {
    /// What the two do not have in common.
    fn title(&self) -> &'static str {
        match self {
            Self::Workload(_) => "NOT THE SAME WORKLOAD",
            Self::Network(_) => "NOT THE SAME NETWORK",
            Self::Machine(_) => "NOT THE SAME MACHINE",
            Self::Method(_) => "NOT MEASURED ALIKE",
        }
    }

    fn details(&self) -> &[String] {
        match self {
            Self::Workload(details) | Self::Network(details) | Self::Machine(details) | Self::Method(details) => {
                details
            }
        }
    }

    /// As a sentence about one place, for example ` within ws A, round 2`.
    pub fn at(&self, place: &str) -> String {
        format!("{}{place}: {}", self.title(), self.details().join("; "))
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.at(""))
    }
}

/// In what the runs differ beyond the server under test and chance; empty where they may be compared. Port and path of the
/// server, its flags, the seed, the name of the topic, and the versions of system and generator do not count.
pub fn mismatches(one: &Run, other: &Run) -> Vec<Mismatch> {
    let (source, others_source) = sources(one, other);
    let found = [
        Mismatch::Workload(workload(&one.asked, &other.asked)),
        Mismatch::Network(differing([("server", hosts(&one.asked), hosts(&other.asked))])),
        Mismatch::Machine(differing([
            ("cpu", one.machine.cpu.clone(), other.machine.cpu.clone()),
            ("cores", one.machine.cores.to_string(), other.machine.cores.to_string()),
        ])),
        Mismatch::Method(differing([
            ("build", one.machine.build.clone(), other.machine.build.clone()),
            ("generator processes", processes(one), processes(other)),
            ("server cost read from", source, others_source),
        ])),
    ];
    found.into_iter().filter(|mismatch| !mismatch.details().is_empty()).collect()
}

/// The flags of the server in which the runs differ, in words; they may be the change that is judged.
pub fn other_server_flags(one: &Asked, other: &Asked) -> Option<String> {
    let told =
        |asked: &Asked| if asked.server_flags.is_empty() { "none".to_owned() } else { asked.server_flags.join(" ") };
    differing([("server flags", told(one), told(other))]).pop()
}

fn workload(one: &Asked, other: &Asked) -> Vec<String> {
    one.differs_from(&Asked { url: one.url.clone(), server_flags: one.server_flags.clone(), ..other.clone() })
}

fn differing<const N: usize>(pairs: [(&str, String, String); N]) -> Vec<String> {
    let differing = pairs.into_iter().filter(|(_, own, others)| own != others);
    differing.map(|(name, own, others)| format!("{name} {own} against {others}")).collect()
}

fn processes(run: &Run) -> String {
    run.shards.len().max(1).to_string()
}

/// Where each cost was read; alike where a side has none, which is a quantity that is not compared.
fn sources(one: &Run, other: &Run) -> (String, String) {
    let word = |source: CostSource| match source {
        CostSource::Stats => "its /stats",
        CostSource::ProcessTree => "its processes",
    };
    match (&one.measured.server, &other.measured.server) {
        (Some(own), Some(others)) => (word(own.source).to_owned(), word(others.source).to_owned()),
        _ => Default::default(),
    }
}

/// Scheme and host of every server, without ports and paths.
fn hosts(asked: &Asked) -> String {
    let Some(urls) = &asked.url else { return "its own".to_owned() };
    let mut hosts: Vec<String> = urls.split(',').map(|url| host(url.trim())).collect();
    hosts.sort();
    hosts.dedup();
    hosts.join(", ")
}

fn host(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let address = authority.rsplit('@').next().unwrap_or_default();
    let name = match address.split_once(']') {
        Some((bracketed, _)) => format!("{bracketed}]"),
        None => address.split(':').next().unwrap_or_default().to_owned(),
    };
    let name = match name.as_str() {
        "127.0.0.1" | "[::1]" => "localhost",
        other => other,
    };
    format!("{}://{}", scheme.to_ascii_lowercase(), name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_told_without_port_path_and_user() {
        let hosts =
            ["http://127.0.0.1:80/a", "HTTP://[::1]:8080", "https://me:*@Example.org/?a=1", "example.org:1"].map(host);
        assert_eq!(hosts, ["http://localhost", "http://localhost", "https://example.org", "http://example.org"]);
    }
}
