//! What `loadgen diff` does not compare: interrupted, invalid and differently asked runs, and that this is said first.

mod support;

use results::{Ending, Reason, Run, ShardShare};
use support::stored_runs::{changed_rounds, diff, example, rounds};

const THREE: [f64; 3] = [1.0, 1.01, 0.99];

fn interrupted(run: &mut Run) {
    run.ending = Ending::Interrupted;
    let measuring = run.measured.phases.iter_mut().find(|phase| phase.name == "measure").unwrap();
    measuring.end_s = measuring.start_s + 3.0;
    run.measured.latency.p99_ns *= 4;
}

fn invalid(run: &mut Run) {
    let word = |text: &str| text.to_owned();
    run.verdict.reasons.push(Reason {
        check: word("loop-lag"),
        seen: word("48 ms"),
        bound: word("20 ms"),
        cause: word("Busy."),
        remedy: word("Free the machine."),
    });
}

#[test]
fn an_interrupted_run_is_not_compared_and_that_is_the_first_line() {
    let place = tempfile::tempdir().unwrap();
    let stopped = changed_rounds(place.path(), "stopped", &[1.0], |_, run| interrupted(run)).join("round-0");
    for (before, after, side) in [(&example("ws"), &stopped, "ws B"), (&stopped, &example("ws"), "ws A")] {
        let (code, told) = diff(before, after, &[]);
        assert_eq!(code, Some(3), "{told}");
        let first = format!("NOT COMPARED: no round of {side} ran to its end.\n");
        assert!(told.starts_with(&first), "{told}");
        let left_out = format!("LEFT OUT: {side}, round 1: interrupted after 3 s of 10 s\n");
        assert!(told.contains(&left_out) && !told.contains("p99"), "{told}");
    }
}

#[test]
fn an_interrupted_round_among_others_is_left_out_and_that_is_the_first_line() {
    let place = tempfile::tempdir().unwrap();
    let before = rounds(place.path(), "before", &THREE);
    let stop_last = |round: usize, run: &mut Run| {
        if round == 4 {
            interrupted(run);
        }
    };
    let after = changed_rounds(place.path(), "after", &[1.0, 1.01, 0.99, 9.0], stop_last);
    let (code, told) = diff(&before, &after, &[]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.starts_with("LEFT OUT: ws B, round 4: interrupted after 3 s of 10 s\n"), "{told}");
    assert!(told.contains("ws B        3/4"), "{told}");
}

#[test]
fn a_side_without_a_valid_round_is_not_compared() {
    let place = tempfile::tempdir().unwrap();
    let folder = changed_rounds(place.path(), "invalid", &[1.0], |_, run| invalid(run));
    let (code, told) = diff(&example("ws"), &folder, &[]);
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("LEFT OUT: ws B, round 1: loop-lag: 48 ms (bound: 20 ms)"), "{told}");
    assert!(told.starts_with("NOT COMPARED: no round of ws B is valid."), "{told}");
}

fn share(shard: &str) -> ShardShare {
    ShardShare {
        shard: shard.to_owned(),
        url: String::new(),
        ending: Ending::Complete,
        is_valid: true,
        clients: 250,
        accepted: 20,
        expected: 10_000,
        delivered: 10_000,
        lost: 0,
        latency: results::Percentiles::default(),
        cpu_share: 0.1,
    }
}

type Change = fn(&mut Run);

#[test]
fn what_was_asked_for_or_measured_differently_is_refused_in_the_first_line() {
    let place = tempfile::tempdir().unwrap();
    let before = rounds(place.path(), "before", &THREE);
    let cases: [(&str, Change); 17] = [
        ("NOT THE SAME WORKLOAD: transport ws against sse", |run| run.asked.transport = "sse".into()),
        ("NOT THE SAME WORKLOAD: target feed against other", |run| run.asked.target = Some("other".into())),
        ("NOT THE SAME WORKLOAD: clients 500 against 400", |run| run.asked.clients = 400),
        ("NOT THE SAME WORKLOAD: rate per second 4 against 5", |run| run.asked.rate_per_s = 5.0),
        ("NOT THE SAME WORKLOAD: payload bytes 128 against 129", |run| run.asked.payload_bytes = 129),
        ("NOT THE SAME WORKLOAD: topics 1 against 2", |run| run.asked.topics = 2),
        ("NOT THE SAME WORKLOAD: duration in s 10 against 20", |run| run.asked.duration_s = 20.0),
        ("NOT THE SAME WORKLOAD: warm-up in s 2 against 0", |run| run.asked.warmup_s = 0.0),
        ("NOT THE SAME WORKLOAD: drain in s 5 against 9", |run| run.asked.drain_s = 9.0),
        ("NOT THE SAME WORKLOAD: faults none against cut 30% at 5s", |run| {
            run.asked.faults = vec!["cut 30% at 5s".into()];
        }),
        ("NOT THE SAME WORKLOAD: shard all against 1/2", |run| run.asked.shard = Some("1/2".into())),
        ("NOT THE SAME NETWORK: server its own against http://10.1.2.3", |run| {
            run.asked.url = Some("http://10.1.2.3:8080".into());
        }),
        ("NOT THE SAME MACHINE: cores 4 against 8", |run| run.machine.cores = 8),
        ("NOT THE SAME MACHINE: cpu Example CPU (synthetic run) against Another", |run| {
            run.machine.cpu = "Another".into();
        }),
        ("NOT MEASURED ALIKE: build release against debug", |run| run.machine.build = "debug".into()),
        ("NOT MEASURED ALIKE: generator processes 1 against 2", |run| {
            run.shards = vec![share("1/2"), share("2/2")];
        }),
        ("NOT MEASURED ALIKE: server cost read from its /stats against its processes", |run| {
            run.measured.server.as_mut().unwrap().source = results::CostSource::ProcessTree;
        }),
    ];
    for (place_of_case, (sentence, change)) in cases.into_iter().enumerate() {
        let name = format!("after-{place_of_case}");
        let after = changed_rounds(place.path(), &name, &THREE, |_, run| change(run));
        let (code, told) = diff(&before, &after, &[]);
        assert_eq!(code, Some(2), "{sentence}: {told}");
        assert!(told.lines().next().unwrap().contains(sentence), "{sentence}: {told}");
        assert!(!told.contains("REGRESSION") && !told.contains("p99"), "{told}");
    }
}

#[test]
fn rounds_of_one_side_must_be_of_one_workload_too() {
    let place = tempfile::tempdir().unwrap();
    let before = rounds(place.path(), "before", &THREE);
    let slower = |round: usize, run: &mut Run| {
        if round == 2 {
            run.asked.rate_per_s = 8.0;
        }
    };
    let mixed = changed_rounds(place.path(), "mixed", &THREE, slower);
    for (a, b, side) in [(&before, &mixed, "ws B"), (&mixed, &before, "ws A")] {
        let (code, told) = diff(a, b, &[]);
        assert_eq!(code, Some(2), "{told}");
        let sentence = format!("NOT THE SAME WORKLOAD within {side}, round 2: rate per second 4 against 8");
        assert!(told.contains(&sentence), "{told}");
    }
}

#[test]
fn another_port_or_other_flags_of_the_server_are_what_is_compared_and_are_said_first() {
    let place = tempfile::tempdir().unwrap();
    let on = |port: u16, flags: &'static [&'static str]| {
        changed_rounds(place.path(), &format!("port-{port}"), &THREE, |_, run| {
            run.asked.url = Some(format!("http://127.0.0.1:{port}/base"));
            run.asked.server_flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        })
    };
    let (code, told) = diff(&on(8080, &[]), &on(8081, &["--coalesce", "20"]), &[]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.starts_with("SERVERS DIFFER: server flags none against --coalesce 20\n"), "{told}");
}
