//! The rules of WebSocket frames that the Autobahn test suite tries, for both ends; its sections stand beside them.

use feed::framings::websocket::{Message, Opcode, ProtocolError, Reader, Role, accept_key};
use feed::framings::websocket::{close, close_payload, write, write_masked};

const MAX_MESSAGE: usize = 1 << 20;
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// One frame of a message, as either end writes it: the first byte is free to break rules.
fn frame(role: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = match role {
        Role::Client => write(Opcode::Binary, payload),
        Role::Server => write_masked(Opcode::Binary, payload, MASK),
    };
    bytes[0] = first;
    bytes
}

/// What a reader says of `frames` that come in `pieces` of so many bytes.
fn hear(role: Role, frames: &[(u8, &[u8])], pieces: usize) -> Result<Vec<String>, ProtocolError> {
    let stream: Vec<u8> = frames.iter().flat_map(|(first, payload)| frame(role, *first, payload)).collect();
    let mut reader = Reader::new(role, MAX_MESSAGE);
    let mut heard = Vec::new();
    for piece in stream.chunks(pieces) {
        reader.read(piece, |message| heard.push(tell(message)))?;
    }
    Ok(heard)
}

fn tell(message: Message<'_>) -> String {
    match message {
        Message::Text(text) => format!("text {text}"),
        Message::Binary(bytes) => format!("binary {}", bytes.len()),
        Message::Ping(payload) => format!("ping {}", String::from_utf8_lossy(payload)),
        Message::Pong(payload) => format!("pong {}", String::from_utf8_lossy(payload)),
        Message::Close(code, reason) => format!("close {code:?} {reason}"),
    }
}

/// Holds both ends to `expected`, in one piece, byte by byte, and in odd ones.
fn assert_heard(frames: &[(u8, &[u8])], expected: &[&str]) {
    for role in [Role::Client, Role::Server] {
        for pieces in [usize::MAX, 1, 7] {
            assert_eq!(hear(role, frames, pieces).unwrap(), expected, "{role:?}, pieces of {pieces}: {frames:x?}");
        }
    }
}

fn assert_fails(frames: &[(u8, &[u8])], code: u16) {
    for role in [Role::Client, Role::Server] {
        for pieces in [usize::MAX, 1, 7] {
            let heard = hear(role, frames, pieces);
            let said = heard.as_ref().map_err(|error| error.code);
            assert_eq!(said, Err(code), "{role:?}, pieces of {pieces}: {frames:x?}");
        }
    }
}

#[test]
fn the_accept_key_is_that_of_the_rfc() {
    assert_eq!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn messages_of_every_length_arrive_whole_wherever_they_are_cut() {
    // 1.1 and 1.2: where the form of the length changes.
    for len in [0, 1, 125, 126, 127, 128, 65_535, 65_536] {
        let payload = vec![b'x'; len];
        let head = write(Opcode::Binary, &payload).len() - len;
        let shortest = [126, 0x1_0000].iter().filter(|bound| len >= **bound).count();
        assert_eq!(head, [2, 4, 10][shortest], "{len} bytes: the shortest form is the only one that may be written");
        for role in [Role::Client, Role::Server] {
            let stream = frame(role, 0x82, &payload);
            for cut in (0..stream.len().min(20)).chain([stream.len() - 1, stream.len()]) {
                let mut reader = Reader::new(role, MAX_MESSAGE);
                let mut heard = Vec::new();
                for piece in [&stream[..cut], &stream[cut..]] {
                    reader.read(piece, |message| heard.push(message == Message::Binary(&payload))).unwrap();
                }
                assert_eq!(heard, [true], "{role:?}, {len} bytes cut at {cut}");
            }
        }
    }
}

#[test]
fn messages_cut_anywhere_read_the_same_at_both_ends() {
    let (long, longer) = ("ä".repeat(100), vec![7; 70_000]);
    let restart = close_payload(close::RESTART, "restarting");
    for role in [Role::Client, Role::Server] {
        let messages: [(u8, &[u8]); 5] =
            [(0x81, b"hello"), (0x89, b""), (0x81, long.as_bytes()), (0x82, &longer), (0x88, &restart)];
        let stream: Vec<u8> = messages.iter().flat_map(|(first, payload)| frame(role, *first, payload)).collect();
        let expected = ["text hello", "ping ", &format!("text {long}"), "binary 70000", "close Some(1012) restarting"];
        for cut in (0..300).chain([300 + 35_000, stream.len() - 1, stream.len()]) {
            let mut reader = Reader::new(role, MAX_MESSAGE);
            let mut heard = Vec::new();
            for piece in [&stream[..cut], &stream[cut..]] {
                reader
                    .read(piece, |message| {
                        assert!(!matches!(message, Message::Binary(bytes) if bytes != longer), "cut at {cut}");
                        heard.push(tell(message));
                    })
                    .unwrap();
            }
            assert_eq!(heard, expected, "{role:?}, cut at {cut}");
        }
    }
}

#[test]
fn a_length_in_more_bytes_than_it_needs_is_a_length_all_the_same() {
    for stream in [&b"\x81\x7e\x00\x02hi"[..], b"\x81\x7f\0\0\0\0\0\0\0\x02hi"] {
        let mut heard = Vec::new();
        Reader::new(Role::Client, 2).read(stream, |message| heard.push(tell(message))).unwrap();
        assert_eq!(heard, ["text hi"]);
    }
}

#[test]
fn pings_and_pongs_are_heard_with_their_payload() {
    // 2.1 to 2.11.
    let longest = "x".repeat(125);
    assert_heard(&[(0x89, b""), (0x89, b"hello")], &["ping ", "ping hello"]);
    assert_heard(&[(0x8a, b"unasked"), (0x89, longest.as_bytes())], &["pong unasked", &format!("ping {longest}")]);
    assert_fails(&[(0x89, "x".repeat(126).as_bytes())], close::PROTOCOL_ERROR);
}

#[test]
fn reserved_bits_and_opcodes_end_it_after_what_came_before_was_heard() {
    // 3 and 4. Deflate flags (RSV1) are among the bits: nobody agreed on an extension.
    for first in [0xc1, 0xa1, 0x91, 0xf1, 0xc9, 0xa8] {
        assert_fails(&[(0x81, b"hello"), (first, b"x")], close::PROTOCOL_ERROR);
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        assert_fails(&[(0x81, b"hello"), (0x80 | opcode, b"x")], close::PROTOCOL_ERROR);
    }
    let mut heard = Vec::new();
    let stream = [frame(Role::Client, 0x81, b"hello"), frame(Role::Client, 0xc1, b"x")].concat();
    Reader::new(Role::Client, MAX_MESSAGE).read(&stream, |message| heard.push(tell(message))).unwrap_err();
    assert_eq!(heard, ["text hello"]);
}

#[test]
fn fragments_are_joined_around_control_frames() {
    // 5.3 to 5.8, 5.19.
    assert_heard(&[(0x01, b"frag"), (0x80, b"ment")], &["text fragment"]);
    assert_heard(
        &[(0x01, b"a"), (0x89, b"1"), (0x00, b""), (0x8a, b"2"), (0x00, b"b"), (0x89, b""), (0x80, b"c")],
        &["ping 1", "pong 2", "ping ", "text abc"],
    );
    assert_heard(&[(0x02, &[0xff]), (0x80, &[0xfe]), (0x81, b"next")], &["binary 2", "text next"]);
    assert_heard(&[(0x01, b""), (0x00, b""), (0x80, b"")], &["text "]);
}

#[test]
fn fragments_out_of_order_are_refused() {
    // 5.1, 5.2, 5.9 to 5.18: fragmented control frames, continuations of nothing, messages inside a message.
    for frames in [
        &[(0x09, &b"ping"[..]), (0x80, b"")][..],
        &[(0x0a, b"pong"), (0x80, b"")],
        &[(0x08, b"")],
        &[(0x80, b"nothing"), (0x81, b"hello")],
        &[(0x00, b"nothing")],
        &[(0x01, b"a"), (0x80, b"b"), (0x80, b"c")],
        &[(0x01, b"a"), (0x81, b"b")],
        &[(0x01, b"a"), (0x02, b"b")],
    ] {
        assert_fails(frames, close::PROTOCOL_ERROR);
    }
}

#[test]
fn a_continuation_of_nothing_is_refused_before_its_payload_has_come() {
    let announced = frame(Role::Server, 0x80, &[0; 1000]);
    let mut reader = Reader::new(Role::Server, MAX_MESSAGE);
    assert_eq!(reader.read(&announced[..8], |_| ()).unwrap_err().code, close::PROTOCOL_ERROR);
}

#[test]
fn text_arrives_wherever_its_characters_are_cut() {
    // 6.2: fragments end in the middle of characters.
    let text = "Hello-µ@ßöäüàá-UTF-8!! € 𝄞 \u{feff}\u{10ffff}\u{0}";
    let bytes = text.as_bytes();
    for cut in 0..=bytes.len() {
        assert_heard(&[(0x01, &bytes[..cut]), (0x80, &bytes[cut..])], &[&format!("text {text}")]);
    }
    let mut letters: Vec<(u8, &[u8])> = bytes.chunks(1).map(|byte| (0x00, byte)).collect();
    letters[0].0 = 0x01;
    letters.last_mut().unwrap().0 = 0x80;
    assert_heard(&letters, &[&format!("text {text}")]);
    // What was left of one message's character does not reach into the next.
    let two = [(0x81, "ä".as_bytes()), (0x81, "ä€".as_bytes()), (0x01, "𝄞".as_bytes()), (0x80, b"")];
    assert_heard(&two, &["text ä", "text ä€", "text 𝄞"]);
}

#[test]
fn text_that_is_not_utf8_is_refused_with_1007() {
    // 6.3, 6.8 to 6.21: overlong forms, surrogates, beyond U+10FFFF, stray and missing continuation bytes.
    for bytes in [
        &b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"[..],
        b"\xc0\x80",
        b"\xe0\x80\x80",
        b"\xf0\x80\x80\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xed\xa0\x80\xed\xb0\x80",
        b"\x80",
        b"\xff",
        b"\xc3\x28",
        b"cut \xe2\x82",
    ] {
        assert_fails(&[(0x81, bytes)], close::INVALID_DATA);
        assert_fails(&[(0x01, bytes), (0x80, b"")], close::INVALID_DATA);
    }
}

#[test]
fn text_fails_at_its_first_impossible_byte_and_not_at_its_end() {
    // 6.4: between fragments, and in the middle of a frame.
    for role in [Role::Client, Role::Server] {
        let fragments = [frame(role, 0x01, b"ok \xf4"), frame(role, 0x00, b"\x90")].concat();
        let mut reader = Reader::new(role, MAX_MESSAGE);
        let code = reader.read(&fragments, |_| ()).unwrap_err().code;
        assert_eq!(code, close::INVALID_DATA, "{role:?}: the message has not ended");

        let whole = frame(role, 0x81, &[b"ok \xf4\x90".as_slice(), &[b'x'; 200]].concat());
        let start = whole.len() - 205;
        for first in start..start + 4 {
            let mut reader = Reader::new(role, MAX_MESSAGE);
            reader.read(&whole[..first], |_| ()).unwrap();
            assert!(reader.read(&whole[first..start + 4], |_| ()).is_ok(), "{role:?}: it may become a character yet");
            let code = reader.read(&whole[start + 4..start + 5], |_| ()).unwrap_err().code;
            assert_eq!(code, close::INVALID_DATA, "{role:?}, cut at {first}: the frame has not ended");
        }
    }
}

#[test]
fn bytes_that_are_no_text_may_be_anything() {
    assert_heard(&[(0x82, b"\xc0\xff"), (0x02, b"\xf4"), (0x80, b"\x90")], &["binary 2", "binary 2"]);
    assert_heard(&[(0x01, "ä".as_bytes()), (0x89, b"\xff"), (0x80, b"")], &["ping \u{fffd}", "text ä"]);
}

#[test]
fn closes_are_heard_with_code_and_reason_and_nothing_after_them() {
    // 7.1, 7.3, 7.7.
    assert_heard(&[(0x88, b""), (0x81, b"too late"), (0xff, b"")], &["close None "]);
    assert_heard(&[(0x01, b"begun"), (0x88, &close_payload(1000, "ä"))], &["close Some(1000) ä"]);
    let longest = "x".repeat(123);
    assert_heard(&[(0x88, &close_payload(4999, &longest))], &[&format!("close Some(4999) {longest}")]);
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
        assert_heard(&[(0x88, &close_payload(code, ""))], &[&format!("close Some({code}) ")]);
    }
}

#[test]
fn closes_that_may_not_be_sent_are_refused() {
    // 7.3.2, 7.5.1, 7.9.
    assert_fails(&[(0x88, b"\x03")], close::PROTOCOL_ERROR);
    assert_fails(&[(0x88, &[0; 126])], close::PROTOCOL_ERROR);
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        assert_fails(&[(0x88, &close_payload(code, ""))], close::PROTOCOL_ERROR);
    }
    for reason in [&b"\xed\xa0\x80"[..], b"\xc3\x28"] {
        assert_fails(&[(0x88, &[b"\x03\xe8", reason].concat())], close::INVALID_DATA);
    }
}

#[test]
fn who_must_mask_and_does_not_is_refused_and_so_is_who_must_not() {
    for (role, other) in [(Role::Client, Role::Server), (Role::Server, Role::Client)] {
        let stream = frame(other, 0x81, b"hello");
        let error = Reader::new(role, MAX_MESSAGE).read(&stream[..2], |_| ()).unwrap_err();
        assert_eq!(error.code, close::PROTOCOL_ERROR, "{role:?}");
    }
}

#[test]
fn what_is_too_large_is_refused_at_its_header() {
    for stream in [&b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"[..], b"\x82\x7f\x80\0\0\0\0\0\0\0", b"\x82\x7e\x04\x01"]
    {
        let error = Reader::new(Role::Client, 1024).read(stream, |_| ()).unwrap_err();
        assert_eq!(error.code, close::TOO_BIG, "{stream:x?}");
    }
    let mut reader = Reader::new(Role::Client, 1024);
    reader.read(&frame(Role::Client, 0x02, &[0; 1024]), |_| ()).unwrap();
    assert_eq!(reader.read(b"\x80\x01", |_| ()).unwrap_err().code, close::TOO_BIG, "fragments count together");
}
