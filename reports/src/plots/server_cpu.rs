//! CPU time that one delivery costs the server.

use results::LoadedRun;
use results::numbers::{NOT_MEASURED, number, percent, time_us};

use crate::drawing::{Bar, Drawing, Row, bars, header, height_of};
use crate::groups::Contender;

/// Name of the image.
pub const FILE: &str = "server_cpu";
/// What one sees.
pub const CAPTION: &str = "User and system CPU time of the server process over the measured window, divided by the \
    deliveries in it. Beside it, the share of one core that the server used while all clients were connected and nothing \
    was published. Bars are medians over rounds, whiskers their 95 % intervals when there are two rounds or more; few rounds make them \
    wide, and an end without an arm lies beyond the image.";

/// CPU time per delivery of one run, microseconds.
pub fn us_per_delivery(run: &LoadedRun) -> Option<f64> {
    run.run.measured.server.as_ref()?.cpu_us_per_delivery
}

/// Share of one core that was used while nothing was published.
pub fn idle_share(run: &LoadedRun) -> Option<f64> {
    run.run.measured.server.as_ref()?.idle_cpu_share
}

/// One row per contender: the median over rounds with its interval.
pub fn select(contenders: &[Contender<'_>]) -> Vec<Row> {
    let row = |contender: &Contender<'_>| {
        let us = contender.median(us_per_delivery);
        let whisker = contender.interval(us_per_delivery).map(|interval| (interval.low, interval.high));
        let bar = Bar {
            segments: us.map(|us| (us, contender.colour)).into_iter().collect(),
            whisker,
            value: us.map_or_else(|| NOT_MEASURED.to_owned(), time_us),
            note: whisker.map(|(low, high)| format!("{} to {}", number(low), number(high))).unwrap_or_default(),
        };
        let idle = contender.median(idle_share);
        Row {
            label: contender.label.clone(),
            colour: contender.colour,
            detail: idle.map(|share| format!("idle: {} of a core", percent(share))).unwrap_or_default(),
            bars: vec![bar],
        }
    };
    contenders.iter().map(row).collect()
}

/// Draws a bar per contender.
pub fn draw(rows: &[Row], subtitle: &str) -> Drawing {
    let mut drawing = Drawing::new("Server CPU time per delivery");
    drawing.height = height_of(rows);
    let room = header(&mut drawing, subtitle, &[]);
    bars(&mut drawing, room, rows, "microseconds of CPU time per delivery", number);
    drawing
}
