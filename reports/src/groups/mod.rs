//! Runs become contenders: all rounds of one transport under one workload, under one name and one colour.

mod marks;
mod workload;

pub use marks::{Mark, marks_of, marks_of_search};
pub use workload::{Trait, shared_workload, traits_of};

use std::path::PathBuf;

use hdrhistogram::Histogram;
use results::numbers::counted;
use results::statistics::{Interval, median, median_interval};
use results::{Ending, LoadedRun, Rounds, new_histogram};

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
    /// The rounds that figures are made from: those that are valid and ran to their end, or all of them when none is.
    pub used: Vec<&'a LoadedRun>,
}

/// Groups runs by transport and workload, in the order in which transports are always told.
pub fn contenders(runs: &[LoadedRun]) -> Vec<Contender<'_>> {
    let mut groups: Vec<(Vec<Trait>, Vec<&LoadedRun>)> = Vec::new();
    for run in runs {
        let traits = traits_of(&run.run);
        let same = |(others, members): &&mut (Vec<Trait>, Vec<&LoadedRun>)| {
            *others == traits
                && members[0].run.asked.transport == run.run.asked.transport
                && members[0].contender() == run.contender()
        };
        match groups.iter_mut().find(same) {
            Some((_, members)) => members.push(run),
            None => groups.push((traits, vec![run])),
        }
    }
    // Wirelab's own feed first, so that a transport has its own colour there; other servers' are variants of it.
    groups.sort_by_key(|(_, members)| {
        let asked = &members[0].run.asked;
        (style::rank(&asked.transport), asked.target.is_some())
    });
    let all_traits: Vec<Vec<Trait>> = groups.iter().map(|(traits, _)| traits.clone()).collect();
    let compares_servers = are_servers_of_one_transport(&groups);
    let mut strangers: Vec<&str> = Vec::new();
    let mut contenders: Vec<Contender<'_>> = Vec::new();
    for (traits, all) in groups {
        let transport = all[0].run.asked.transport.as_str();
        if !strangers.contains(&transport) && style::rank(transport) == style::rank("") {
            strangers.push(transport);
        }
        let stranger = strangers.iter().position(|name| *name == transport).unwrap_or_default();
        let variant = contenders.iter().filter(|other| other.transport == transport).count();
        let label = workload::label(&all[0].contender(), &traits, &all_traits);
        let valid: Vec<_> = all.iter().copied().filter(|run| counts(run)).collect();
        contenders.push(Contender {
            transport,
            label,
            colour: match compares_servers {
                true => style::server_colour(transport, variant),
                false => style::transport_colour(transport, stranger, variant),
            },
            used: if valid.is_empty() { all.clone() } else { valid },
            all,
        });
    }
    contenders
}

/// True for a round that may be believed: valid, and not interrupted.
fn counts(run: &LoadedRun) -> bool {
    run.run.verdict.is_valid() && run.run.ending == Ending::Complete
}

/// True when what is compared is servers: all of one transport, each of another target. Then colours tell servers apart.
fn are_servers_of_one_transport(groups: &[(Vec<Trait>, Vec<&LoadedRun>)]) -> bool {
    let asked = |(_, members): &(Vec<Trait>, Vec<&LoadedRun>)| {
        (members[0].run.asked.transport.clone(), members[0].run.asked.target_name().to_owned())
    };
    let all: Vec<_> = groups.iter().map(asked).collect();
    let targets: std::collections::BTreeSet<_> = all.iter().map(|(_, target)| target).collect();
    targets.len() == all.len() && targets.len() > 1 && all.iter().all(|(transport, _)| *transport == all[0].0)
}

impl<'a> Contender<'a> {
    /// Rounds that are valid, those that were interrupted among them.
    pub fn valid_rounds(&self) -> usize {
        self.all.iter().filter(|run| run.run.verdict.is_valid()).count()
    }

    /// `2 of 3 rounds valid`, when some are not, and how many were interrupted and left out.
    pub fn rounds_note(&self) -> Option<String> {
        let (valid, all) = (self.valid_rounds(), self.all.len());
        let is_left_out = |run: &&&LoadedRun| run.run.ending == Ending::Interrupted && !self.uses(run);
        let interrupted = self.all.iter().filter(is_left_out).count();
        let notes = [
            (valid < all).then(|| format!("{valid} of {} valid", counted(all, "round"))),
            (interrupted > 0).then(|| format!("{interrupted} of {} interrupted and left out", counted(all, "round"))),
        ];
        let notes: Vec<String> = notes.into_iter().flatten().collect();
        (!notes.is_empty()).then(|| notes.join(", "))
    }

    fn uses(&self, run: &LoadedRun) -> bool {
        self.used.iter().any(|used| std::ptr::eq(*used, run))
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

    /// The rounds that figures are made from, each under the number of its round in its comparison; `comparisons` are the
    /// folders of all comparisons that runs came from, so that rounds of different ones never meet.
    pub fn side(&self, comparisons: &[PathBuf]) -> Rounds<'a> {
        const MOST_ROUNDS: usize = 1 << 20;
        let number = |run: &LoadedRun| {
            let place = comparisons.iter().position(|folder| run.folder.parent() == Some(folder))?;
            Some(place * MOST_ROUNDS + run.member.as_ref()?.round as usize)
        };
        let invalid = self.used.iter().any(|run| !run.run.verdict.is_valid());
        Rounds {
            label: if invalid { format!("{} (invalid)", self.label) } else { self.label.clone() },
            runs: self.used.iter().map(|run| (number(run), &run.run)).collect(),
        }
    }

    /// Median over rounds; `None` when it was measured in none.
    pub fn median(&self, of: impl Fn(&LoadedRun) -> Option<f64>) -> Option<f64> {
        median(&self.rounds(of))
    }

    /// Median over rounds with its 95 % interval; `None` for fewer than two rounds.
    pub fn interval(&self, of: impl Fn(&LoadedRun) -> Option<f64>) -> Option<Interval> {
        median_interval(&self.rounds(of))
    }

    /// A counter, summed over rounds.
    pub fn total(&self, of: impl Fn(&LoadedRun) -> u64) -> u64 {
        self.used.iter().map(|run| of(run)).sum()
    }
}

/// All contenders as sides of a comparison.
pub fn sides<'a>(contenders: &[Contender<'a>]) -> Vec<Rounds<'a>> {
    let mut comparisons: Vec<PathBuf> = Vec::new();
    for run in contenders.iter().flat_map(|contender| &contender.all) {
        let folder = run.folder.parent().filter(|_| run.member.is_some());
        if let Some(folder) = folder.filter(|folder| !comparisons.iter().any(|known| known == folder)) {
            comparisons.push(folder.to_owned());
        }
    }
    contenders.iter().map(|contender| contender.side(&comparisons)).collect()
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
