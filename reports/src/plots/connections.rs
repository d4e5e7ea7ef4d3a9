//! Connections over the whole run: how many are open, and how often a new one is made.

use std::collections::BTreeMap;

use results::statistics::median;
use results::{LoadedRun, SeriesRow};

use crate::drawing::{Axis, Drawing, Key, Panel, Rect, Scale, Stroke, axes, data_area, header};
use crate::groups::Contender;
use crate::numbers::{NOT_MEASURED, count, number};
use crate::style::Colour;

/// Name of the image.
pub const FILE: &str = "connections";
/// What one sees.
pub const CAPTION: &str = "Above: clients whose transport is live, as the clients see it. Below: TCP connections opened in \
    each second; after the clients have connected, anything above zero is a connection that was made anew. Seconds count \
    from the start of measuring, so clients connect and warm up left of zero; rounds are laid over each other, their \
    medians are shown. Lines that lie on each other are drawn thick to thin, so that all can be seen.";

/// One contender's seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What the legend says.
    pub label: String,
    /// Its colour.
    pub colour: Colour,
    /// Second since measuring began, clients live at its end, connections opened in it.
    pub seconds: Vec<(i64, f64, f64)>,
}

/// Takes the median over rounds of every second.
pub fn select(contenders: &[Contender<'_>]) -> Vec<Line> {
    contenders
        .iter()
        .map(|contender| {
            let mut by_second: BTreeMap<i64, Vec<&SeriesRow>> = BTreeMap::new();
            for run in &contender.used {
                let start = window_start_s(run);
                for row in &run.series {
                    by_second.entry((row.at_s - start).round() as i64).or_default().push(row);
                }
            }
            let over_rounds = |rows: &[&SeriesRow], of: fn(&SeriesRow) -> u64| {
                median(&rows.iter().map(|row| of(row) as f64).collect::<Vec<_>>()).unwrap_or_default()
            };
            let seconds: Vec<_> = by_second
                .into_iter()
                .map(|(at, rows)| (at, over_rounds(&rows, |r| r.open), over_rounds(&rows, |r| r.opened)))
                .collect();
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

/// Draws gauge and counter above each other over the same seconds.
pub fn draw(lines: &[Line], subtitle: &str) -> Drawing {
    let mut drawing = Drawing::new("Connections over time");
    let legend: Vec<Key> = lines.iter().map(|l| Key { colour: l.colour, label: l.label.clone() }).collect();
    let room = header(&mut drawing, subtitle, &legend);
    let seconds = || lines.iter().flat_map(|line| &line.seconds);
    let (first, last) = (seconds().map(|s| s.0).min().unwrap_or(0), seconds().map(|s| s.0).max().unwrap_or(1));
    let x = Scale::Linear { low: first as f64, high: last.max(first + 1) as f64 };
    let open = Scale::from_zero(seconds().map(|second| second.1).fold(0.0, f64::max) * 1.02);
    let opened = Scale::from_zero(seconds().map(|second| second.2).fold(0.0, f64::max) * 1.02);
    let title = "seconds since measuring began".to_owned();
    let seconds_axis = Axis { scale: x, title, ticks: x.ticks(number) };
    let unlabelled = Axis { scale: x, title: String::new(), ticks: x.ticks(|_| String::new()) };
    let gauge = Axis { scale: open, title: "clients live".to_owned(), ticks: open.ticks(number) };
    let counter = Axis { scale: opened, title: "opened per second".to_owned(), ticks: opened.ticks(number) };
    let area = data_area(room, &seconds_axis, &[&gauge, &counter]);
    let split = area.top + (area.bottom - area.top) * 0.58;
    let above = axes(&mut drawing, Rect { bottom: split - 16.0, ..area }, &unlabelled, &gauge);
    let below = axes(&mut drawing, Rect { top: split + 16.0, ..area }, &seconds_axis, &counter);
    for (index, line) in lines.iter().enumerate() {
        let step = 9.6 / (lines.len() - 1).max(1) as f64;
        let width = 2.4 + step * (lines.len() - 1 - index) as f64;
        let places = |of: fn(&(i64, f64, f64)) -> f64, panel: &Panel| {
            line.seconds.iter().map(|second| panel.at(second.0 as f64, of(second))).collect::<Vec<_>>()
        };
        drawing.line(places(|second| second.1, &above), Stroke::solid(line.colour, width));
        drawing.line(places(|second| second.2, &below), Stroke::solid(line.colour, width));
    }
    drawing
}
