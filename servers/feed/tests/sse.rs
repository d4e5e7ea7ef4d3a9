//! The rules of event streams, as vectors in `sse_vectors.json`: read whole, cut anywhere, and with every line break.
//!
//! They cover what the `eventsource` folder of web-platform-tests covers of parsing (WHATWG HTML, sections 9.2.5 and 9.2.6).

use feed::framings::sse::Reader;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    claim: String,
    stream: String,
    /// Type, data and last event id of what is dispatched, in order.
    events: Vec<(String, String, String)>,
    /// The id with which a client comes back.
    #[serde(default)]
    last_id: String,
    /// The reconnection time that was set, milliseconds.
    #[serde(default)]
    retry: Option<u64>,
}

/// What a reader makes of a stream: as a vector has it.
type Outcome = (Vec<(String, String, String)>, String, Option<u64>);

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("sse_vectors.json")).unwrap()
}

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut reader = Reader::default();
    let mut events = Vec::new();
    for piece in pieces {
        reader.read(piece, |event| events.push((text(event.name), text(event.data), text(event.id)))).unwrap();
    }
    (events, text(reader.last_id()), reader.retry().map(|retry| retry.as_millis() as u64))
}

/// Holds a stream to its vector, whole, byte by byte, and in two pieces at every place.
fn assert_reads(stream: &str, vector: &Vector) {
    let expected = (vector.events.clone(), vector.last_id.clone(), vector.retry);
    let (bytes, claim) = (stream.as_bytes(), &vector.claim);
    assert_eq!(read([bytes]), expected, "{claim}: {stream:?}");
    assert_eq!(read(bytes.chunks(1)), expected, "{claim}, byte by byte: {stream:?}");
    for cut in 0..=bytes.len() {
        assert_eq!(read([&bytes[..cut], &bytes[cut..]]), expected, "{claim}, cut at {cut}: {stream:?}");
    }
}

#[test]
fn streams_are_read_by_the_rules_wherever_they_are_cut() {
    for vector in vectors() {
        assert_reads(&vector.stream, &vector);
    }
}

#[test]
fn every_line_break_is_as_good_as_another() {
    // Those that are about line breaks say which.
    for vector in vectors().iter().filter(|vector| !vector.stream.contains('\r')) {
        for line_break in ["\r", "\r\n"] {
            assert_reads(&vector.stream.replace('\n', line_break), vector);
        }
    }
}
