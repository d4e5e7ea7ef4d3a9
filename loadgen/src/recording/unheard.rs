//! What was refused and never heard of again: of a publication whose answer was lost, nobody knows whether the server took it, until a client
//! has received it.

use super::Ledger;

/// What of `refused`, ascending numbers by topic, none of the `ledgers` has, each with the place of its topic.
pub fn unheard<'a>(refused: &[Vec<u32>], ledgers: impl Iterator<Item = (usize, &'a Ledger)>) -> Vec<Vec<u32>> {
    let mut unheard = refused.to_vec();
    for (topic, ledger) in ledgers {
        if let Some(numbers) = unheard.get_mut(topic) {
            numbers.retain(|number| !ledger.has(*number));
        }
    }
    unheard
}

/// How many numbers there are.
pub fn count_numbers(numbers: &[Vec<u32>]) -> u64 {
    numbers.iter().map(|numbers| numbers.len() as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::PublishOrder;

    fn ledger(received: &[u32]) -> Ledger {
        let mut ledger = Ledger::new(10);
        for &sequence in received {
            ledger.enter(sequence, false, |_| None);
        }
        ledger
    }

    #[test]
    fn what_a_single_client_received_was_published_to_all() {
        let refused = [vec![8, 11, 12], vec![12]];
        let ledgers = [ledger(&[10, 13]), ledger(&[10, 12, 13])];
        let left = unheard(&refused, ledgers.iter().map(|ledger| (0, ledger)));
        assert_eq!((left.clone(), count_numbers(&refused) - count_numbers(&left)), (vec![vec![8, 11], vec![12]], 1));
        let closed: Vec<_> =
            ledgers.iter().map(|ledger| ledger.close(14, &left[0], &PublishOrder::of_writing(&[]))).collect();
        assert_eq!(closed.iter().map(|books| (books.expected, books.lost)).collect::<Vec<_>>(), [(3, 1), (3, 0)]);
    }

    #[test]
    fn what_came_too_late_was_not_heard() {
        let mut late = ledger(&[10]);
        late.enter(11, true, |_| None);
        assert_eq!(unheard(&[vec![11]], std::iter::once((0, &late))), [vec![11]]);
    }
}
