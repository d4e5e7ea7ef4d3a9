//! Connections over the whole run: how many are open, and how often a new one is made.

use std::collections::BTreeMap;

use results::numbers::{NOT_MEASURED, count, number};
use results::statistics::median;
use results::{LoadedRun, SeriesRow};

use crate::drawing::{
    Anchor, Axis, Drawing, Key, Panel, Rect, Scale, Shape, Stroke, Weight, axes, data_area, fitted, header,
};
use crate::groups::Contender;
use crate::style::{Colour, INK, LABEL_SIZE, QUIET};

/// Name of the image.
pub const FILE: &str = "connections";
/// What one sees.
pub const CAPTION: &str = "A panel per contender, all on the same scales. Area: clients whose transport is live, as the \
    clients see it. Dark bars: TCP connections opened in each second; after the clients have connected, every bar is \
    connections that were made anew. Seconds count from the start of measuring, so clients connect and warm up left of \
    zero; of several rounds the median of each second is shown. Closing at the end is left out.";

/// Seconds of closing say how a run is taken down, not what it measured.
const CLOSING: &str = "close";
/// Room above a panel for its name.
const NAME_HEIGHT: f64 = 34.0;
const HEADING_AND_AXIS: f64 = 215.0;
const THICKEST_BAR: f64 = 14.0;

/// One contender's seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What stands above its panel.
    pub label: String,
    /// Its colour.
    pub colour: Colour,
    /// Second since measuring began, clients live at its end, connections opened in it.
    pub seconds: Vec<(i64, f64, f64)>,
}

/// Takes the median over rounds of every second, and starts with nobody connected.
pub fn select(contenders: &[Contender<'_>]) -> Vec<Line> {
    contenders
        .iter()
        .map(|contender| {
            let mut by_second: BTreeMap<i64, Vec<&SeriesRow>> = BTreeMap::new();
            for run in &contender.used {
                let start = window_start_s(run);
                for row in run.series.iter().filter(|row| row.phase != CLOSING) {
                    by_second.entry((row.at_s - start).round() as i64).or_default().push(row);
                }
            }
            // Rounds that are a second longer than the rest would make a step where there was none.
            by_second.retain(|_, rows| 2 * rows.len() > contender.used.len());
            let over_rounds = |rows: &[&SeriesRow], of: fn(&SeriesRow) -> u64| {
                median(&rows.iter().map(|row| of(row) as f64).collect::<Vec<_>>()).unwrap_or_default()
            };
            let mut seconds: Vec<_> = by_second
                .into_iter()
                .map(|(at, rows)| (at, over_rounds(&rows, |r| r.open), over_rounds(&rows, |r| r.opened)))
                .collect();
            if let (Some(&(first, ..)), Some(&(last, ..))) = (seconds.first(), seconds.last()) {
                seconds.insert(0, (first - 1, 0.0, 0.0));
                // The last second of measuring often ends in closing; who was live when measuring ended is known exactly.
                let window = contender.median(|run| Some(run.run.asked.duration_s)).unwrap_or_default().round() as i64;
                let live = contender.median(|run| Some(run.run.measured.connections.live_at_end as f64));
                seconds.extend(live.filter(|_| last < window).map(|live| (window, live, 0.0)));
            }
            let opened = contender.median(|run| Some(run.run.measured.connections.opened as f64));
            let note = match opened {
                Some(opened) if !seconds.is_empty() => format!("{} opened", count(opened.round() as u64)),
                _ => NOT_MEASURED.to_owned(),
            };
            Line { label: format!("{}: {note}", contender.label), colour: contender.colour, seconds }
        })
        .collect()
}

fn window_start_s(run: &LoadedRun) -> f64 {
    let phase = run.run.measured.phases.iter().find(|phase| phase.name == "measure");
    phase.map_or(0.0, |phase| phase.start_s)
}

/// Draws a panel per contender below each other, over the same seconds and up to the same height.
pub fn draw(lines: &[Line], subtitle: &str) -> Drawing {
    let mut drawing = Drawing::new("Connections over time");
    // Few panels have room; many must still fit on a page.
    let height = if lines.len() <= 6 { 104.0 } else { 54.0 };
    let pitch = height + NAME_HEIGHT;
    drawing.height = HEADING_AND_AXIS + pitch * lines.len() as f64;
    let legend = [("clients live", QUIET.tinted()), ("connections opened in a second", QUIET)];
    let legend = legend.map(|(label, colour)| Key { colour, label: label.to_owned() });
    let room = header(&mut drawing, subtitle, &legend);
    let seconds = || lines.iter().flat_map(|line| &line.seconds);
    let (first, last) = (seconds().map(|s| s.0).min().unwrap_or(0), seconds().map(|s| s.0).max().unwrap_or(1));
    let x = Scale::Linear { low: first as f64, high: last.max(first + 1) as f64 };
    let y = three_ticks(seconds().flat_map(|second| [second.1, second.2]).fold(0.0, f64::max));
    let title = "seconds since measuring began".to_owned();
    let labelled = Axis { scale: x, title, ticks: x.ticks(number) };
    let unlabelled = Axis { scale: x, title: String::new(), ticks: x.ticks(|_| String::new()) };
    let area = data_area(room, &labelled, &[&y]);
    for (place, line) in lines.iter().enumerate() {
        let top = area.top + place as f64 * pitch + NAME_HEIGHT;
        let panel_area = Rect { top, bottom: top + height - 10.0, ..area };
        let is_last = place + 1 == lines.len();
        let panel = axes(&mut drawing, panel_area, if is_last { &labelled } else { &unlabelled }, &y);
        let name = fitted(&line.label, LABEL_SIZE, Weight::Bold, area.right - area.left);
        drawing.bold(name, (area.left, top - 10.0), Anchor::Start, LABEL_SIZE, INK);
        fill(&mut drawing, &panel, line);
    }
    drawing
}

fn fill(drawing: &mut Drawing, panel: &Panel, line: &Line) {
    let [(first, ..), .., (last, ..)] = line.seconds[..] else { return };
    let live: Vec<_> = line.seconds.iter().map(|(second, open, _)| panel.at(*second as f64, *open)).collect();
    let mut points = vec![panel.at(first as f64, 0.0)];
    points.extend(&live);
    points.push(panel.at(last as f64, 0.0));
    drawing.shapes.push(Shape::Area { points, colour: line.colour.tinted() });
    drawing.line(live, Stroke::solid(line.colour, 2.4));
    for (second, _, opened) in line.seconds.iter().filter(|(_, _, opened)| *opened > 0.0) {
        let ((from, _), (to, bottom)) = (panel.at(*second as f64 - 1.0, 0.0), panel.at(*second as f64, 0.0));
        let (middle, half) = (f64::midpoint(from, to), ((to - from) * 0.12).clamp(0.6, THICKEST_BAR / 2.0));
        let top = panel.at(*second as f64, *opened).1.min(bottom - 1.5);
        drawing.rect(Rect { left: middle - half, top, right: middle + half, bottom }, line.colour.darkened());
    }
}

/// A scale from zero whose ticks do not crowd a low panel: nothing, half, all.
fn three_ticks(high: f64) -> Axis {
    let scale = Scale::from_zero(high * 1.02);
    let (Scale::Linear { high, .. } | Scale::Log { high, .. }) = scale;
    let mut ticks = scale.ticks(number);
    ticks.retain(|tick| [0.0, high / 2.0, high].iter().any(|wanted| (tick.at - wanted).abs() < high * 1e-6));
    Axis { scale, title: String::new(), ticks }
}
