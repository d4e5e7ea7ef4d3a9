//! The plots of a bench, one file each: the name of its image and `CAPTION`, then `select` (record to bars or curves) and `draw`.

pub mod coalesce;
pub mod cpu;
pub mod memory;

use results::bench::{Bench, Side};

use super::marks;
use crate::drawing::{self, Block, Drawing, Key, header, height_of_panels, panels};
use crate::plots::Plot;

/// What the heading of an image takes, its margins included.
const HEADING: f64 = 156.0;

/// Draws every plot that there is something for, and marks what is not to be believed.
pub fn all(bench: &Bench) -> Vec<Plot> {
    type Draw = fn(Side, &[Block], &str) -> Drawing;
    let subtitle = format!("commit {} · {}", bench.commit, bench.started_at);
    let mut plots = Vec::new();
    for side in [Side::Server, Side::Generator] {
        let families: [(_, _, _, Draw); 2] = [
            (cpu::file(side), cpu::CAPTION, cpu::select(bench, side), cpu::draw),
            (memory::file(side), memory::CAPTION, memory::select(bench, side), memory::draw),
        ];
        for (file, caption, blocks, draw) in families.into_iter().filter(|(_, _, blocks, _)| !blocks.is_empty()) {
            let mut drawing = draw(side, &blocks, &subtitle);
            drawing::mark(&mut drawing, &marks::of_side(bench, side));
            plots.push(Plot { file, caption, drawing });
        }
    }
    let curves = coalesce::select(bench);
    if !curves.is_empty() {
        let mut drawing = coalesce::draw(&curves, &subtitle);
        drawing::mark(&mut drawing, &marks::of_sections(bench, &coalesce::sections(bench).collect::<Vec<_>>()));
        plots.push(Plot { file: coalesce::FILE, caption: coalesce::CAPTION, drawing });
    }
    plots
}

/// A drawing of panels alone, as high as they need.
fn in_panels(title: &str, legend: &[Key], blocks: &[Block], subtitle: &str, tick: fn(f64) -> String) -> Drawing {
    let mut drawing = Drawing::new(title);
    drawing.height = HEADING + height_of_panels(blocks);
    let room = header(&mut drawing, subtitle, legend);
    panels(&mut drawing, room, blocks, tick);
    drawing
}
