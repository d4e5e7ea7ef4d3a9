//! What a Socket.IO client does when the server refuses, falls silent, goes away, or says several things at once.

mod engine;

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use engine::{Engine, Reply, Request, handshake, ok};
use feed::framings::websocket::{Opcode, write};
use feed::{POSTMARK_LEN, Postmark, Transport};
use loadgen::clients::{Client, ClientError, Resume, Site, SocketIo};
use loadgen::plan::{Arrival, Plan, Reuse, SocketIoMode};
use loadgen::reconnection::Reconnection;
use loadgen::recording::{Account, Recorder, Snapshot};
use loadgen::shard::Shard;
use loadgen::target::{Target, TargetFile, Trust};
use loadgen::wire::{Dialer, Traffic};

const RUN: u32 = 7;
const JOINED: &str = r#"40{"sid":"def"}"#;
const SUBSCRIBED: &str = r#"430[{"epoch":"k3f9","offset":41,"recovered":true}]"#;
/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(20);

fn plan(socketio: SocketIoMode) -> Plan {
    Plan {
        run: RUN,
        transport: Transport::SocketIo,
        clients: 1,
        shard: Shard::WHOLE,
        topics: vec!["news".parse().unwrap()],
        rate: 1.0,
        payload: 100,
        arrival: Arrival::Constant,
        seed: 1,
        connect_rate: 1.0,
        settle: Duration::ZERO,
        warmup: Duration::ZERO,
        duration: Duration::from_secs(1_000),
        drain: Duration::ZERO,
        poll_interval: Duration::from_secs(1),
        wait: Duration::from_secs(1),
        connection: Reuse::Reuse,
        socketio,
        hold_up: None,
        reconnection: Reconnection::default(),
        faults: Vec::new(),
        publish_connections: loadgen::plan::PUBLISH_CONNECTIONS,
        publish_pipelined: false,
    }
}

/// One client, and all that it writes down.
struct Lab {
    site: Site,
    account: Account,
    recorder: Rc<Recorder>,
}

impl Lab {
    fn new(server: &Engine, socketio: SocketIoMode) -> Self {
        Self::at(&Target::resolve(&server.url, &Trust::default()).unwrap(), socketio)
    }

    /// A client of a server that is described by a target file with these lines in `[transports.socketio]`.
    fn of(server: &Engine, lines: &str) -> Self {
        let publish = "name = \"chat\"\n[publish]\nvia = \"socketio\"\nevent = [\"say\", \"{text}\"]\n";
        let file = TargetFile::parse(&format!("{publish}[transports.socketio]\n{lines}"), Path::new(".")).unwrap();
        let target = Target::resolve_as(&server.url, Arc::new(file), None, &Trust::default()).unwrap();
        Self::at(&target, SocketIoMode::Polling)
    }

    fn at(target: &Target, socketio: SocketIoMode) -> Self {
        let traffic = Rc::new(Traffic::default());
        let dialer = Dialer::unbound(target, Rc::clone(&traffic));
        let recorder = Rc::new(Recorder::new(traffic));
        let site = Site::new(Arc::new(plan(socketio)), dialer, target);
        let account = Account::alone(RUN, 0..1_000, Rc::clone(&recorder)).expecting(site.replies());
        Self { site, account, recorder }
    }

    async fn connect(&mut self) -> Result<SocketIo, ClientError> {
        self.connect_from(Resume::default()).await
    }

    async fn connect_from(&mut self, resume: Resume) -> Result<SocketIo, ClientError> {
        tokio::select! {
            client = SocketIo::connect(&self.site, 0, resume, &mut self.account) => client,
            () = tokio::time::sleep(PATIENCE) => panic!("it neither connects nor fails"),
        }
    }

    /// Has a client receive until it is lost.
    async fn listen(&mut self, client: &mut SocketIo) -> ClientError {
        let Self { site, account, recorder } = self;
        let listening = async {
            loop {
                if let Err(error) = client.receive(site, account).await {
                    return error;
                }
            }
        };
        tokio::select! {
            error = listening => error,
            () = site.turns.lead(recorder) => unreachable!(),
            () = tokio::time::sleep(PATIENCE) => panic!("it is never lost"),
        }
    }

    fn snapshot(&self) -> Snapshot {
        self.recorder.snapshot(false)
    }
}

fn token(sequence: u32) -> String {
    let mut token = vec![0; POSTMARK_LEN];
    Postmark { run: RUN, publisher: 0, sequence, intended_ns: 1 }.write(&mut token);
    String::from_utf8(token).unwrap()
}

fn notification(sequence: u32) -> String {
    let id = 42 + sequence;
    format!(r#"42["notification",{{"type":"notification","topic":"news","id":{id},"payload":"{}"}}]"#, token(sequence))
}

/// A polling session that is let in, subscribed, then told what `then` says by the number of the poll, from 0.
fn polling(interval: u64, then: impl Fn(usize) -> Reply + Send + Sync + 'static) -> impl Fn(&Request, usize) -> Reply {
    move |request, before| match (request.method.as_str(), before) {
        ("POST", _) => ok("ok"),
        (_, 0) => handshake("", interval),
        (_, 1) => ok(JOINED),
        (_, 2) => ok(SUBSCRIBED),
        (_, number) => then(number - 3),
    }
}

#[tokio::test]
async fn several_packets_in_one_poll_are_all_heard() {
    let (gap, elsewhere) = (r#"42["gap",{"type":"gap"}]"#, r#"42/elsewhere,["notification",{}]"#);
    let body = [&notification(0), "2", gap, elsewhere, &notification(1), "6"].join("\x1e");
    let server = Engine::start(polling(60_000, move |poll| if poll == 0 { ok(&body) } else { ok("1") })).await;
    let mut lab = Lab::new(&server, SocketIoMode::Polling);
    let mut client = lab.connect().await.unwrap();
    let end = lab.listen(&mut client).await;
    assert_eq!(end.kind(), "ended-by-server");
    let counters = lab.snapshot().counters;
    assert_eq!((counters.received, counters.gaps, counters.foreign), (2, 1, 1));
    assert_eq!(client.resume().cursor.unwrap().to_string(), "k3f9:43", "the last notification's");
    let subscribe = r#"420["subscribe",{"topic":"news"}]"#;
    assert_eq!(server.posted()[..2], ["40", subscribe]);
}

#[tokio::test]
async fn a_ping_in_a_poll_is_answered_by_a_post() {
    let server = Engine::start(polling(60_000, |poll| if poll == 0 { ok("2") } else { Reply::Hold })).await;
    let mut lab = Lab::new(&server, SocketIoMode::Polling);
    let mut client = lab.connect().await.unwrap();
    let answered = async {
        while server.posted().last().is_none_or(|body| body != "3") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        error = lab.listen(&mut client) => panic!("{error}"),
        () = answered => {}
    }
}

#[tokio::test]
async fn a_notification_in_an_attachment_counts_when_its_attachment_is_there() {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.encode(format!("\"{}\"", token(0)));
    let event = r#"451-["notification",{"type":"notification","id":42,"payload":{"_placeholder":true,"num":0}}]"#;
    let replies = [ok(event), ok(&format!("b{bytes}")), ok("1")];
    let server = Engine::start(polling(60_000, move |poll| replies[poll].clone())).await;
    let mut lab = Lab::new(&server, SocketIoMode::Polling);
    let mut client = lab.connect().await.unwrap();
    lab.listen(&mut client).await;
    let counters = lab.snapshot().counters;
    assert_eq!((counters.received, counters.foreign), (1, 0));
    assert_eq!(client.resume().cursor.unwrap().offset, 42);
    assert_eq!((counters.polls, counters.wasted_polls), (5, 4), "of five answers, the attachment's brought something");
}

#[tokio::test]
async fn an_attachment_of_nothing_and_an_event_in_its_place_are_protocol_errors() {
    for (replies, kind) in [
        ("bAAAA".to_owned(), "an attachment that belongs to no Socket.IO packet"),
        (
            format!("451-[\"a\",0]\x1e{}", notification(0)),
            "a Socket.IO packet before the attachments of the one before",
        ),
        ("9".into(), "an Engine.IO packet of an unknown type (Engine.IO protocol 4)"),
        ("4".into(), "nothing in a Socket.IO packet (Socket.IO protocol 5)"),
    ] {
        let server = Engine::start(polling(60_000, move |_| ok(&replies))).await;
        let mut lab = Lab::new(&server, SocketIoMode::Polling);
        let mut client = lab.connect().await.unwrap();
        assert_eq!(lab.listen(&mut client).await.kind(), format!("protocol: {kind}"));
        assert_eq!(lab.snapshot().counters.received, 0);
    }
}

#[tokio::test]
async fn an_event_lets_a_client_in_or_refuses_it_as_the_target_file_says() {
    let lines =
        "first = [['join', '{topic}']]\nlive = { message = 'json /1/ok = true' }\nrefused = 'json /1/ok = false'";
    for (ok_is, gets_in) in [("true", true), ("false", false)] {
        let answer = format!(r#"42["joined",{{"ok":{ok_is}}}]"#);
        let server = Engine::start(polling(60_000, move |poll| match poll {
            0 => ok(r#"42["greeting",{"hello":1}]"#),
            1 => ok(&answer),
            _ => Reply::Hold,
        }));
        let server = server.await;
        let mut lab = Lab::of(&server, lines);
        let kind = lab.connect().await.err().map(|error| error.kind());
        assert_eq!(kind.as_deref(), (!gets_in).then_some("subscription-refused"));
        assert_eq!(lab.snapshot().counters.foreign, 2, "a greeting and an answer");
        assert_eq!(lab.snapshot().told.quotes["foreign"], r#"["greeting",{"hello":1}]"#);
    }
}

#[tokio::test]
async fn who_is_not_let_in_says_why() {
    let refusal = r#"44{"message":"not a member"}"#;
    let server = Engine::start(move |request, before| match (request.method.as_str(), before) {
        ("GET", 0) => handshake("", 60_000),
        ("GET", _) => ok(refusal),
        _ => ok("ok"),
    })
    .await;
    let error = Lab::new(&server, SocketIoMode::Polling).connect().await.unwrap_err();
    assert_eq!(error.kind(), "connect-error");
    assert!(error.to_string().contains("not a member"), "{error}");
}

#[tokio::test]
async fn a_server_that_keeps_silent_for_too_long_is_lost() {
    for mode in [SocketIoMode::Polling, SocketIoMode::Websocket] {
        let frames = [
            r#"0{"sid":"abc","upgrades":[],"pingInterval":1000,"pingTimeout":1000,"maxPayload":1}"#,
            JOINED,
            SUBSCRIBED,
        ];
        let frames: Vec<u8> = frames.iter().flat_map(|text| write(Opcode::Text, text.as_bytes())).collect();
        let polls = polling(1_000, |_| Reply::Hold);
        let server = Engine::start(move |request, before| {
            if request.target.contains("websocket") { Reply::Open(frames.clone()) } else { polls(request, before) }
        })
        .await;
        let mut lab = Lab::new(&server, mode);
        let mut client = lab.connect().await.unwrap();
        let error = lab.listen(&mut client).await;
        assert_eq!(error.kind(), "silent");
        assert!(error.to_string().contains("2s"), "{error}");
    }
}

#[tokio::test]
async fn a_session_that_the_server_has_ended_is_lost_for_its_own_reason() {
    let unknown = Reply::Answer(400, r#"{"code":1,"message":"Session ID unknown"}"#.into());
    for (reply, kind) in [(unknown, "status-400"), (ok("1"), "ended-by-server"), (ok("41"), "disconnected")] {
        let server = Engine::start(polling(60_000, move |_| reply.clone())).await;
        let mut lab = Lab::new(&server, SocketIoMode::Polling);
        let mut client = lab.connect().await.unwrap();
        assert_eq!(lab.listen(&mut client).await.kind(), kind);
    }
}

#[tokio::test]
async fn a_post_goes_out_again_when_its_idle_connection_was_ended() {
    let polls = polling(60_000, |poll| if poll == 0 { ok("2") } else { Reply::Hold });
    let server = Engine::start(move |request, before| match request.method.as_str() {
        "POST" => Reply::AnswerAndEnd("ok".into()),
        _ => polls(request, before),
    })
    .await;
    let mut lab = Lab::new(&server, SocketIoMode::Polling);
    let mut client = lab.connect().await.unwrap();
    let answered = async {
        while server.posted().len() < 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        error = lab.listen(&mut client) => panic!("{error}"),
        () = answered => {}
    }
    assert_eq!(server.posted().last().unwrap(), "3");
    assert_eq!(lab.snapshot().counters.opened, 1 + 3, "one that polls, and one for each POST");
}

#[tokio::test]
async fn a_post_that_was_read_and_not_answered_is_not_sent_again_and_the_session_is_lost() {
    // On a connection that has answered before, and on one that never has.
    for first in [1, 0] {
        let polls = polling(60_000, |_| Reply::Hold);
        let server = Engine::start(move |request, before| match request.method.as_str() {
            "POST" if before == first => Reply::End,
            _ => polls(request, before),
        })
        .await;
        let error = Lab::new(&server, SocketIoMode::Polling).connect().await.unwrap_err();
        assert_eq!(error.kind(), "closed-by-server");
        assert_eq!(server.posted().len(), first + 1, "it may have been taken in: {:?}", server.posted());
    }
}

#[tokio::test]
async fn a_get_that_was_read_and_not_answered_is_not_sent_again_and_the_session_is_lost() {
    let server = Engine::start(polling(60_000, |poll| if poll == 0 { ok("6") } else { Reply::End })).await;
    let mut lab = Lab::new(&server, SocketIoMode::Polling);
    let mut client = lab.connect().await.unwrap();
    assert_eq!(lab.listen(&mut client).await.kind(), "closed-by-server");
    assert_eq!(lab.snapshot().counters.polls, 4, "what its answer held is not asked for twice");
}

#[tokio::test]
async fn who_comes_back_asks_for_what_follows_the_last_notification() {
    let body = notification(5);
    let server = Engine::start(move |request, before| match (request.method.as_str(), before % 5) {
        ("POST", _) => ok("ok"),
        (_, 0) => handshake("", 60_000),
        (_, 1) => ok(JOINED),
        (_, 2) => ok(SUBSCRIBED),
        (_, 3) => ok(&body),
        _ => ok("1"),
    })
    .await;
    let mut lab = Lab::new(&server, SocketIoMode::Polling);
    let mut client = lab.connect().await.unwrap();
    lab.listen(&mut client).await;
    lab.connect_from(client.resume()).await.unwrap();
    let again = r#"420["subscribe",{"after":"k3f9:47","topic":"news"}]"#;
    assert_eq!(server.posted().last().unwrap(), again);
}

#[tokio::test]
async fn who_is_told_of_lost_history_comes_back_with_a_cursor_of_the_new_epoch() {
    let gap = r#"42["gap",{"type":"gap","topic":"news","oldest":"q7:3"}]"#;
    let server = Engine::start(polling(60_000, move |poll| if poll == 0 { ok(gap) } else { ok("1") })).await;
    let mut lab = Lab::new(&server, SocketIoMode::Polling);
    let mut client = lab.connect().await.unwrap();
    lab.listen(&mut client).await;
    assert_eq!((lab.snapshot().counters.gaps, client.resume().cursor.unwrap().to_string()), (1, "q7:3".into()));
}

#[tokio::test]
async fn a_websocket_that_is_refused_or_silent_leaves_the_session_polling() {
    for (reply, kind) in [
        (Reply::Answer(400, "no".into()), "upgrade-refused"),
        (Reply::Open(write(Opcode::Text, b"3prob")), "upgrade-refused"),
        (Reply::Open(write(Opcode::Close, b"")), "upgrade-refused"),
        (Reply::OpenSilently, "upgrade-timeout"),
    ] {
        let told = [SUBSCRIBED, &notification(0)].join("\x1e");
        let server = Engine::start(move |request, before| match (request.method.as_str(), before) {
            ("POST", _) => ok("ok"),
            _ if request.target.contains("websocket") => reply.clone(),
            (_, 0) => handshake("\"websocket\"", 60_000),
            (_, 1) => ok(JOINED),
            (_, 3) => Reply::WhenPosted("subscribe", told.clone()),
            _ => ok("1"),
        })
        .await;
        let mut lab = Lab::new(&server, SocketIoMode::Upgrade);
        let mut client = lab.connect().await.unwrap();
        assert_eq!(lab.listen(&mut client).await.kind(), "ended-by-server");
        let snapshot = lab.snapshot();
        assert_eq!(snapshot.errors, [(kind.to_owned(), 1)].into());
        assert_eq!(snapshot.counters.received, 1);
    }
}
