//! Engine.IO packets (Engine.IO protocol, revision 4): one digit says what follows; polls carry several, each WebSocket frame one.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memchr;
use serde::{Deserialize, Serialize};

/// Value of the query field `EIO`: the revision of the protocol.
pub const REVISION: &str = "4";
/// What stands between two packets in the body of a poll: ASCII's record separator.
pub const SEPARATOR: u8 = 0x1e;
/// Payload of the ping and the pong with which a WebSocket is tried before a session moves to it.
pub const PROBE: &[u8] = b"probe";

/// What one side says to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet<'a> {
    /// The session is open; the payload is a [`Handshake`] in JSON.
    Open(&'a [u8]),
    /// The session is over.
    Close,
    /// Are you there? Only servers ask, except for a [probe](PROBE).
    Ping(&'a [u8]),
    /// The answer to a ping, with its payload.
    Pong(&'a [u8]),
    /// A message of text: what Socket.IO's packets travel in.
    Text(&'a [u8]),
    /// A message of bytes: what the attachments of Socket.IO's packets travel in.
    Binary(Cow<'a, [u8]>),
    /// From now on over this WebSocket.
    Upgrade,
    /// Nothing; it sets a held poll free.
    Noop,
}

/// What a server says first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Handshake {
    /// The session, to be named in every request that belongs to it.
    pub sid: String,
    /// What the session may move to: `websocket`, or nothing.
    pub upgrades: Vec<String>,
    /// Milliseconds between two pings of the server.
    pub ping_interval: u64,
    /// Milliseconds after which a ping that nobody answered ends the session.
    pub ping_timeout: u64,
    /// Largest body of a POST, bytes; 0 where a server does not say, as older ones of this revision do not.
    #[serde(default)]
    pub max_payload: u64,
}

impl Handshake {
    /// The silence after which the other side is taken for lost.
    pub fn longest_silence(&self) -> Duration {
        Duration::from_millis(self.ping_interval.saturating_add(self.ping_timeout))
    }
}

/// A packet that the protocol does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Not even a digit.
    #[error("an empty Engine.IO packet")]
    Empty,
    /// Another first byte than a digit from 0 to 6 or a `b`.
    #[error("an Engine.IO packet of the unknown type `{0}`: expected 0 to 6 or b")]
    Unknown(char),
    /// A `b`, and then no base64.
    #[error("binary in an Engine.IO packet that is not base64")]
    Base64,
}

/// Writes one packet as text: into the body of a poll, or a WebSocket's text frame. A WebSocket carries
/// [binary](Packet::Binary) as it is, in a binary frame, without this.
pub fn write(packet: &Packet<'_>) -> Vec<u8> {
    let (digit, payload): (u8, &[u8]) = match packet {
        Packet::Open(payload) => (b'0', payload),
        Packet::Close => (b'1', b""),
        Packet::Ping(payload) => (b'2', payload),
        Packet::Pong(payload) => (b'3', payload),
        Packet::Text(payload) => (b'4', payload),
        Packet::Upgrade => (b'5', b""),
        Packet::Noop => (b'6', b""),
        Packet::Binary(bytes) => return [b"b", STANDARD.encode(bytes).as_bytes()].concat(),
    };
    [&[digit], payload].concat()
}

/// Writes the body of a poll.
pub fn write_payload(packets: &[Packet<'_>]) -> Vec<u8> {
    packets.iter().map(write).collect::<Vec<_>>().join(&SEPARATOR)
}

/// Reads the one packet that fills `bytes`.
pub fn read(bytes: &[u8]) -> Result<Packet<'_>, PacketError> {
    let (&first, payload) = bytes.split_first().ok_or(PacketError::Empty)?;
    Ok(match first {
        b'0' => Packet::Open(payload),
        b'1' => Packet::Close,
        b'2' => Packet::Ping(payload),
        b'3' => Packet::Pong(payload),
        b'4' => Packet::Text(payload),
        b'5' => Packet::Upgrade,
        b'6' => Packet::Noop,
        b'b' => Packet::Binary(Cow::Owned(STANDARD.decode(payload).map_err(|_| PacketError::Base64)?)),
        other => return Err(PacketError::Unknown(char::from(other))),
    })
}

/// Reads the body of a poll, packet by packet.
pub fn read_payload(body: &[u8]) -> impl Iterator<Item = Result<Packet<'_>, PacketError>> {
    let mut rest = Some(body);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let (packet, more) = match memchr(SEPARATOR, bytes) {
            Some(end) => (&bytes[..end], Some(&bytes[end + 1..])),
            None => (bytes, None),
        };
        rest = more;
        Some(read(packet))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_packet() -> Vec<Packet<'static>> {
        let bytes: Vec<u8> = (0..=255).collect();
        vec![
            Packet::Open(b"{\"sid\":\"x\"}"),
            Packet::Close,
            Packet::Ping(b""),
            Packet::Ping(PROBE),
            Packet::Pong(PROBE),
            Packet::Text("2[\"grüß Gott\"]".as_bytes()),
            Packet::Binary(Cow::Owned(bytes)),
            Packet::Binary(Cow::Borrowed(b"")),
            Packet::Upgrade,
            Packet::Noop,
        ]
    }

    #[test]
    fn every_packet_reads_back_as_it_was_written_alone_and_in_company() {
        let packets = every_packet();
        for packet in &packets {
            assert_eq!(read(&write(packet)).as_ref(), Ok(packet));
        }
        for len in 1..=packets.len() {
            let body = write_payload(&packets[..len]);
            let back: Vec<_> = read_payload(&body).map(Result::unwrap).collect();
            assert_eq!(back, packets[..len]);
        }
    }

    #[test]
    fn a_payload_cut_at_any_byte_is_read_up_to_the_cut_or_refused() {
        let packets = every_packet();
        let body = write_payload(&packets);
        for cut in 0..body.len() {
            let whole = body[..cut].iter().filter(|&&byte| byte == SEPARATOR).count();
            let read: Vec<_> = read_payload(&body[..cut]).collect();
            assert_eq!(read.len(), whole + 1, "cut at {cut}");
            assert!(read[..whole].iter().zip(&packets).all(|(read, packet)| read.as_ref() == Ok(packet)), "{cut}");
        }
    }

    #[test]
    fn what_is_no_packet_is_refused_by_name() {
        assert_eq!(read(b""), Err(PacketError::Empty));
        assert_eq!(read(b"7x"), Err(PacketError::Unknown('7')));
        assert_eq!(read(b"b?"), Err(PacketError::Base64));
        let told: Vec<_> = read_payload(b"6\x1e\x1e2").collect();
        assert_eq!(told, [Ok(Packet::Noop), Err(PacketError::Empty), Ok(Packet::Ping(b""))]);
    }

    #[test]
    fn a_handshake_is_that_of_the_protocol() {
        let json = br#"{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
        let handshake: Handshake = serde_json::from_slice(json).unwrap();
        assert_eq!(
            (handshake.sid.as_str(), handshake.upgrades.as_slice()),
            ("lv_VI97HAXpY6yYWAAAC", &["websocket".to_owned()][..])
        );
        assert_eq!(handshake.longest_silence(), Duration::from_secs(45));
        assert_eq!(serde_json::to_vec(&handshake).unwrap(), json);
        let older = br#"{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;
        assert_eq!(serde_json::from_slice::<Handshake>(older).unwrap().max_payload, 0);
    }
}
