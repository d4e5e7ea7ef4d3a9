//! WebSocket frames (RFC 6455, section 5): a header of 2 to 14 bytes before each payload.

use base64::Engine;
use sha1::{Digest, Sha1};

use super::text::{NotUtf8, Text};

/// What a frame is for (RFC 6455, section 11.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// Goes on with a fragmented message.
    Continuation = 0,
    /// UTF-8 text.
    Text = 1,
    /// Anything else.
    Binary = 2,
    /// The end, with an optional code and reason.
    Close = 8,
    /// Asks for a pong with the same payload.
    Ping = 9,
    /// Answers a ping.
    Pong = 10,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// Close codes (RFC 6455, section 7.4, and the IANA registry).
pub mod close {
    /// The purpose is fulfilled.
    pub const NORMAL: u16 = 1000;
    /// The server goes down, or the page was left.
    pub const GOING_AWAY: u16 = 1001;
    /// A frame that the protocol forbids.
    pub const PROTOCOL_ERROR: u16 = 1002;
    /// A kind of data that is not accepted.
    pub const UNSUPPORTED: u16 = 1003;
    /// Text that is not UTF-8.
    pub const INVALID_DATA: u16 = 1007;
    /// A rule of the server was broken, no better code fits.
    pub const POLICY: u16 = 1008;
    /// A message that is too large.
    pub const TOO_BIG: u16 = 1009;
    /// Something unexpected on the server's side.
    pub const INTERNAL_ERROR: u16 = 1011;
    /// The server restarts: come back.
    pub const RESTART: u16 = 1012;
    /// The server is overloaded: come back later.
    pub const TRY_AGAIN_LATER: u16 = 1013;
}

/// The `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key` (RFC 6455, section 4.2.2).
pub fn accept_key(key: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    base64::engine::general_purpose::STANDARD.encode(hash.finalize())
}

/// Writes a whole message as one frame, unmasked: the server's half.
pub fn write(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 10);
    write_header(&mut out, opcode, payload.len(), 0);
    out.extend_from_slice(payload);
    out
}

/// Writes a whole message as one frame, masked: the client's half (RFC 6455, section 5.3).
pub fn write_masked(opcode: Opcode, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 14);
    write_header(&mut out, opcode, payload.len(), 0x80);
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

fn write_header(out: &mut Vec<u8>, opcode: Opcode, len: usize, mask_bit: u8) {
    out.push(0x80 | opcode as u8);
    match len {
        0..=125 => out.push(mask_bit | len as u8),
        126..=0xffff => {
            out.push(mask_bit | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            out.push(mask_bit | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
}

/// The payload of a close frame; the reason is cut to what a control frame holds.
pub fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    let mut end = reason.len().min(MAX_CONTROL_PAYLOAD - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    [&code.to_be_bytes(), &reason.as_bytes()[..end]].concat()
}

const MAX_CONTROL_PAYLOAD: usize = 125;

/// Which end of the connection reads: it decides who must have masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Reads unmasked frames.
    Client,
    /// Reads masked frames.
    Server,
}

/// A whole message, fragments joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// UTF-8 text, checked.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
    /// Wants a pong with this payload.
    Ping(&'a [u8]),
    /// Answers a ping.
    Pong(&'a [u8]),
    /// Says goodbye; the code is absent when the frame was empty.
    Close(Option<u16>, &'a str),
}

/// Why a connection must be failed, and the close code that says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} (RFC 6455 {section})", match most {
    Some(most) => format!("a message of more than {most} bytes"),
    None => (*reason).to_owned(),
})]
pub struct ProtocolError {
    /// The code to close with.
    pub code: u16,
    /// What was wrong; one of a few.
    pub reason: &'static str,
    /// The section of RFC 6455 whose rule was broken.
    pub section: &'static str,
    /// The most that the reader takes, bytes, where a message is larger: no rule is broken then.
    pub most: Option<usize>,
}

impl From<NotUtf8> for ProtocolError {
    fn from(_: NotUtf8) -> Self {
        Self { code: close::INVALID_DATA, reason: "text that is not UTF-8", section: "8.1", most: None }
    }
}

fn violation(reason: &'static str, section: &'static str) -> ProtocolError {
    ProtocolError { code: close::PROTOCOL_ERROR, reason, section, most: None }
}

/// Reads messages from a stream that arrives in pieces; between messages it keeps nothing.
///
/// Text is checked as it comes: one that cannot become UTF-8 any more fails in the middle of a frame (RFC 6455, section 8.1).
#[derive(Debug, Clone)]
pub struct Reader {
    role: Role,
    max_message: usize,
    unfinished: Vec<u8>,
    fragments: Option<Box<(Opcode, Vec<u8>)>>,
    /// The text of the fragments, and of the frame that has not come whole.
    text: Text,
    /// Bytes of that frame's payload that are in `text` already.
    checked: usize,
    closed: bool,
}

/// The header of one frame.
struct Header {
    fin: bool,
    opcode: Opcode,
    mask: Option<[u8; 4]>,
    /// Bytes of the header itself.
    len: usize,
    payload_len: usize,
}

impl Reader {
    /// A reader at the `role` end that takes messages of up to `max_message` bytes.
    pub fn new(role: Role, max_message: usize) -> Self {
        let (text, checked) = (Text::default(), 0);
        Self { role, max_message, unfinished: Vec::new(), fragments: None, text, checked, closed: false }
    }

    /// Calls `receive` for each message that ends in `input`. After a close frame, nothing more is read.
    pub fn read(&mut self, input: &[u8], mut receive: impl FnMut(Message<'_>)) -> Result<(), ProtocolError> {
        if self.unfinished.is_empty() {
            let used = self.frames(input, &mut receive)?;
            self.unfinished.extend_from_slice(&input[used..]);
        } else {
            let mut whole = std::mem::take(&mut self.unfinished);
            whole.extend_from_slice(input);
            let used = self.frames(&whole, &mut receive)?;
            if used < whole.len() {
                whole.drain(..used);
                self.unfinished = whole;
            }
        }
        Ok(())
    }

    fn frames(&mut self, bytes: &[u8], receive: &mut impl FnMut(Message<'_>)) -> Result<usize, ProtocolError> {
        let mut at = 0;
        while !self.closed {
            let Some(header) = self.header(&bytes[at..])? else { return Ok(at) };
            let come = &bytes[at + header.len..];
            let Some(payload) = come.get(..header.payload_len) else {
                self.check_begun(&header, come)?;
                return Ok(at);
            };
            at += header.len + header.payload_len;
            match header.mask {
                None => self.take(&header, payload, receive)?,
                Some(mask) => self.take(&header, &unmasked(payload, mask, 0), receive)?,
            }
        }
        Ok(bytes.len())
    }

    /// The header at the start of `bytes`, if it is whole; what is wrong with its frame is said as soon as it shows.
    fn header(&self, bytes: &[u8]) -> Result<Option<Header>, ProtocolError> {
        let &[first, second, ..] = bytes else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(violation("a reserved bit is set though no extension was agreed on", "5.2"));
        }
        let opcode = Opcode::from_bits(first & 0x0f).ok_or(violation("an unknown opcode", "5.2"))?;
        let fin = first & 0x80 != 0;
        let masked = second & 0x80 != 0;
        if masked != (self.role == Role::Server) {
            return Err(match self.role {
                Role::Client => violation("a masked frame from the server", "5.1"),
                Role::Server => violation("a frame from the client that is not masked", "5.1"),
            });
        }
        let (payload_len, mut len) = match second & 0x7f {
            126 => match bytes.get(2..4) {
                Some(len) => (u64::from(u16::from_be_bytes(len.try_into().expect("two bytes"))), 4),
                None => return Ok(None),
            },
            127 => match bytes.get(2..10) {
                Some(len) => (u64::from_be_bytes(len.try_into().expect("eight bytes")), 10),
                None => return Ok(None),
            },
            len => (u64::from(len), 2),
        };
        if opcode.is_control() && !fin {
            return Err(violation("a control frame that is fragmented", "5.5"));
        }
        if opcode.is_control() && payload_len > MAX_CONTROL_PAYLOAD as u64 {
            return Err(violation("a control frame of more than 125 bytes", "5.5"));
        }
        match (opcode, &self.fragments) {
            (Opcode::Text | Opcode::Binary, Some(_)) => {
                return Err(violation("a new message inside a fragmented one", "5.4"));
            }
            (Opcode::Continuation, None) => return Err(violation("a continuation of no message", "5.4")),
            _ => {}
        }
        let collected = self.fragments.as_ref().map_or(0, |fragments| fragments.1.len());
        if payload_len > (self.max_message - collected) as u64 && !opcode.is_control() {
            let reason = "a message that is too large";
            return Err(ProtocolError { code: close::TOO_BIG, reason, section: "10.4", most: Some(self.max_message) });
        }
        let mut mask = None;
        if masked {
            let Some(bytes) = bytes.get(len..len + 4) else { return Ok(None) };
            mask = Some(bytes.try_into().expect("four bytes"));
            len += 4;
        }
        Ok(Some(Header { fin, opcode, mask, len, payload_len: payload_len as usize }))
    }

    /// Checks what has `come` of the payload of a text's frame, as far as that was not done before.
    fn check_begun(&mut self, header: &Header, come: &[u8]) -> Result<(), ProtocolError> {
        if self.is_text(header.opcode) {
            let new = &come[self.checked..];
            match header.mask {
                None => self.text.take(new)?,
                Some(mask) => self.text.take(&unmasked(new, mask, self.checked))?,
            }
            self.checked = come.len();
        }
        Ok(())
    }

    fn is_text(&self, opcode: Opcode) -> bool {
        match opcode {
            Opcode::Continuation => self.fragments.as_ref().is_some_and(|fragments| fragments.0 == Opcode::Text),
            opcode => opcode == Opcode::Text,
        }
    }

    fn take(
        &mut self,
        header: &Header,
        payload: &[u8],
        receive: &mut impl FnMut(Message<'_>),
    ) -> Result<(), ProtocolError> {
        match header.opcode {
            Opcode::Ping => receive(Message::Ping(payload)),
            Opcode::Pong => receive(Message::Pong(payload)),
            Opcode::Close => {
                let (code, reason) = read_close(payload)?;
                self.closed = true;
                receive(Message::Close(code, reason));
            }
            opcode if header.fin && self.fragments.is_none() => {
                (self.text, self.checked) = (Text::default(), 0);
                deliver(opcode, payload, receive)?;
            }
            opcode => {
                if self.is_text(opcode) {
                    self.text.take(&payload[std::mem::take(&mut self.checked)..])?;
                }
                let fragments = self.fragments.get_or_insert_with(|| Box::new((opcode, Vec::new())));
                fragments.1.extend_from_slice(payload);
                if header.fin {
                    self.text = Text::default();
                    let (opcode, message) = *self.fragments.take().expect("something was just added");
                    deliver(opcode, &message, receive)?;
                }
            }
        }
        Ok(())
    }
}

/// The payload of a frame from its byte `at` on, unmasked (RFC 6455, section 5.3).
fn unmasked(payload: &[u8], mut mask: [u8; 4], at: usize) -> Vec<u8> {
    mask.rotate_left(at % 4);
    payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()
}

fn deliver(opcode: Opcode, payload: &[u8], receive: &mut impl FnMut(Message<'_>)) -> Result<(), ProtocolError> {
    if opcode == Opcode::Text {
        receive(Message::Text(utf8(payload)?));
    } else {
        receive(Message::Binary(payload));
    }
    Ok(())
}

fn utf8(bytes: &[u8]) -> Result<&str, ProtocolError> {
    std::str::from_utf8(bytes).map_err(|_| NotUtf8.into())
}

fn read_close(payload: &[u8]) -> Result<(Option<u16>, &str), ProtocolError> {
    match payload {
        [] => Ok((None, "")),
        [_] => Err(violation("a close frame with half a code", "5.5.1")),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            let allowed = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            if !allowed {
                return Err(violation("a close code that may not be sent", "7.4"));
            }
            let reason = std::str::from_utf8(reason).map_err(|_| ProtocolError {
                code: close::INVALID_DATA,
                reason: "a close reason that is not UTF-8",
                section: "5.5.1",
                most: None,
            })?;
            Ok((Some(code), reason))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_messages_nothing_is_kept_wherever_the_stream_is_cut() {
        let text = "ä".repeat(100);
        let stream =
            [write_masked(Opcode::Text, text.as_bytes(), [1, 2, 3, 4]), write_masked(Opcode::Ping, b"", [0; 4])];
        let stream = stream.concat();
        for cut in 0..=stream.len() {
            let mut reader = Reader::new(Role::Server, 1 << 20);
            let mut read = 0;
            for piece in [&stream[..cut], &stream[cut..]] {
                reader.read(piece, |_| read += 1).unwrap();
            }
            assert_eq!((read, reader.unfinished.capacity(), reader.checked), (2, 0, 0), "cut at {cut}");
            assert!(reader.fragments.is_none());
        }
    }
}
