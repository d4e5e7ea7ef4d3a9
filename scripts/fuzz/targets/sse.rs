//! The SSE reader: in any pieces it dispatches what a plain reading of the rules does (WHATWG HTML, sections 9.2.5 and 9.2.6).
#![no_main]

use feed::framings::sse::Reader;
use libfuzzer_sys::fuzz_target;

/// Type, data and id.
type Event = (Vec<u8>, Vec<u8>, Vec<u8>);

fuzz_target!(|input: &[u8]| {
    let Some((pieces, whole)) = fuzz::cut(input) else { return };
    let mut reader = Reader::default();
    let mut events: Vec<Event> = Vec::new();
    for piece in pieces {
        reader.read(piece, |event| events.push((event.name.into(), event.data.into(), event.id.into()))).unwrap();
    }
    let (expected, last_id, retry) = by_the_rules(whole);
    assert_eq!(events, expected);
    assert_eq!(reader.last_id(), last_id);
    assert_eq!(reader.retry().map(|retry| retry.as_millis() as u64), retry);
});

/// The rules, one after the other, on the whole stream.
fn by_the_rules(stream: &[u8]) -> (Vec<Event>, Vec<u8>, Option<u64>) {
    let stream = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    // CRLF is one line end, and so is a lone CR.
    let mut last = 0;
    let mut lines = Vec::new();
    while let Some(len) = stream[last..].iter().position(|byte| b"\r\n".contains(byte)) {
        let end = last + len;
        lines.push(&stream[last..end]);
        last = end + if stream[end..].starts_with(b"\r\n") { 2 } else { 1 };
    }
    let (mut events, mut last_id, mut retry) = (Vec::new(), Vec::new(), None);
    let (mut name, mut data, mut id): (&[u8], Vec<u8>, Vec<u8>) = (b"", Vec::new(), Vec::new());
    for line in lines {
        if line.is_empty() {
            last_id.clone_from(&id);
            if data.pop().is_some() {
                let name = if name.is_empty() { b"message" } else { name };
                events.push((name.into(), data, last_id.clone()));
            }
            (name, data) = (b"", Vec::new());
            continue;
        }
        let colon = line.iter().position(|&byte| byte == b':');
        let value = colon.map_or(&b""[..], |colon| &line[colon + 1..]);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon.unwrap_or(line.len())] {
            b"data" => data.extend(value.iter().chain(b"\n")),
            b"event" => name = value,
            b"id" if !value.contains(&0) => id = value.to_vec(),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                retry = std::str::from_utf8(value).unwrap().parse().ok().or(retry);
            }
            _ => {}
        }
    }
    (events, last_id, retry)
}
