//! What another process prints, line by line, whatever its bytes are.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// Longest line that is taken in as one, bytes: a process that prints without line breaks must not fill our memory. What is
/// longer comes in pieces of this length.
const LONGEST_LINE: u64 = 64 * 1024;

/// The next line without its end; `None` when there are no more. Bytes that are not UTF-8 are replaced: a pipe that is
/// closed because of one would end whoever prints into it.
pub async fn next_line(pipe: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if pipe.take(LONGEST_LINE).read_until(b'\n', &mut line).await? == 0 {
        return Ok(None);
    }
    let end = line.strip_suffix(b"\n").unwrap_or(&line);
    Ok(Some(String::from_utf8_lossy(end.strip_suffix(b"\r").unwrap_or(end)).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_that_are_no_text_or_have_no_end_are_read_on() {
        let long = vec![b'x'; LONGEST_LINE as usize + 1];
        let printed = [b"caf\xe9\r\n\nlast\n".as_slice(), &long].concat();
        let mut pipe = printed.as_slice();
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut pipe).await.unwrap() {
            lines.push(line);
        }
        assert_eq!(lines[..3], ["caf\u{fffd}", "", "last"]);
        let lengths: Vec<_> = lines[3..].iter().map(String::len).collect();
        assert_eq!(lengths, [LONGEST_LINE as usize, 1]);
    }
}
