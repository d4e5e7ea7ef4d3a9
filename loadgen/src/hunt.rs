//! Where to look next for the highest load that holds: double until it breaks, or halve until it holds, then bisect.

use results::{SearchEnding, Vary};

/// The bounds and the findings of a search.
#[derive(Debug, Clone)]
pub struct Hunt {
    vary: Vary,
    start: f64,
    floor: f64,
    ceiling: f64,
    resolution: f64,
    /// Highest load that holds.
    holds: Option<f64>,
    /// Lowest load that does not.
    breaks: Option<f64>,
}

impl Hunt {
    /// Starts at `start`, never goes above `ceiling`, and ends when the gap is at most the share `resolution`.
    pub fn new(vary: Vary, start: f64, ceiling: f64, resolution: f64) -> Self {
        let floor = match vary {
            Vary::Clients => 1.0,
            Vary::Rate => 0.01,
        };
        Self { vary, start: start.min(ceiling), floor, ceiling, resolution, holds: None, breaks: None }
    }

    /// The next load to try, or how the search ends.
    pub fn next(&self) -> Result<f64, SearchEnding> {
        match (self.holds, self.breaks) {
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

    /// Takes in what became of a load.
    pub fn record(&mut self, load: f64, holds: bool) {
        if holds {
            self.holds = Some(self.holds.map_or(load, |known| known.max(load)));
        } else {
            self.breaks = Some(self.breaks.map_or(load, |known| known.min(load)));
        }
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

    /// Loads that are tried when everything up to `limit` holds.
    fn tried(mut hunt: Hunt, limit: f64) -> (Vec<f64>, SearchEnding) {
        let mut loads = Vec::new();
        loop {
            match hunt.next() {
                Ok(load) => {
                    loads.push(load);
                    hunt.record(load, load <= limit);
                }
                Err(ending) => return (loads, ending),
            }
        }
    }

    #[test]
    fn a_load_is_doubled_and_then_bisected_to_the_resolution() {
        let (loads, ending) = tried(Hunt::new(Vary::Clients, 1_000.0, 1e6, 0.1), 5_300.0);
        assert_eq!(loads, [1_000.0, 2_000.0, 4_000.0, 8_000.0, 6_000.0, 5_000.0, 5_500.0]);
        assert_eq!(ending, SearchEnding::Found);
    }

    #[test]
    fn a_start_that_does_not_hold_is_halved() {
        let (loads, ending) = tried(Hunt::new(Vary::Clients, 1_000.0, 1e6, 0.25), 300.0);
        assert_eq!(loads, [1_000.0, 500.0, 250.0, 375.0, 312.0]);
        assert_eq!(ending, SearchEnding::Found);
        let (loads, ending) = tried(Hunt::new(Vary::Clients, 4.0, 1e6, 0.1), 0.0);
        assert_eq!((loads, ending), (vec![4.0, 2.0, 1.0], SearchEnding::NothingHolds));
    }

    #[test]
    fn a_ceiling_that_holds_ends_the_search_without_a_limit() {
        let (loads, ending) = tried(Hunt::new(Vary::Clients, 1_000.0, 3_000.0, 0.1), 1e9);
        assert_eq!((loads, ending), (vec![1_000.0, 2_000.0, 3_000.0], SearchEnding::NotReached));
    }

    #[test]
    fn few_clients_and_low_rates_come_to_an_end() {
        let (loads, ending) = tried(Hunt::new(Vary::Clients, 1.0, 1e6, 0.01), 2.0);
        assert_eq!((loads, ending), (vec![1.0, 2.0, 4.0, 3.0], SearchEnding::Found));
        let (loads, ending) = tried(Hunt::new(Vary::Rate, 1.0, 1e6, 0.2), 0.3);
        assert_eq!((loads, ending), (vec![1.0, 0.5, 0.25, 0.375, 0.313, 0.281], SearchEnding::Found));
    }
}
