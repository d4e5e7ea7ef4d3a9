//! A search for the highest load that holds: latency and CPU against load, the knee marked.

use results::numbers::{number, percent, time_us};
use results::{LoadedRun, Search, SearchEnding, StepFinding};

use crate::drawing::{Anchor, Axis, Drawing, Key, Panel, Rect, Scale, Stroke, axes, data_area, header};
use crate::style::{ALARM, CAUTION, Colour, INK, PAPER, QUIET, SMALL_SIZE, transport_colour};

/// Name of the image.
pub const FILE: &str = "search";
/// What one sees.
pub const CAPTION: &str = "A mark per run of the search. Above: the 99th percentile of delivery latency against the load. \
    Below: what server and generator used of the cores that each may use, over the measured window. Full marks hold all \
    conditions, hollow ones break some, crossed ones are invalid. The line marks the highest load that holds.";

const MARK: f64 = 6.0;

/// One search, as it is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Transport, and what had to hold.
    pub subtitle: String,
    /// What the load counts.
    pub unit: &'static str,
    /// Colour of the transport.
    pub colour: Colour,
    /// The runs, by load.
    pub points: Vec<Point>,
    /// The highest load that holds.
    pub knee: Option<f64>,
}

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Its load.
    pub load: f64,
    /// 99th percentile of latency, microseconds.
    pub p99_us: Option<f64>,
    /// Share of its cores that the server used.
    pub server: Option<f64>,
    /// Share of its cores that the generator used.
    pub generator: f64,
    /// What became of it.
    pub finding: StepFinding,
}

/// Sorts the steps by load.
pub fn select(search: &Search, runs: &[LoadedRun]) -> Curve {
    let mut points: Vec<Point> = search
        .steps
        .iter()
        .zip(runs)
        .map(|(step, loaded)| {
            let measured = &loaded.run.measured;
            let (server, generator) = loaded.run.cpu_shares();
            Point {
                load: step.load,
                p99_us: (measured.latency.count > 0).then(|| measured.latency.p99_ns as f64 / 1e3),
                server,
                generator,
                finding: step.finding,
            }
        })
        .collect();
    points.sort_by(|a, b| a.load.total_cmp(&b.load));
    Curve {
        subtitle: format!("{} · what must hold: {}", search.contender(), search.slo.join(", ")),
        unit: search.vary.unit(),
        colour: transport_colour(&search.transport, 0, 0),
        points,
        // A search that ended on an invalid measurement found no limit, so none is marked.
        knee: search.highest_that_holds().filter(|_| search.ending != SearchEnding::Invalid),
    }
}

/// Draws latency above CPU over the same loads.
pub fn draw(curve: &Curve) -> Drawing {
    let mut drawing = Drawing::new("Latency and CPU against load");
    drawing.height += 80.0;
    let legend = [("p99 latency", curve.colour), ("CPU of the server", INK), ("CPU of the generator", QUIET)]
        .map(|(label, colour)| Key { colour, label: label.to_owned() });
    let room = header(&mut drawing, &curve.subtitle, &legend);
    let points = &curve.points;
    let x = Scale::log_around(points.iter().map(|point| point.load));
    let latency = Scale::log_around(points.iter().filter_map(|point| point.p99_us));
    let busiest = points.iter().flat_map(|p| [p.server.unwrap_or_default(), p.generator]).fold(0.0, f64::max);
    let cpu = Scale::from_zero(busiest.max(0.05) * 1.02);
    let title = format!("{}, log scale", curve.unit);
    let below = Axis { scale: x, title, ticks: x.ticks(number) };
    let above = Axis { scale: x, title: String::new(), ticks: x.ticks(|_| String::new()) };
    let latency = Axis { scale: latency, title: "p99, log scale".to_owned(), ticks: latency.ticks(time_us) };
    let cpu = Axis { scale: cpu, title: "share of own cores".to_owned(), ticks: cpu.ticks(percent) };
    let area = data_area(room, &below, &[&latency, &cpu]);
    let area = Rect { top: area.top + 26.0, ..area };
    let split = area.top + (area.bottom - area.top) * 0.56;
    let upper = axes(&mut drawing, Rect { bottom: split - 16.0, ..area }, &above, &latency);
    let lower = axes(&mut drawing, Rect { top: split + 16.0, ..area }, &below, &cpu);
    if let Some(knee) = curve.knee {
        mark_knee(&mut drawing, &upper, &lower, (knee, curve.unit));
    }
    series(&mut drawing, &upper, points, curve.colour, |point| point.p99_us);
    series(&mut drawing, &lower, points, QUIET, |point| Some(point.generator));
    series(&mut drawing, &lower, points, INK, |point| point.server);
    drawing
}

fn mark_knee(drawing: &mut Drawing, upper: &Panel, lower: &Panel, (knee, unit): (f64, &str)) {
    let (x, _) = upper.at(knee, 1.0);
    let ends = [(upper.area.top, upper.area.bottom), (lower.area.top, lower.area.bottom)];
    for (top, bottom) in ends {
        drawing.line(vec![(x, top), (x, bottom)], Stroke::dashed(ALARM, 2.4));
    }
    let left = x > f64::midpoint(upper.area.left, upper.area.right);
    let anchor = if left { Anchor::End } else { Anchor::Start };
    drawing.bold(format!("holds up to {} {unit}", number(knee)), (x, upper.area.top - 8.0), anchor, SMALL_SIZE, ALARM);
}

/// A line through the runs that are to be believed, and a mark for each run.
fn series(drawing: &mut Drawing, panel: &Panel, points: &[Point], colour: Colour, of: impl Fn(&Point) -> Option<f64>) {
    let place = |point: &Point| Some(panel.at(point.load, of(point)?));
    let valid = points.iter().filter(|point| point.finding != StepFinding::Invalid);
    drawing.line(valid.filter_map(place).collect(), Stroke::solid(colour, 2.4));
    for (point, (x, y)) in points.iter().filter_map(|point| Some((point, place(point)?))) {
        let square = |half: f64| Rect { left: x - half, top: y - half, right: x + half, bottom: y + half };
        match point.finding {
            StepFinding::Holds => drawing.rect(square(MARK), colour),
            StepFinding::Broken => {
                drawing.rect(square(MARK), colour);
                drawing.rect(square(MARK - 2.4), PAPER);
            }
            StepFinding::Invalid => {
                for [from, to] in [[-MARK, MARK], [MARK, -MARK]] {
                    drawing.line(vec![(x - MARK, y + from), (x + MARK, y + to)], Stroke::solid(CAUTION, 3.0));
                }
            }
        }
    }
}
