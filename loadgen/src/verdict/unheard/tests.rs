//! Which clients are called unheard, of clients whose ledgers are known.

use super::*;
use crate::plan::tests::plan;
use crate::recording::{Ledger, Received};

/// Numbers 10 to 39 are of the window, from 30 on of its last third.
const SPAN: Span = Span { first: 10, last_third: 30, end: 40 };
const ALL: Judged = Judged { window: true, last_third: true };

/// So many clients of a topic that received these numbers.
fn clients(topic: u16, clients: u64, numbers: impl IntoIterator<Item = u32>) -> ClientGroup {
    let mut ledger = Ledger::new(SPAN.first);
    for number in numbers {
        ledger.enter(number, false, |_| None);
    }
    ClientGroup { topic, clients, is_behind: false, received: vec![Received::of(&ledger)] }
}

/// Clients unheard at all, at the end, and with all of their topic.
fn found(groups: &[ClientGroup], judged: Judged) -> [u64; 3] {
    let Unheard { at_all, at_the_end, of_silenced_topics, .. } = unheard(groups, judged, |_, _| Some((SPAN, &[])));
    [at_all, at_the_end, of_silenced_topics]
}

#[test]
fn one_deaf_client_of_a_hundred_is_found() {
    assert_eq!(found(&[clients(0, 99, 10..40), clients(0, 1, [])], ALL), [1, 0, 0]);
    assert_eq!(found(&[clients(0, 99, 10..40), clients(0, 1, 10..30)], ALL), [0, 1, 0], "deaf from some instant on");
    assert_eq!(found(&[clients(0, 100, 10..40)], ALL), [0, 0, 0]);
    assert_eq!(found(&[clients(0, 99, 10..40), clients(0, 1, 10..31)], ALL), [0, 0, 0], "it lost a lot, and hears");
}

#[test]
fn clients_that_all_fall_silent_after_something_are_found() {
    assert_eq!(found(&[clients(0, 4, 10..11)], ALL), [0, 0, 4]);
    assert_eq!(found(&[clients(0, 3, 10..30), clients(0, 1, [])], ALL), [0, 0, 4]);
    assert_eq!(found(&[clients(0, 1, 10..11)], ALL), [0, 0, 0], "ten due to one client are too few to tell");
}

#[test]
fn who_is_behind_is_not_deaf() {
    let behind = |group: ClientGroup| ClientGroup { is_behind: true, ..group };
    assert_eq!(found(&[clients(0, 99, 10..40), behind(clients(0, 1, []))], ALL), [0, 0, 0], "all of it came late");
    assert_eq!(found(&[clients(0, 99, 10..40), behind(clients(0, 1, 10..20))], ALL), [0, 0, 0]);
    assert_eq!(found(&[behind(clients(0, 4, 10..25))], ALL), [0, 0, 0]);
    assert_eq!(found(&[clients(0, 1, 10..25), behind(clients(0, 3, 10..25))], ALL), [0, 0, 0], "the topic goes on");
    assert_eq!(found(&[behind(clients(0, 99, 10..40)), clients(0, 1, [])], ALL), [1, 0, 0], "deaf among others");
}

#[test]
fn a_topic_that_nobody_hears_and_one_that_all_hear_in_part_are_no_deaf_clients() {
    assert_eq!(found(&[clients(0, 50, []), clients(1, 50, 10..40)], ALL), [0, 0, 0], "the server gives it to nobody");
    let halves = (0..20).map(|client| clients(0, 1, (10..40).filter(move |number| (number + client) % 2 == 0)));
    let deaf = std::iter::once(clients(0, 1, []));
    assert_eq!(found(&halves.chain(deaf).collect::<Vec<_>>(), ALL), [0, 0, 0], "nobody was well served");
}

#[test]
fn fewer_than_five_say_nothing() {
    let groups = [clients(0, 9, 10..40), clients(0, 1, [])];
    let with = |span: Span, refused: &'static [u32]| unheard(&groups, ALL, |_, _| Some((span, refused))).at_all;
    assert_eq!(with(Span { first: 10, last_third: 14, end: 15 }, &[]), 1);
    assert_eq!(with(Span { first: 10, last_third: 13, end: 14 }, &[]), 0);
    assert_eq!(with(Span { first: 10, last_third: 14, end: 15 }, &[12]), 0, "of five, one was refused");
}

#[test]
fn what_is_not_judged_is_not_found() {
    let deaf = [clients(0, 9, 10..40), clients(0, 1, []), clients(0, 1, 10..30)];
    assert_eq!(found(&deaf, Judged { window: true, last_third: false }), [1, 0, 0]);
    assert_eq!(found(&deaf, Judged { window: false, last_third: false }), [0, 0, 0]);
    let plan =
        |transport, poll_interval| Plan { transport, poll_interval, duration: Duration::from_secs(30), ..plan() };
    let judged = |transport, seconds| {
        let judged = Judged::of(&plan(transport, Duration::from_secs(seconds)));
        [judged.window, judged.last_third]
    };
    assert_eq!(judged(Transport::ShortPoll, 9), [true, true]);
    assert_eq!(judged(Transport::ShortPoll, 10), [true, false]);
    assert_eq!(judged(Transport::ShortPoll, 30), [false, false]);
    assert_eq!(judged(Transport::Sse, 30), [true, true], "no client polls there");
    let faults = vec!["pause-server for 1s at 1s".parse().unwrap()];
    let paused = Judged::of(&Plan { faults, ..plan(Transport::Ws, Duration::ZERO) });
    assert_eq!([paused.window, paused.last_third], [false, false]);
}

#[test]
fn a_client_of_several_publishers_is_judged_by_all_that_was_due_to_it() {
    let of = |numbers: std::ops::Range<u32>| clients(0, 1, numbers).received.remove(0);
    let group = |clients, received: [Received; 2]| ClientGroup {
        topic: 0,
        clients,
        is_behind: false,
        received: received.into(),
    };
    let groups =
        [group(8, [of(10..40), of(10..40)]), group(1, [of(10..10), of(10..40)]), group(1, [of(10..10), of(10..10)])];
    let found = unheard(&groups, ALL, |_, _| Some((SPAN, &[])));
    assert_eq!((found.at_all, found.clients), (1, 10), "who hears the other publisher is not deaf");
    let short = Span { first: 10, last_third: 12, end: 13 };
    assert_eq!(unheard(&groups, ALL, |_, _| Some((short, &[]))).at_all, 1, "three of each are six");
}

#[test]
fn the_last_third_begins_with_what_is_due_in_it() {
    // Ten a second; numbers 10 to 29 are due in the window.
    let plan = plan();
    let spans = |seconds, end| Span::of_topics(&plan, Duration::from_secs(seconds), &[end]);
    let whole = plan.duration.as_secs();
    let [Span { first, last_third, end }] = spans(whole, 30)[..] else { panic!("one topic") };
    assert_eq!((first, end), (10, 30));
    assert_eq!(last_third, 10 + (20_u32 * 2).div_ceil(3));
    // Stopped after half of it.
    let [Span { first, last_third, end }] = spans(whole / 2, 20)[..] else { panic!("one topic") };
    assert_eq!((first, last_third, end), (10, 17, 20));
}
