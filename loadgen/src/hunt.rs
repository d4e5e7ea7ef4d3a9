//! Where to look next for the highest load that holds: double until it breaks, or halve until it holds, then bisect.
//!
//! Machines have hiccups, in both directions. So both edges of a limit are confirmed by the same rule: the load that breaks and the
//! one that holds each stand on two runs that agree, of three at most. One run that holds is enough only to look further up.

use results::{SearchEnding, Vary};

/// Runs that must agree before a load is an edge of the limit: with these, the majority of any three.
const AGREEING: u32 = 2;

/// The bounds and the findings of a search.
#[derive(Debug, Clone)]
pub struct Hunt {
    vary: Vary,
    start: f64,
    floor: f64,
    ceiling: f64,
    resolution: f64,
    tried: Vec<Tried>,
}

/// A load, and what became of its runs.
#[derive(Debug, Clone, Copy)]
struct Tried {
    load: f64,
    held: u32,
    broke: u32,
}

impl Tried {
    fn breaks(&self) -> bool {
        self.broke >= AGREEING
    }

    fn is_confirmed(&self) -> bool {
        self.held >= AGREEING
    }

    /// True when one run broke and nothing outvotes it yet.
    fn is_open(&self) -> bool {
        self.broke > 0 && !self.breaks() && !self.is_confirmed()
    }
}

impl Hunt {
    /// Starts at `start`, never goes above `ceiling`, and ends when the gap is at most the share `resolution`.
    pub fn new(vary: Vary, start: f64, ceiling: f64, resolution: f64) -> Self {
        let floor = match vary {
            Vary::Clients => 1.0,
            Vary::Rate => 0.01,
        };
        Self { vary, start: start.min(ceiling), floor, ceiling, resolution, tried: Vec::new() }
    }

    /// The next load to try, perhaps once more, or how the search ends.
    pub fn next(&self) -> Result<f64, SearchEnding> {
        if let Some(open) = self.tried.iter().find(|tried| tried.is_open()) {
            return Ok(open.load);
        }
        let breaks = self.tried.iter().filter(|tried| tried.breaks()).map(|tried| tried.load).min_by(f64::total_cmp);
        let below = breaks.unwrap_or(f64::INFINITY);
        let holding = self.tried.iter().filter(|tried| !tried.breaks() && tried.load < below);
        let holds = holding.max_by(|a, b| a.load.total_cmp(&b.load));
        match self.step(holds.map(|tried| tried.load), breaks) {
            // What held once may have been luck: as likely as that what broke once was a hiccup.
            Err(ending) => holds.filter(|edge| !edge.is_confirmed()).map(|edge| edge.load).ok_or(ending),
            further => further,
        }
    }

    /// Where to go from the highest load that holds and the lowest that does not.
    fn step(&self, holds: Option<f64>, breaks: Option<f64>) -> Result<f64, SearchEnding> {
        match (holds, breaks) {
            (None, None) => Ok(self.start),
            (Some(low), None) if low >= self.ceiling => Err(SearchEnding::NotReached),
            (Some(low), None) => Ok((low * 2.0).min(self.ceiling)),
            (None, Some(high)) if high <= self.floor => Err(SearchEnding::NothingHolds),
            (None, Some(high)) => Ok(self.rounded(high / 2.0).max(self.floor)),
            (Some(low), Some(high)) => {
                let middle = self.rounded(f64::midpoint(low, high));
                let is_close = high <= low * (1.0 + self.resolution);
                if is_close || middle <= low || middle >= high { Err(SearchEnding::Found) } else { Ok(middle) }
            }
        }
    }

    /// Takes in what became of one run at a load.
    pub fn record(&mut self, load: f64, holds: bool) {
        let known = self.tried.iter().position(|tried| tried.load == load);
        let place = known.unwrap_or_else(|| {
            self.tried.push(Tried { load, held: 0, broke: 0 });
            self.tried.len() - 1
        });
        let tried = &mut self.tried[place];
        *(if holds { &mut tried.held } else { &mut tried.broke }) += 1;
    }

    /// Whole clients; rates in three significant digits.
    fn rounded(&self, load: f64) -> f64 {
        match self.vary {
            Vary::Clients => load.floor(),
            Vary::Rate => {
                let step = 10_f64.powf(load.log10().floor() - 2.0);
                (load / step).round() * step
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loads that are tried when `holds` tells each run's outcome, by load and by how often that load was tried before.
    fn tried_when(mut hunt: Hunt, holds: impl Fn(f64, usize) -> bool) -> (Vec<f64>, SearchEnding) {
        let mut loads: Vec<f64> = Vec::new();
        loop {
            match hunt.next() {
                Ok(load) => {
                    let before = loads.iter().filter(|tried| **tried == load).count();
                    assert!(before < 3, "{load} is tried a fourth time: {loads:?}");
                    loads.push(load);
                    hunt.record(load, holds(load, before));
                }
                Err(ending) => return (loads, ending),
            }
        }
    }

    /// The same when everything up to `limit` holds.
    fn tried(hunt: Hunt, limit: f64) -> (Vec<f64>, SearchEnding) {
        tried_when(hunt, |load, _| load <= limit)
    }

    #[test]
    fn a_load_is_doubled_and_then_bisected_to_the_resolution() {
        let (loads, ending) = tried(Hunt::new(Vary::Clients, 1_000.0, 1e6, 0.1), 5_300.0);
        let steps = [1e3, 2e3, 4e3, 8e3, 8e3, 6e3, 6e3, 5e3, 5.5e3, 5.5e3, 5e3];
        assert_eq!(loads, steps, "what breaks is tried twice, and so is what holds in the end");
        assert_eq!(ending, SearchEnding::Found);
    }

    #[test]
    fn a_start_that_does_not_hold_is_halved() {
        let (loads, ending) = tried(Hunt::new(Vary::Clients, 1_000.0, 1e6, 0.25), 300.0);
        assert_eq!(loads, [1_000.0, 1_000.0, 500.0, 500.0, 250.0, 375.0, 375.0, 312.0, 312.0, 250.0]);
        assert_eq!(ending, SearchEnding::Found);
        let (loads, ending) = tried(Hunt::new(Vary::Clients, 4.0, 1e6, 0.1), 0.0);
        assert_eq!((loads, ending), (vec![4.0, 4.0, 2.0, 2.0, 1.0, 1.0], SearchEnding::NothingHolds));
    }

    #[test]
    fn a_ceiling_that_holds_ends_the_search_without_a_limit() {
        let (loads, ending) = tried(Hunt::new(Vary::Clients, 1_000.0, 3_000.0, 0.1), 1e9);
        assert_eq!((loads, ending), (vec![1_000.0, 2_000.0, 3_000.0, 3_000.0], SearchEnding::NotReached));
    }

    #[test]
    fn few_clients_and_low_rates_come_to_an_end() {
        let once = |(mut loads, ending): (Vec<f64>, SearchEnding)| {
            loads.dedup();
            (loads, ending)
        };
        let (loads, ending) = once(tried(Hunt::new(Vary::Clients, 1.0, 1e6, 0.01), 2.0));
        assert_eq!((loads, ending), (vec![1.0, 2.0, 4.0, 3.0, 2.0], SearchEnding::Found));
        let (loads, ending) = once(tried(Hunt::new(Vary::Rate, 1.0, 1e6, 0.2), 0.3));
        assert_eq!((loads, ending), (vec![1.0, 0.5, 0.25, 0.375, 0.313, 0.281], SearchEnding::Found));
    }

    #[test]
    fn a_hiccup_neither_breaks_a_load_nor_makes_it_hold() {
        let hunt = || Hunt::new(Vary::Clients, 8.0, 32.0, 0.5);
        // 16 breaks once, of three: it holds.
        let (loads, ending) = tried_when(hunt(), |load, before| load < 32.0 && (load, before) != (16.0, 0));
        assert_eq!((loads, ending), (vec![8.0, 16.0, 16.0, 16.0, 32.0, 32.0, 24.0, 24.0], SearchEnding::Found));
        // 24 holds once, of three: it breaks, and the search goes on below it.
        let (loads, ending) = tried_when(hunt(), |load, before| load < 24.0 || (load, before) == (24.0, 0));
        let steps = [8.0, 16.0, 32.0, 32.0, 24.0, 24.0, 24.0, 16.0];
        assert_eq!((loads, ending), (steps.into(), SearchEnding::Found));
        // All that seemed to hold was luck: down it goes.
        let (loads, ending) = tried_when(hunt(), |load, before| load == 8.0 && before == 0);
        let steps = [8.0, 16.0, 16.0, 12.0, 12.0, 8.0, 8.0, 4.0, 4.0, 2.0, 2.0, 1.0, 1.0];
        assert_eq!((loads, ending), (steps.into(), SearchEnding::NothingHolds));
    }
}
