//! What makes two runs comparable as rounds of one another, and what to call the difference when they are not.

use results::numbers::{count, number};
use results::{LoadedRun, Run};

/// One property of a run's workload or surroundings, in words.
#[derive(Debug, Clone, PartialEq)]
pub struct Trait {
    /// What kind of property it is.
    kind: &'static str,
    /// As it is told: `10,000 clients`.
    text: String,
}

/// All properties that must agree for two runs of one transport to be rounds of the same measurement.
pub fn traits_of(run: &Run) -> Vec<Trait> {
    let Run { asked, machine, .. } = run;
    let mut traits = vec![
        ("clients", format!("{} clients", count(asked.clients.into()))),
        ("rate", format!("{}/s", number(asked.rate_per_s))),
        ("payload", format!("{} B payload", count(asked.payload_bytes.into()))),
        ("topics", format!("{} topic{}", count(asked.topics.into()), if asked.topics == 1 { "" } else { "s" })),
        ("arrival", format!("{} arrivals", asked.arrival)),
        ("server", asked.url.clone().unwrap_or_else(|| "own server".to_owned())),
        ("server flags", asked.server_flags.join(" ")),
        ("pin", format!("pinning {}", asked.pin)),
        ("machine", format!("on {}, {} cores", machine.cpu, machine.cores)),
        ("tool", machine.tool.clone()),
        ("build", if machine.build == "release" { String::new() } else { format!("{} build", machine.build) }),
    ];
    if asked.transport == "short-poll" {
        traits.push(("poll interval", format!("a poll every {} s", number(asked.poll_interval_s))));
    }
    if asked.transport == "long-poll" {
        traits.push(("wait", format!("{} s wait", number(asked.wait_s))));
    }
    if asked.transport.ends_with("-poll") {
        traits.push(("connection", format!("{} connections", asked.connection)));
    }
    if !asked.faults.is_empty() {
        let policy = asked.reconnect.as_deref().unwrap_or("backoff-jitter");
        traits.push(("faults", format!("{}; --reconnect {policy}", asked.faults.join(", "))));
    }
    if let Some(carrier) = &asked.socketio {
        traits.push(("carrier", format!("over {carrier}")));
    }
    traits.into_iter().map(|(kind, text)| Trait { kind, text }).collect()
}

/// The transport's name, and those of its traits in which some contender differs.
pub(super) fn label(transport: &str, traits: &[Trait], all: &[Vec<Trait>]) -> String {
    let differs = |own: &&Trait| all.iter().flatten().any(|other| other.kind == own.kind && other.text != own.text);
    let differing: Vec<&str> =
        traits.iter().filter(differs).map(|own| own.text.as_str()).filter(|text| !text.is_empty()).collect();
    if differing.is_empty() { transport.to_owned() } else { format!("{transport} {}", differing.join(", ")) }
}

/// The workload that all runs share, in words; what differs is in the labels.
pub fn shared_workload(runs: &[&LoadedRun]) -> String {
    let all: Vec<Vec<Trait>> = runs.iter().map(|run| traits_of(&run.run)).collect();
    let told = ["clients", "rate", "payload", "topics"];
    let shared = |own: &&Trait| told.contains(&own.kind) && all.iter().all(|others| others.contains(own));
    let words = all.first().into_iter().flatten().filter(shared).map(|own| match own.kind {
        "rate" => match own.text.trim_end_matches("/s") {
            "1" => "1 notification/s".to_owned(),
            rate => format!("{rate} notifications/s"),
        },
        _ => own.text.clone(),
    });
    words.collect::<Vec<_>>().join(" · ")
}
