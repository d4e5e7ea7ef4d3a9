//! The price and the gain of `--coalesce`: latency against CPU per unit, a point per waiting time.

use results::bench::{Bench, Contender, Quantity, Section};
use results::numbers::{number, time_us};

use crate::drawing::{
    Anchor, Axis, Drawing, Key, Label, Panel, Rect, Scale, Stroke, Weight, axes, data_area, header, text_width,
};
use crate::style::{INK, LABEL_SIZE, OURS, OURS_IN_KERNEL, QUIET, SMALL_SIZE};

/// Name of the image.
pub const FILE: &str = "bench_coalesce";
/// What one sees.
pub const CAPTION: &str = "What waiting to write several notifications at once costs in latency and saves in CPU: a pair of points \
    per waiting time, the upper one the 99th percentile of delivery latency, the lower one its median, both medians over rounds. \
    Further left is cheaper, further down is sooner. The dashed line is the floor, one write per delivery.";

/// The flag whose values are compared.
const FLAG: &str = "--coalesce";
const PANEL: f64 = 500.0;
const MARK: f64 = 5.0;
/// Places that a label tries, one line further off each time, before it takes the last.
const TRIES: usize = 12;

/// One contender at one load.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// The load and the contender.
    pub title: String,
    /// What CPU is counted per.
    pub unit: String,
    /// In the order of the record.
    pub points: Vec<Point>,
    /// The floor's CPU per unit, microseconds.
    pub floor_us: Option<f64>,
}

/// One waiting time.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// How long is waited.
    pub label: String,
    /// CPU per unit, microseconds.
    pub cpu_us: f64,
    /// Median of latency, microseconds.
    pub p50_us: Option<f64>,
    /// Its 99th percentile, microseconds.
    pub p99_us: Option<f64>,
}

/// The sections in which a contender waits.
pub(super) fn sections(bench: &Bench) -> impl Iterator<Item = &Section> {
    bench.sections.iter().filter(|section| section.contenders.iter().any(waits))
}

fn waits(contender: &Contender) -> bool {
    contender.variant.as_ref().is_some_and(|variant| variant.contains(FLAG))
}

/// A curve per contender that waits, with the same contender as it comes.
pub fn select(bench: &Bench) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for section in sections(bench) {
        let mut names: Vec<&str> = Vec::new();
        for contender in section.contenders.iter().filter(|contender| waits(contender)) {
            if !names.contains(&contender.name.as_str()) {
                names.push(&contender.name);
            }
        }
        let curve = |name: &str| Curve {
            title: format!("{name}, {}", section.title),
            unit: section.unit.clone(),
            points: section
                .contenders
                .iter()
                .filter(|one| one.name == name && (waits(one) || one.variant.is_none()))
                .filter_map(point)
                .collect(),
            floor_us: section.floor().and_then(|floor| floor.figure(Quantity::Cpu)).map(|figure| figure.median),
        };
        curves.extend(names.into_iter().map(curve));
    }
    curves.retain(|curve| !curve.points.is_empty());
    curves
}

fn point(contender: &Contender) -> Option<Point> {
    let label = contender.variant.as_ref().map_or_else(
        || "off".to_owned(),
        |variant| {
            let value = variant.replace(FLAG, "").replace('=', " ").trim().to_owned();
            if value.parse::<f64>().is_ok() { format!("{value} ms") } else { value }
        },
    );
    let us = |ns: f64| ns / 1e3;
    let (p50_us, p99_us) =
        (contender.p50_ns().map(|p50| us(p50.median)), contender.figure(Quantity::P99).map(|p99| us(p99.median)));
    let cpu_us = contender.figure(Quantity::Cpu)?.median;
    p50_us.or(p99_us).map(|_| Point { label, cpu_us, p50_us, p99_us })
}

/// Draws a panel per curve, one below the other.
pub fn draw(curves: &[Curve], subtitle: &str) -> Drawing {
    let mut drawing = Drawing::new("What --coalesce costs and saves");
    drawing.height = 150.0 + PANEL * curves.len() as f64;
    let legend = [("p99 latency", OURS), ("median latency", OURS_IN_KERNEL)];
    let legend = legend.map(|(label, colour)| Key { colour, label: label.to_owned() });
    let room = header(&mut drawing, subtitle, &legend);
    let height = (room.bottom - room.top) / curves.len().max(1) as f64;
    for (place, curve) in curves.iter().enumerate() {
        let top = room.top + place as f64 * height;
        one(&mut drawing, curve, Rect { top, bottom: top + height, ..room });
    }
    drawing
}

fn one(drawing: &mut Drawing, curve: &Curve, room: Rect) {
    let points = &curve.points;
    let dearest = points.iter().map(|point| point.cpu_us).chain(curve.floor_us).fold(0.0, f64::max);
    let (x, y) = (
        Scale::from_zero(dearest * 1.08),
        Scale::log_around(points.iter().flat_map(|p| [p.p50_us, p.p99_us]).flatten().flat_map(|us| [us, us * 1.4])),
    );
    let below = Axis { scale: x, title: format!("us of CPU per {}", curve.unit), ticks: x.ticks(number) };
    let beside = Axis { scale: y, title: "latency, log scale".to_owned(), ticks: y.ticks(time_us) };
    let area = data_area(Rect { top: room.top + 30.0, ..room }, &below, &[&beside]);
    drawing.bold(curve.title.as_str(), (area.left, room.top + 22.0), Anchor::Start, LABEL_SIZE, INK);
    let panel = axes(drawing, area, &below, &beside);
    let mut taken: Vec<Rect> = Vec::new();
    if let Some(floor) = curve.floor_us {
        let (across, _) = panel.at(floor, 1.0);
        drawing.line(vec![(across, area.top), (across, area.bottom)], Stroke::dashed(INK, 2.0));
        let name = label("floor".to_owned(), (across + 8.0, area.bottom - 10.0), Anchor::Start);
        taken.push(name.extent());
        drawing.text(name.text, name.at, name.anchor, SMALL_SIZE, QUIET);
    }
    for (of, colour) in [((|p| p.p50_us) as fn(&Point) -> Option<f64>, OURS_IN_KERNEL), (|p| p.p99_us, OURS)] {
        let places: Vec<(f64, f64)> = points.iter().filter_map(|p| Some(panel.at(p.cpu_us, of(p)?))).collect();
        drawing.line(places.clone(), Stroke::solid(colour, 2.4));
        for (x, y) in places {
            drawing.rect(Rect { left: x - MARK, top: y - MARK, right: x + MARK, bottom: y + MARK }, colour);
        }
    }
    for point in points {
        let name = placed(point, &panel, &mut taken);
        drawing.bold(name.text, name.at, name.anchor, LABEL_SIZE, INK);
    }
}

/// The label of a point, at its upper right, where a curve that falls to the right leaves room, or further up.
fn placed(point: &Point, panel: &Panel, taken: &mut Vec<Rect>) -> Label {
    let (x, y) = panel.at(point.cpu_us, point.p99_us.or(point.p50_us).unwrap_or_default());
    let x = (x + 9.0).min(panel.area.right - text_width(&point.label, LABEL_SIZE, Weight::Bold));
    let at = |line: usize| label(point.label.clone(), (x, y - 8.0 - line as f64 * (LABEL_SIZE + 4.0)), Anchor::Start);
    let is_free = |name: &Label| !taken.iter().any(|other| other.overlaps(&name.extent()));
    let name = (0..TRIES).map(at).find(is_free).unwrap_or_else(|| at(TRIES));
    taken.push(name.extent());
    name
}

fn label(text: String, at: (f64, f64), anchor: Anchor) -> Label {
    Label { text, at, anchor, size: LABEL_SIZE, weight: Weight::Bold, colour: INK, turned: false }
}
