//! Who stood by while others were struck, and how long notifications took to either: so that a stall of a tenth is not everybody's latency.

use hdrhistogram::Histogram;
use results::{ClientGroup, Percentiles};

use super::aim;
use crate::plan::Plan;

/// The clients of a run of which some were struck.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Groups {
    /// Clients that a fault was aimed at.
    pub struck: Option<ClientGroup>,
    /// All others.
    pub bystanders: Option<ClientGroup>,
}

impl Plan {
    /// True, by the number of a client, for each that a fault is aimed at, sooner or later, whether or not it is live then; `None` where
    /// nothing is done to clients. The seed alone decides it, so it is known before the first notification.
    pub fn struck(&self) -> Option<Vec<bool>> {
        if !self.strikes_clients() {
            return None;
        }
        let mut struck = vec![false; self.clients as usize];
        for hit in aim(&self.faults, self.clients, self.duration, self.seed) {
            struck[hit.client as usize] = true;
        }
        Some(struck)
    }
}

/// Tells the `latency` of all clients apart by those who were `struck`, of whose deliveries that is the part.
pub fn groups(plan: &Plan, latency: &Histogram<u64>, struck: Option<&Histogram<u64>>) -> Groups {
    let (Some(is_struck), Some(struck)) = (plan.struck(), struck) else { return Groups::default() };
    let clients = |wanted: bool| is_struck.iter().filter(|&&is_struck| is_struck == wanted).count() as u64;
    let mut of_bystanders = latency.clone();
    of_bystanders.subtract(struck).expect("what some clients received is a part of what all did");
    Groups { struck: group(clients(true), struck), bystanders: group(clients(false), &of_bystanders) }
}

fn group(clients: u64, latency: &Histogram<u64>) -> Option<ClientGroup> {
    let latency = (!latency.is_empty()).then(|| Percentiles::from(latency));
    (clients > 0).then_some(ClientGroup { clients, latency })
}

#[cfg(test)]
mod tests {
    use super::*;
    use results::growing_histogram;

    fn plan(faults: &[&str]) -> Plan {
        let faults = faults.iter().map(|text| text.parse().unwrap()).collect();
        Plan { faults, clients: 100, ..crate::plan::tests::plan() }
    }

    fn histogram(values: &[u64]) -> Histogram<u64> {
        let mut histogram = growing_histogram();
        values.iter().for_each(|value| histogram.record(*value).unwrap());
        histogram
    }

    #[test]
    fn who_is_struck_by_any_fault_is_no_bystander() {
        let count = |faults: &[&str]| plan(faults).struck().map(|struck| struck.into_iter().filter(|is| *is).count());
        assert_eq!(count(&["stall 10% for 1s"]), Some(10));
        let two = count(&["stall 10% for 1s", "cut 10% at 1s"]).unwrap();
        assert!((11..=20).contains(&two), "{two}");
        assert_eq!((count(&[]), count(&["pause-server for 1s"])), (None, None));
    }

    #[test]
    fn latency_is_told_apart_and_what_is_not_there_is_missing() {
        let (all, struck) = (histogram(&[5_000, 6_000, 9_000_000]), histogram(&[9_000_000]));
        let told = groups(&plan(&["stall 10% for 1s"]), &all, Some(&struck));
        let (struck_ones, bystanders) = (told.struck.unwrap(), told.bystanders.unwrap());
        assert_eq!((struck_ones.clients, bystanders.clients), (10, 90));
        assert_eq!(struck_ones.latency.unwrap().count, 1);
        let latency = bystanders.latency.unwrap();
        assert!(latency.count == 2 && latency.max_ns < 7_000, "{latency:?}");

        let everybody = groups(&plan(&["cut 100%"]), &all, Some(&all));
        assert_eq!((everybody.struck.unwrap().clients, everybody.bystanders), (100, None), "nobody stood by");
        let silent = groups(&plan(&["stall 10% for 1s"]), &struck, Some(&struck));
        assert_eq!(silent.bystanders.unwrap().latency, None, "and nothing came is no latency of zero");
        assert_eq!(groups(&plan(&["pause-server for 1s"]), &all, None), Groups::default());
    }
}
