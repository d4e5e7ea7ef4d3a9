//! Runs become contenders: all rounds of one transport under one workload, under one name and one colour.

mod marks;
mod workload;

pub use marks::{Mark, marks_of};
pub use workload::{Trait, shared_workload, traits_of};

use hdrhistogram::Histogram;
use results::statistics::{Interval, median, median_interval};
use results::{LoadedRun, new_histogram};

use crate::numbers::counted;
use crate::style::{self, Colour};

/// All rounds of one transport under one workload.
#[derive(Debug, Clone)]
pub struct Contender<'a> {
    /// Name of the transport.
    pub transport: &'a str,
    /// The transport, and what tells this workload from the others.
    pub label: String,
    /// Its colour in every plot.
    pub colour: Colour,
    /// Every round.
    pub all: Vec<&'a LoadedRun>,
    /// The rounds that figures are made from: the valid ones, or all of them when none is valid.
    pub used: Vec<&'a LoadedRun>,
}

/// Groups runs by transport and workload, in the order in which transports are always told.
pub fn contenders(runs: &[LoadedRun]) -> Vec<Contender<'_>> {
    let mut groups: Vec<(Vec<Trait>, Vec<&LoadedRun>)> = Vec::new();
    for run in runs {
        let traits = traits_of(&run.run);
        let same = |(others, members): &&mut (Vec<Trait>, Vec<&LoadedRun>)| {
            *others == traits && members[0].run.asked.transport == run.run.asked.transport
        };
        match groups.iter_mut().find(same) {
            Some((_, members)) => members.push(run),
            None => groups.push((traits, vec![run])),
        }
    }
    groups.sort_by_key(|(_, members)| style::rank(&members[0].run.asked.transport));
    let all_traits: Vec<Vec<Trait>> = groups.iter().map(|(traits, _)| traits.clone()).collect();
    let mut strangers: Vec<&str> = Vec::new();
    let mut contenders: Vec<Contender<'_>> = Vec::new();
    for (traits, all) in groups {
        let transport = all[0].run.asked.transport.as_str();
        if !strangers.contains(&transport) && style::rank(transport) == style::rank("") {
            strangers.push(transport);
        }
        let stranger = strangers.iter().position(|name| *name == transport).unwrap_or_default();
        let variant = contenders.iter().filter(|other| other.transport == transport).count();
        let label = workload::label(transport, &traits, &all_traits);
        let valid: Vec<_> = all.iter().copied().filter(|run| run.run.verdict.is_valid()).collect();
        contenders.push(Contender {
            transport,
            label,
            colour: style::transport_colour(transport, stranger, variant),
            used: if valid.is_empty() { all.clone() } else { valid },
            all,
        });
    }
    contenders
}

impl Contender<'_> {
    /// Rounds that may be believed.
    pub fn valid_rounds(&self) -> usize {
        self.all.iter().filter(|run| run.run.verdict.is_valid()).count()
    }

    /// `2 of 3 rounds valid`, when some are not.
    pub fn rounds_note(&self) -> Option<String> {
        let (valid, all) = (self.valid_rounds(), self.all.len());
        (valid < all).then(|| format!("{valid} of {} valid", counted(all, "round")))
    }

    /// The label, and what must be said about its rounds.
    pub fn label_with_note(&self) -> String {
        self.rounds_note().map_or_else(|| self.label.clone(), |note| format!("{} ({note})", self.label))
    }

    /// All latencies of the window, nanoseconds: histograms are merged, percentiles never.
    pub fn merged(&self) -> Histogram<u64> {
        merge(self.used.iter().flat_map(|run| &run.latency).map(|span| &span.histogram))
    }

    /// What `of` says about each round that it was measured in.
    pub fn rounds(&self, of: impl Fn(&LoadedRun) -> Option<f64>) -> Vec<f64> {
        self.used.iter().filter_map(|run| of(run)).filter(|value| value.is_finite()).collect()
    }

    /// Median over rounds; `None` when it was measured in none.
    pub fn median(&self, of: impl Fn(&LoadedRun) -> Option<f64>) -> Option<f64> {
        median(&self.rounds(of))
    }

    /// Median over rounds with its bootstrap interval; `None` for fewer than two rounds.
    pub fn interval(&self, of: impl Fn(&LoadedRun) -> Option<f64>) -> Option<Interval> {
        median_interval(&self.rounds(of))
    }

    /// A counter, summed over rounds.
    pub fn total(&self, of: impl Fn(&LoadedRun) -> u64) -> u64 {
        self.used.iter().map(|run| of(run)).sum()
    }
}

/// One histogram with everything in it, whatever bounds the others have.
pub fn merge<'a>(histograms: impl Iterator<Item = &'a Histogram<u64>>) -> Histogram<u64> {
    let mut merged = new_histogram();
    merged.auto(true);
    for histogram in histograms {
        merged.add(histogram).expect("a histogram that grows takes in any other");
    }
    merged
}
