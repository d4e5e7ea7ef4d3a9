//! Events as lines of text (WHATWG HTML, section 9.2.6), read strictly: what readers pass over in silence is said.

use super::step::{Held, departs, quoted};

/// What has arrived and is not yet a whole event; lines end in LF here, however they ended on the way.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) text: Vec<u8>,
    after_cr: bool,
}

impl Lines {
    /// Takes what has arrived.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if !(byte == b'\n' && self.after_cr) {
                self.text.push(if byte == b'\r' { b'\n' } else { byte });
            }
            self.after_cr = byte == b'\r';
        }
    }

    /// Takes the lines up to the next empty one.
    pub(super) fn block(&mut self) -> Option<Vec<u8>> {
        if self.text.first() == Some(&b'\n') {
            self.text.remove(0);
            return Some(Vec::new());
        }
        let end = self.text.windows(2).position(|two| two == b"\n\n")?;
        Some(self.text.drain(..end + 2).take(end).collect())
    }
}

/// The fields of one event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) name: Option<String>,
    pub(super) id: Option<String>,
    /// Milliseconds.
    pub(super) retry: Option<u64>,
    pub(super) data: Option<String>,
}

impl Event {
    /// Reads a block of lines; `None` when it has only comments.
    pub(super) fn read(block: &[u8]) -> Held<Option<Self>> {
        let text = std::str::from_utf8(block).map_err(|_| departs("events in UTF-8", quoted(block)))?;
        let mut event = Self::default();
        for line in text.lines().filter(|line| !line.starts_with(':')) {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => event.name = Some(value.to_owned()),
                "id" => event.id = Some(value.to_owned()),
                "retry" => {
                    let milliseconds = value.parse();
                    event.retry =
                        Some(milliseconds.map_err(|_| departs("`retry:` in milliseconds", quoted(line.as_bytes())))?);
                }
                "data" => match &mut event.data {
                    Some(data) => data.extend(["\n", value]),
                    None => event.data = Some(value.to_owned()),
                },
                _ => {
                    return Err(departs(
                        "a line that begins with event:, id:, retry:, data: or :",
                        quoted(line.as_bytes()),
                    ));
                }
            }
        }
        Ok((event != Self::default()).then_some(event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_whatever_way_and_arrive_in_whatever_pieces() {
        for text in [
            "id: 1\ndata:a\ndata: b\n\n:\n\n",
            "id: 1\r\ndata:a\r\ndata: b\r\n\r\n:\r\n\r\n",
            "id:1\rdata:a\rdata:b\r\r:\r\r",
        ] {
            let mut lines = Lines::default();
            text.as_bytes().iter().for_each(|byte| lines.push(&[*byte]));
            let event = Event::read(&lines.block().unwrap()).unwrap().unwrap();
            assert_eq!((event.id.as_deref(), event.data.as_deref()), (Some("1"), Some("a\nb")), "{text:?}");
            assert_eq!(Event::read(&lines.block().unwrap()), Ok(None), "a comment is no event");
            assert_eq!(lines.block(), None);
        }
    }

    #[test]
    fn what_no_event_stream_has_is_refused() {
        assert!(Event::read(b"{\"type\":\"notification\"}").is_err());
        assert!(Event::read(b"retry:soon").is_err());
        assert!(Event::read(b"data:\xff").is_err());
    }
}
