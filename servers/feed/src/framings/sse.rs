//! Server-Sent Events (WHATWG HTML, sections 9.2.5 and 9.2.6): lines of text, a blank line ends an event.

use std::io::Write;
use std::time::Duration;

use memchr::{memchr, memchr2};

use crate::Cursor;

/// A comment line that keeps the connection from looking dead, and reaches no handler.
pub const HEARTBEAT: &[u8] = b":\n\n";
/// Largest event that a reader keeps together, bytes: no notification comes near it.
pub const MAX_EVENT: usize = 4 << 20;
/// Longest event id that a reader holds in place, bytes: that of a feed is an epoch, a colon and a number.
const SHORT_ID: usize = 30;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Writes one event. Without a `name` it is a `message`; line breaks in `data` become several `data:` lines.
pub fn write(name: Option<&str>, id: Option<Cursor>, retry: Option<Duration>, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 48);
    if let Some(id) = id {
        let _ = writeln!(out, "id:{id}");
    }
    if let Some(name) = name {
        let _ = writeln!(out, "event:{name}");
    }
    if let Some(retry) = retry {
        let _ = writeln!(out, "retry:{}", retry.as_millis());
    }
    let mut rest = data;
    loop {
        let line = memchr2(b'\n', b'\r', rest);
        out.extend_from_slice(b"data:");
        // A reader drops one space after the colon; one that belongs to the data needs another before it.
        if rest.first() == Some(&b' ') {
            out.push(b' ');
        }
        out.extend_from_slice(&rest[..line.unwrap_or(rest.len())]);
        out.push(b'\n');
        let Some(end) = line else { break };
        rest = &rest[end + line_break_len(&rest[end..])..];
    }
    out.push(b'\n');
    out
}

/// Length of the line break at the start of `bytes`: CRLF, LF or CR.
fn line_break_len(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"\r\n") { 2 } else { 1 }
}

/// One event as it is dispatched to a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// Its type, `message` unless the stream named another.
    pub name: &'a [u8],
    /// Its data, lines joined by LF.
    pub data: &'a [u8],
    /// The last event id that the stream has set, empty if none.
    pub id: &'a [u8],
}

/// An event that no reader would keep.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than {MAX_EVENT} bytes")]
pub struct EventTooLarge;

/// Reads an event stream that arrives in pieces; between events it keeps nothing but the last id.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    started: bool,
    has_id: bool,
    unfinished: Vec<u8>,
    last_id: Id,
    retry: Option<Duration>,
}

impl Reader {
    /// The last event id, to be sent as `Last-Event-ID` when connecting again.
    pub fn last_id(&self) -> &[u8] {
        self.last_id.as_bytes()
    }

    /// True when the stream has set the last event id, be it to nothing: then an id of the stream before is not sent any more.
    pub fn has_set_id(&self) -> bool {
        self.has_id
    }

    /// The reconnection time that the server asked for.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// True when an event has begun and not ended: at the end of a stream, its data is discarded (WHATWG HTML, section 9.2.6). Comments, and
    /// fields without data, make no event.
    pub fn has_unfinished_event(&self) -> bool {
        let mut lines = self.unfinished.split(|&byte| byte == b'\n' || byte == b'\r');
        let is_cut_data = |line: &[u8]| !line.is_empty() && b"data".starts_with(line);
        // The last line is the only one that may be cut off itself.
        let has_cut = lines.next_back().is_some_and(|last| is_cut_data(last) || is_data(last));
        self.started && (has_cut || lines.any(is_data))
    }

    /// Calls `dispatch` for each event that ends in `input`.
    pub fn read(&mut self, input: &[u8], mut dispatch: impl FnMut(Event<'_>)) -> Result<(), EventTooLarge> {
        if self.unfinished.is_empty() && self.started {
            let used = self.blocks(input, &mut dispatch);
            self.unfinished.extend_from_slice(&input[used..]);
        } else {
            let mut whole = std::mem::take(&mut self.unfinished);
            whole.extend_from_slice(input);
            if !self.started {
                if whole.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(&whole) {
                    self.unfinished = whole;
                    return Ok(());
                }
                self.started = true;
                if whole.starts_with(BYTE_ORDER_MARK) {
                    whole.drain(..BYTE_ORDER_MARK.len());
                }
            }
            let used = self.blocks(&whole, &mut dispatch);
            self.unfinished.extend_from_slice(&whole[used..]);
        }
        if self.unfinished.len() > MAX_EVENT { Err(EventTooLarge) } else { Ok(()) }
    }

    /// Dispatches the events that are whole in `bytes`; returns where the first unfinished one begins.
    fn blocks(&mut self, bytes: &[u8], dispatch: &mut impl FnMut(Event<'_>)) -> usize {
        let mut block_start = 0;
        let mut at = 0;
        let mut block = Block::default();
        while let Some(len) = memchr2(b'\n', b'\r', &bytes[at..]) {
            let line = &bytes[at..at + len];
            at += len;
            at += line_break_len(&bytes[at..]);
            if line.is_empty() {
                self.finish(&std::mem::take(&mut block), dispatch);
                block_start = at;
            } else {
                self.field(line, &mut block);
            }
        }
        block_start
    }

    fn field<'a>(&mut self, line: &'a [u8], block: &mut Block<'a>) {
        let (name, value) = match memchr(b':', line) {
            Some(colon) => (&line[..colon], line[colon + 1..].strip_prefix(b" ").unwrap_or(&line[colon + 1..])),
            None => (line, &line[line.len()..]),
        };
        match name {
            b"data" => block.push_data(value),
            b"event" => block.name = value,
            b"id" if memchr(0, value).is_none() => block.id = Some(value),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let milliseconds = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                self.retry = milliseconds.map(Duration::from_millis).or(self.retry);
            }
            _ => {}
        }
    }

    fn finish(&mut self, block: &Block<'_>, dispatch: &mut impl FnMut(Event<'_>)) {
        if let Some(id) = block.id {
            self.last_id.set(id);
            self.has_id = true;
        }
        let Some(first) = block.first else { return };
        let data = if block.joined.is_empty() { first } else { &block.joined };
        let name = if block.name.is_empty() { b"message" } else { block.name };
        dispatch(Event { name, data, id: self.last_id.as_bytes() });
    }
}

/// True of a line that adds to the data of its event.
fn is_data(line: &[u8]) -> bool {
    line.strip_prefix(b"data").is_some_and(|rest| rest.is_empty() || rest.starts_with(b":"))
}

/// An event id. One as long as a cursor stands in its reader: of thousands of readers, each event finds another one's memory
/// out of the cache, and what lies apart costs as much again.
#[derive(Debug, Clone)]
enum Id {
    Short { len: u8, bytes: [u8; SHORT_ID] },
    Long(Vec<u8>),
}

impl Default for Id {
    fn default() -> Self {
        Self::Short { len: 0, bytes: [0; SHORT_ID] }
    }
}

impl Id {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => &bytes[..usize::from(*len)],
            Self::Long(bytes) => bytes,
        }
    }

    fn set(&mut self, id: &[u8]) {
        if id.len() <= SHORT_ID {
            let mut bytes = [0; SHORT_ID];
            bytes[..id.len()].copy_from_slice(id);
            *self = Self::Short { len: id.len() as u8, bytes };
        } else {
            *self = Self::Long(id.to_vec());
        }
    }
}

/// The fields of an event that is being read. One data line, the usual case, is borrowed; more are joined.
#[derive(Default)]
struct Block<'a> {
    name: &'a [u8],
    id: Option<&'a [u8]>,
    first: Option<&'a [u8]>,
    joined: Vec<u8>,
}

impl<'a> Block<'a> {
    fn push_data(&mut self, line: &'a [u8]) {
        match self.first {
            None => self.first = Some(line),
            Some(first) => {
                if self.joined.is_empty() {
                    self.joined.extend_from_slice(first);
                }
                self.joined.push(b'\n');
                self.joined.extend_from_slice(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Seen = (String, String, String);

    fn read(pieces: &[&[u8]]) -> (Vec<Seen>, Reader) {
        let mut reader = Reader::default();
        let mut seen = Vec::new();
        for piece in pieces {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            reader.read(piece, |e| seen.push((text(e.name), text(e.data), text(e.id)))).unwrap();
        }
        (seen, reader)
    }

    fn seen(name: &str, data: &str, id: &str) -> Seen {
        (name.into(), data.into(), id.into())
    }

    #[test]
    fn an_event_reads_back_as_it_was_written() {
        let cursor = "k3f9:42".parse().unwrap();
        let bytes = write(Some("gap"), Some(cursor), Some(Duration::from_secs(2)), " a\r\nb\nc\rd".as_bytes());
        let (events, reader) = read(&[&bytes]);
        assert_eq!(events, [seen("gap", " a\nb\nc\nd", "k3f9:42")]);
        assert_eq!(reader.retry(), Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_stream_cut_anywhere_reads_the_same_with_every_line_break() {
        for line_break in ["\n", "\r", "\r\n"] {
            let text = "\u{feff}: hello\nid: 1\ndata: first\n\ndata\n\nevent: named\ndata:second\ndata:  zwei ä\n\n\
                        id\ndata: no id any more\n\n:\n\nid: x\n\ndata: y\n\nunknown: field\nretry: 1x\nretry: 250\n\n"
                .replace('\n', line_break);
            let text = text.as_bytes();
            for cut in 0..=text.len() {
                let (events, reader) = read(&[&text[..cut], &text[cut..]]);
                let expected = [
                    seen("message", "first", "1"),
                    seen("message", "", "1"),
                    seen("named", "second\n zwei ä", "1"),
                    seen("message", "no id any more", ""),
                    seen("message", "y", "x"),
                ];
                assert_eq!(events, expected, "{line_break:?} cut at {cut}");
                assert_eq!(reader.retry(), Some(Duration::from_millis(250)));
            }
        }
    }

    #[test]
    fn only_data_that_no_empty_line_has_ended_is_an_unfinished_event() {
        let is_cut = |text: &[u8]| read(&[text]).1.has_unfinished_event();
        for whole in
            [&b"data: x\n\n"[..], b"data: x\n\n: bye\n", b": bye", b"retry: 5\n", b"id: 7\nevent: x\n", b"\xef\xbb"]
        {
            assert!(!is_cut(whole), "{:?}", String::from_utf8_lossy(whole));
        }
        for cut in [&b"data: x\n"[..], b"data: x", b"data", b"id: 7\ndat", b"data\r\n: bye\r\n", b": hi\ndata:\nid: 7"]
        {
            assert!(is_cut(cut), "{:?}", String::from_utf8_lossy(cut));
        }
    }

    #[test]
    fn an_id_with_a_nul_is_ignored_and_an_unfinished_event_is_not_dispatched() {
        let (events, reader) = read(&[b"id: a\0b\ndata: x\n\ndata: unfinished\n"]);
        assert_eq!(events, [seen("message", "x", "")]);
        assert!(reader.last_id().is_empty());
    }

    #[test]
    fn an_id_of_any_length_is_remembered() {
        for len in [0, 1, SHORT_ID - 1, SHORT_ID, SHORT_ID + 1, 1_000] {
            let id = "i".repeat(len);
            let (events, reader) = read(&[b"id: before\n\n", format!("id: {id}\ndata: x\n\n").as_bytes()]);
            assert_eq!(events, [seen("message", "x", &id)]);
            assert_eq!((reader.last_id(), reader.has_set_id()), (id.as_bytes(), true));
        }
        assert!(!read(&[b"data: x\n\nid: unfinished\n"]).1.has_set_id());
    }

    #[test]
    fn an_event_without_an_end_is_refused_in_time() {
        let mut reader = Reader::default();
        let piece = vec![b'x'; MAX_EVENT / 2 + 1];
        reader.read(&piece, |_| {}).unwrap();
        assert_eq!(reader.read(&piece, |_| {}), Err(EventTooLarge));
    }
}
