//! What became of every expected delivery, count by count.

use results::numbers::{NOT_MEASURED, count, percent};
use results::{Deliveries, LoadedRun};

use crate::drawing::{Anchor, Drawing, Rect, Stroke, Weight, header, text_width, wrapped};
use crate::groups::Contender;
use crate::style::{ALARM, CALM, CAUTION, Colour, GRID, INK, LABEL_SIZE, QUIET, SMALL_SIZE};

/// Name of the image.
pub const FILE: &str = "ledger";
/// What one sees.
pub const CAPTION: &str = "The ledgers of all clients over the measured window, rounds summed. Expected: notifications \
    that the server accepted, times the clients that were meant to get each. Lost: not received before the drain bound. \
    Duplicated: received again. Reordered: received after one that was published later. Late: received after the drain \
    bound, which counts as lost, too. Gaps: losses that the server owned up to. Green is none, red is a broken promise.";

const LABEL_ROOM: f64 = 220.0;

/// One contender's ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its name.
    pub label: String,
    /// Its colour.
    pub colour: Colour,
    /// Its counts, summed over rounds.
    pub counts: Deliveries,
}

/// Sums the ledgers of each contender's rounds.
pub fn select(contenders: &[Contender<'_>]) -> Vec<Row> {
    let row = |contender: &Contender<'_>| {
        let total = |of: fn(&Deliveries) -> u64| contender.total(|run: &LoadedRun| of(&run.run.measured.deliveries));
        let counts = Deliveries {
            expected: total(|d| d.expected),
            delivered: total(|d| d.delivered),
            lost: total(|d| d.lost),
            duplicated: total(|d| d.duplicated),
            reordered: total(|d| d.reordered),
            late: total(|d| d.late),
            gaps: total(|d| d.gaps),
        };
        Row { label: contender.label.clone(), colour: contender.colour, counts }
    };
    contenders.iter().map(row).collect()
}

/// What one cell says and how bad that is.
struct Cell {
    value: String,
    share: String,
    ground: Option<Colour>,
    ink: Colour,
}

/// Draws a table whose cells are coloured by what they mean.
pub fn draw(rows: &[Row], subtitle: &str) -> Drawing {
    let mut drawing = Drawing::new("Ledger: what became of every expected delivery");
    let tallest = rows
        .iter()
        .map(|row| label_lines(row).len() as f64 * 22.0 + 24.0)
        .fold(if rows.len() <= 6 { 96.0 } else { 62.0 }, f64::max);
    drawing.height = 190.0 + tallest * rows.len() as f64;
    let room = header(&mut drawing, subtitle, &[]);
    let columns = ["expected", "delivered", "lost", "duplicated", "reordered", "late", "gaps"];
    let left = room.left + LABEL_ROOM;
    let pitch = (room.right - left) / columns.len() as f64;
    let top = room.top + 44.0;
    let height = (room.bottom - top) / rows.len().max(1) as f64;
    for (index, name) in columns.into_iter().enumerate() {
        let middle = left + (index as f64 + 0.5) * pitch;
        drawing.bold(name, (middle, top - 16.0), Anchor::Middle, LABEL_SIZE, QUIET);
    }
    for (index, row) in rows.iter().enumerate() {
        let upper = top + index as f64 * height;
        let middle = upper + height / 2.0;
        drawing.line(vec![(room.left, upper), (room.right, upper)], Stroke::solid(GRID, 1.4));
        let lines = label_lines(row);
        let block = lines.len() as f64 * 22.0;
        let swatch = Rect {
            left: room.left,
            top: middle - block / 2.0 - 4.0,
            right: room.left + 8.0,
            bottom: middle + block / 2.0 + 4.0,
        };
        drawing.rect(swatch, row.colour);
        for (place, line) in lines.into_iter().enumerate() {
            let y = middle - block / 2.0 + 16.0 + place as f64 * 22.0;
            drawing.bold(line, (room.left + 20.0, y), Anchor::Start, LABEL_SIZE, INK);
        }
        for (column, cell) in cells(&row.counts).into_iter().enumerate() {
            let from = left + column as f64 * pitch;
            if let Some(ground) = cell.ground {
                let inset = 4.0;
                let box_ = Rect {
                    left: from + inset,
                    top: upper + inset,
                    right: from + pitch - inset,
                    bottom: upper + height - inset,
                };
                drawing.rect(box_, ground);
            }
            let size = shrunk(&cell.value, pitch - 16.0);
            let y = if cell.share.is_empty() { middle + size * 0.35 } else { middle - 2.0 };
            drawing.bold(cell.value, (from + pitch / 2.0, y), Anchor::Middle, size, cell.ink);
            if !cell.share.is_empty() {
                drawing.text(cell.share, (from + pitch / 2.0, middle + 20.0), Anchor::Middle, SMALL_SIZE, cell.ink);
            }
        }
    }
    drawing
}

fn cells(counts: &Deliveries) -> Vec<Cell> {
    let Deliveries { expected, delivered, lost, duplicated, reordered, late, gaps } = *counts;
    let share = |value: u64| if expected > 0 { percent(value as f64 / expected as f64) } else { String::new() };
    let plain = |value: u64, share: String| Cell { value: count(value), share, ground: None, ink: INK };
    let fault = |value: u64, share: String, bad: Colour| match value {
        0 => Cell { value: "0".to_owned(), share: String::new(), ground: Some(CALM), ink: INK },
        some => Cell { value: count(some), share, ground: Some(bad.faded(0.14)), ink: bad },
    };
    if expected == 0 && delivered == 0 {
        let nothing = || Cell { value: NOT_MEASURED.to_owned(), share: String::new(), ground: None, ink: QUIET };
        return std::iter::once(plain(0, String::new())).chain((1..7).map(|_| nothing())).collect();
    }
    vec![
        plain(expected, String::new()),
        plain(delivered, share(delivered)),
        fault(lost, share(lost), ALARM),
        fault(duplicated, share(duplicated), ALARM),
        fault(reordered, share(reordered), ALARM),
        fault(late, share(late), CAUTION),
        fault(gaps, String::new(), CAUTION),
    ]
}

fn label_lines(row: &Row) -> Vec<String> {
    wrapped(&row.label, LABEL_SIZE, Weight::Bold, LABEL_ROOM - 36.0)
}

/// The size at which `text` fits into `room`, at most that of a headline figure.
fn shrunk(text: &str, room: f64) -> f64 {
    let wanted = 21.0;
    (room / text_width(text, wanted, Weight::Bold)).min(1.0) * wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_lost_is_calm_and_something_lost_is_not() {
        let kept = Deliveries { expected: 100, delivered: 100, ..Deliveries::default() };
        assert!(cells(&kept)[2..].iter().all(|cell| cell.value == "0" && cell.ground == Some(CALM)));
        let broken = Deliveries { expected: 100, delivered: 98, lost: 2, ..Deliveries::default() };
        let cell = &cells(&broken)[2];
        assert_eq!((cell.value.as_str(), cell.share.as_str(), cell.ink), ("2", "2 %", ALARM));
    }

    #[test]
    fn a_ledger_that_expected_nothing_measured_nothing() {
        assert!(cells(&Deliveries::default())[1..].iter().all(|cell| cell.value == NOT_MEASURED));
    }
}
