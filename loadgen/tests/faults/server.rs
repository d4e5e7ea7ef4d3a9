//! What is done to the server: killed, drained, paused; it comes back in the same place, and readers are told what it no longer knows.

use super::{CLIENTS, Server, run};

#[test]
fn a_killed_server_comes_back_in_its_place_and_tells_everybody_of_the_gap() {
    for transport in ["ws", "sse", "long-poll", "short-poll"] {
        // It is away for so long that each client has noticed before it is back: one that polls notices at its next poll.
        let run = run(transport, &["restart-server for 2s at 1s"], &["--duration", "5s"]);
        let measured = &run.run.measured;
        let recovery = measured.recovery.as_ref().unwrap();
        let fault = &recovery.faults[0];
        assert_eq!((fault.clients, fault.interrupted, recovery.resumed), (None, CLIENTS, CLIENTS), "{transport}");
        assert_eq!((recovery.lowest_live, recovery.live_at_end), (Some(0), Some(CLIENTS)), "{transport}");
        assert!(fault.until_s.unwrap() > fault.at_s.unwrap(), "{transport}: {fault:?}");
        assert_eq!(
            measured.deliveries.gaps, CLIENTS,
            "{transport}: the epoch is another one, and each is told so once"
        );
        assert_eq!(measured.deliveries.duplicated, 0, "{transport}");
        // What was accepted and not yet delivered at the instant of the kill is lost: to who polls five times a second, what was
        // published since the last poll; to the others, one at most.
        let on_their_way = if transport == "short-poll" { 6 } else { 1 };
        assert!(measured.deliveries.lost <= on_their_way * CLIENTS, "{transport}: {:?}", measured.deliveries);
        // What nobody accepted is nobody's loss, and the rest is told when it was due.
        let by_time: u64 = run.recovery.iter().map(|row| row.lost).sum();
        assert_eq!(by_time, measured.deliveries.lost, "{transport}");
        assert!(measured.published.refused > 0, "{transport}: nobody was there to accept");
    }
}

#[test]
fn a_server_that_stays_away_is_refused_by_until_it_is_back() {
    let run = run("ws", &["restart-server for 1500ms at 1s"], &["--reconnect-first", "200ms", "--duration", "6s"]);
    let recovery = run.run.measured.recovery.as_ref().unwrap();
    let fault = &recovery.faults[0];
    assert!(fault.until_s.unwrap() - fault.at_s.unwrap() >= 1.4, "{fault:?}");
    assert!(fault.half_live_s.unwrap() >= 1.4, "{fault:?}");
    assert!(run.run.measured.connections.errors["refused"] >= CLIENTS, "{:?}", run.run.measured.connections.errors);
    assert_eq!(recovery.live_at_end, Some(CLIENTS));
}

#[test]
fn a_drained_server_ends_by_itself_and_is_replaced() {
    let run = run("ws", &["drain-server at 1s"], &["--duration", "9s", "--reconnect-longest", "1s"]);
    let measured = &run.run.measured;
    let recovery = measured.recovery.as_ref().unwrap();
    let fault = &recovery.faults[0];
    let took = fault.until_s.unwrap() - fault.at_s.unwrap();
    assert!(took < 30.0, "it ends by its own drain, not by being killed: {took} s");
    assert_eq!((recovery.live_at_end, measured.deliveries.duplicated), (Some(CLIENTS), 0));
    assert_eq!(measured.deliveries.gaps, CLIENTS);
    let farewells: u64 =
        measured.connections.errors.iter().filter(|(kind, _)| kind.starts_with("ended-10")).map(|(_, n)| n).sum();
    assert_eq!(farewells, CLIENTS, "each is told with a close code: {:?}", measured.connections.errors);
}

#[test]
fn a_paused_server_loses_nobody_and_delivers_late() {
    let check = |run: &results::LoadedRun| {
        let measured = &run.run.measured;
        let recovery = measured.recovery.as_ref().unwrap();
        assert_eq!((measured.deliveries.lost, measured.deliveries.expected), (0, CLIENTS * 80));
        assert_eq!((recovery.interrupted, recovery.faults[0].half_live_s), (0, None));
        assert!(measured.latency.max_ns > 1_000_000_000, "{}", measured.latency.max_ns);
        // What was on its way when it was paused has had half a second to be read.
        let (at, until) = recovery.faults[0].at_s.zip(recovery.faults[0].until_s).unwrap();
        let rows = run.recovery.windows(2).filter(|pair| pair[0].at_s > at + 0.5 && pair[1].at_s < until);
        assert_eq!(rows.map(|pair| pair[1].delivered).sum::<u64>(), 0, "nothing comes meanwhile");
    };
    check(&run("ws", &["pause-server for 1200ms at 1s"], &[]));
    // A server of somebody else's, whose process is known.
    let server = Server::start(&[]);
    let pid = server.child.id().to_string();
    check(&run("sse", &["pause-server for 1200ms at 1s"], &["--url", &server.url, "--server-pid", &pid]));
}

#[test]
fn what_a_paused_server_delivers_after_the_drain_bound_is_late() {
    let brief = ["--duration", "2s", "--drain", "500ms"];
    let run = run("ws", &["pause-server for 3s at 1s"], &brief);
    let books = &run.run.measured.deliveries;
    let at_s = run.run.measured.recovery.as_ref().unwrap().faults[0].at_s.unwrap();
    let due = ((2.0 - at_s) * 20.0).floor() as u64;
    assert_eq!((books.expected, books.duplicated), (CLIENTS * 40, 0), "it has accepted all of it: {books:?}");
    assert!(books.lost >= CLIENTS * due && due > 0, "what was due while it was paused, from {at_s} s on: {books:?}");
    assert_eq!(books.late, books.lost, "it came when the bound had passed, however long the run then took: {books:?}");
}
