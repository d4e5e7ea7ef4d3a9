//! Small multiples: panels of bars, two abreast, each on a scale of its own, with a line that all its bars are held against.

use super::bars::{Fitted, one_bar};
use super::{Anchor, Drawing, Rect, Row, Stroke, Weight, fitted, wrapped};
use crate::style::{GRID, INK, LABEL_SIZE, QUIET, SMALL_SIZE};

const LABEL_ROOM: f64 = 172.0;
const LABEL_LINE: f64 = 19.0;
/// Labels have at most so many lines; what is longer ends in an ellipsis.
const MOST_LINES: usize = 3;
const GUTTER: f64 = 32.0;
const TITLE: f64 = 58.0;
const AXIS: f64 = 64.0;
const THIN: f64 = 22.0;

/// One panel.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// What its bars have in common.
    pub title: String,
    /// What its axis counts.
    pub unit: String,
    /// A row per contender, a bar each.
    pub rows: Vec<Row>,
    /// The value at which a dashed line stands.
    pub line: Option<f64>,
}

/// Draws `blocks` from the top of `room` on, in their order from left to right.
pub fn panels(drawing: &mut Drawing, room: Rect, blocks: &[Block], tick: impl Fn(f64) -> String) {
    let width = if blocks.len() == 1 { room.right - room.left } else { (room.right - room.left - GUTTER) / 2.0 };
    let mut top = room.top;
    for abreast in blocks.chunks(2) {
        let mut left = room.left;
        for block in abreast {
            panel(drawing, block, Rect { left, top, right: left + width, bottom: top + height_of(block) }, &tick);
            left += width + GUTTER;
        }
        top += height_abreast(abreast);
    }
}

/// What `blocks` need below the heading of a drawing.
pub fn height_of_panels(blocks: &[Block]) -> f64 {
    blocks.chunks(2).map(height_abreast).sum()
}

fn height_abreast(blocks: &[Block]) -> f64 {
    blocks.iter().map(height_of).fold(0.0, f64::max)
}

fn height_of(block: &Block) -> f64 {
    TITLE + block.rows.iter().map(height_of_row).sum::<f64>() + AXIS
}

fn height_of_row(row: &Row) -> f64 {
    (lines_of(row).len() as f64 * LABEL_LINE + 9.0).max(34.0)
}

fn lines_of(row: &Row) -> Vec<String> {
    let room = LABEL_ROOM - 24.0;
    let mut lines = wrapped(&row.label, SMALL_SIZE, Weight::Bold, room);
    if lines.len() > MOST_LINES {
        let rest = lines.split_off(MOST_LINES - 1).join(" ");
        // It did not fit, so the blank behind it does not matter.
        lines.push(fitted(&format!("{rest} …"), SMALL_SIZE, Weight::Bold, room));
    }
    lines
}

fn panel(drawing: &mut Drawing, block: &Block, room: Rect, tick: &impl Fn(f64) -> String) {
    let title = fitted(&block.title, LABEL_SIZE, Weight::Bold, room.right - room.left);
    drawing.bold(title, (room.left, room.top + 30.0), Anchor::Start, LABEL_SIZE, INK);
    let (top, bottom) = (room.top + TITLE - 14.0, room.bottom - AXIS);
    let scale = Fitted::new(&block.rows, room.left + LABEL_ROOM, room.right);
    let mut free_from = f64::NEG_INFINITY;
    for mark in scale.ticks(tick) {
        let x = scale.across(mark.at);
        drawing.line(vec![(x, top), (x, bottom)], Stroke::solid(GRID, 1.2));
        let half = super::text_width(&mark.label, SMALL_SIZE, Weight::Regular) / 2.0;
        if x - half > free_from && x + half < room.right {
            drawing.text(mark.label.as_str(), (x, bottom + 18.0), Anchor::Middle, SMALL_SIZE, QUIET);
            free_from = x + half + 16.0;
        }
    }
    drawing.text(block.unit.as_str(), (scale.left, bottom + 38.0), Anchor::Start, SMALL_SIZE, QUIET);
    let line = block.line.map(|value| (value, scale.across(value), Stroke::dashed(INK, 2.0)));
    if let Some((_, x, stroke)) = line {
        drawing.line(vec![(x, top), (x, bottom)], stroke);
    }
    let mut y = room.top + TITLE - 8.0;
    for row in &block.rows {
        let height = height_of_row(row);
        name(drawing, row, (room.left, y, height));
        let upper = y + (height - THIN) / 2.0;
        for bar in &row.bars {
            one_bar(drawing, bar, (upper, upper + THIN), &scale);
            // The text of a short bar hides the line, the bar of a long one must not.
            if let Some((_, x, stroke)) = line.filter(|(value, ..)| bar.total() >= *value) {
                drawing.line(vec![(x, y), (x, y + height)], stroke);
            }
        }
        y += height;
    }
    drawing.line(vec![(scale.left, top), (scale.left, bottom)], Stroke::solid(INK, 1.6));
}

fn name(drawing: &mut Drawing, row: &Row, (left, top, height): (f64, f64, f64)) {
    let lines = lines_of(row);
    let tall = lines.len() as f64 * LABEL_LINE;
    let first = top + (height - tall) / 2.0;
    let swatch = Rect { left, top: first + 1.0, right: left + 6.0, bottom: first + tall - 1.0 };
    drawing.rect(swatch, row.colour);
    for (place, line) in lines.into_iter().enumerate() {
        let baseline = first + place as f64 * LABEL_LINE + 14.5;
        drawing.bold(line, (left + 14.0, baseline), Anchor::Start, SMALL_SIZE, INK);
    }
}
