//! Memory that one connection costs the server.

use results::LoadedRun;
use results::numbers::{NOT_MEASURED, kib, number};

use crate::drawing::{Bar, Drawing, Key, Row, bars, header, height_of};
use crate::groups::Contender;
use crate::style::{Colour, QUIET};

/// Name of the image.
pub const FILE: &str = "server_rss";
/// What one sees.
pub const CAPTION: &str = "Resident memory that the server grew by, divided by the clients: at the end of measuring, and \
    (faded) with all clients connected but before the first notification. Each run has a fresh server process, because \
    memory that was freed often stays resident. Bars are medians over rounds, whiskers their 95 % intervals when there are \
    two rounds or more; few rounds make them wide.";

/// Memory per connection of one run after it has worked, bytes.
pub fn bytes_per_connection(run: &LoadedRun) -> Option<f64> {
    Some(run.run.measured.server.as_ref()?.rss_per_connection_bytes)
}

fn bytes_per_idle_connection(run: &LoadedRun) -> Option<f64> {
    Some(run.run.measured.server.as_ref()?.rss_per_idle_connection_bytes)
}

/// One row per contender: medians over rounds with their intervals, KiB.
pub fn select(contenders: &[Contender<'_>]) -> Vec<Row> {
    let row = |contender: &Contender<'_>| {
        let bars = vec![
            bar(contender, bytes_per_connection, contender.colour),
            bar(contender, bytes_per_idle_connection, contender.colour.tinted()),
        ];
        Row { label: contender.label.clone(), colour: contender.colour, detail: String::new(), bars }
    };
    contenders.iter().map(row).collect()
}

fn bar(contender: &Contender<'_>, of: fn(&LoadedRun) -> Option<f64>, colour: Colour) -> Bar {
    const KIB: f64 = 1024.0;
    let bytes = contender.median(of);
    let whisker = contender.interval(of).map(|interval| (interval.low / KIB, interval.high / KIB));
    Bar {
        segments: bytes.map(|bytes| (bytes / KIB, colour)).into_iter().collect(),
        whisker,
        value: bytes.map_or_else(|| NOT_MEASURED.to_owned(), kib),
        note: whisker.map(|(low, high)| format!("{} to {}", number(low), number(high))).unwrap_or_default(),
    }
}

/// Draws two bars per contender: after work, then idle.
pub fn draw(rows: &[Row], subtitle: &str) -> Drawing {
    let mut drawing = Drawing::new("Server memory per connection");
    drawing.height = height_of(rows);
    let legend = [("at the end of measuring", QUIET), ("before the first notification", QUIET.tinted())]
        .map(|(label, colour)| Key { colour, label: label.to_owned() });
    let room = header(&mut drawing, subtitle, &legend);
    bars(&mut drawing, room, rows, "KiB of resident memory per connection", number);
    drawing
}
