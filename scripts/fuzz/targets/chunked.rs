//! Chunked bodies: in any pieces the same, and what is wrapped into a chunk comes out of it.
#![no_main]

use feed::framings::chunked::{ChunkError, END, Reader, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((pieces, whole)) = fuzz::cut(input) else { return };
    assert_eq!(read(&pieces), read(&[whole]));
    let wrapped = [&write(whole), END].concat();
    assert_eq!(read(&[&wrapped]), (whole.to_vec(), Ok((wrapped.len(), true))));
});

/// The body, how much of the input belongs to it, and whether it is done.
fn read(pieces: &[&[u8]]) -> (Vec<u8>, Result<(usize, bool), ChunkError>) {
    let mut reader = Reader::default();
    let (mut body, mut used) = (Vec::new(), 0);
    for piece in pieces {
        match reader.read(piece, |bytes| body.extend_from_slice(bytes)) {
            Ok(len) => used += len,
            Err(error) => return (body, Err(error)),
        }
    }
    (body, Ok((used, reader.is_done())))
}
