//! Horizontal bars, plain or stacked, a row per contender, every value written at the end of its bar.

use super::{Anchor, Drawing, Rect, Scale, Stroke, Tick, Weight, text_width, wrapped};
use crate::style::{Colour, GRID, INK, LABEL_SIZE, PAPER, QUIET, SMALL_SIZE};

const LABEL_ROOM: f64 = 230.0;
const LABEL_LINE: f64 = 22.0;
const THICKEST: f64 = 38.0;
const HEADING_AND_AXIS: f64 = 215.0;
/// Whiskers reach at most this many times as far as the longest bar: an interval may be wider than it is worth to see.
const LONGEST_WHISKER: f64 = 1.5;

/// All bars of one contender.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Name of the contender.
    pub label: String,
    /// Its colour, shown beside the name.
    pub colour: Colour,
    /// A second line below the name; may be empty.
    pub detail: String,
    /// Its bars from top to bottom.
    pub bars: Vec<Bar>,
}

/// One bar, in the unit of the chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Values and colours from left to right; empty when it was not measured.
    pub segments: Vec<(f64, Colour)>,
    /// Lower and upper end of its interval.
    pub whisker: Option<(f64, f64)>,
    /// The value at the end of the bar.
    pub value: String,
    /// What is told after the value, quietly.
    pub note: String,
}

impl Bar {
    /// The value that it ends at.
    pub(super) fn total(&self) -> f64 {
        self.segments.iter().map(|(value, _)| value).sum()
    }

    /// How far bar and whisker go, the whisker cut off at `most`.
    fn reach(&self, most: f64) -> f64 {
        let total = self.total();
        self.whisker.map_or(total, |(_, high)| total.max(high.min(most)))
    }

    fn text_width(&self) -> f64 {
        let note = if self.note.is_empty() { 0.0 } else { 10.0 + text_width(&self.note, SMALL_SIZE, Weight::Regular) };
        text_width(&self.value, LABEL_SIZE, Weight::Bold) + note
    }
}

/// Draws `rows` into `room`, all on one linear scale that starts at zero; `title` explains the scale below.
pub fn bars(drawing: &mut Drawing, room: Rect, rows: &[Row], title: &str, tick: impl Fn(f64) -> String) {
    let left = room.left + LABEL_ROOM;
    let fitted = Fitted::new(rows, left, room.right);
    let bottom = room.bottom - 2.0 * SMALL_SIZE - 20.0;
    let across = |value: f64| fitted.across(value);
    let mut free_from = f64::NEG_INFINITY;
    for mark in fitted.ticks(&tick) {
        let x = across(mark.at);
        drawing.line(vec![(x, room.top), (x, bottom)], Stroke::solid(GRID, 1.2));
        let half = text_width(&mark.label, SMALL_SIZE, Weight::Regular) / 2.0;
        if x - half > free_from {
            drawing.text(mark.label.as_str(), (x, bottom + 22.0), Anchor::Middle, SMALL_SIZE, INK);
            free_from = x + half + 12.0;
        }
    }
    drawing.text(title, (left, bottom + 22.0 + SMALL_SIZE + 11.0), Anchor::Start, SMALL_SIZE, QUIET);

    let slot = (bottom - room.top) / rows.len().max(1) as f64;
    for (index, row) in rows.iter().enumerate() {
        let top = room.top + index as f64 * slot;
        name(drawing, row, Rect { left: room.left, top, right: left - 16.0, bottom: top + slot });
        let pitch = (slot * 0.8 / row.bars.len().max(1) as f64).min(THICKEST + 8.0);
        let first = top + (slot - pitch * row.bars.len() as f64) / 2.0;
        for (place, bar) in row.bars.iter().enumerate() {
            let upper = first + place as f64 * pitch + pitch * 0.1;
            one_bar(drawing, bar, (upper, upper + pitch * 0.8), &fitted);
        }
    }
    drawing.line(vec![(left, room.top), (left, bottom)], Stroke::solid(INK, 1.6));
}

/// A linear scale from zero on which all bars of some rows end where the text of each still has its room.
pub(super) struct Fitted {
    /// From values to shares of the room between `left` and `right`.
    scale: Scale,
    /// Where zero is, logical pixels.
    pub(super) left: f64,
    /// Where the longest bar ends, logical pixels.
    right: f64,
    /// Value at which whiskers are cut off.
    most: f64,
}

impl Fitted {
    pub(super) fn new(rows: &[Row], left: f64, end: f64) -> Self {
        let all = || rows.iter().flat_map(|row| &row.bars);
        let most = LONGEST_WHISKER * all().map(Bar::total).fold(0.0, f64::max);
        let highest = all().map(|bar| bar.reach(most)).fold(0.0, f64::max);
        let scale = Scale::Linear { low: 0.0, high: if highest > 0.0 { highest } else { 1.0 } };
        let room_of = |bar: &Bar| {
            let share = scale.place(bar.reach(most));
            let free = end - left - bar.text_width() - 14.0;
            if share > 0.0 { left + free / share } else { end }
        };
        let right = all().map(room_of).fold(end, f64::min).max(left + 120.0);
        Self { scale, left, right, most }
    }

    /// Round values across the scale; none where nothing was measured.
    pub(super) fn ticks(&self, text: impl Fn(f64) -> String) -> Vec<Tick> {
        if self.most > 0.0 { self.scale.ticks(text) } else { Vec::new() }
    }

    /// Place of a value, logical pixels.
    pub(super) fn across(&self, value: f64) -> f64 {
        self.left + self.scale.place(value) * (self.right - self.left)
    }
}

/// Height of a drawing with `rows`, so that neither labels of several lines nor bars meet.
pub fn height_of(rows: &[Row]) -> f64 {
    let needs = |row: &Row| {
        let labels = (name_lines(row).len() + detail_lines(row).len()) as f64 * LABEL_LINE + 22.0;
        // Few rows have room; many rows must still fit on a page.
        let (bar, least) = if rows.len() <= 6 { (THICKEST + 8.0, 96.0) } else { (28.0, 60.0) };
        labels.max(row.bars.len() as f64 * bar + 30.0).max(least)
    };
    HEADING_AND_AXIS + rows.iter().map(needs).fold(0.0, f64::max) * rows.len() as f64
}

fn name_lines(row: &Row) -> Vec<String> {
    wrapped(&row.label, LABEL_SIZE, Weight::Bold, LABEL_ROOM - 40.0)
}

fn detail_lines(row: &Row) -> Vec<String> {
    wrapped(&row.detail, SMALL_SIZE, Weight::Regular, LABEL_ROOM - 40.0)
}

fn name(drawing: &mut Drawing, row: &Row, room: Rect) {
    let (names, details) = (name_lines(row), detail_lines(row));
    let height = (names.len() + details.len()) as f64 * LABEL_LINE;
    let top = f64::midpoint(room.top, room.bottom) - height / 2.0;
    drawing
        .rect(Rect { left: room.left, top: top + 1.0, right: room.left + 8.0, bottom: top + height - 1.0 }, row.colour);
    let mut y = top - 5.0;
    for line in names {
        y += LABEL_LINE;
        drawing.bold(line, (room.left + 20.0, y), Anchor::Start, LABEL_SIZE, INK);
    }
    for line in details {
        y += LABEL_LINE;
        drawing.text(line, (room.left + 20.0, y), Anchor::Start, SMALL_SIZE, QUIET);
    }
}

/// Draws one bar between `top` and `bottom`, its whisker and its text.
pub(super) fn one_bar(drawing: &mut Drawing, bar: &Bar, (top, bottom): (f64, f64), fitted: &Fitted) {
    let (left, most, across) = (fitted.left, fitted.most, |value: f64| fitted.across(value));
    let middle = f64::midpoint(top, bottom);
    let mut reached = 0.0;
    for (value, colour) in &bar.segments {
        let (from, to) = (across(reached), across(reached + value));
        if *value > 0.0 {
            drawing.rect(Rect { left: from, top, right: to.max(from + 1.0), bottom }, *colour);
        }
        reached += value;
    }
    if let Some((low, high)) = bar.whisker {
        let (arm, stroke) = ((bottom - top) * 0.22, Stroke::solid(INK, 2.0));
        drawing.line(vec![(across(low.max(0.0)), middle), (across(high.min(most)), middle)], stroke);
        // An end without an arm lies beyond what is drawn; the note tells it in figures.
        for end in [low, high].into_iter().filter(|end| (0.0..=most).contains(end)) {
            drawing.line(vec![(across(end), middle - arm), (across(end), middle + arm)], stroke);
        }
    }
    let x = left.max(across(bar.reach(most))) + 12.0;
    // The paper behind the text keeps the grid from running through it.
    drawing.rect(
        Rect { left: x - 4.0, top: middle - 12.0, right: x + bar.text_width() + 4.0, bottom: middle + 12.0 },
        PAPER,
    );
    let (colour, baseline) = (if bar.segments.is_empty() { QUIET } else { INK }, middle + LABEL_SIZE * 0.35);
    drawing.bold(bar.value.as_str(), (x, baseline), Anchor::Start, LABEL_SIZE, colour);
    if !bar.note.is_empty() {
        let after = x + text_width(&bar.value, LABEL_SIZE, Weight::Bold) + 10.0;
        drawing.text(bar.note.as_str(), (after, baseline), Anchor::Start, SMALL_SIZE, QUIET);
    }
}
