//! WebSocket frames as bytes (RFC 6455, section 5.2), for the steps that send what no client library would.

use super::step::{Held, ensure};
use super::wire::Wire;

/// Fragment that others follow; text.
pub(super) const TEXT_FRAGMENT: u8 = 0x01;
/// Last of the fragments.
pub(super) const LAST_FRAGMENT: u8 = 0x80;
/// A whole message; text.
pub(super) const TEXT: u8 = 0x81;
/// The end.
pub(super) const CLOSE: u8 = 0x88;
/// Asks for a pong.
pub(super) const PING: u8 = 0x89;
/// Answers a ping.
pub(super) const PONG: u8 = 0x8a;

/// Largest frame that a step has use for, bytes.
const LARGEST: u64 = 1 << 20;

/// A frame from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// Its first byte: final bit and opcode.
    pub(super) first: u8,
    /// What it carries.
    pub(super) payload: Vec<u8>,
}

impl Frame {
    /// The code in a close frame, if it has one.
    pub(super) fn close_code(&self) -> Option<u16> {
        Some(u16::from_be_bytes([*self.payload.first()?, *self.payload.get(1)?]))
    }
}

/// The head of a frame from a client: masked, with a mask of zeros, which leaves the payload readable.
pub(super) fn masked_head(first: u8, length: usize) -> Vec<u8> {
    let mut head = head(first, 0x80, length);
    head.extend_from_slice(&[0; 4]);
    head
}

/// A frame from a client.
pub(super) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    [&masked_head(first, payload.len()), payload].concat()
}

/// A frame that only a server may send.
pub(super) fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    [&head(first, 0, payload.len()), payload].concat()
}

fn head(first: u8, mask_bit: u8, length: usize) -> Vec<u8> {
    let mut head = vec![first];
    match length {
        0..=125 => head.push(mask_bit | length as u8),
        126..=0xffff => {
            head.push(mask_bit | 126);
            head.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            head.push(mask_bit | 127);
            head.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    head
}

impl Wire {
    /// Reads a frame; `None` at the end of the connection.
    pub(super) async fn frame(&mut self, what: &str) -> Held<Option<Frame>> {
        let Some(head) = self.exactly(2, what).await? else { return Ok(None) };
        ensure(head[1] & 0x80 == 0, "frames without a mask from a server", "a masked one")?;
        let length_bytes = match head[1] {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let extended = self.exactly(length_bytes, what).await?.unwrap_or_default();
        let length = match length_bytes {
            0 => u64::from(head[1]),
            _ => extended.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        ensure(length <= LARGEST, what, format!("a frame of {length} bytes"))?;
        let payload = self.exactly(length as usize, what).await?.unwrap_or_default();
        Ok(Some(Frame { first: head[0], payload }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_as_many_bytes_as_they_need() {
        assert_eq!(unmasked(TEXT, b"hi"), b"\x81\x02hi");
        assert_eq!(masked(PING, b"hi"), b"\x89\x82\0\0\0\0hi");
        assert_eq!(masked_head(TEXT, 300), b"\x81\xfe\x01\x2c\0\0\0\0");
        assert_eq!(masked_head(TEXT, 70_000), b"\x81\xff\0\0\0\0\0\x01\x11\x70\0\0\0\0");
    }

    #[test]
    fn a_close_frame_may_have_no_code() {
        let frame = |payload: &[u8]| Frame { first: CLOSE, payload: payload.to_owned() };
        assert_eq!(frame(b"\x03\xe9bye").close_code(), Some(1001));
        assert_eq!(frame(b"").close_code(), None);
    }
}
