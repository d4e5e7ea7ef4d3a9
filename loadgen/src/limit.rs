//! Who was at its limit where a load no longer held: the server, or the generator that measured it?

use results::numbers::percent;
use results::{LimitedBy, Reason, Run};

/// One side is the slower one when it used this many times as much of its cores as the other.
const CLEARLY: f64 = 1.25;
/// Below this share of its cores, a side that limits does so in bursts: every notification goes to all clients at once.
const BUSY: f64 = 0.7;
/// From this share of its cores on, a server is at its ceiling.
const CEILING: f64 = 0.9;
/// Checks of the verdict that the generator alone answers for.
const GENERATORS_OWN: [&str; 3] = ["send-lag", "loop-lag", "generator-cpu"];

/// The side that was the slower one in this run, and that in words.
pub fn blame(run: &Run) -> (Option<LimitedBy>, String) {
    let (server, generator) = match run.cpu_shares() {
        (None, _) => return (None, "Whose limit it was is not known: the server does not tell what it spends.".into()),
        (Some(server), generator) => (server, generator),
    };
    let used = format!("the server used {} of its cores, the generator {}", percent(server), percent(generator));
    let (who, name) = if server > generator * CLEARLY {
        (LimitedBy::Server, "The server")
    } else if generator > server * CLEARLY {
        (LimitedBy::Generator, "The generator")
    } else if server.max(generator) < BUSY {
        let words = "Neither was at its ceiling, and both about equally busy";
        let cause =
            "the limit lies in how fast both work off a notification to all clients, or in other load on the machine";
        return (Some(LimitedBy::Both), format!("{words} ({used}): {cause}."));
    } else {
        let words =
            format!("Server and generator were about equally busy ({used}): the generator may be part of the limit.");
        return (Some(LimitedBy::Both), words);
    };
    let how = if server.max(generator) < BUSY {
        ", in bursts, for every notification goes to all clients at once"
    } else {
        ""
    };
    let more = if who == LimitedBy::Generator { "; give it more cores to find the server's" } else { "" };
    (Some(who), format!("{name} was the limit there{how}: {used}{more}."))
}

/// What an invalid step says about whose limit it was.
pub fn blame_invalid(run: &Run) -> String {
    if run.verdict.reasons.iter().any(|reason| reason.check == "publish-connections") {
        return "The connections for publishing were the limit there: the server takes longer to answer a publication than \
                --publish-connections allow for at this rate; raise them to find the server's."
            .into();
    }
    let own = |reason: &Reason| GENERATORS_OWN.contains(&reason.check.as_str());
    if !run.verdict.reasons.iter().any(own) {
        return "Whether the server or the generator was the limit there cannot be told.".into();
    }
    match run.cpu_shares() {
        (Some(server), _) if server > CEILING => format!(
            "The generator was at its limit there, and so was the server ({} of its cores): with more cores for the generator, \
             the server's limit could be found.",
            percent(server)
        ),
        _ => "The generator was the limit there, or other load on its machine; the server's was not found.".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn run(server_s: f64, generator: f64) -> Run {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/examples/v1/ws");
        let mut run = results::load(&folder).expect("the example is committed").run;
        run.measured.server.as_mut().unwrap().cpu_s = server_s;
        run.measured.generator.cpu_share = generator;
        run
    }

    #[test]
    fn the_busier_side_is_the_limit() {
        let (who, told) = blame(&run(9.0, 0.4));
        assert_eq!(who, Some(LimitedBy::Server));
        assert_eq!(told, "The server was the limit there: the server used 90 % of its cores, the generator 40 %.");
        assert_eq!(blame(&run(4.0, 0.8)).0, Some(LimitedBy::Generator));
        assert_eq!(blame(&run(4.0, 0.45)).0, Some(LimitedBy::Both));
        assert!(blame(&run(2.0, 0.1)).1.contains("in bursts"));
    }

    #[test]
    fn an_invalid_step_blames_the_generator_for_its_own_checks_alone() {
        let invalid = |check: &str, server_s: f64| {
            let mut run = run(server_s, 0.95);
            let word = |text: &str| text.to_owned();
            let reason =
                Reason { check: word(check), seen: word("x"), bound: word("x"), cause: word("x"), remedy: word("x") };
            run.verdict.reasons.push(reason);
            blame_invalid(&run)
        };
        assert!(invalid("generator-cpu", 3.0).starts_with("The generator was the limit there, or other load"));
        assert!(invalid("generator-cpu", 9.9).contains("and so was the server (99 % of its cores)"));
        assert!(invalid("publish-connections", 3.0).starts_with("The connections for publishing were the limit there"));
        assert!(invalid("clients-live", 3.0).starts_with("Whether the server or the generator"));
    }

    #[test]
    fn a_server_that_tells_nothing_is_not_blamed() {
        let mut run = run(9.0, 0.4);
        run.measured.server = None;
        assert_eq!(blame(&run).0, None);
    }
}
