//! Claims about streams that are greeted, caught up and ended in one breath, held against servers that do so.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use feed::framings::websocket::{self, Opcode, Reader, Role};
use feed::framings::{chunked, sse};
use feed::{Cursor, POSTMARK_LEN, Postmark, Transport};

use crate::clients::{Client, Listener, Resume, Site, SocketIo, Sse, Ws};
use crate::plan::{Plan, SocketIoMode, tests::plan};
use crate::reading_room::{Queue, Room};
use crate::recording::{Account, Recorder};
use crate::target::{Target, TargetFile, Trust};
use crate::wire::{Dialer, Traffic};

/// Long enough for anything that happens at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects a client that was at `k3:1` to a server that `serve`s; returns where it is then, why it is lost as soon as it listens,
/// and how many notifications it was brought.
fn connect<C: Client>(transport: Transport, serve: fn(TcpStream)) -> (Option<Cursor>, String, u64) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // The feed, but for its WebSocket, which is to be live when it is greeted, too.
    let file = include_str!("../../../targets/feed.toml");
    let file = file.replace("path = \"/topics/{topic}/ws\"", "path = \"/topics/{topic}/ws\"\nlive = \"message\"");
    let file = Arc::new(TargetFile::parse(&file, Path::new(".")).unwrap());
    let url = format!("http://{}", listener.local_addr().unwrap());
    let target = Target::resolve_as(&url, file, None, &Trust::default()).unwrap();
    let plan = Arc::new(Plan { transport, socketio: SocketIoMode::Websocket, ..plan() });
    let run = plan.run;
    let server = std::thread::spawn(move || serve(listener.accept().unwrap().0));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let told = runtime.block_on(async {
        let traffic = Rc::new(Traffic::default());
        let site = Rc::new(Site::new(plan, Dialer::unbound(&target, Rc::clone(&traffic)), &target));
        let room = Room::new(Queue::new().unwrap());
        let recorder = Rc::new(Recorder::new(traffic));
        let mut account = Box::new(Account::alone(run, 0..100, Rc::clone(&recorder)));
        let before = Resume { cursor: Some("k3:1".parse().unwrap()), ..Resume::default() };
        let listening = async {
            let client = C::connect(&site, 0, before, &mut account).await.expect("it was live when it ended");
            let place = client.resume().cursor;
            let listener = Listener { site: &site, room: &room, account };
            let (_, _, lost) = Box::new(client).listen(listener, pin!(std::future::pending())).await;
            (place, lost.expect("nobody stopped it").kind(), recorder.counters().received)
        };
        tokio::time::timeout(PATIENCE, listening).await.expect("all is said")
    });
    server.join().unwrap();
    told
}

const SUBSCRIBED: &str = r#"{"type":"subscribed","topic":"a","epoch":"k3","offset":1,"recovered":true}"#;

fn notification() -> String {
    let mut token = vec![0; POSTMARK_LEN];
    Postmark { run: 1, publisher: 0, sequence: 1, intended_ns: 0 }.write(&mut token);
    let token = String::from_utf8(token).unwrap();
    format!(r#"{{"type":"notification","topic":"a","id":2,"timestamp":1,"payload":"{token}"}}"#)
}

/// Reads a request.
fn request(peer: &mut TcpStream) -> String {
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        peer.read_exact(&mut byte).unwrap();
        request.push(byte[0]);
    }
    String::from_utf8(request).unwrap()
}

/// The head that accepts the WebSocket that is asked for.
fn accept(peer: &mut TcpStream) -> Vec<u8> {
    let request = request(peer);
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let accept = websocket::accept_key(key.as_bytes());
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    format!("{head}Sec-WebSocket-Accept: {accept}\r\n\r\n").into_bytes()
}

fn text(message: &str) -> Vec<u8> {
    websocket::write(Opcode::Text, message.as_bytes())
}

fn restarting() -> Vec<u8> {
    websocket::write(Opcode::Close, &websocket::close_payload(websocket::close::RESTART, ""))
}

#[test]
fn who_is_greeted_caught_up_and_left_in_one_breath_goes_on_from_there_and_is_told_why() {
    let place = || Some("k3:2".parse().unwrap());
    let ws = connect::<Ws>(Transport::Ws, |mut peer| {
        let head = accept(&mut peer);
        peer.write_all(&[head, text(SUBSCRIBED), text(&notification()), restarting()].concat()).unwrap();
    });
    assert_eq!(ws, (place(), "ended-1012".to_owned(), 1));

    let sse = connect::<Sse>(Transport::Sse, |mut peer| {
        request(&mut peer);
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        let event = |cursor: &str, data: &str| {
            chunked::write(&sse::write(None, Some(cursor.parse().unwrap()), None, data.as_bytes()))
        };
        let events = [event("k3:1", SUBSCRIBED), event("k3:2", &notification())].concat();
        peer.write_all(&[&head[..], &events, chunked::END].concat()).unwrap();
    });
    assert_eq!(sse, (place(), "answer-ended".to_owned(), 1));

    let socketio = connect::<SocketIo>(Transport::SocketIo, |mut peer| {
        let mut frames = Reader::new(Role::Server, 1024);
        let mut await_message = |peer: &mut TcpStream| {
            let (mut bytes, mut has_come) = ([0; 1024], false);
            while !has_come {
                let read = peer.read(&mut bytes).unwrap();
                assert!(read > 0, "the client has left");
                frames.read(&bytes[..read], |_| has_come = true).unwrap();
            }
        };
        let open = r#"0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
        let head = accept(&mut peer);
        peer.write_all(&[head, text(open)].concat()).unwrap();
        await_message(&mut peer);
        peer.write_all(&text(r#"40{"sid":"n"}"#)).unwrap();
        await_message(&mut peer);
        let acknowledged = text(r#"430[{"epoch":"k3","offset":1}]"#);
        let event = text(&format!(r#"42["notification",{}]"#, notification()));
        peer.write_all(&[acknowledged, event, restarting()].concat()).unwrap();
    });
    assert_eq!(socketio, (place(), "ended-1012".to_owned(), 1));
}
