//! Answers as the generator reads them: one that has come whole ends where it ends, and none is whole before.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen::wire::http::{read_head_with, read_whole};

fuzz_target!(|input: &[u8]| {
    let Some((&cut, bytes)) = input.split_first() else { return };
    let wanted = ["set-cookie".to_owned()];
    if let Ok(Some((len, head))) = read_head_with(bytes, &wanted) {
        assert_eq!(head.wanted.len(), 1);
        assert_eq!(read_head_with(&bytes[..len], &wanted).unwrap(), Some((len, head)));
        assert_eq!(read_head_with(&bytes[..len * usize::from(cut) / 256], &wanted).unwrap(), None);
    }
    if let Ok(Some((len, head))) = read_whole(bytes) {
        assert_eq!(read_whole(&bytes[..len]).unwrap(), Some((len, head)));
        assert_eq!(read_whole(&bytes[..len * usize::from(cut) / 256]).unwrap(), None);
    }
});
