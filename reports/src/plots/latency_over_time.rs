//! Delivery latency second by second: whether it was steady.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use results::numbers::{NOT_MEASURED, number, time_us};

use crate::drawing::{Axis, Drawing, Key, Scale, Stroke, axes, data_area, header};
use crate::groups::{Contender, merge};
use crate::style::Colour;

/// Name of the image.
pub const FILE: &str = "latency_over_time";
/// What one sees.
pub const CAPTION: &str = "Delivery latency by second of the measured window: the median as a solid line, the 99th \
    percentile as a thin dashed one. Rounds are laid over each other from the start of their windows, and the histograms \
    of the same second are merged. A line is broken where nothing arrived for a second.";

/// One contender's seconds.
#[derive(Debug, Clone)]
pub struct Line {
    /// What the legend says.
    pub label: String,
    /// Its colour.
    pub colour: Colour,
    /// Second of the window, then p50 and p99 in microseconds; absent when nothing arrived in it.
    pub seconds: Vec<(u64, Option<(f64, f64)>)>,
}

/// Merges the rounds of each contender second by second.
pub fn select(contenders: &[Contender<'_>]) -> Vec<Line> {
    contenders
        .iter()
        .map(|contender| {
            let mut by_second: BTreeMap<u64, Vec<&Histogram<u64>>> = BTreeMap::new();
            for run in &contender.used {
                let start = run.latency.iter().map(|span| span.start).min().unwrap_or_default();
                for span in &run.latency {
                    let second = (span.start - start).as_secs_f64().round() as u64;
                    by_second.entry(second).or_default().push(&span.histogram);
                }
            }
            let seconds: Vec<_> = by_second
                .into_iter()
                .map(|(second, histograms)| (second, percentiles(&merge(histograms.into_iter()))))
                .collect();
            let silent = seconds.iter().all(|(_, percentiles)| percentiles.is_none());
            let note = if silent { format!(": {NOT_MEASURED}") } else { String::new() };
            Line { label: format!("{}{note}", contender.label), colour: contender.colour, seconds }
        })
        .collect()
}

fn percentiles(latency: &Histogram<u64>) -> Option<(f64, f64)> {
    let at = |quantile| latency.value_at_quantile(quantile) as f64 / 1e3;
    (!latency.is_empty()).then(|| (at(0.50), at(0.99)))
}

/// Draws both percentiles over the seconds, latency on a logarithmic scale.
pub fn draw(lines: &[Line], subtitle: &str) -> Drawing {
    let mut drawing = Drawing::new("Delivery latency over time: median (solid) and 99th percentile (dashed)");
    let legend: Vec<Key> = lines.iter().map(|l| Key { colour: l.colour, label: l.label.clone() }).collect();
    let room = header(&mut drawing, subtitle, &legend);
    let seconds = || lines.iter().flat_map(|line| &line.seconds);
    let y = Scale::log_around(seconds().filter_map(|(_, p)| *p).flat_map(|(p50, p99)| [p50, p99]));
    let last = seconds().map(|(second, _)| *second + 1).max().unwrap_or(1);
    let x = Scale::Linear { low: 0.0, high: last as f64 };
    let x = Axis { scale: x, title: "seconds since measuring began".to_owned(), ticks: x.ticks(number) };
    let y = Axis { scale: y, title: "delivery latency, log scale".to_owned(), ticks: y.ticks(time_us) };
    let panel = axes(&mut drawing, data_area(room, &x, &[&y]), &x, &y);
    for line in lines {
        for unbroken in unbroken(&line.seconds) {
            let place = |of: fn(&(u64, f64, f64)) -> f64| {
                unbroken.iter().map(|second| panel.at(second.0 as f64 + 0.5, of(second))).collect::<Vec<_>>()
            };
            let (p50, p99) = (place(|second| second.1), place(|second| second.2));
            drawing.line(p99, Stroke::dashed(line.colour, 2.0));
            drawing.line(p50, Stroke::solid(line.colour, 3.2));
        }
    }
    drawing
}

/// Stretches without a silent or missing second; a second on its own is drawn as a short dash.
fn unbroken(seconds: &[(u64, Option<(f64, f64)>)]) -> Vec<Vec<(u64, f64, f64)>> {
    let mut stretches: Vec<Vec<(u64, f64, f64)>> = Vec::new();
    for (second, percentiles) in seconds {
        let Some((p50, p99)) = percentiles else { continue };
        match stretches.last_mut() {
            Some(stretch) if stretch[stretch.len() - 1].0 + 1 == *second => stretch.push((*second, *p50, *p99)),
            _ => stretches.push(vec![(*second, *p50, *p99)]),
        }
    }
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_breaks_the_line() {
        let seconds = [(0, Some((1.0, 2.0))), (1, Some((1.0, 2.0))), (2, None), (3, Some((1.0, 3.0)))];
        assert_eq!(unbroken(&seconds), [vec![(0, 1.0, 2.0), (1, 1.0, 2.0)], vec![(3, 1.0, 3.0)]]);
    }
}
