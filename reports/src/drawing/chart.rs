//! What all plots share: the heading with its legend, the axes, and the marks of measurements that are not to be believed.

use super::{Anchor, Drawing, Label, Rect, Scale, Shape, Stroke, Tick, Weight, fitted, text_width, wrapped};
use crate::groups::Mark;
use crate::style::{Colour, GRID, INK, LABEL_SIZE, PAPER, QUIET, SMALL_SIZE, TITLE_SIZE};

const MARGIN: f64 = 36.0;
const LINE_HEIGHT: f64 = 26.0;

/// An entry of the legend.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Colour of what it explains.
    pub colour: Colour,
    /// What it says.
    pub label: String,
}

/// One axis of a chart.
#[derive(Debug, Clone)]
pub struct Axis {
    /// From values to places.
    pub scale: Scale,
    /// What is measured, with its unit.
    pub title: String,
    /// Where it is marked.
    pub ticks: Vec<Tick>,
}

/// The part of a drawing that data is drawn into.
#[derive(Debug, Clone, Copy)]
pub struct Panel {
    /// Its place.
    pub area: Rect,
    x: Scale,
    y: Scale,
}

impl Panel {
    /// Place of a value pair, logical pixels.
    pub fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let Rect { left, top, right, bottom } = self.area;
        (left + self.x.place(x) * (right - left), bottom - self.y.place(y) * (bottom - top))
    }
}

/// Draws title, subtitle and legend; returns the room below them.
pub fn header(drawing: &mut Drawing, subtitle: &str, legend: &[Key]) -> Rect {
    let room = drawing.width - 2.0 * MARGIN;
    let mut y = MARGIN + 18.0;
    let title = fitted(&drawing.title, TITLE_SIZE, Weight::Bold, room);
    drawing.bold(title, (MARGIN, y), Anchor::Start, TITLE_SIZE, INK);
    for line in wrapped(subtitle, SMALL_SIZE, Weight::Regular, room) {
        y += LINE_HEIGHT;
        drawing.text(line, (MARGIN, y), Anchor::Start, SMALL_SIZE, QUIET);
    }
    if !legend.is_empty() {
        y += LINE_HEIGHT + 8.0;
    }
    let (swatch, gap) = (20.0, 20.0);
    let mut x = MARGIN;
    for key in legend {
        let label = fitted(&key.label, LABEL_SIZE, Weight::Regular, room - swatch - 8.0);
        let width = swatch + 8.0 + text_width(&label, LABEL_SIZE, Weight::Regular);
        if x > MARGIN && x + width > MARGIN + room {
            (x, y) = (MARGIN, y + LINE_HEIGHT);
        }
        drawing.rect(Rect { left: x, top: y - 12.0, right: x + swatch, bottom: y + 1.0 }, key.colour);
        drawing.text(label, (x + swatch + 8.0, y), Anchor::Start, LABEL_SIZE, INK);
        x += width + gap;
    }
    // A long legend makes the image taller; it never takes room from the data.
    let usual = MARGIN + 18.0 + 2.0 * LINE_HEIGHT + 8.0;
    drawing.height += (y - usual).max(0.0);
    Rect { left: MARGIN, top: y + 18.0, right: drawing.width - MARGIN, bottom: drawing.height - 24.0 }
}

/// What the labels of all axes leave of `room` for the data.
pub fn data_area(room: Rect, x: &Axis, ys: &[&Axis]) -> Rect {
    let widest = ys.iter().flat_map(|y| &y.ticks).map(tick_width).fold(0.0, f64::max);
    let overhang = x.ticks.last().map_or(0.0, |tick| tick_width(tick) / 2.0 - (1.0 - x.scale.place(tick.at)) * 200.0);
    Rect {
        left: room.left + SMALL_SIZE + 16.0 + widest + 10.0,
        top: room.top + 10.0,
        right: room.right - overhang.max(0.0),
        bottom: room.bottom - 2.0 * SMALL_SIZE - 26.0,
    }
}

fn tick_width(tick: &Tick) -> f64 {
    text_width(&tick.label, SMALL_SIZE, Weight::Regular)
}

/// Draws both axes with their grid around `area`.
pub fn axes(drawing: &mut Drawing, area: Rect, x: &Axis, y: &Axis) -> Panel {
    let panel = Panel { area, x: x.scale, y: y.scale };
    for tick in &y.ticks {
        let level = area.bottom - y.scale.place(tick.at) * (area.bottom - area.top);
        drawing.line(vec![(area.left, level), (area.right, level)], Stroke::solid(GRID, 1.2));
        drawing.text(tick.label.as_str(), (area.left - 10.0, level + 5.0), Anchor::End, SMALL_SIZE, INK);
    }
    let mut free_from = f64::NEG_INFINITY;
    for tick in &x.ticks {
        let across = area.left + x.scale.place(tick.at) * (area.right - area.left);
        drawing.line(vec![(across, area.top), (across, area.bottom)], Stroke::solid(GRID, 1.2));
        if across - tick_width(tick) / 2.0 > free_from {
            drawing.text(tick.label.as_str(), (across, area.bottom + 24.0), Anchor::Middle, SMALL_SIZE, INK);
            free_from = across + tick_width(tick) / 2.0 + 12.0;
        }
    }
    drawing.line(vec![(area.left, area.bottom), (area.right, area.bottom)], Stroke::solid(INK, 1.6));
    drawing.text(
        x.title.as_str(),
        (f64::midpoint(area.left, area.right), area.bottom + 24.0 + SMALL_SIZE + 12.0),
        Anchor::Middle,
        SMALL_SIZE,
        QUIET,
    );
    drawing.shapes.push(Shape::Text(Label {
        text: fitted(&y.title, SMALL_SIZE, Weight::Regular, area.bottom - area.top),
        at: (MARGIN + SMALL_SIZE, f64::midpoint(area.top, area.bottom)),
        anchor: Anchor::Middle,
        size: SMALL_SIZE,
        weight: Weight::Regular,
        colour: QUIET,
        turned: true,
    }));
    panel
}

/// Says across the whole image what is wrong with the measurements that it was made from.
pub fn mark(drawing: &mut Drawing, marks: &[Mark]) {
    let strip = 34.0;
    for mark in marks.iter().rev() {
        let colour = mark.colour();
        if mark.is_invalid() {
            stripes(drawing, colour);
        }
        let lines = wrapped(&mark.to_string(), LABEL_SIZE, Weight::Bold, drawing.width - 2.0 * MARGIN);
        let height = strip + (lines.len() as f64 - 1.0) * LINE_HEIGHT;
        drawing.push_down(height);
        drawing.rect(Rect { left: 0.0, top: 0.0, right: drawing.width, bottom: height - 2.0 }, colour);
        for (index, line) in lines.into_iter().enumerate() {
            let y = strip - 11.0 + index as f64 * LINE_HEIGHT;
            drawing.bold(line, (MARGIN, y), Anchor::Start, LABEL_SIZE, PAPER);
        }
    }
}

/// Faint diagonals over everything: no crop of the image loses the mark, and all stays legible.
fn stripes(drawing: &mut Drawing, colour: Colour) {
    let (width, height, step, thick) = (drawing.width, drawing.height, 120.0, 34.0);
    let mut x = 0.0;
    while x < width + height {
        // Each stripe runs from the upper edge down to the left; what leaves the image is cut off by hand.
        let edge = |x: f64| {
            let upper = if x <= width { (x, 0.0) } else { (width, x - width) };
            let lower = if x <= height { (0.0, x) } else { (x - height, height) };
            (upper, lower)
        };
        let ((a, b), (c, d)) = (edge(x), edge((x + thick).min(width + height)));
        let mut points = vec![a, b];
        points.extend((x < height && x + thick > height).then_some((0.0, height)));
        points.push(d);
        points.push(c);
        points.extend((x < width && x + thick > width).then_some((width, 0.0)));
        drawing.shapes.push(Shape::Area { points, colour: colour.faded(0.09) });
        x += step;
    }
}
