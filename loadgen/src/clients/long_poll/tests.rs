//! Claims about long-polling clients in the reading room, held against servers that answer in unusual ways.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use feed::{POSTMARK_LEN, Postmark, Transport};

use super::*;
use crate::plan::{Plan, tests::plan};
use crate::reading_room::{Queue, Room};
use crate::recording::{Counters, Recorder};
use crate::target::{Target, Trust};
use crate::wire::{Dialer, Traffic};

/// Long enough for anything that happens at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// What remains of a client: counters, waits for a turn, why it was lost, what the server returned.
type Told<T> = (Counters, u64, Option<ClientError>, T);

/// Has a client listen to a server that `serve`s on a thread of its own and says at which number of answers the client is to
/// be stopped.
fn poll<T: Send + 'static>(answers: u64, serve: impl FnOnce(TcpListener, u32) -> T + Send + 'static) -> Told<T> {
    poll_over(Reuse::Reuse, |_| false, answers, serve)
}

/// The same over connections that are reused or not. Once `stalls` says so the client stops listening, and listens again at once.
fn poll_over<T: Send + 'static>(
    connection: Reuse,
    stalls: impl Fn(Counters) -> bool,
    answers: u64,
    serve: impl FnOnce(TcpListener, u32) -> T + Send + 'static,
) -> Told<T> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target::resolve(&format!("http://{}", listener.local_addr().unwrap()), &Trust::default()).unwrap();
    let plan = Arc::new(Plan { transport: Transport::LongPoll, connection, ..plan() });
    let (run, (done, served)) = (plan.run, mpsc::channel());
    // Whoever connects when the server has nothing more to say is not refused.
    let _open = listener.try_clone().unwrap();
    std::thread::spawn(move || done.send(serve(listener, run)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (counters, turns, lost) = runtime.block_on(async {
        let traffic = Rc::new(Traffic::default());
        let dialer = Dialer::unbound(&target, Rc::clone(&traffic));
        let site = Rc::new(Site::new(plan, dialer, &target));
        let room = Room::new(Queue::new().unwrap());
        let recorder = Rc::new(Recorder::new(traffic));
        let mut account = Box::new(Account::alone(run, 0..100, Rc::clone(&recorder)));
        let lost = async {
            let client = LongPoll::connect(&site, 0, Resume::default(), &mut account).await.unwrap();
            let listener = Listener { site: &site, room: &room, account };
            let until = async |is_over: &dyn Fn(Counters) -> bool| {
                while !is_over(recorder.counters()) {
                    tokio::task::yield_now().await;
                }
            };
            let is_answered = |counters: Counters| counters.polls >= answers;
            let is_interrupted = |counters| stalls(counters) || is_answered(counters);
            let mut stopped = pin!(until(&is_interrupted));
            let (mut client, account, mut lost) = Box::new(client).listen(listener, stopped.as_mut()).await;
            if lost.is_none() && !is_answered(recorder.counters()) {
                let listener = Listener { site: &site, room: &room, account };
                let mut stopped = pin!(until(&is_answered));
                (client, _, lost) = client.listen(listener, stopped.as_mut()).await;
            }
            if lost.is_none() {
                client.close().await;
            }
            lost
        };
        let lost = tokio::select! {
            lost = tokio::time::timeout(PATIENCE, lost) => lost.expect("all is answered"),
            _ = room.lead() => unreachable!("it leads for as long as it is polled"),
            () = site.turns.lead(&recorder) => unreachable!("it leads for as long as it is polled"),
        };
        (recorder.counters(), recorder.snapshot(false).turn_wait.len(), lost)
    });
    (counters, turns, lost, served.recv_timeout(PATIENCE).expect("the server ends as well"))
}

/// Reads one request; empty where the client has ended its side.
fn request(peer: &mut TcpStream) -> String {
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && peer.read(&mut byte).unwrap() > 0 {
        request.push(byte[0]);
    }
    String::from_utf8(request).unwrap()
}

/// Reads on until the client has ended its side.
fn await_end(peer: &mut TcpStream) {
    std::io::copy(peer, &mut std::io::sink()).unwrap();
}

fn body(run: u32, sequence: u32) -> String {
    let mut token = vec![0; POSTMARK_LEN];
    Postmark { run, publisher: 0, sequence, intended_ns: 0 }.write(&mut token);
    let batch = r#"{"type":"batch","topic":"a","epoch":"k3","recovered":true,"more":false,"#;
    let token = String::from_utf8(token).unwrap();
    format!(r#"{batch}"offset":{},"notifications":[{{"payload":"{token}"}}]}}"#, sequence + 1)
}

fn answer(run: u32, sequence: u32, fields: &str) -> String {
    let body = body(run, sequence);
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{fields}\r\n{body}", body.len())
}

#[test]
fn each_answer_is_entered_once_however_it_is_cut_and_the_next_question_goes_on_from_it() {
    let (counters, turns, lost, questions) = poll(21, |listener, run| {
        let (mut peer, _) = listener.accept().unwrap();
        peer.set_nodelay(true).unwrap();
        let mut questions = Vec::new();
        for sequence in 0..21 {
            questions.push(request(&mut peer));
            let answer = answer(run, sequence, "");
            for piece in answer.as_bytes().chunks(answer.len() / (sequence as usize % 3 + 1) + 1) {
                peer.write_all(piece).unwrap();
                std::thread::yield_now();
            }
        }
        await_end(&mut peer);
        questions
    });
    assert!(lost.is_none(), "{lost:?}");
    assert_eq!((counters.polls, counters.received, counters.opened), (21, 21, 1));
    assert!(
        (20..=21).contains(&turns),
        "every question but the first waited for its turn, maybe one after the last answer: {turns}"
    );
    assert!(questions[0].contains("wait=0") && !questions[0].contains("after="), "{}", questions[0]);
    for (offset, question) in questions.iter().enumerate().skip(1) {
        assert!(question.contains(&format!("after=k3:{offset}")), "{question}");
    }
}

#[test]
fn a_connection_that_the_server_ends_after_its_answer_is_followed_by_another() {
    let (counters, _, lost, ()) = poll(6, |listener, run| {
        for sequence in 0..6 {
            let (mut peer, _) = listener.accept().unwrap();
            request(&mut peer);
            peer.write_all(answer(run, sequence, "Connection: close\r\n").as_bytes()).unwrap();
        }
    });
    assert!(lost.is_none(), "{lost:?}");
    assert_eq!((counters.polls, counters.received, counters.opened), (6, 6, 6));
}

#[test]
fn an_answer_that_ends_with_its_connection_is_an_answer() {
    let (counters, _, lost, ()) = poll(4, |listener, run| {
        for sequence in 0..4 {
            let (mut peer, _) = listener.accept().unwrap();
            request(&mut peer);
            peer.write_all(format!("HTTP/1.1 200 OK\r\n\r\n{}", body(run, sequence)).as_bytes()).unwrap();
        }
    });
    assert!(lost.is_none(), "{lost:?}");
    assert_eq!((counters.polls, counters.received, counters.opened), (4, 4, 4));
}

#[test]
fn a_poll_whose_connection_ends_unanswered_is_lost_and_in_flight_no_longer() {
    for (said, kind) in [("", "closed-by-server"), ("HTTP/1.1 200 OK\r\nContent-Le", "truncated")] {
        let (counters, _, lost, ()) = poll(u64::MAX, move |listener, run| {
            let (mut peer, _) = listener.accept().unwrap();
            for sequence in 0..2 {
                request(&mut peer);
                peer.write_all(answer(run, sequence, "").as_bytes()).unwrap();
            }
            request(&mut peer);
            peer.write_all(said.as_bytes()).unwrap();
            drop(peer);
            // Asked again, because a kept connection may end at any time; a new one that ends is a failure.
            if said.is_empty() {
                let (mut another, _) = listener.accept().unwrap();
                request(&mut another);
            }
        });
        assert_eq!(counters.sent_again, u64::from(said.is_empty()));
        assert_eq!(lost.map(|error| error.kind()).as_deref(), Some(kind));
        assert_eq!((counters.polls, counters.in_flight, counters.connections), (2, 0, 0));
    }
}

#[test]
fn a_poll_that_a_kept_connection_does_not_answer_is_sent_again_at_once_on_a_new_one() {
    let (counters, _, lost, questions) = poll(6, |listener, run| {
        let mut questions = Vec::new();
        for sequence in [0, 2, 4] {
            let (mut peer, _) = listener.accept().unwrap();
            for sequence in sequence..sequence + 2 {
                questions.push(request(&mut peer));
                peer.write_all(answer(run, sequence, "").as_bytes()).unwrap();
            }
            // An idle connection that is ended, and one on which a question was read.
            if sequence == 2 {
                questions.push(request(&mut peer));
            }
        }
        questions
    });
    assert!(lost.is_none(), "{lost:?}");
    assert_eq!((counters.polls, counters.received, counters.opened), (6, 6, 3));
    assert!((1..=2).contains(&counters.sent_again), "{counters:?}");
    assert_eq!(questions[4], questions[5], "{questions:?}");
}

#[test]
fn an_answer_that_nobody_asked_for_is_none_and_the_next_question_goes_out_on_another_connection() {
    let (counters, _, lost, questions) = poll(4, |listener, run| {
        let (mut peer, _) = listener.accept().unwrap();
        let mut questions = vec![request(&mut peer)];
        peer.write_all(answer(run, 0, "").as_bytes()).unwrap();
        questions.push(request(&mut peer));
        peer.write_all((answer(run, 1, "") + &answer(run, 2, "") + &answer(run, 3, "")).as_bytes()).unwrap();
        let (mut another, _) = listener.accept().unwrap();
        for sequence in [2, 3] {
            questions.push(request(&mut another));
            another.write_all(answer(run, sequence, "").as_bytes()).unwrap();
        }
        await_end(&mut another);
        questions
    });
    assert!(lost.is_none(), "{lost:?}");
    assert_eq!((counters.polls, counters.received, counters.repeated, counters.opened), (4, 4, 0, 2));
    assert!(questions[2].contains("after=k3:2") && questions[3].contains("after=k3:3"), "{questions:?}");
}

#[test]
fn a_held_poll_that_is_answered_at_once_with_nothing_is_followed_after_a_pause() {
    let (counters, _, lost, pauses) = poll(5, |listener, run| {
        let (mut peer, _) = listener.accept().unwrap();
        request(&mut peer);
        peer.write_all(answer(run, 0, "").as_bytes()).unwrap();
        let mut pauses = Vec::new();
        for _ in 0..4 {
            request(&mut peer);
            let asked = crate::clock::now();
            peer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
            pauses.push(asked);
        }
        await_end(&mut peer);
        pauses
    });
    assert!(lost.is_none(), "{lost:?}");
    assert_eq!((counters.polls, counters.wasted_polls, counters.opened), (5, 4, 1));
    // The server may see the first of two requests late, and never sees the second early.
    let all = *pauses.last().unwrap() - pauses[0];
    assert!(all >= 2 * Duration::from_millis(100), "{all:?} for three pauses");
}

#[test]
fn a_status_that_brings_nothing_loses_the_client() {
    let (counters, _, lost, ()) = poll(u64::MAX, |listener, run| {
        let (mut peer, _) = listener.accept().unwrap();
        request(&mut peer);
        peer.write_all(answer(run, 0, "").as_bytes()).unwrap();
        request(&mut peer);
        peer.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").unwrap();
        request(&mut peer);
    });
    assert!(matches!(&lost, Some(ClientError::Status(wrong)) if wrong.status == 503), "{lost:?}");
    assert_eq!((counters.polls, counters.in_flight, counters.connections), (1, 0, 0));
}

#[test]
fn who_is_stalled_between_two_connections_asks_anew_afterwards() {
    for connection in [Reuse::Reuse, Reuse::Fresh] {
        let is_dialling =
            |counters: Counters| counters.polls == 1 && counters.in_flight == 1 && counters.connections == 0;
        let stalls = std::cell::Cell::new(0);
        let stalled = |counters| {
            stalls.set(stalls.get() + u32::from(is_dialling(counters)));
            is_dialling(counters)
        };
        let (counters, _, lost, ()) = poll_over(connection, stalled, 2, |listener, run| {
            for sequence in 0.. {
                let (mut peer, _) = listener.accept().unwrap();
                // The connection that was dialled in vain brings no question.
                if request(&mut peer).is_empty() {
                    continue;
                }
                peer.write_all(answer(run, sequence, "Connection: close\r\n").as_bytes()).unwrap();
                if sequence > 0 {
                    break;
                }
            }
        });
        assert!(lost.is_none(), "{connection:?}: {lost:?}");
        assert_eq!(stalls.get(), 1, "{connection:?}: it was stalled");
        assert_eq!((counters.polls, counters.received), (2, 2), "{connection:?}");
    }
}
