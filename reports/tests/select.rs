//! What every plot selects from runs.

mod examples;

use examples::{invalid, run, runs, unmeasured};
use reports::groups::{contenders, marks_of};
use reports::plots::{
    bytes_per_delivery, connections, latency_over_time, latency_percentiles, ledger, server_cpu, server_rss,
};
use results::{LoadedRun, SeriesRow};

fn with_cpu(mut run: LoadedRun, us: f64) -> LoadedRun {
    run.run.measured.server.as_mut().unwrap().cpu_us_per_delivery = Some(us);
    run
}

fn with_clients(mut run: LoadedRun, clients: u32) -> LoadedRun {
    run.run.asked.clients = clients;
    run
}

#[test]
fn transports_are_told_in_one_order_whatever_the_order_of_runs() {
    let mut runs = runs();
    runs.reverse();
    let labels: Vec<_> = contenders(&runs).into_iter().map(|contender| contender.label).collect();
    assert_eq!(labels, ["short-poll", "long-poll", "sse", "ws"]);
}

#[test]
fn rounds_of_one_workload_are_one_contender_and_workloads_are_named_by_what_differs() {
    let runs = [run("ws"), run("ws"), with_clients(run("ws"), 10_000)];
    let contenders = contenders(&runs);
    let labels: Vec<_> = contenders.iter().map(|contender| contender.label.as_str()).collect();
    assert_eq!(labels, ["ws 500 clients", "ws 10,000 clients"]);
    assert_eq!(contenders[0].all.len(), 2);
    assert_ne!(contenders[0].colour, contenders[1].colour);
}

#[test]
fn a_poll_interval_tells_short_polls_apart_and_nobody_else() {
    let mut slow = run("short-poll");
    slow.run.asked.poll_interval_s = 5.0;
    let mut other = run("ws");
    other.run.asked.poll_interval_s = 5.0;
    let runs = [run("short-poll"), slow, run("ws"), other];
    let labels: Vec<_> = contenders(&runs).into_iter().map(|contender| contender.label).collect();
    assert_eq!(labels, ["short-poll a poll every 1 s", "short-poll a poll every 5 s", "ws"]);
}

#[test]
fn what_carried_socketio_tells_its_runs_apart() {
    let carried = |by: &str| {
        let mut run = run("ws");
        run.run.asked.transport = "socketio".into();
        run.run.asked.socketio = Some(by.into());
        run
    };
    let runs = [carried("polling"), carried("websocket"), run("ws")];
    let contenders = contenders(&runs);
    let labels: Vec<_> = contenders.iter().map(|contender| contender.label.as_str()).collect();
    assert_eq!(labels, ["ws", "socketio over polling", "socketio over websocket"]);
    assert_eq!(contenders[1].colour, reports::style::transport_colour("socketio", 0, 0));
    assert_ne!(contenders[1].colour, contenders[2].colour);
}

#[test]
fn invalid_rounds_are_left_out_while_a_valid_one_exists() {
    let runs = [with_cpu(run("ws"), 8.0), with_cpu(invalid(run("ws"), "loop-lag"), 80.0), with_cpu(run("ws"), 9.0)];
    let contenders = contenders(&runs);
    assert_eq!(contenders[0].median(server_cpu::us_per_delivery), Some(8.5));
    assert_eq!(contenders[0].rounds_note().unwrap(), "2 of 3 rounds valid");
    assert!(marks_of(&contenders).is_empty());
}

#[test]
fn without_a_valid_round_the_invalid_ones_are_used_and_marked() {
    let runs = [invalid(run("ws"), "loop-lag"), invalid(run("ws"), "send-lag"), run("sse")];
    let contenders = contenders(&runs);
    let marks: Vec<_> = marks_of(&contenders).iter().map(ToString::to_string).collect();
    assert_eq!(marks, ["INVALID MEASUREMENT: loop-lag, send-lag (ws)"]);
    assert_eq!(contenders[1].rounds_note().unwrap(), "0 of 2 rounds valid");
}

#[test]
fn latency_percentiles_merge_rounds_and_never_average_them() {
    let mut rough = run("ws");
    let slow = run("short-poll");
    rough.latency = slow.latency;
    let (calm, runs) = (run("ws"), [run("ws"), rough]);
    let p99 = |runs: &[LoadedRun]| contenders(runs)[0].merged().value_at_quantile(0.99) as f64;
    let [one, other] = [&runs[..1], &runs[1..]].map(p99);
    let merged = p99(&runs);
    let mean = f64::midpoint(one, other);
    assert!((merged - mean).abs() > 0.5 * mean, "merged {merged} against mean {mean}");
    let contenders = contenders(&runs);
    let total: u64 = [calm, run("short-poll")].iter().flat_map(|run| &run.latency).map(|s| s.histogram.len()).sum();
    assert_eq!(contenders[0].merged().len(), total);
    let line = &latency_percentiles::select(&contenders)[0];
    assert!(line.label.starts_with("ws: p50 "), "{}", line.label);
    assert!((line.points.last().unwrap().0 - (total as f64).log10()).abs() < 1e-9);
}

#[test]
fn latency_over_time_aligns_rounds_on_the_start_of_their_windows() {
    let mut shifted = run("ws");
    for span in &mut shifted.latency {
        span.start += std::time::Duration::from_millis(7_300);
    }
    let runs = [run("ws"), shifted];
    let lines = latency_over_time::select(&contenders(&runs));
    let seconds: Vec<_> = lines[0].seconds.iter().map(|(second, _)| *second).collect();
    assert_eq!(seconds, (0..10).collect::<Vec<_>>());
    let (p50, p99) = lines[0].seconds[3].1.unwrap();
    assert!(p50 < p99);
}

#[test]
fn the_layers_of_the_median_round_add_up_to_the_median() {
    let heavier = |factor: u64| {
        let mut run = run("long-poll");
        run.run.measured.bytes.received.framing *= factor;
        run
    };
    let runs = [heavier(9), heavier(1), heavier(2)];
    let contenders = contenders(&runs);
    let shares = bytes_per_delivery::select(&contenders);
    let [received, sent] = shares[0].layers.unwrap();
    let sum: f64 = [received, sent].map(|l| l.payload + l.framing + l.tls + l.tcp_ip.unwrap()).iter().sum();
    let median = contenders[0].median(|run| run.run.measured.bytes.per_delivery()).unwrap();
    assert!((sum - median).abs() < 1e-9, "{sum} against {median}");
    assert_eq!(received.framing, 448.0);
}

#[test]
fn connections_are_medians_over_rounds_by_second_of_the_window() {
    let mut crowded = run("sse");
    crowded.series.iter_mut().for_each(|row| row.opened += 10);
    let runs = [run("sse"), crowded];
    let lines = connections::select(&contenders(&runs));
    assert_eq!(lines[0].seconds[..2], [(-5, 0.0, 0.0), (-4, 250.0, 255.0)], "nobody is connected at first");
    assert_eq!(lines[0].seconds.last(), Some(&(10, 500.0, 5.0)));
}

#[test]
fn closing_and_seconds_that_few_rounds_have_are_left_out_of_the_connections() {
    let mut closing = run("sse");
    let last = closing.series.last().unwrap().clone();
    let drain = SeriesRow { at_s: last.at_s + 1.0, phase: "drain".to_owned(), open: 7, ..last };
    let end = SeriesRow { at_s: last.at_s + 2.0, phase: "close".to_owned(), open: 0, ..last };
    closing.series.push(drain);
    closing.series.push(end);
    let alone = [closing.clone()];
    assert_eq!(connections::select(&contenders(&alone))[0].seconds.last(), Some(&(11, 7.0, 0.0)));
    let runs = [run("sse"), closing];
    assert_eq!(connections::select(&contenders(&runs))[0].seconds.last(), Some(&(10, 500.0, 0.0)));
}

#[test]
fn who_was_live_at_the_end_is_known_even_when_the_last_second_ends_in_closing() {
    let mut run = run("sse");
    run.series.last_mut().unwrap().phase = "close".to_owned();
    run.run.measured.connections.live_at_end = 499;
    let runs = [run];
    assert_eq!(connections::select(&contenders(&runs))[0].seconds.last(), Some(&(10, 499.0, 0.0)));
}

#[test]
fn a_transport_against_itself_is_two_contenders() {
    let labelled = |label: &str| {
        let mut run = run("ws");
        run.member.as_mut().unwrap().label = Some(label.to_owned());
        run
    };
    let runs = [labelled("ws (1)"), labelled("ws (2)")];
    let contenders = contenders(&runs);
    let labels: Vec<_> = contenders.iter().map(|contender| contender.label.as_str()).collect();
    assert_eq!(labels, ["ws (1)", "ws (2)"]);
    assert_ne!(contenders[0].colour, contenders[1].colour);
}

#[test]
fn the_ledger_sums_rounds() {
    let mut lossy = run("ws");
    lossy.run.measured.deliveries.lost = 3;
    let runs = [run("ws"), lossy];
    let rows = ledger::select(&contenders(&runs));
    assert_eq!((rows[0].counts.expected, rows[0].counts.lost), (40_000, 3));
}

#[test]
fn costs_are_medians_and_carry_an_interval_from_the_second_round_on() {
    let runs = [8.0, 9.0, 30.0].map(|us| with_cpu(run("ws"), us));
    let rows = server_cpu::select(&contenders(&runs));
    assert_eq!(rows[0].bars[0].segments[0].0, 9.0);
    let (low, high) = rows[0].bars[0].whisker.unwrap();
    assert!(low < 8.0 && high > 30.0, "three rounds are given more than their range: {low} to {high}");
    let rows = server_cpu::select(&contenders(&runs[..1]));
    assert_eq!(rows[0].bars[0].whisker, None);
    let memory = server_rss::select(&contenders(&runs[..1]));
    assert_eq!(memory[0].bars.len(), 2);
}

#[test]
fn what_was_not_measured_is_said_in_every_selection() {
    let runs = [unmeasured(run("ws"))];
    let contenders = contenders(&runs);
    assert_eq!(latency_percentiles::select(&contenders)[0].label, "ws: not measured");
    assert_eq!(latency_over_time::select(&contenders)[0].label, "ws: not measured");
    assert_eq!(connections::select(&contenders)[0].label, "ws: not measured");
    assert!(bytes_per_delivery::select(&contenders)[0].layers.is_none());
    for row in [server_cpu::select(&contenders), server_rss::select(&contenders)].concat() {
        assert!(row.bars.iter().all(|bar| bar.value == "not measured" && bar.segments.is_empty()), "{row:?}");
    }
}
