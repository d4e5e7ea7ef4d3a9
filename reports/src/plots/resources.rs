//! Memory and open files over a long run: whether they stay what they were.

use results::numbers::{NOT_MEASURED, count, number, size};
use results::statistics::median;
use results::{LoadedRun, SeriesRow};

use crate::drawing::{Anchor, Axis, Drawing, Key, Rect, Scale, Stroke, axes, data_area, header};
use crate::groups::Contender;
use crate::style::{Colour, INK, LABEL_SIZE};

/// Name of the image.
pub const FILE: &str = "resources";
/// What one sees.
pub const CAPTION: &str = "Resident memory and open file descriptors at the end of every second, from the start of measuring to its end: \
    the server as a solid line, the generator as a dashed one. Of several rounds, the first. Whatever is lost on the way, \
    connection by connection or message by message, makes a line that climbs. The numbers are medians of the first and of the last \
    minute. Drawn for windows of a minute or more: a shorter one says nothing of the kind.";

/// Shortest window that is worth the drawing, seconds; what is compared are minutes.
const MINUTE: f64 = 60.0;
const HEIGHT: f64 = 250.0;
const TITLE_HEIGHT: f64 = 40.0;
const HEADING_AND_AXIS: f64 = 260.0;

/// Seconds since measuring began, and a value where there is one.
type Points = Vec<(f64, Option<f64>)>;

/// One quantity of one contender.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// Whose it is.
    pub colour: Colour,
    /// The server's values.
    pub server: Points,
    /// The generator's.
    pub generator: Points,
}

/// All contenders' courses.
#[derive(Debug, Clone, PartialEq)]
pub struct Courses {
    /// What the legend says, with the medians of the first and the last minute.
    pub legend: Vec<(Colour, String)>,
    /// Resident memory, MiB.
    pub memory: Vec<Course>,
    /// Open file descriptors.
    pub descriptors: Vec<Course>,
}

/// True when somebody ran for long enough.
pub fn is_wanted(contenders: &[Contender<'_>]) -> bool {
    contenders.iter().any(|contender| contender.used.iter().any(|run| run.run.asked.duration_s >= MINUTE))
}

/// The first round of each contender.
pub fn select(contenders: &[Contender<'_>]) -> Courses {
    let mut courses = Courses { legend: Vec::new(), memory: Vec::new(), descriptors: Vec::new() };
    for contender in contenders {
        let Some(run) = contender.used.first() else { continue };
        let window = window(run);
        let start = window.first().map_or(0.0, |row| row.at_s);
        let course = |server: fn(&SeriesRow) -> Option<f64>, generator: fn(&SeriesRow) -> Option<f64>| {
            let points =
                |of: fn(&SeriesRow) -> Option<f64>| window.iter().map(|row| (row.at_s - start, of(row))).collect();
            Course { colour: contender.colour, server: points(server), generator: points(generator) }
        };
        let memory = course(|row| row.server_rss_bytes.map(mib), |row| row.generator_rss_bytes.map(mib));
        let descriptors = course(
            |row| row.server_descriptors.map(|count| count as f64),
            |row| row.generator_descriptors.map(|count| count as f64),
        );
        let mib_told = |value: f64| size((value * MIB).round());
        let told = format!(
            "{}: server {}, {}; generator {}, {}",
            contender.label,
            change(&memory.server, mib_told),
            change(&descriptors.server, |value| format!("{} files", count(value.round() as u64))),
            change(&memory.generator, mib_told),
            change(&descriptors.generator, |value| format!("{} files", count(value.round() as u64))),
        );
        courses.legend.push((contender.colour, told));
        courses.memory.push(memory);
        courses.descriptors.push(descriptors);
    }
    courses
}

const MIB: f64 = (1 << 20) as f64;

fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}

/// The rows of measuring.
fn window(run: &LoadedRun) -> Vec<&SeriesRow> {
    run.series.iter().filter(|row| row.phase == "measure").collect()
}

/// Medians of the first and of the last minute.
fn change(points: &Points, tell: impl Fn(f64) -> String) -> String {
    let last = points.last().map_or(0.0, |point| point.0);
    let of = |is_in: &dyn Fn(f64) -> bool| {
        median(&points.iter().filter(|point| is_in(point.0)).filter_map(|point| point.1).collect::<Vec<_>>())
    };
    match of(&|at| at < MINUTE).zip(of(&|at| at > last - MINUTE)) {
        Some((first, last)) => format!("{} to {}", tell(first), tell(last)),
        None => NOT_MEASURED.to_owned(),
    }
}

/// Draws memory above descriptors, over the same seconds.
pub fn draw(courses: &Courses, subtitle: &str) -> Drawing {
    let mut drawing = Drawing::new("Memory and open files over time: server (solid) and generator (dashed)");
    drawing.height = HEADING_AND_AXIS + 2.0 * (HEIGHT + TITLE_HEIGHT);
    let legend: Vec<Key> =
        courses.legend.iter().map(|(colour, label)| Key { colour: *colour, label: label.clone() }).collect();
    let room = header(&mut drawing, subtitle, &legend);
    let seconds = courses.memory.iter().flat_map(|course| &course.server).map(|point| point.0);
    let scale = Scale::Linear { low: 0.0, high: seconds.fold(1.0, f64::max) };
    let x = Axis { scale, title: "seconds since measuring began".to_owned(), ticks: scale.ticks(number) };
    let unlabelled = Axis { scale, title: String::new(), ticks: scale.ticks(|_| String::new()) };
    let panels =
        [("resident memory, MiB", &courses.memory, &unlabelled), ("open file descriptors", &courses.descriptors, &x)];
    let ys = panels.map(|(_, courses, _)| from_zero(courses));
    let area = data_area(room, &x, &[&ys[0], &ys[1]]);
    for (place, ((title, courses, x), y)) in panels.into_iter().zip(&ys).enumerate() {
        let top = area.top + place as f64 * (HEIGHT + TITLE_HEIGHT) + TITLE_HEIGHT;
        let panel = axes(&mut drawing, Rect { top, bottom: top + HEIGHT, ..area }, x, y);
        drawing.bold(title, (area.left, top - 12.0), Anchor::Start, LABEL_SIZE, INK);
        for course in courses {
            for (points, stroke) in [
                (&course.generator, Stroke::dashed(course.colour, 2.0)),
                (&course.server, Stroke::solid(course.colour, 2.6)),
            ] {
                for unbroken in points.split(|point| point.1.is_none()) {
                    let line: Vec<_> =
                        unbroken.iter().filter_map(|(at, value)| Some(panel.at(*at, (*value)?))).collect();
                    if line.len() > 1 {
                        drawing.line(line, stroke);
                    }
                }
            }
        }
    }
    drawing
}

fn from_zero(courses: &[Course]) -> Axis {
    let values =
        courses.iter().flat_map(|course| course.server.iter().chain(&course.generator)).filter_map(|point| point.1);
    let scale = Scale::from_zero(values.fold(1.0, f64::max) * 1.05);
    Axis { scale, title: String::new(), ticks: scale.ticks(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_and_last_minute_are_told_and_what_is_missing_is_not_zero() {
        let points: Points =
            (0..600).map(|second| (f64::from(second), Some(100.0 + f64::from(second / 300)))).collect();
        assert_eq!(change(&points, number), "100 to 101");
        let missing: Points = points.iter().map(|(at, _)| (*at, None)).collect();
        assert_eq!(change(&missing, number), NOT_MEASURED);
    }
}
