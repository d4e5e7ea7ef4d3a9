//! What holds of a window whatever is pushed into it and asked of it, held against a plain list of everything there ever was.

use std::borrow::Cow;

use feed::Payload;
use proptest::prelude::*;

use super::*;

/// One thing that happens to a window.
#[derive(Debug, Clone)]
enum Step {
    /// A payload of so many digits is appended.
    Push { digits: usize },
    /// It goes on in another epoch, or further on in this one.
    Adopt { epoch: u64, ahead: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (1..200_usize).prop_map(|digits| Step::Push { digits }),
        1 => (7..9_u64, 0..50_u64).prop_map(|(epoch, ahead)| Step::Adopt { epoch, ahead }),
    ]
}

fn limit() -> impl Strategy<Value = Limit> {
    let most = || prop_oneof![0..12_usize, 0..4000_usize, Just(usize::MAX)];
    (most(), most()).prop_map(|(count, bytes)| Limit { count: count.max(1), bytes })
}

fn entry(cursor: Cursor, digits: usize) -> Encoded {
    let payload = Payload::from_json("1".repeat(digits).as_bytes()).unwrap().json;
    let topic = "news".into();
    let id = cursor.offset;
    let notification = Notification { topic, id, timestamp_us: id, content_type: None, payload: Cow::Owned(payload) };
    Encoded::new(cursor.epoch, &notification)
}

/// A window, and the sizes of everything that was pushed since it last went on elsewhere.
fn walk(bound: Limit, steps: &[Step]) -> (Window, Vec<usize>) {
    let mut window = Window::new(Epoch::from_number(7), bound);
    let mut sizes = Vec::new();
    for step in steps {
        match *step {
            Step::Push { digits } => {
                let Cursor { epoch, offset } = window.head();
                let entry = entry(Cursor { epoch, offset: offset + 1 }, digits);
                sizes.push(entry.json().len());
                window.push(entry);
            }
            Step::Adopt { epoch, ahead } => {
                window.adopt(Cursor { epoch: Epoch::from_number(epoch), offset: window.head().offset + ahead });
                sizes.clear();
            }
        }
    }
    (window, sizes)
}

proptest! {
    #[test]
    fn a_window_keeps_the_newest_within_its_bound_and_no_less(bound in limit(), steps in prop::collection::vec(step(), 0..80)) {
        let (window, sizes) = walk(bound, &steps);
        let kept = window.ring.len();
        let bytes: usize = sizes[sizes.len() - kept..].iter().sum();
        prop_assert_eq!(window.bytes, bytes);
        prop_assert!(kept <= bound.count && (bytes <= bound.bytes || kept == 1));
        if kept < sizes.len() {
            // One more would not have fitted at some time since: an earlier, larger neighbour may have pushed it out.
            let one_more = sizes.windows(kept + 1).any(|sizes| sizes.iter().sum::<usize>() > bound.bytes);
            prop_assert!(kept == bound.count || one_more);
        }
        let (oldest, head) = (window.oldest(), window.head());
        prop_assert_eq!(head.offset - oldest.offset, kept as u64);
        prop_assert!(window.ring.iter().map(|entry| entry.cursor.offset).eq(oldest.offset + 1..=head.offset));
    }

    #[test]
    fn reading_on_from_any_cursor_meets_every_notification_once_or_says_that_it_cannot(
        bound in limit(),
        limit in limit(),
        steps in prop::collection::vec(step(), 0..80),
        from in 0..2000_u64,
    ) {
        let (window, _) = walk(bound, &steps);
        let (oldest, head) = (window.oldest(), window.head());
        let mut cursor = Cursor { offset: from % (head.offset + 3), ..head };
        let expected = cursor.offset + 1..=head.offset;
        let lies_within = (oldest.offset..=head.offset).contains(&cursor.offset);
        prop_assert_eq!(window.continues(cursor), lies_within);
        let elsewhere = Cursor { epoch: Epoch::from_number(99), ..cursor };
        prop_assert!(window.after(elsewhere, limit).is_none());
        if !lies_within {
            prop_assert!(window.after(cursor, limit).is_none());
            return Ok(());
        }
        let mut met = Vec::new();
        while cursor != head {
            let entries = window.after(cursor, limit).expect("it continues");
            let bytes: usize = entries.iter().map(|entry| entry.json().len()).sum();
            prop_assert!(!entries.is_empty(), "a reading always moves");
            prop_assert!(entries.len() <= limit.count && (bytes <= limit.bytes || entries.len() == 1));
            met.extend(entries.iter().map(|entry| entry.cursor.offset));
            cursor.offset += entries.len() as u64;
        }
        prop_assert!(met.into_iter().eq(expected));
    }

    #[test]
    fn every_cursor_has_its_place(bound in limit(), steps in prop::collection::vec(step(), 0..40), offset in 0..60_u64) {
        let (window, _) = walk(bound, &steps);
        let cursor = Cursor { offset, ..window.head() };
        let (oldest, head) = (window.oldest().offset, window.head().offset);
        let at = |timestamp_us| window.place(cursor, timestamp_us);
        let expected = match offset {
            _ if offset <= oldest => [Entered::Known, Entered::Known],
            _ if offset <= head => [Entered::Known, Entered::Contradicts],
            _ if offset == head + 1 => [Entered::Appended, Entered::Appended],
            _ => [Entered::Apart, Entered::Apart],
        };
        prop_assert_eq!([at(offset), at(offset + 1)], expected);
        prop_assert_eq!(window.place(Cursor { epoch: Epoch::from_number(99), ..cursor }, 1), Entered::Apart);
    }
}
