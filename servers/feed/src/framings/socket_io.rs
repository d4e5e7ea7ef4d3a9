//! Socket.IO packets (Socket.IO protocol, revision 5): what an Engine.IO message of text says, and to which namespace.

use std::io::Write;

use memchr::memchr;

/// The namespace that a packet without one belongs to.
pub const MAIN: &str = "/";
/// Most attachments of one packet. An event of a feed has none or one; more than this is taken for a mistake, not for memory
/// to be set aside.
pub const MAX_ATTACHMENTS: usize = 64;

/// What a packet is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Client: let me in; server: you are.
    Connect = b'0',
    /// Leaves the namespace.
    Disconnect = b'1',
    /// An event: its name and its arguments.
    Event = b'2',
    /// The arguments with which an event was acknowledged.
    Ack = b'3',
    /// The server does not let the client in, and says why.
    ConnectError = b'4',
    /// An event some of whose arguments follow as attachments.
    BinaryEvent = b'5',
    /// An acknowledgement with attachments.
    BinaryAck = b'6',
}

impl Kind {
    fn from_digit(digit: u8) -> Option<Self> {
        Some(match digit {
            b'0' => Self::Connect,
            b'1' => Self::Disconnect,
            b'2' => Self::Event,
            b'3' => Self::Ack,
            b'4' => Self::ConnectError,
            b'5' => Self::BinaryEvent,
            b'6' => Self::BinaryAck,
            _ => return None,
        })
    }

    fn is_binary(self) -> bool {
        matches!(self, Self::BinaryEvent | Self::BinaryAck)
    }
}

/// One packet, as far as its head says; its attachments follow as binary messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What it is for.
    pub kind: Kind,
    /// Where it belongs; begins with a slash.
    pub namespace: &'a str,
    /// Of an event: the number under which it wants to be acknowledged; of an acknowledgement: which event it answers.
    pub id: Option<u64>,
    /// Binary messages that follow and belong to it.
    pub attachments: usize,
    /// JSON: an array of event name and arguments, an array of arguments, or an object; empty where there is nothing to say.
    pub data: &'a [u8],
}

impl<'a> Packet<'a> {
    /// A packet without acknowledgement or attachments.
    pub fn new(kind: Kind, namespace: &'a str, data: &'a [u8]) -> Self {
        Self { kind, namespace, id: None, attachments: 0, data }
    }
}

/// A packet that the protocol does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} in the Socket.IO packet `{shown}`")]
pub struct PacketError {
    /// What was wrong.
    pub reason: &'static str,
    shown: String,
}

impl PacketError {
    /// The beginning of the packet.
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

/// Writes a packet; its attachments are sent after it, as they are.
pub fn write(packet: &Packet<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(packet.data.len() + packet.namespace.len() + 16);
    out.push(packet.kind as u8);
    if packet.kind.is_binary() {
        let _ = write!(out, "{}-", packet.attachments);
    }
    if packet.namespace != MAIN {
        let _ = write!(out, "{},", packet.namespace);
    }
    if let Some(id) = packet.id {
        let _ = write!(out, "{id}");
    }
    out.extend_from_slice(packet.data);
    out
}

/// Reads the packet that fills `bytes`. Its data is not looked at.
pub fn read(bytes: &[u8]) -> Result<Packet<'_>, PacketError> {
    let refuse = |reason| PacketError { reason, shown: String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into() };
    let (&digit, mut rest) = bytes.split_first().ok_or_else(|| refuse("nothing"))?;
    let kind = Kind::from_digit(digit).ok_or_else(|| refuse("an unknown type"))?;
    let mut attachments = 0;
    if kind.is_binary() {
        let (number, after) = digits(rest);
        attachments = number.ok_or_else(|| refuse("no number of attachments"))? as usize;
        if attachments > MAX_ATTACHMENTS {
            return Err(refuse("too many attachments"));
        }
        rest = after.strip_prefix(b"-").ok_or_else(|| refuse("no hyphen after the number of attachments"))?;
    }
    let mut namespace = MAIN;
    if rest.first() == Some(&b'/') {
        let end = memchr(b',', rest).unwrap_or(rest.len());
        namespace = std::str::from_utf8(&rest[..end]).map_err(|_| refuse("a namespace that is not UTF-8"))?;
        rest = &rest[(end + 1).min(rest.len())..];
    }
    let (id, data) = digits(rest);
    if id.is_none() && rest.first().is_some_and(u8::is_ascii_digit) {
        return Err(refuse("a number that is too large"));
    }
    Ok(Packet { kind, namespace, id, attachments, data })
}

/// The number at the start of `bytes`, and what follows it; `None` where there is none that fits.
fn digits(bytes: &[u8]) -> (Option<u64>, &[u8]) {
    let len = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    let number = std::str::from_utf8(&bytes[..len]).ok().and_then(|text| text.parse().ok());
    (number, &bytes[len..])
}

/// Writes the data of an event with one argument, which is JSON.
pub fn write_event(name: &str, argument: &[u8]) -> Vec<u8> {
    let mut out = vec![b'['];
    serde_json::to_writer(&mut out, name).expect("a string is always JSON");
    out.push(b',');
    out.extend_from_slice(argument);
    out.push(b']');
    out
}

/// The name of an event and its first argument, without decoding either; `None` when `data` is no event, or its name holds
/// escapes, or it has not exactly one argument that the array's end follows.
pub fn read_event(data: &[u8]) -> Option<(&str, &[u8])> {
    let inner = data.strip_prefix(b"[\"")?;
    let end = memchr(b'"', inner)?;
    let name = std::str::from_utf8(&inner[..end]).ok().filter(|name| !name.contains('\\'))?;
    let argument = inner[end + 1..].strip_prefix(b",")?.strip_suffix(b"]")?;
    Some((name, argument))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet<'a>(kind: Kind, namespace: &'a str, id: Option<u64>, attachments: usize, data: &'a str) -> Packet<'a> {
        Packet { kind, namespace, id, attachments, data: data.as_bytes() }
    }

    /// The examples of the protocol's own description.
    fn examples() -> Vec<(&'static str, Packet<'static>)> {
        vec![
            ("0", packet(Kind::Connect, "/", None, 0, "")),
            (r#"0{"sid":"x"}"#, packet(Kind::Connect, "/", None, 0, r#"{"sid":"x"}"#)),
            (r#"0/admin,{"token":"123"}"#, packet(Kind::Connect, "/admin", None, 0, r#"{"token":"123"}"#)),
            ("1/admin,", packet(Kind::Disconnect, "/admin", None, 0, "")),
            (r#"2["foo"]"#, packet(Kind::Event, "/", None, 0, r#"["foo"]"#)),
            (r#"2/admin,["bar"]"#, packet(Kind::Event, "/admin", None, 0, r#"["bar"]"#)),
            (r#"212["foo"]"#, packet(Kind::Event, "/", Some(12), 0, r#"["foo"]"#)),
            (r#"3/admin,13["bar"]"#, packet(Kind::Ack, "/admin", Some(13), 0, r#"["bar"]"#)),
            (
                r#"4{"message":"Not authorized"}"#,
                packet(Kind::ConnectError, "/", None, 0, r#"{"message":"Not authorized"}"#),
            ),
            (
                r#"51-["baz",{"_placeholder":true,"num":0}]"#,
                packet(Kind::BinaryEvent, "/", None, 1, r#"["baz",{"_placeholder":true,"num":0}]"#),
            ),
            (
                r#"62-/admin,15["bar",{"_placeholder":true,"num":0}]"#,
                packet(Kind::BinaryAck, "/admin", Some(15), 2, r#"["bar",{"_placeholder":true,"num":0}]"#),
            ),
        ]
    }

    #[test]
    fn the_examples_of_the_protocol_are_written_and_read() {
        for (text, packet) in examples() {
            assert_eq!(String::from_utf8_lossy(&write(&packet)), text);
            assert_eq!(read(text.as_bytes()), Ok(packet), "{text}");
        }
        let bare = read(b"1/admin").unwrap();
        assert_eq!((bare.namespace, bare.data), ("/admin", &b""[..]), "the comma may be missing where nothing follows");
    }

    #[test]
    fn a_packet_cut_at_any_byte_harms_nobody() {
        for (text, _) in examples() {
            for cut in 0..text.len() {
                let _ = read(&text.as_bytes()[..cut]);
            }
        }
    }

    #[test]
    fn what_is_no_packet_is_refused_and_shown() {
        for (bytes, reason) in [
            (&b""[..], "nothing"),
            (b"7", "an unknown type"),
            (b"5[]", "no number of attachments"),
            (b"51[]", "no hyphen"),
            (b"565-[]", "too many attachments"),
            (b"5999999999999999999999999-[]", "no number of attachments"),
            (b"2999999999999999999999999[]", "a number that is too large"),
            (b"2/\xff,[]", "a namespace that is not UTF-8"),
        ] {
            let error = read(bytes).unwrap_err();
            assert!(error.reason.starts_with(reason), "{bytes:?}: {error}");
        }
        assert!(read(b"7[\"news\"]").unwrap_err().to_string().contains("`7[\"news\"]`"));
    }

    #[test]
    fn an_event_says_its_name_and_argument() {
        let data = write_event("notification", br#"{"id":42,"a":["]"]}"#);
        assert_eq!(read_event(&data), Some(("notification", &br#"{"id":42,"a":["]"]}"#[..])));
        assert_eq!(read_event(&write_event("a \"b\"", b"1")), None, "escapes are left to who decodes");
        for no_event in [&b"{}"[..], b"[", b"[1]", br#"["name"]"#] {
            assert_eq!(read_event(no_event), None);
        }
    }
}
