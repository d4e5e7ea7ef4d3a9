//! Streams: one answer that goes on, as Server-Sent Events or as WebSocket frames, with chatter in between.

use std::rc::Rc;

use feed::framings::websocket::{self, Message, Opcode, Role, close};
use feed::framings::{chunked, sse};
use feed::{Cursor, Transport};

use super::Stub;
use super::line::{LineReader, LineWriter};
use super::request::Subscription;

/// What chatter says: letters of two, three and four bytes, for cuts to go through.
const CHATTER: &str = "Grüße, 世界, 🌍";

/// Largest message of a client, bytes: it has nothing to say but pongs and goodbye.
const MAX_MESSAGE: usize = 1_000;

impl Stub {
    /// Writes to a subscriber until it leaves or its connection is cut.
    pub(super) async fn stream(
        self: &Rc<Self>,
        connection: u64,
        accepted_ns: u64,
        asked: &Subscription,
        reader: &mut LineReader,
        writer: &mut LineWriter,
    ) -> anyhow::Result<()> {
        let place = self.place(asked.after);
        let start = self.cursor(place);
        let (mut bytes, mut live) = head(asked);
        bytes.extend(frame_greeting(asked.transport, start, &self.greeting(&asked.topic, start)?));
        // A WebSocket is live with its 101, an event stream with its first event.
        if asked.transport == Transport::Sse {
            live = bytes.len();
        }
        let instants = writer.write(&bytes, 0, &[live]).await?;
        self.book.record_connect(instants[0] - accepted_ns);
        let says_goodbye = tokio::select! {
            says_goodbye = hear(asked.transport, reader) => says_goodbye?,
            delivered = self.deliver(connection, place, asked, writer) => return delivered,
        };
        if says_goodbye {
            writer.say_goodbye(&websocket::write(Opcode::Close, &websocket::close_payload(close::NORMAL, ""))).await?;
        }
        Ok(())
    }

    /// Writes whatever is due, when it is due; ends with a cut.
    async fn deliver(
        &self,
        connection: u64,
        mut place: usize,
        asked: &Subscription,
        writer: &mut LineWriter,
    ) -> anyhow::Result<()> {
        let transport = asked.transport;
        loop {
            let batch = self.log.due(&self.script, connection, place).await;
            place = batch.next;
            let mut bytes = Vec::new();
            let mut ends = Vec::new();
            for &at in &batch.write {
                let entry = self.log.entry(at);
                if self.script.chatter.is_some_and(|every| every.has(entry.sequence)) {
                    bytes.extend(frame_chatter(transport));
                    self.book.count(|truth| truth.chatter += 1);
                }
                bytes.extend(frame(transport, self.cursor(at + 1), &entry.encoded));
                ends.push(bytes.len());
            }
            if batch.is_cut {
                return Ok(writer.cut(&bytes).await?);
            }
            if let Some(&first) = ends.first() {
                let instants = writer.write(&bytes, first, &ends).await?;
                self.enter(&asked.topic, &batch, &instants);
            } else {
                self.enter(&asked.topic, &batch, &[]);
            }
        }
    }
}

/// Reads until the client ends the stream, or says goodbye as WebSocket clients do; says whether it did.
async fn hear(transport: Transport, reader: &mut LineReader) -> anyhow::Result<bool> {
    let mut messages = websocket::Reader::new(Role::Server, MAX_MESSAGE);
    let mut says_goodbye = false;
    while !says_goodbye && reader.read_more().await {
        if transport == Transport::Ws {
            messages.read(&reader.received, |message| says_goodbye |= matches!(message, Message::Close(..)))?;
        }
        reader.received.clear();
    }
    Ok(says_goodbye)
}

/// The head of the answer, and its length.
fn head(asked: &Subscription) -> (Vec<u8>, usize) {
    let head = match asked.transport {
        Transport::Ws => format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
            websocket::accept_key(asked.key.as_bytes())
        ),
        _ => "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
    };
    let len = head.len();
    (head.into_bytes(), len)
}

fn frame_greeting(transport: Transport, cursor: Cursor, subscribed: &[u8]) -> Vec<u8> {
    match transport {
        Transport::Ws => websocket::write(Opcode::Text, subscribed),
        _ => chunked::write(&sse::write(Some("subscribed"), Some(cursor), None, subscribed)),
    }
}

/// One notification; every second one in two pieces of the framing's own, cut inside a letter.
fn frame(transport: Transport, cursor: Cursor, encoded: &[u8]) -> Vec<u8> {
    let is_cut = cursor.offset % 2 == 1;
    match transport {
        Transport::Ws if is_cut => {
            let (first, second) = encoded.split_at(inside_a_letter(encoded));
            [fragment(Opcode::Text, false, first), fragment(Opcode::Continuation, true, second)].concat()
        }
        Transport::Ws => websocket::write(Opcode::Text, encoded),
        _ => {
            let event = sse::write(None, Some(cursor), None, encoded);
            let (first, second) = event.split_at(if is_cut { inside_a_letter(&event) } else { event.len() });
            [chunked::write(first), chunked::write(second)].concat()
        }
    }
}

/// A comment or a ping.
fn frame_chatter(transport: Transport) -> Vec<u8> {
    match transport {
        Transport::Ws => websocket::write(Opcode::Ping, CHATTER.as_bytes()),
        _ => chunked::write(format!(":{CHATTER}\n\n").as_bytes()),
    }
}

/// A place behind the first byte of the first letter that has several.
fn inside_a_letter(text: &[u8]) -> usize {
    text.iter().position(|byte| !byte.is_ascii()).map_or(text.len() / 2, |at| at + 1)
}

/// A part of a message (RFC 6455, section 5.4).
fn fragment(opcode: Opcode, is_last: bool, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![if is_last { 0x80 } else { 0 } | opcode as u8];
    match payload.len() {
        len @ 0..=125 => bytes.push(len as u8),
        len => {
            bytes.push(126);
            bytes.extend_from_slice(&u16::try_from(len).expect("payloads here are small").to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}
