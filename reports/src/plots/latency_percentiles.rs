//! Delivery latency at every percentile: how bad the bad ones are.

use hdrhistogram::Histogram;
use results::numbers::{NOT_MEASURED, count, time_us};

use crate::drawing::{Axis, Drawing, Key, Scale, Stroke, Tick, axes, data_area, header};
use crate::groups::Contender;
use crate::style::Colour;

/// Name of the image.
pub const FILE: &str = "latency_percentiles";
/// What one sees.
pub const CAPTION: &str = "Delivery latency by percentile. To the right are ever rarer deliveries, each labelled step a \
    tenth as many; a line ends at its slowest delivery. Latency runs from the instant at which a notification was \
    intended to be published until the client's code received it, so a stalled publisher or server shows. Rounds are \
    merged as histograms; percentiles are never averaged.";

/// Points per factor of ten along the percentile axis.
const POINTS_PER_DECADE: f64 = 80.0;

/// One contender's latencies.
#[derive(Debug, Clone)]
pub struct Line {
    /// What the legend says.
    pub label: String,
    /// Its colour.
    pub colour: Colour,
    /// Nines (`log10(1 / (1 - quantile))`) and latency in microseconds.
    pub points: Vec<(f64, f64)>,
}

/// Merges the rounds of each contender and reads the percentiles that the number of deliveries can carry.
pub fn select(contenders: &[Contender<'_>]) -> Vec<Line> {
    let line = |contender: &Contender<'_>| {
        let merged = contender.merged();
        let label = if merged.is_empty() {
            format!("{}: {NOT_MEASURED}", contender.label)
        } else {
            let at = |quantile| time_us(merged.value_at_quantile(quantile) as f64 / 1e3);
            format!("{}: p50 {}, p99 {}", contender.label, at(0.50), at(0.99))
        };
        Line { label, colour: contender.colour, points: percentile_points(&merged) }
    };
    contenders.iter().map(line).collect()
}

fn percentile_points(latency: &Histogram<u64>) -> Vec<(f64, f64)> {
    if latency.is_empty() {
        return Vec::new();
    }
    let end = (latency.len() as f64).log10();
    let steps = (end * POINTS_PER_DECADE).ceil().max(1.0) as usize;
    let point = |step: usize| {
        let nines = end * step as f64 / steps as f64;
        let quantile = 1.0 - 10_f64.powf(-nines);
        let ns = if step == steps { latency.max() } else { latency.value_at_quantile(quantile) };
        (nines, ns as f64 / 1e3)
    };
    (0..=steps).map(point).collect()
}

/// Draws the lines over percentiles, latency on a logarithmic scale.
pub fn draw(lines: &[Line], subtitle: &str) -> Drawing {
    let mut drawing = Drawing::new("Delivery latency by percentile");
    let legend: Vec<Key> = lines.iter().map(|l| Key { colour: l.colour, label: l.label.clone() }).collect();
    let room = header(&mut drawing, subtitle, &legend);
    let points = || lines.iter().flat_map(|line| &line.points);
    let most = points().map(|(nines, _)| *nines).fold(1.0, f64::max);
    let y = Scale::log_around(points().map(|(_, us)| *us));
    let x = Axis {
        scale: Scale::Linear { low: 0.0, high: most },
        title: format!("percentile of deliveries (up to one in {})", count(10_f64.powf(most).round() as u64)),
        ticks: percentile_ticks(most),
    };
    let y = Axis { scale: y, title: "delivery latency, log scale".to_owned(), ticks: y.ticks(time_us) };
    let panel = axes(&mut drawing, data_area(room, &x, &[&y]), &x, &y);
    for line in lines.iter().filter(|line| !line.points.is_empty()) {
        let points = line.points.iter().map(|(nines, us)| panel.at(*nines, *us)).collect();
        drawing.line(points, Stroke::solid(line.colour, 3.2));
    }
    drawing
}

fn percentile_ticks(most: f64) -> Vec<Tick> {
    let mut ticks = vec![Tick { at: 2_f64.log10(), label: "50 %".to_owned() }];
    for nines in 1..=most.floor() as usize {
        let label = match nines {
            1 => "90 %".to_owned(),
            2 => "99 %".to_owned(),
            more => format!("99.{} %", "9".repeat(more - 2)),
        };
        ticks.push(Tick { at: nines as f64, label });
    }
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groups::merge;
    use results::new_histogram;

    #[test]
    fn a_line_goes_no_further_than_its_deliveries_carry_it() {
        let mut histogram = new_histogram();
        (1..=1_000_u64).for_each(|ms| histogram.record(ms * 1_000_000).unwrap());
        let points = percentile_points(&histogram);
        let (nines, us) = points[points.len() - 1];
        assert_eq!(nines, 3.0);
        assert_eq!((us * 1e3) as u64, histogram.max());
        assert!(points.windows(2).all(|pair| pair[0].1 <= pair[1].1), "percentiles never fall");
    }

    #[test]
    fn the_percentile_of_merged_rounds_is_not_the_mean_of_percentiles() {
        let mut calm = new_histogram();
        calm.record_n(1_000_000, 990).unwrap();
        calm.record_n(2_000_000, 10).unwrap();
        let mut rough = new_histogram();
        rough.record_n(1_000_000, 500).unwrap();
        rough.record_n(100_000_000, 500).unwrap();
        let p90 = |h: &Histogram<u64>| h.value_at_quantile(0.90) as f64 / 1e6;
        let merged = merge([&calm, &rough].into_iter());
        let mean = f64::midpoint(p90(&calm), p90(&rough));
        assert!((mean - 50.5).abs() < 0.1, "{mean}");
        assert!((p90(&merged) - 100.0).abs() < 0.1, "{}", p90(&merged));
    }

    #[test]
    fn ticks_name_nines() {
        let labels: Vec<_> = percentile_ticks(4.3).into_iter().map(|tick| tick.label).collect();
        assert_eq!(labels, ["50 %", "90 %", "99 %", "99.9 %", "99.99 %"]);
    }
}
