//! Plain requests as the server reads them past hyper: one that has come whole ends where it ends, and none is whole before.
#![no_main]

use feed_server::fuzzed_request::{Front, front};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&cut, bytes)) = input.split_first() else { return };
    if let Front::Plain { len, body_len } = front(bytes) {
        assert!((1..=bytes.len()).contains(&len) && body_len < len);
        assert_eq!(front(&bytes[..len]), Front::Plain { len, body_len });
        let before = front(&bytes[..len * usize::from(cut) / 256]);
        assert!(matches!(before, Front::Nothing | Front::Part), "{before:?}");
    }
});
