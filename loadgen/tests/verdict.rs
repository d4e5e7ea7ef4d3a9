//! Runs that something spoils, one for each reason of a verdict: each must be called invalid, and for that reason.
//!
//! `send-lag` and `loop-lag` are spoilt in `known_server.rs` and `starved.rs`, `server-disagrees` in `disagreeing_server.rs`.

mod support;

use std::future::{pending, ready};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use feed::{POSTMARK_LEN, Postmark};
use loadgen::server_process::ServerProcess;
use results::{Run, load};
use rustix::process::{Pid, Signal, kill_process};
use support::{WIDE_BOUNDS, loadgen, reasons, sibling};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A load of a moment, where a run does not say otherwise. What was on its way is waited for longer than the half second of
/// silence that tells an end from a cut.
const BRIEF: [[&str; 2]; 6] = [
    ["--clients", "4"],
    ["--rate", "20"],
    ["--settle", "0s"],
    ["--warmup", "200ms"],
    ["--duration", "1500ms"],
    ["--drain", "1s"],
];

async fn feed_server(listen: &str, flags: &[&str]) -> ServerProcess {
    let program = sibling("feed-server").get_program().to_owned();
    let arguments = [&["--listen", listen, "--exit-on-stdin-close"], flags].concat();
    ServerProcess::start_with(Path::new(&program), &arguments).await.unwrap()
}

fn address_of(server: &ServerProcess) -> SocketAddr {
    server.url.strip_prefix("http://").unwrap().parse().unwrap()
}

/// A run that must be invalid, among others for `check`; `spoil` is carried out when the window begins.
async fn spoilt(check: &str, url: &str, flags: &[&str], spoil: impl Future<Output = ()>) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let mut command = tokio::process::Command::from(loadgen());
    command.args(["run", "--transport", "ws", "--url", url]).args(flags);
    command.args(WIDE_BOUNDS.chunks(2).filter(|bound| !flags.contains(&bound[0])).flatten());
    command.args(BRIEF.iter().filter(|[flag, _]| !flags.contains(flag)).flatten());
    command.arg("--out").arg(&out).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();

    let mut progress = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut spoil = Some(spoil);
    let mut told = Vec::new();
    while let Some(line) = progress.next_line().await.unwrap() {
        if let Some(spoil) = spoil.take_if(|_| line.starts_with("ws: measure")) {
            spoil.await;
        }
        told.push(line);
    }
    let output = child.wait_with_output().await.unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let told = format!("{stdout}{}", told.join("\n"));
    assert!(spoil.is_none(), "the window never began: {told}");
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(stdout.trim_start().starts_with("INVALID MEASUREMENT"), "{told}");
    let run = load(&out).unwrap().run;
    assert!(run.verdict.reasons.iter().any(|reason| reason.check == check), "{check} is not among the reasons: {told}");
    run
}

/// What a connection is for, by its first request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Stats,
    Publishing,
    Subscribing,
}

/// What a door does to the connections of one use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Ends them, and each that is opened again, once the door is shut.
    Shuts(Use),
    /// Lets so little through that far more is published than arrives.
    Trickles(Use),
    /// Lets notifications say that they were due later than they arrive.
    Postdates(Use),
    /// Says each notification five thousand times.
    Floods(Use),
    /// Makes postmarks illegible, so that no notification is known for one of the run.
    Blots(Use),
}

/// A door in front of a server.
struct Door {
    url: String,
    is_shut: watch::Sender<bool>,
}

impl Door {
    async fn open(server: SocketAddr, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (is_shut, shut) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((outside, _)) = listener.accept().await {
                tokio::spawn(pass(outside, server, manner, shut.clone()));
            }
        });
        Self { url, is_shut }
    }

    async fn shut(&self) {
        self.is_shut.send_replace(true);
    }
}

/// Joins a connection with one to the server, until either ends or the door is shut to it.
async fn pass(outside: TcpStream, server: SocketAddr, manner: Manner, mut shut: watch::Receiver<bool>) {
    let mut first = [0; 10];
    // Each request is written whole, so that its first packet says what it is.
    let len = outside.peek(&mut first).await.unwrap_or(0);
    let wanted = match &first[..len] {
        b"GET /stats" => Use::Stats,
        request if request.starts_with(b"POST") => Use::Publishing,
        _ => Use::Subscribing,
    };
    let shut = async {
        if manner != Manner::Shuts(wanted) || shut.wait_for(|is_shut| *is_shut).await.is_err() {
            pending::<()>().await;
        }
    };
    tokio::select! {
        biased;
        () = shut => {}
        // What a lost connection means is for both its ends to say.
        _ = join(outside, server, wanted, manner) => {}
    }
}

async fn join(mut outside: TcpStream, server: SocketAddr, wanted: Use, manner: Manner) -> std::io::Result<()> {
    let mut inside = TcpStream::connect(server).await?;
    let ((mut requests, mut answers), (mut stream, mut server)) = (outside.split(), inside.split());
    let answer = async {
        if manner == Manner::Trickles(wanted) {
            trickle(stream, answers).await
        } else if manner == Manner::Postdates(wanted) {
            alter(stream, answers, postdate).await
        } else if manner == Manner::Floods(wanted) {
            flood(stream, answers).await
        } else if manner == Manner::Blots(wanted) {
            alter(stream, answers, |postmark| postmark[0] = b'x').await
        } else {
            tokio::io::copy(&mut stream, &mut answers).await.map(|_| ())
        }
    };
    tokio::select! {
        done = tokio::io::copy(&mut requests, &mut server) => done.map(|_| ()),
        done = answer => done,
    }
}

/// Adds 300 ms to the intended instant.
fn postdate(bytes: &mut [u8]) {
    if let Some(postmark) = Postmark::read(bytes) {
        Postmark { intended_ns: postmark.intended_ns + 300_000_000, ..postmark }.write(bytes);
    }
}

/// Passes bytes on, each postmark as `change` leaves it.
async fn alter(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    change: fn(&mut [u8]),
) -> std::io::Result<()> {
    let mut piece = [0; 4096];
    loop {
        let len = from.read(&mut piece).await?;
        if len == 0 {
            return Ok(());
        }
        let starts: Vec<usize> =
            (0..len.saturating_sub(POSTMARK_LEN)).filter(|&at| piece[at..].starts_with(b"wl1:")).collect();
        for at in starts {
            change(&mut piece[at..at + POSTMARK_LEN]);
        }
        to.write_all(&piece[..len]).await?;
    }
}

/// Repeats whatever holds a postmark: notifications come one by one, so that a piece ends where a message does.
async fn flood(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin) -> std::io::Result<()> {
    let mut piece = [0; 4096];
    loop {
        let len = from.read(&mut piece).await?;
        if len == 0 {
            return Ok(());
        }
        let holds_one = piece[..len].windows(4).any(|four| four == b"wl1:");
        to.write_all(&piece[..len].repeat(if holds_one { 5_000 } else { 1 })).await?;
    }
}

/// At most 5 kB a second.
async fn trickle(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin) -> std::io::Result<()> {
    let mut sip = [0; 50];
    loop {
        match from.read(&mut sip).await? {
            0 => return Ok(()),
            len => to.write_all(&sip[..len]).await?,
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn clients_that_the_server_has_no_room_for_make_a_run_invalid() {
    // Two of them are taken by the publisher and by who reads `/stats`.
    let server = feed_server("127.0.0.1:0", &["--connections-max", "4"]).await;
    let run = spoilt("clients-live", &server.url, &["--connect-timeout", "1s"], ready(())).await;
    let connections = &run.measured.connections;
    assert!(connections.live_at_start < 4 && connections.failed > 0, "{connections:?}");
}

#[tokio::test]
async fn clients_that_are_lost_within_the_window_make_a_run_invalid() {
    let server = feed_server("127.0.0.1:0", &[]).await;
    let door = Door::open(address_of(&server), Manner::Shuts(Use::Subscribing)).await;
    let run = spoilt("clients-live", &door.url, &[], door.shut()).await;
    let connections = &run.measured.connections;
    assert_eq!((connections.live_at_start, connections.live_at_end), (4, 0), "{connections:?}");
}

#[tokio::test]
async fn notifications_that_the_server_refuses_make_a_run_invalid() {
    let server = feed_server("127.0.0.1:0", &["--body-max", "100"]).await;
    let run = spoilt("load-applied", &server.url, &["--payload", "200"], ready(())).await;
    assert_eq!(run.measured.published.accepted, 0, "{:?}", run.measured.published);
}

#[tokio::test]
async fn deliveries_that_still_arrive_at_the_drain_bound_make_a_run_invalid() {
    let server = feed_server("127.0.0.1:0", &[]).await;
    let door = Door::open(address_of(&server), Manner::Trickles(Use::Subscribing)).await;
    // Some 30 kB a second for each client, of which a sixth arrives.
    let run = spoilt("drain", &door.url, &["--rate", "100"], ready(())).await;
    let deliveries = &run.measured.deliveries;
    assert!(deliveries.delivered > 0 && deliveries.lost > 0, "{deliveries:?}");
}

#[tokio::test]
async fn deliveries_that_arrive_before_they_were_due_make_a_run_invalid() {
    let server = feed_server("127.0.0.1:0", &[]).await;
    let door = Door::open(address_of(&server), Manner::Postdates(Use::Subscribing)).await;
    let run = spoilt("latency-range", &door.url, &[], ready(())).await;
    assert!(run.measured.latency_out_of_range > 0, "they are in no percentile, nor clamped to one");
}

/// The flood is worth more than a core. The bound is so low that a busy machine leaves the generator more than that, and still several
/// times what the same run takes without the flood: 1 % of two cores.
#[tokio::test]
async fn a_generator_that_is_flooded_is_at_its_ceiling() {
    let server = feed_server("127.0.0.1:0", &[]).await;
    let door = Door::open(address_of(&server), Manner::Floods(Use::Subscribing)).await;
    let run = spoilt("generator-cpu", &door.url, &["--max-cpu", "0.06"], ready(())).await;
    let (cost, deliveries) = (&run.measured.generator, &run.measured.deliveries);
    println!("flooded: {:.2} of its cores, {deliveries:?}", cost.cpu_share);
    assert!(cost.cpu_share > 0.06 && deliveries.duplicated > 0, "{cost:?} {deliveries:?}");
}

#[tokio::test]
async fn messages_that_cannot_be_known_for_notifications_make_a_run_invalid_and_are_counted() {
    let server = feed_server("127.0.0.1:0", &[]).await;
    let door = Door::open(address_of(&server), Manner::Blots(Use::Subscribing)).await;
    let run = spoilt("latency", &door.url, &[], ready(())).await;
    let measured = &run.measured;
    assert_eq!((measured.latency.count, measured.deliveries.delivered), (0, 0));
    // Four clients; 20 notifications a second for 1.7 s.
    assert_eq!(measured.foreign, Some(4 * 34), "neither this run's notifications nor the feed's own");
}

#[tokio::test]
async fn a_server_that_is_another_one_after_a_moment_makes_a_run_invalid() {
    let first = feed_server("127.0.0.1:0", &[]).await;
    let (url, listen) = (first.url.clone(), address_of(&first).to_string());
    let mut second = None;
    let restart = async {
        kill_process(Pid::from_raw(first.pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
        first.stop().await.unwrap();
        second = Some(feed_server(&listen, &[]).await);
    };
    // So long before the window that the second server cannot deliver as much as the first one had: its counters step back.
    let run = spoilt("server-restarted", &url, &["--warmup", "2s", "--connect-timeout", "1s"], restart).await;
    assert!(run.measured.connections.errors.values().sum::<u64>() >= 4, "{:?}", run.measured.connections);
}

#[tokio::test]
async fn a_server_that_stops_telling_its_cost_makes_a_run_invalid() {
    let server = feed_server("127.0.0.1:0", &[]).await;
    let door = Door::open(address_of(&server), Manner::Shuts(Use::Stats)).await;
    let run = spoilt("server-stats", &door.url, &[], door.shut()).await;
    assert_eq!(reasons(&run), ["server-stats"]);
    assert!(run.measured.server.is_none() && run.measured.deliveries.lost == 0, "{:?}", run.measured);
}
