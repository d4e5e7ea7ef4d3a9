//! Resident memory per client, a panel per load.

use results::bench::{Bench, Contender, Quantity, Side};
use results::numbers::{NOT_MEASURED, kib, number};

use super::cpu::colours;
use crate::drawing::{Bar, Block, Drawing, Key, Row};
use crate::style::{OTHERS, OURS};

/// Name of the image.
pub fn file(side: Side) -> &'static str {
    match side {
        Side::Server => "bench_server_memory",
        Side::Generator => "bench_generator_memory",
    }
}

/// What one sees.
pub const CAPTION: &str = "Resident memory that one more client costs the process tree. Bars are medians over rounds, whiskers the \
    smallest and largest round. Every panel has a scale of its own; loads whose memory nobody measured have none.";

/// A panel per section of one side in which memory was measured.
pub fn select(bench: &Bench, side: Side) -> Vec<Block> {
    let of_side = bench.sections.iter().filter(|section| section.side == side);
    let measured = of_side.filter(|section| section.contenders.iter().any(|one| one.figure(Quantity::Rss).is_some()));
    measured
        .map(|section| Block {
            title: section.title.clone(),
            unit: "KiB per client".to_owned(),
            rows: section.contenders.iter().map(row).collect(),
            line: None,
        })
        .collect()
}

fn row(contender: &Contender) -> Row {
    let figure = contender.figure(Quantity::Rss);
    let (colour, _) = colours(contender.role);
    let in_kib = |bytes: f64| bytes / 1024.0;
    let bar = Bar {
        // Where memory was given back, there is no bar, and the value says how much.
        segments: figure.map(|figure| (in_kib(figure.median).max(0.0), colour)).into_iter().collect(),
        whisker: figure
            .filter(|_| contender.used().count() > 1)
            .map(|figure| (in_kib(figure.low), in_kib(figure.high))),
        value: figure.map_or_else(|| NOT_MEASURED.to_owned(), |figure| kib(figure.median)),
        note: if contender.is_invalid() { "INVALID".to_owned() } else { String::new() },
    };
    Row { label: contender.label(), colour, detail: String::new(), bars: vec![bar] }
}

/// Draws the panels of one side.
pub fn draw(side: Side, blocks: &[Block], subtitle: &str) -> Drawing {
    let title = match side {
        Side::Server => "Memory per client, servers",
        Side::Generator => "Memory per client, generators",
    };
    let legend = [("Wirelab", OURS), ("others", OTHERS)].map(|(label, colour)| Key { colour, label: label.to_owned() });
    super::in_panels(title, &legend, blocks, subtitle, number)
}
