//! WebSocket frames at both ends: in any pieces the same is heard, and what is heard reads back as it is written.
#![no_main]

use feed::framings::websocket::{Message, Opcode, Reader, Role, close_payload, write, write_masked};
use libfuzzer_sys::fuzz_target;

/// So small that the bound is met.
const MAX_MESSAGE: usize = 300;

type Heard = (Vec<(Opcode, Vec<u8>)>, Option<u16>);

fuzz_target!(|input: &[u8]| {
    let Some((pieces, whole)) = fuzz::cut(input) else { return };
    for role in [Role::Client, Role::Server] {
        let heard = hear(role, &[whole]);
        assert_eq!(hear(role, &pieces), heard, "{role:?}");
        let again: Vec<u8> = heard.0.iter().flat_map(|(opcode, payload)| frame(role, *opcode, payload)).collect();
        assert_eq!(hear(role, &[&again]), (heard.0, None), "{role:?}");
    }
});

/// The messages, and the code with which it failed.
fn hear(role: Role, pieces: &[&[u8]]) -> Heard {
    let mut reader = Reader::new(role, MAX_MESSAGE);
    let mut messages = Vec::new();
    for piece in pieces {
        let read = reader.read(piece, |message| {
            messages.push(match message {
                Message::Text(text) => (Opcode::Text, text.into()),
                Message::Binary(bytes) => (Opcode::Binary, bytes.into()),
                Message::Ping(payload) => (Opcode::Ping, payload.into()),
                Message::Pong(payload) => (Opcode::Pong, payload.into()),
                Message::Close(code, reason) => {
                    (Opcode::Close, code.map_or(Vec::new(), |code| close_payload(code, reason)))
                }
            });
        });
        if let Err(error) = read {
            return (messages, Some(error.code));
        }
    }
    (messages, None)
}

fn frame(reader: Role, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    match reader {
        Role::Client => write(opcode, payload),
        Role::Server => write_masked(opcode, payload, *b"mask"),
    }
}
