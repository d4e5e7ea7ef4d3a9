//! What the targets share: one input says where to cut, the rest is cut there.

/// Where a reader is interrupted: the first byte of the input says how many cuts there are, up to seven, and as many bytes after it
/// where they are. Returns the pieces of the rest, and the rest whole.
pub fn cut(input: &[u8]) -> Option<(Vec<&[u8]>, &[u8])> {
    let (&count, rest) = input.split_first()?;
    let count = usize::from(count % 8).min(rest.len());
    let (cuts, whole) = rest.split_at(count);
    let mut pieces = Vec::with_capacity(count + 1);
    let mut left = whole;
    for &cut in cuts {
        let (piece, after) = left.split_at(usize::from(cut).min(left.len()));
        pieces.push(piece);
        left = after;
    }
    pieces.push(left);
    Some((pieces, whole))
}
