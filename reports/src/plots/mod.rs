//! The plots, one file each: `FILE` and `CAPTION`, then `select` (runs to series) and `draw` (series to drawing).

pub mod bytes_per_delivery;
pub mod connections;
pub mod latency_over_time;
pub mod latency_percentiles;
pub mod ledger;
pub mod recovery;
pub mod resources;
pub mod search;
pub mod server_cpu;
pub mod server_rss;

use results::numbers::counted;
use results::{LoadedRun, Search};

use crate::drawing::{self, Drawing};
use crate::groups::{Contender, Mark, marks_of, shared_workload};

/// One finished plot.
#[derive(Debug, Clone)]
pub struct Plot {
    /// Name of its files, without an ending.
    pub file: &'static str,
    /// What one sees, and how it is defined.
    pub caption: &'static str,
    /// The image.
    pub drawing: Drawing,
}

/// Draws every plot and marks what is not to be believed.
pub fn all(contenders: &[Contender<'_>]) -> Vec<Plot> {
    if contenders.is_empty() {
        return Vec::new();
    }
    let subtitle = subtitle(contenders);
    let marks = marks_of(contenders);
    macro_rules! plot {
        ($family:ident) => {{
            let mut drawing = $family::draw(&$family::select(contenders), &subtitle);
            drawing::mark(&mut drawing, &marks);
            Plot { file: $family::FILE, caption: $family::CAPTION, drawing }
        }};
    }
    let mut plots = vec![
        plot!(latency_percentiles),
        plot!(latency_over_time),
        plot!(bytes_per_delivery),
        plot!(server_cpu),
        plot!(server_rss),
        plot!(connections),
        plot!(ledger),
    ];
    if resources::is_wanted(contenders) {
        plots.push(plot!(resources));
    }
    if !recovery::select(contenders).is_empty() {
        // Who asks for a fault wants to see it first.
        plots.insert(0, plot!(recovery));
    }
    plots
}

/// Draws a search and marks it.
pub fn of_search(search: &Search, runs: &[LoadedRun], marks: &[Mark]) -> Plot {
    let mut drawing = search::draw(&search::select(search, runs));
    drawing::mark(&mut drawing, marks);
    Plot { file: search::FILE, caption: search::CAPTION, drawing }
}

/// The shared workload and the rounds, in words.
fn subtitle(contenders: &[Contender<'_>]) -> String {
    let used: Vec<_> = contenders.iter().flat_map(|contender| contender.used.iter().copied()).collect();
    let mut words = vec![shared_workload(&used)];
    let rounds: Vec<usize> = contenders.iter().map(|contender| contender.used.len()).collect();
    if let (Some(fewest), Some(most)) = (rounds.iter().min(), rounds.iter().max()) {
        words.push(if fewest == most { counted(*most, "round") } else { format!("{fewest} to {most} rounds") });
    }
    words.extend(contenders.iter().filter_map(|c| Some(format!("{}: {}", c.label, c.rounds_note()?))));
    words.retain(|word| !word.is_empty());
    words.join(" · ")
}
