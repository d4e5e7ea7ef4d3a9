//! What holds of a log whoever appends to it, enters into it and reads from it, in whatever order.

use std::collections::HashSet;

use feed::encodings::json;
use proptest::prelude::*;
use serde_json::value::to_raw_value;

use super::*;

const BOUND: Limit = Limit { count: 8, bytes: 1 << 20 };

fn hub(topics_max: usize) -> Hub {
    Hub::new(topics_max, Habits { bound: BOUND, workers: 1, coalesce: Duration::ZERO })
}

fn log() -> Arc<Log> {
    hub(1).log(&"news".parse().unwrap()).unwrap()
}

fn payload() -> Payload {
    Payload { content_type: None, json: to_raw_value(&1).unwrap() }
}

/// Appends, and returns the offset of what was published, and whether it had been before.
fn append(log: &Arc<Log>, key: Option<&Key>) -> (u64, bool) {
    let Published { cursor, is_repeated } = log.append_once(&payload(), key).expect("all payloads are the same");
    (cursor.offset, is_repeated)
}

/// Enters what was numbered elsewhere.
fn enter(log: &Arc<Log>, cursor: Cursor) -> Entered {
    let payload = Cow::Owned(to_raw_value(&1).unwrap());
    log.enter(&Numbered { cursor, timestamp_us: cursor.offset, content_type: None, payload })
}

/// What a reader who takes part heard: the ids that stand in its notifications, and how many it was told that it lost.
#[derive(Debug)]
struct Listener {
    cursor: Cursor,
    heard: Vec<u64>,
    lost: u64,
}

impl Listener {
    fn new(log: &Log) -> Self {
        Self { cursor: log.start(After::Now).cursor, heard: Vec::new(), lost: 0 }
    }

    /// Reads as a session does: what follows the cursor, or on from the oldest, with the loss told.
    fn read(&mut self, log: &Log, limit: Limit) {
        match log.after(self.cursor, limit) {
            Ok(batch) => {
                let ids: Vec<u64> = batch.entries.iter().map(|entry| json::decode(entry.json()).unwrap().id).collect();
                let follow = self.cursor.offset + 1..=batch.cursor.offset;
                assert_eq!(ids, follow.collect::<Vec<_>>(), "what is read is what the cursors say");
                self.heard.extend(ids);
                self.cursor = batch.cursor;
            }
            Err(oldest) => {
                self.lost += oldest.offset.saturating_sub(self.cursor.offset);
                self.cursor = oldest;
            }
        }
    }
}

/// One thing that happens to a log.
#[derive(Debug, Clone)]
enum Step {
    Append,
    /// One of the readers reads, at most so much.
    Read {
        who: usize,
        count: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![Just(Step::Append), (0..3_usize, 1..6_usize).prop_map(|(who, count)| Step::Read { who, count }),]
}

proptest! {
    #[test]
    fn every_reader_hears_everything_once_and_in_order_but_for_the_loss_that_it_is_told_of(
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let log = log();
        let mut readers = [Listener::new(&log), Listener::new(&log), Listener::new(&log)];
        let mut appended = 0;
        for step in steps {
            match step {
                Step::Append => {
                    appended += 1;
                    prop_assert_eq!(append(&log, None), (appended, false), "numbers have no hole");
                    prop_assert_eq!(log.announced().cursor, log.head(), "what is appended is announced");
                }
                Step::Read { who, count } => readers[who].read(&log, Limit { count, ..BOUND }),
            }
        }
        for reader in &mut readers {
            // Each reading moves, so that as many as there are notifications are enough.
            for _ in 0..=appended {
                reader.read(&log, BOUND);
            }
            prop_assert_eq!(reader.cursor, log.head());
            prop_assert_eq!(reader.heard.len() as u64 + reader.lost, appended, "{:?}", reader);
            prop_assert!(reader.heard.windows(2).all(|two| two[0] < two[1]), "{:?}", reader);
        }
    }

    #[test]
    fn a_key_publishes_once_as_long_as_what_it_published_is_retained(
        keys in prop::collection::vec(prop::option::of(0..12_u8), 0..100),
    ) {
        let log = log();
        let mut published: HashMap<u8, u64> = HashMap::new();
        for key in keys {
            let next = log.head().offset + 1;
            let before = key.and_then(|key| published.get(&key).copied()).filter(|offset| *offset > log.oldest().offset);
            let name = key.map(|key| format!("key-{key}").parse().unwrap());
            prop_assert_eq!(append(&log, name.as_ref()), before.map_or((next, false), |offset| (offset, true)));
            if let (Some(key), None) = (key, before) {
                published.insert(key, next);
            }
        }
    }

    #[test]
    fn what_is_numbered_elsewhere_is_entered_once_whatever_order_it_comes_in(
        offsets in prop::collection::vec(1..30_u64, 0..150),
    ) {
        let log = log();
        let epoch = log.head().epoch;
        let mut head = 0;
        for offset in offsets {
            let entered = enter(&log, Cursor { epoch, offset });
            let expected = match offset {
                _ if offset <= head => Entered::Known,
                _ if offset == head + 1 => Entered::Appended,
                _ => Entered::Apart,
            };
            prop_assert_eq!(entered, expected);
            head += u64::from(entered == Entered::Appended);
            prop_assert_eq!(log.head(), Cursor { epoch, offset: head });
        }
    }

    #[test]
    fn a_subscription_begins_where_nothing_is_lost_or_says_so(appended in 0..30_u64, offset in 0..40_u64, same in any::<bool>()) {
        let log = log();
        for _ in 0..appended {
            append(&log, None);
        }
        let (oldest, head) = (log.oldest(), log.head());
        let epoch = if same { head.epoch } else { Epoch::from_number(u64::MAX) };
        let after = Cursor { epoch, offset };
        let start = log.start(After::Cursor(after));
        let can = same && (oldest.offset..=head.offset).contains(&offset);
        prop_assert_eq!((start.recovered, start.cursor), if can { (true, after) } else { (false, oldest) });
        prop_assert_eq!(log.left_behind(after), same && !can);
        let rest = log.after(start.cursor, BOUND).expect("reading can begin there");
        prop_assert_eq!(rest.cursor, head);
    }

    #[test]
    fn a_topic_has_one_log_and_there_are_no_more_than_may_be(names in prop::collection::vec("[a-d]{1,2}", 0..40), max in 1..6_usize) {
        let hub = hub(max);
        let mut known = HashSet::new();
        for name in names {
            let topic: TopicName = name.parse().unwrap();
            let fits = known.contains(&name) || known.len() < max;
            prop_assert_eq!(hub.log(&topic).is_ok(), fits);
            if fits {
                known.insert(name);
                prop_assert!(Arc::ptr_eq(&hub.log(&topic).unwrap(), &hub.log(&topic).unwrap()));
            }
            prop_assert_eq!(hub.topics(), known.len());
        }
    }
}
