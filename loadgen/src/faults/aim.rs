//! Which client is hit by which fault, and when: the same for the same seed, however many players share the clients.

use std::iter::{Peekable, from_fn};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::seq::index;
use rand::{RngExt, SeedableRng};

use super::{Blow, Fault, What};
use crate::plan::Plan;

/// A fault that is due for one client.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// When, after the beginning of the window.
    pub at: Duration,
    /// Number of the client.
    pub client: u32,
    /// Index of the fault.
    pub fault: usize,
    /// What is done to it.
    pub blow: Blow,
}

/// What one fault does to clients, in order of time.
type Hits = Box<dyn Iterator<Item = Hit>>;

/// Everything that is done to `clients` clients in a window of `duration`, in order of time. Each hit is found when it is asked for:
/// ten minutes of churn have hundreds of thousands.
pub fn aim(faults: &[Fault], clients: u32, duration: Duration, seed: u64) -> impl Iterator<Item = Hit> + use<> {
    let of_one = |(fault, asked): (usize, &Fault)| {
        // Faults of one run must not hit the same clients one after the other.
        let rng = SmallRng::seed_from_u64(seed.wrapping_mul(31).wrapping_add(fault as u64 + 1));
        let hits: Hits = of_fault(fault, asked, clients, duration, rng);
        hits.peekable()
    };
    let mut aimed: Vec<Peekable<Hits>> = faults.iter().enumerate().map(of_one).collect();
    from_fn(move || {
        let next = aimed.iter_mut().filter_map(|hits| hits.peek().map(|hit| hit.at)).min()?;
        aimed.iter_mut().find_map(|hits| hits.next_if(|hit| hit.at == next))
    })
}

fn of_fault(fault: usize, asked: &Fault, clients: u32, duration: Duration, mut rng: SmallRng) -> Hits {
    let at = asked.start();
    let once = |rng: &mut SmallRng, share: f64, blow: Blow| -> Hits {
        let hit = move |client: usize| Hit { at, client: client as u32, fault, blow };
        Box::new(index::sample(rng, clients as usize, part(clients, share) as usize).into_iter().map(hit))
    };
    match asked.what {
        What::Cut(share) => once(&mut rng, share, Blow::Cut),
        What::Stall(share, held) => once(&mut rng, share, Blow::Stall(held)),
        What::Vanish(share) => once(&mut rng, share, Blow::Vanish),
        What::Churn(share, length) => {
            let end = length.map_or(duration, |length| (at + length).min(duration));
            let pitch = 1.0 / (share * f64::from(clients));
            let leavings = (end.saturating_sub(at).as_secs_f64() / pitch).floor() as u64;
            Box::new((0..leavings).map(move |n| {
                let at = at + Duration::from_secs_f64(n as f64 * pitch);
                Hit { at, client: rng.random_range(0..clients), fault, blow: Blow::Leave }
            }))
        }
        What::RestartServer(_) | What::DrainServer(_) | What::PauseServer(_) => Box::new(std::iter::empty()),
    }
}

impl Plan {
    /// Most connections that clients who have vanished leave behind, open and unread.
    pub fn vanished_connections(&self) -> u64 {
        let share = |fault: &Fault| if let What::Vanish(share) = fault.what { share } else { 0.0 };
        let clients = self.own_clients().len() as f64 * self.faults.iter().map(share).sum::<f64>();
        clients.ceil() as u64 * u64::from(self.connections_per_client())
    }

    /// True when something is done to clients.
    pub fn strikes_clients(&self) -> bool {
        self.faults.iter().any(|fault| !fault.is_of_server())
    }

    /// True when the server's process is to end within the run, so that its counters begin anew.
    pub fn ends_server(&self) -> bool {
        self.faults.iter().any(Fault::ends_server)
    }
}

/// A share of the clients, one at least.
fn part(clients: u32, share: f64) -> u32 {
    ((f64::from(clients) * share).round() as u32).clamp(1, clients.max(1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn hits(faults: &[&str]) -> Vec<Hit> {
        let faults: Vec<Fault> = faults.iter().map(|text| text.parse().unwrap()).collect();
        aim(&faults, 1_000, Duration::from_secs(10), 7).collect()
    }

    #[test]
    fn a_share_is_that_many_different_clients() {
        let hit = hits(&["cut 30% at 5s"]);
        let clients: BTreeSet<u32> = hit.iter().map(|hit| hit.client).collect();
        assert_eq!((hit.len(), clients.len()), (300, 300));
        assert!(hit.iter().all(|hit| hit.at == Duration::from_secs(5) && hit.blow == Blow::Cut && hit.client < 1_000));
        assert_eq!(hits(&["cut 0.01%"]).len(), 1, "one at least");
        assert_eq!(hits(&["vanish 100%"]).len(), 1_000);
    }

    #[test]
    fn the_same_seed_hits_the_same_and_two_faults_hit_others() {
        assert_eq!(hits(&["cut 10% at 1s"]), hits(&["cut 10% at 1s"]));
        let two = hits(&["cut 10% at 1s", "cut 10% at 2s"]);
        let of = |fault: usize| two.iter().filter(|h| h.fault == fault).map(|h| h.client).collect::<BTreeSet<u32>>();
        assert_ne!(of(0), of(1));
    }

    #[test]
    fn churn_is_spread_evenly_over_its_time() {
        let hit = hits(&["churn 5%/s at 2s for 4s"]);
        assert_eq!(hit.len(), 200);
        let in_third_second = hit.iter().filter(|hit| hit.at.as_secs() == 2).count();
        assert!((49..=51).contains(&in_third_second), "{in_third_second}");
        assert!(hits(&["churn 5%/s"]).len().abs_diff(500) <= 1, "to the end of the window");
    }

    #[test]
    fn what_is_done_to_the_server_hits_no_client_and_time_is_in_order() {
        assert_eq!(hits(&["restart-server at 8s", "pause-server for 2s"]), []);
        assert!(hits(&["cut 1% at 5s", "churn 5%/s", "stall 1% for 1s at 2s"]).is_sorted_by_key(|hit| hit.at));
    }
}
