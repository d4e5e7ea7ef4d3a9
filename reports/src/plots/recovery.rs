//! The same fault on every transport: who is live again when, and what arrives meanwhile.

use std::collections::BTreeMap;

use results::numbers::{NOT_MEASURED, number};
use results::statistics::median;
use results::{LoadedRun, Recovery, RecoveryRow};

use crate::drawing::{
    Anchor, Axis, Drawing, Key, Panel, Rect, Scale, Stroke, Weight, axes, data_area, fitted, header, text_width,
};
use crate::groups::Contender;
use crate::style::{Colour, INK, LABEL_SIZE, QUIET, SMALL_SIZE};

/// Name of the image.
pub const FILE: &str = "recovery";
/// What one sees.
pub const CAPTION: &str = "Above: share of the clients that are live, their transport up and being read, every tenth of a second. \
    Below: deliveries in the second that ends there, what is caught up after a return included. Dashed lines are faults that were \
    committed on purpose, at the instants at which they were; what was done to a server ends at the dotted line. Of several rounds \
    the median of each tenth of a second is shown.";

/// Rows in a second.
const TENTHS: f64 = 10.0;
const UPPER: f64 = 300.0;
const LOWER: f64 = 220.0;
/// Room for the name of a panel.
const NAME: f64 = 34.0;
/// Room for one line of names of faults.
const FAULT_LINE: f64 = 20.0;
const HEADING_AND_AXIS: f64 = 215.0;

/// One contender's recovery.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What the legend says.
    pub label: String,
    /// Its colour.
    pub colour: Colour,
    /// Tenths of a second since measuring began, per cent of its clients that are live, deliveries in the second before.
    pub steps: Vec<(i64, f64, f64)>,
    /// What was done to it: as it was asked for, when, and until when, s.
    pub faults: Vec<(String, f64, Option<f64>)>,
}

/// Takes the median over rounds of every tenth of a second, of those who had faults.
pub fn select(contenders: &[Contender<'_>]) -> Vec<Line> {
    let had_faults = |contender: &&Contender<'_>| contender.used.iter().any(|run| run.run.measured.recovery.is_some());
    contenders.iter().filter(had_faults).map(line).collect()
}

fn line(contender: &Contender<'_>) -> Line {
    let mut steps: BTreeMap<i64, Vec<(f64, f64)>> = BTreeMap::new();
    for run in &contender.used {
        let clients = run.run.measured.connections.asked.max(1) as f64;
        for (place, row) in run.recovery.iter().enumerate() {
            let step = (row.at_s * TENTHS).round() as i64;
            let share = row.live as f64 / clients * 100.0;
            steps.entry(step).or_default().push((share, last_second(&run.recovery[..=place])));
        }
    }
    let over_rounds = |values: &[(f64, f64)], of: fn(&(f64, f64)) -> f64| {
        median(&values.iter().map(of).collect::<Vec<_>>()).unwrap_or_default()
    };
    let steps: Vec<_> =
        steps.into_iter().map(|(at, both)| (at, over_rounds(&both, |v| v.0), over_rounds(&both, |v| v.1))).collect();
    let window_s = contender.median(|run| Some(run.run.asked.duration_s)).unwrap_or_default();
    let steps = until_rest(steps, window_s);
    let note = match (steps.is_empty(), longest_return_s(contender)) {
        (true, _) => format!(": {NOT_MEASURED}"),
        (false, Some(back)) => format!(": all live again after {} s at most", number((back * TENTHS).round() / TENTHS)),
        (false, None) => String::new(),
    };
    Line {
        label: format!("{}{note}", contender.label),
        colour: contender.colour,
        steps,
        faults: contender.used.first().map(|run| faults(run)).unwrap_or_default(),
    }
}

/// The longest time over all rounds until everybody was live again, s; `None` where in one of them somebody was not.
fn longest_return_s(contender: &Contender<'_>) -> Option<f64> {
    let rounds = || contender.used.iter().filter_map(|run| run.run.measured.recovery.as_ref());
    if rounds().any(Recovery::has_missed_some) {
        return None;
    }
    rounds().filter_map(Recovery::longest_return_s).reduce(f64::max)
}

/// The steps up to the end of the window, and of those after it the ones in which something still changes: a second of rest tells that
/// it is over.
fn until_rest(mut steps: Vec<(i64, f64, f64)>, window_s: f64) -> Vec<(i64, f64, f64)> {
    let Some(&(_, live, _)) = steps.last() else { return steps };
    let is_rest = |step: &(i64, f64, f64)| step.2 == 0.0 && (step.1 - live).abs() < 1e-9;
    let last_change = steps.iter().rposition(|step| !is_rest(step)).map_or(0, |place| steps[place].0);
    let end = last_change.max((window_s * TENTHS) as i64) + TENTHS as i64;
    steps.retain(|step| step.0 <= end);
    steps
}

/// Deliveries of the second at whose end `rows` end.
fn last_second(rows: &[RecoveryRow]) -> f64 {
    let Some(last) = rows.last() else { return 0.0 };
    let within = rows.iter().rev().take_while(|row| row.at_s > last.at_s - 0.99);
    within.map(|row| row.delivered as f64).sum()
}

fn faults(run: &LoadedRun) -> Vec<(String, f64, Option<f64>)> {
    let of = run.run.measured.recovery.as_ref();
    let done = of.into_iter().flat_map(|recovery| &recovery.faults);
    done.filter_map(|fault| Some((fault.fault.clone(), fault.at_s?, fault.until_s))).collect()
}

/// Draws who is live above, what arrives below, over the same seconds.
pub fn draw(lines: &[Line], subtitle: &str) -> Drawing {
    let mut drawing = Drawing::new("Recovery: clients live, and deliveries, through faults");
    let marks = marks(lines);
    drawing.height = HEADING_AND_AXIS + UPPER + LOWER + 2.0 * NAME;
    let legend: Vec<Key> = lines.iter().map(|line| Key { colour: line.colour, label: line.label.clone() }).collect();
    let room = header(&mut drawing, subtitle, &legend);
    let steps = || lines.iter().flat_map(|line| &line.steps);
    let last = steps().map(|step| step.0 as f64 / TENTHS).fold(1.0, f64::max);
    let x = Scale::Linear { low: 0.0, high: last };
    let share = Scale::Linear { low: 0.0, high: 100.0 };
    let share = Axis { scale: share, title: String::new(), ticks: share.ticks(|value| format!("{} %", number(value))) };
    let rate = Scale::from_zero(steps().map(|step| step.2).fold(1.0, f64::max) * 1.02);
    let rate = Axis { scale: rate, title: String::new(), ticks: rate.ticks(number) };
    let labelled = Axis { scale: x, title: "seconds since measuring began".to_owned(), ticks: x.ticks(number) };
    let unlabelled = Axis { title: String::new(), ticks: x.ticks(|_| String::new()), ..labelled.clone() };
    let area = data_area(room, &labelled, &[&share, &rate]);
    let names = place_names(&marks, area, x);
    let of_names = FAULT_LINE * names.iter().map(|(line, ..)| line + 1).max().unwrap_or(0) as f64;
    drawing.height += of_names;
    for (line, left, name) in names {
        let baseline = area.top + (line + 1) as f64 * FAULT_LINE - 4.0;
        drawing.text(name, (left, baseline), Anchor::Start, SMALL_SIZE, QUIET);
    }
    let top = area.top + of_names + NAME;
    let upper = panel(&mut drawing, Rect { top, bottom: top + UPPER, ..area }, "clients live", (&unlabelled, &share));
    let top = top + UPPER + NAME + 6.0;
    let lower =
        panel(&mut drawing, Rect { top, bottom: top + LOWER, ..area }, "deliveries a second", (&labelled, &rate));
    for panel in [&upper, &lower] {
        draw_marks(&mut drawing, &marks, panel, last);
    }
    for line in lines {
        let place = |panel: &Panel, from: i64, of: fn(&(i64, f64, f64)) -> f64| {
            line.steps
                .iter()
                .filter(|step| step.0 >= from)
                .map(|step| panel.at(step.0 as f64 / TENTHS, of(step)))
                .collect::<Vec<_>>()
        };
        drawing.line(place(&upper, 0, |step| step.1), Stroke::solid(line.colour, 2.6));
        // Before that, no whole second has been looked at.
        drawing.line(place(&lower, TENTHS as i64, |step| step.2), Stroke::solid(line.colour, 2.0));
    }
    drawing
}

fn panel(drawing: &mut Drawing, area: Rect, name: &str, (x, y): (&Axis, &Axis)) -> Panel {
    drawing.bold(name, (area.left, area.top - 12.0), Anchor::Start, LABEL_SIZE, INK);
    axes(drawing, area, x, y)
}

/// Lines of names of faults at most; further names are left to the page's table.
const MOST_FAULT_LINES: usize = 4;

/// Every fault once, in order of time: contenders had the same ones, each at an instant of its own.
fn marks(lines: &[Line]) -> Vec<(String, f64, Option<f64>)> {
    let mut marks: Vec<(String, f64, Option<f64>)> = Vec::new();
    for fault in lines.iter().flat_map(|line| &line.faults) {
        if !marks.iter().any(|mark| mark.0 == fault.0) {
            marks.push(fault.clone());
        }
    }
    marks.sort_by(|a, b| a.1.total_cmp(&b.1));
    marks
}

/// A line, a left edge and the name for each mark, on the first line that has room for it.
fn place_names(marks: &[(String, f64, Option<f64>)], area: Rect, x: Scale) -> Vec<(usize, f64, String)> {
    let mut free_from = [f64::NEG_INFINITY; MOST_FAULT_LINES];
    let mut places = Vec::new();
    for (name, at, _) in marks {
        let name = fitted(name, SMALL_SIZE, Weight::Regular, area.right - area.left);
        let width = text_width(&name, SMALL_SIZE, Weight::Regular);
        let left = (area.left + x.place(*at) * (area.right - area.left)).min(area.right - width);
        let Some(line) = free_from.iter().position(|free| *free < left) else { continue };
        free_from[line] = left + width + 14.0;
        places.push((line, left, name));
    }
    places
}

fn draw_marks(drawing: &mut Drawing, marks: &[(String, f64, Option<f64>)], panel: &Panel, last: f64) {
    let upright = |at: f64| {
        let x = panel.at(at, 0.0).0;
        vec![(x, panel.area.top), (x, panel.area.bottom)]
    };
    for (_, at, until) in marks {
        drawing.line(upright(*at), Stroke::dashed(INK, 1.8));
        if let Some(until) = until.filter(|until| *until <= last) {
            drawing.line(upright(until), Stroke { dash: Some((2.0, 4.0)), ..Stroke::solid(QUIET, 1.6) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_are_those_of_a_whole_second() {
        let rows: Vec<RecoveryRow> = (1..=25)
            .map(|n| RecoveryRow { at_s: f64::from(n) / 10.0, delivered: u64::from(n > 10), ..RecoveryRow::default() })
            .collect();
        assert_eq!([9, 14, 24].map(|place| last_second(&rows[..=place])), [0.0, 5.0, 10.0]);
    }

    #[test]
    fn a_long_wait_for_what_is_lost_is_not_drawn() {
        let steps =
            |lively: i64| until_rest((1..200).map(|n| (n, 100.0, f64::from(u8::from(n <= lively)))).collect(), 5.0);
        assert_eq!([steps(40), steps(70)].map(|steps| steps.last().unwrap().0), [60, 80]);
        assert!(until_rest(Vec::new(), 5.0).is_empty());
    }

    #[test]
    fn a_fault_that_all_had_is_marked_once_and_names_do_not_meet() {
        let line = |at: f64| Line {
            label: "ws".to_owned(),
            colour: INK,
            steps: (0..300).map(|n| (n, 100.0, 5.0)).collect(),
            faults: vec![
                ("cut 100% at 4s".to_owned(), 4.0, None),
                ("restart-server at 4s".to_owned(), at, Some(at + 0.5)),
                ("stall 10% for 5s at 29s".to_owned(), 29.0, None),
            ],
        };
        let lines = [line(4.01), line(4.02)];
        assert_eq!(marks(&lines).len(), 3);
        let drawing = draw(&lines, "two");
        assert!(drawing.misplaced_labels().is_empty(), "{:?}", drawing.misplaced_labels());
        assert_eq!(drawing.labels().filter(|label| label.text.starts_with("restart")).count(), 1);
    }
}
