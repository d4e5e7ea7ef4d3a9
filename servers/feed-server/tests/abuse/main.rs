//! Strangers who mean no good: each is ended, others get everything meanwhile, and nothing of it all stays in the server.
//!
//! `scripts/abuse.sh` does the same for minutes, and says what it costs the others in time.
#![cfg(target_os = "linux")]

#[path = "../lab/mod.rs"]
mod lab;
mod victim;

use std::time::Duration;

use lab::{PATIENCE, Raw, handshake};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use victim::Victim;

/// Foes at a time.
const FOES: usize = 300;

/// Writes until the server takes no more, or `bytes` are written `times` times.
async fn write_until_refused(foe: &mut Raw, bytes: &[u8], times: usize) {
    for _ in 0..times {
        if foe.stream.write_all(bytes).await.is_err() {
            return;
        }
    }
}

/// What the server says until it ends the connection, however it does.
async fn rest(foe: &mut Raw) -> Vec<u8> {
    let mut said = Vec::new();
    let ended = timeout(PATIENCE, foe.stream.read_to_end(&mut said)).await;
    assert!(ended.is_ok(), "it is ended in time, not after {:?}", String::from_utf8_lossy(&said));
    said
}

async fn foes(victim: &Victim) -> Vec<Raw> {
    let mut foes = Vec::new();
    for _ in 0..FOES {
        foes.push(victim.dial().await);
    }
    foes
}

#[tokio::test]
async fn heads_that_trickle_are_ended_in_time() {
    let victim = Victim::start(&["--head-timeout", "500ms"]).await;
    victim
        .while_others_read(async {
            let mut foes = foes(&victim).await;
            for byte in b"GET /topics/news/sse HT" {
                for foe in &mut foes {
                    // Those that are ended already are not written to any more.
                    let _ = foe.stream.write_all(&[*byte]).await;
                }
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
            // They are still here, every one of them; the server is not.
            for foe in &mut foes {
                rest(foe).await;
            }
        })
        .await;
    victim.assert_as_before().await;
}

#[tokio::test]
async fn heads_and_bodies_that_stop_half_way_are_ended_in_time_and_so_are_those_who_hang_up() {
    let victim = Victim::start(&["--head-timeout", "300ms"]).await;
    let halves = [
        "POST /topics/news HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n\"half",
        "POST /topics/news HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\nhalf",
        "GET /topics/news/ws HTTP/1.1\r\nHost: x\r\nUpgrade: webs",
        "\r\n\r\n\r\n",
    ];
    victim
        .while_others_read(async {
            let mut foes = foes(&victim).await;
            for (foe, half) in foes.iter_mut().zip(halves.iter().cycle()) {
                foe.write(half).await;
            }
            let stay = foes.split_off(FOES / 2);
            for (number, foe) in foes.into_iter().enumerate() {
                // One half of them with a FIN, the other with a reset.
                if number % 2 == 0 {
                    foe.stream.set_zero_linger().unwrap();
                }
            }
            for mut foe in stay {
                rest(&mut foe).await;
            }
        })
        .await;
    victim.assert_as_before().await;
}

#[tokio::test]
async fn heads_without_an_end_are_refused_before_they_fill_the_memory() {
    let victim = Victim::start(&["--head-timeout", "2s"]).await;
    victim
        .while_others_read(async {
            let mut foes = foes(&victim).await;
            for (number, foe) in foes.iter_mut().enumerate() {
                foe.write("GET /topics/news/sse HTTP/1.1\r\n").await;
                let flood = match number % 3 {
                    0 => "X-Flood: 1\r\n".repeat(1000),
                    1 => format!("X-{number}: {}\r\n", "x".repeat(12_000)),
                    _ => "x".repeat(12_000),
                };
                write_until_refused(foe, flood.as_bytes(), 100).await;
            }
            for foe in &mut foes {
                let said = rest(foe).await;
                let refused = said.is_empty() || said.starts_with(b"HTTP/1.1 4");
                assert!(refused, "{:?}", String::from_utf8_lossy(&said));
            }
        })
        .await;
    victim.assert_as_before().await;
}

#[tokio::test]
async fn frames_that_mean_no_good_end_their_own_connection_with_the_code_that_says_so() {
    let victim = Victim::start(&[]).await;
    let text = |first: u8, payload: &[u8]| [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat();
    let frames: [(Vec<u8>, u16); 7] = [
        ([&[0x82, 0xff, 0x80][..], &[0; 7], &[0; 4], b"the first of 2^63 bytes"].concat(), 1009),
        ([&[0x81, 0xff, 0x7f][..], &[0xff; 7], &[0; 4]].concat(), 1009),
        (text(0xc1, b"compressed, which nobody agreed on"), 1002),
        (text(0x81, b"\xed\xa0\x80"), 1007),
        // Said before the frame has come whole.
        ([&[0x81, 0xfd, 0, 0, 0, 0][..], b"\xf4\x90"].concat(), 1007),
        (text(0x88, b"\x03\xe8\xff"), 1007),
        (text(0x00, b"continues nothing"), 1002),
    ];
    victim
        .while_others_read(async {
            for _ in 0..FOES / frames.len() {
                for (frame, code) in &frames {
                    let mut foe = victim.dial().await;
                    foe.write(handshake("")).await;
                    foe.read_until("recovered\":true}", 1).await;
                    foe.write(frame).await;
                    let said = rest(&mut foe).await;
                    let told = said.windows(4).any(|bytes| bytes[0] == 0x88 && bytes[2..] == code.to_be_bytes());
                    assert!(told, "{code}: {frame:x?} is answered with {said:x?}");
                }
            }
        })
        .await;
    victim.assert_as_before().await;
}

#[tokio::test]
async fn thousands_who_come_and_go_leave_nothing_behind() {
    let victim = Victim::start(&[]).await;
    let requests = [
        String::new(),
        "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".into(),
        handshake(""),
        "GET /topics/news/sse HTTP/1.1\r\nHost: x\r\n\r\n".into(),
        "GET /topics/news/long-poll?wait=60 HTTP/1.1\r\nHost: x\r\n\r\n".into(),
        "\0\u{1}\u{2}".into(),
    ];
    victim
        .while_others_read(async {
            for round in 0..600 {
                for request in &requests {
                    let mut foe = victim.dial().await;
                    foe.write(request).await;
                    // Some hear the beginning of an answer, most hear nothing.
                    if round % 8 == 0 && request.starts_with("GET") {
                        let _ = timeout(Duration::from_millis(20), foe.stream.read(&mut [0; 64])).await;
                    }
                    if round % 2 == 0 {
                        foe.stream.set_zero_linger().unwrap();
                    }
                }
            }
        })
        .await;
    victim.assert_as_before().await;
}
