//! What is done to clients: cut, stalled, vanished, churned; and what becomes of them by each policy of coming back.

use results::LoadedRun;

use super::{CLIENTS, Server, run};

const ALL: [&str; 4] = ["ws", "sse", "long-poll", "short-poll"];

/// Runs each transport at the same time.
fn on_all(faults: &[&str], more: &[&str], check: impl Fn(&str, &LoadedRun) + Sync) {
    std::thread::scope(|scope| {
        for transport in ALL {
            let check = &check;
            scope.spawn(move || check(transport, &run(transport, faults, more)));
        }
    });
}

fn books(run: &LoadedRun) -> (u64, u64, u64) {
    let books = &run.run.measured.deliveries;
    (books.expected, books.lost, books.duplicated)
}

#[test]
fn cut_clients_come_back_and_miss_and_repeat_nothing() {
    // One thread deals all cuts of an instant before any client is connected again, so that the fewest live are exactly so many.
    on_all(&["cut 30% at 1s"], &["--duration", "5s", "--threads", "1"], |transport, run| {
        let measured = &run.run.measured;
        assert_eq!(books(run), (CLIENTS * 100, 0, 0), "{transport}");
        let recovery = measured.recovery.as_ref().unwrap();
        let fault = &recovery.faults[0];
        assert_eq!((fault.clients, fault.interrupted, recovery.resumed), (Some(12), 12, 12), "{transport}");
        assert_eq!((recovery.lowest_live, recovery.live_at_end), (Some(28), Some(40)), "{transport}");
        assert_eq!(
            (measured.connections.reconnected, measured.connections.errors["fault-cut"]),
            (12, 12),
            "{transport}"
        );
        let (half, all) = (fault.half_live_s.unwrap(), fault.all_live_s.unwrap());
        // An event stream is told to wait for two seconds; the others wait for 200 to 400 ms.
        let least = if transport == "sse" { 1.9 } else { 0.2 };
        assert!((least..5.0).contains(&half) && half <= all, "{transport}: {half} s, {all} s");
        assert!(fault.caught_up >= 12, "{transport}: each came back to something: {}", fault.caught_up);
        assert!(fault.peak_attempts_per_s >= 12 || all > 1.0, "{transport}: {fault:?}");
        let rows = |of: fn(&results::RecoveryRow) -> u64| run.recovery.iter().map(of).sum::<u64>();
        assert_eq!((rows(|r| r.interrupted), rows(|r| r.resumed), rows(|r| r.lost)), (12, 12, 0), "{transport}");
        assert_eq!(rows(|r| r.caught_up), recovery.caught_up, "{transport}");
        assert!(run.recovery.iter().all(|row| row.live <= CLIENTS), "{transport}");
        // The server sees a reset, not an end: it has nobody of them left.
        assert_eq!(measured.server.as_ref().unwrap().open_at_end, Some(CLIENTS), "{transport}");
    });
}

#[test]
fn who_does_not_come_back_is_told_of_and_what_they_miss_is_lost() {
    let run = run("ws", &["cut 25% at 2s"], &["--reconnect", "off", "--drain", "500ms"]);
    let recovery = run.run.measured.recovery.as_ref().unwrap();
    let fault = &recovery.faults[0];
    assert_eq!((fault.interrupted, fault.half_live_s, recovery.resumed, recovery.live_at_end), (10, None, 0, Some(30)));
    let (expected, lost, duplicated) = books(&run);
    assert_eq!((expected, duplicated), (CLIENTS * 80, 0));
    // What was due after the look that found the last of them gone, 20 a second; what was under way then may be lost, too.
    let gone_s = run.recovery.iter().rfind(|row| row.interrupted > 0).unwrap().at_s;
    let least = 10 * ((4.0 - gone_s) * 20.0).floor() as u64;
    let longest_s = run.run.measured.latency.max_ns as f64 / 1e9;
    let most = 10 * ((2.0 + longest_s) * 20.0).ceil() as u64;
    assert!((least..=most).contains(&lost), "from {gone_s} s on, of ten clients: {lost}");
    assert_eq!(run.recovery.iter().map(|row| row.lost).sum::<u64>(), lost, "and it is told when");
    assert!(run.recovery.iter().filter(|row| row.at_s < 1.9).all(|row| row.lost == 0));
    assert_eq!(run.run.asked.reconnect.as_deref(), Some("off"));
}

/// Between two looks, which are a tenth of a second apart, everybody is cut off and back again.
#[test]
fn the_fewest_who_were_live_are_counted_however_short_it_lasted() {
    // One thread deals all cuts of an instant before any client is connected again.
    let run = run("ws", &["cut 100% at 1050ms"], &["--reconnect", "immediate", "--threads", "1", "--duration", "3s"]);
    let recovery = run.run.measured.recovery.as_ref().unwrap();
    assert_eq!((recovery.interrupted, recovery.resumed), (CLIENTS, CLIENTS));
    assert_eq!((recovery.lowest_live, recovery.live_at_end), (Some(0), Some(CLIENTS)));
}

#[test]
fn who_comes_back_at_once_makes_a_storm_and_who_waits_does_not() {
    let faults = ["cut 100% at 1s"];
    let peak = |more: &[&str]| {
        let run = run("ws", &faults, more);
        assert_eq!(books(&run).1, 0, "{more:?}");
        let recovery = run.run.measured.recovery.unwrap();
        (recovery.faults[0].all_live_s.unwrap(), recovery.faults[0].peak_attempts_per_s)
    };
    // On one thread they are cut, and begin to come back, in the same turn.
    let (at_once, storm) = peak(&["--reconnect", "immediate", "--threads", "1"]);
    assert_eq!(storm, CLIENTS, "{at_once} s");
    let spread = ["--reconnect-first", "3s", "--reconnect-jitter", "0.01-1.0", "--duration", "5s"];
    let (later, calm) = peak(&spread);
    assert!(later > 1.0 && later > at_once && calm < CLIENTS, "{later} s after {at_once} s, {calm} a second");
}

#[test]
fn an_event_stream_that_names_its_reconnection_time_is_obeyed() {
    let server = Server::start(&["--sse-retry", "600ms"]);
    // By its own flag a client would stay away for longer than the run lasts.
    let run = run(
        "sse",
        &["cut 50% at 1s"],
        &["--url", &server.url, "--reconnect-first", "60s", "--reconnect-longest", "60s"],
    );
    let recovery = run.run.measured.recovery.as_ref().unwrap();
    let times = (recovery.faults[0].half_live_s.unwrap(), recovery.faults[0].all_live_s.unwrap());
    assert!(times.0 >= 0.5, "{times:?}");
    assert_eq!((recovery.resumed, books(&run).1), (20, 0));
}

#[test]
fn stalled_clients_disturb_nobody_and_catch_up() {
    on_all(&["stall 10% for 1500ms at 1s"], &["--threads", "1"], |transport, run| {
        assert_eq!(books(run), (CLIENTS * 80, 0, 0), "{transport}");
        let recovery = run.run.measured.recovery.as_ref().unwrap();
        let fault = &recovery.faults[0];
        assert_eq!((fault.clients, fault.interrupted, recovery.resumed), (Some(4), 4, 4), "{transport}");
        assert_eq!(recovery.lowest_live, Some(36), "{transport}: who does not read is not live");
        assert_eq!(run.run.measured.connections.opened, CLIENTS, "{transport}: their connections stay open");
        assert!(fault.all_live_s.unwrap() >= 1.4, "{transport}: {fault:?}");
        assert!(fault.caught_up >= 4 * 20, "{transport}: {}", fault.caught_up);
        // Meanwhile, from the look that found them stalled to the one that found one of them back, the others were served.
        let stalled = run.recovery.iter().skip_while(|row| row.interrupted == 0).skip(1);
        let others: u64 = stalled.take_while(|row| row.resumed == 0).map(|row| row.delivered).sum();
        assert!(others >= 36 * 5, "{transport}: {others}");
        let bystanders = recovery.bystanders.as_ref().unwrap().latency.as_ref().unwrap();
        assert!(bystanders.p50_ns < 1_000_000_000, "{transport}: not most of the stall: {bystanders:?}");
    });
}

#[test]
fn what_stalled_clients_get_late_is_nobody_elses_latency() {
    on_all(&["stall 10% for 3s at 500ms"], &["--duration", "5s"], |transport, run| {
        let measured = &run.run.measured;
        let recovery = measured.recovery.as_ref().unwrap();
        let (struck, bystanders) = (recovery.struck.as_ref().unwrap(), recovery.bystanders.as_ref().unwrap());
        assert_eq!((struck.clients, bystanders.clients), (4, 36), "{transport}");
        let (late, prompt) = (struck.latency.as_ref().unwrap(), bystanders.latency.as_ref().unwrap());
        // 20 a second for five seconds, to each, and every delivery is told of one group.
        assert_eq!((late.count, prompt.count), (4 * 100, 36 * 100), "{transport}");
        assert_eq!(late.count + prompt.count, measured.latency.count, "{transport}");
        assert!(late.max_ns > 2_000_000_000 && late.max_ns == measured.latency.max_ns, "{transport}: {late:?}");
        assert!(prompt.max_ns < late.max_ns, "{transport}: {prompt:?}");
        assert!(prompt.p99_ns < 1_500_000_000, "{transport}: not half of the stall: {prompt:?}");
    });
}

#[test]
fn where_everybody_is_struck_or_the_server_alone_nobody_stood_by() {
    let recovery = |faults: &[&str]| run("ws", faults, &["--duration", "2s"]).run.measured.recovery.unwrap();
    let everybody = recovery(&["cut 100% at 500ms"]);
    assert_eq!((everybody.struck.map(|struck| struck.clients), everybody.bystanders), (Some(CLIENTS), None));
    let server = recovery(&["pause-server for 300ms at 500ms"]);
    assert_eq!((server.struck, server.bystanders), (None, None));
}

#[test]
fn a_stalled_reader_that_falls_behind_the_window_is_ended_and_told_of_the_gap() {
    // 600 KB ten times a second: within five seconds more than any socket holds, and 16 of them are soon over.
    let server = Server::start(&["--history", "16", "--body-max", "700000"]);
    let load =
        ["--clients", "10", "--payload", "600000", "--rate", "10", "--duration", "8s", "--reconnect-first", "200ms"];
    let more = [&["--url", server.url.as_str()][..], &load].concat();
    let run = run("ws", &["stall 20% for 5s at 1s"], &more);
    let recovery = run.run.measured.recovery.as_ref().unwrap();
    let (expected, lost, duplicated) = books(&run);
    assert_eq!((expected, duplicated), (800, 0));
    assert!(lost > 0 && run.run.measured.deliveries.gaps >= 2, "lost {lost}: {:?}", run.run.measured.deliveries);
    let ends = &run.run.measured.connections.errors;
    assert!(ends.keys().any(|kind| kind.starts_with("ended-") || kind == "reset"), "{ends:?}");
    assert_eq!(recovery.live_at_end, Some(10), "and they come back");
}

#[cfg(target_os = "linux")]
#[test]
fn vanished_clients_come_back_on_other_sockets_while_the_server_still_has_the_old_ones() {
    on_all(&["vanish 10% at 1s"], &["--duration", "5s"], |transport, run| {
        assert_eq!(books(run), (CLIENTS * 100, 0, 0), "{transport}");
        let measured = &run.run.measured;
        let recovery = measured.recovery.as_ref().unwrap();
        assert_eq!((recovery.faults[0].clients, recovery.resumed), (Some(4), 4), "{transport}");
        assert_eq!(measured.connections.opened, CLIENTS + 4, "{transport}");
        // Nobody has told the server, neither by an end nor by a reset.
        assert_eq!(measured.server.as_ref().unwrap().open_at_end, Some(CLIENTS + 4), "{transport}");
    });
}

#[test]
fn clients_that_come_and_go_miss_nothing() {
    on_all(&["churn 25%/s at 500ms for 3s"], &[], |transport, run| {
        assert_eq!(books(run), (CLIENTS * 80, 0, 0), "{transport}");
        let recovery = run.run.measured.recovery.as_ref().unwrap();
        // Ten a second for three seconds; one who is on the way back when its turn comes is passed over.
        let left = recovery.faults[0].clients.unwrap();
        assert!((20..=30).contains(&left), "{transport}: {left}");
        assert_eq!((recovery.interrupted, recovery.resumed), (left, left), "{transport}");
        assert_eq!(recovery.faults[0].half_live_s, None, "{transport}: there is no moment to time it from");
    });
}
