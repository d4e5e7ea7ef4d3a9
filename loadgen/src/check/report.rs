//! The steps as they are taken: each told at once, and those skipped by name that have lost their basis.

use std::time::Duration;

use tokio::time::timeout;

use super::step::{Held, Objection, Outcome, Step, departs};
use crate::target::Token;

/// Longest time that one step may take, whatever it waits for: several times what the longest waits in it add up to.
const STEP_BOUND: Duration = Duration::from_secs(20);

/// All steps so far, and whether it makes sense to go on.
pub(super) struct Report<'a> {
    tell: &'a mut dyn FnMut(&Step),
    /// What no step may repeat, whatever the server says.
    token: Option<&'a Token>,
    area: &'static str,
    /// Why the rest of this area is skipped.
    baseless: Option<String>,
    /// Why this is not a feed.
    not_a_feed: Option<String>,
    steps: Vec<Step>,
}

impl<'a> Report<'a> {
    /// Nothing yet; `tell` is called with each step, in which `token` does not stand.
    pub(super) fn new(token: Option<&'a Token>, tell: &'a mut dyn FnMut(&Step)) -> Self {
        Self { tell, token, area: "", baseless: None, not_a_feed: None, steps: Vec::new() }
    }

    /// Begins an area.
    pub(super) fn enter(&mut self, area: &'static str) {
        self.area = area;
        self.baseless = None;
    }

    /// Puts one claim to the server; nothing is sent if its basis is gone.
    pub(super) async fn step(&mut self, claim: impl Into<String>, holds: impl Future<Output = Held>) {
        self.put(claim.into(), holds).await;
    }

    /// A claim that the rest of its area rests on.
    pub(super) async fn basis(&mut self, claim: impl Into<String>, holds: impl Future<Output = Held>) {
        let claim = claim.into();
        if self.put(claim.clone(), holds).await.is_some() {
            self.baseless = Some(format!("it needs that {claim}"));
        }
    }

    /// The claim that everything else rests on.
    pub(super) async fn foundation(&mut self, claim: impl Into<String>, holds: impl Future<Output = Held>) {
        if let Some(Objection::Departs { expected, seen }) = self.put(claim.into(), holds).await {
            self.not_a_feed = Some(format!("{seen}; a feed answers {expected}"));
        }
    }

    async fn put(&mut self, claim: String, holds: impl Future<Output = Held>) -> Option<Objection> {
        let lost = self.not_a_feed.as_ref().map(|_| "nothing can be published");
        let (outcome, objection) = match lost.or(self.baseless.as_deref()) {
            Some(why) => (Outcome::Skipped { why: why.to_owned() }, None),
            None => {
                let held = timeout(STEP_BOUND, holds).await.unwrap_or_else(|_| {
                    Err(departs("all that this step waits for", format!("no end of it within {STEP_BOUND:?}")))
                });
                let held = held.map_err(|objection| objection.without(self.token));
                (held.clone().into(), held.err())
            }
        };
        let step = Step { area: self.area, claim, outcome };
        (self.tell)(&step);
        self.steps.push(step);
        objection
    }

    /// All steps, and why this is not a feed if it is none.
    pub(super) fn finish(self) -> (Vec<Step>, Option<String>) {
        (self.steps, self.not_a_feed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn objects() -> Held {
        Err(departs("201", "POST /topics/a answered 501"))
    }

    async fn holds() -> Held {
        Ok(())
    }

    async fn is_never_asked() -> Held {
        panic!("a skipped step must not be carried out")
    }

    #[tokio::test]
    async fn without_its_basis_the_rest_of_an_area_is_skipped_and_the_next_area_is_not() {
        let mut told = 0;
        let mut tell = |_: &Step| told += 1;
        let mut report = Report::new(None, &mut tell);
        report.enter("sse");
        report.basis("a stream opens", objects()).await;
        report.step("events have ids", is_never_asked()).await;
        report.enter("ws");
        report.step("a ping is answered", holds()).await;
        let (steps, not_a_feed) = report.finish();
        assert_eq!(steps[1].outcome, Outcome::Skipped { why: "it needs that a stream opens".to_owned() });
        assert_eq!((&steps[2].outcome, not_a_feed, told), (&Outcome::Passed, None, 3));
    }

    #[tokio::test]
    async fn without_the_foundation_nothing_more_is_asked() {
        let mut tell = |_: &Step| ();
        let mut report = Report::new(None, &mut tell);
        report.enter("publish");
        report.foundation("POST publishes", objects()).await;
        report.enter("ws");
        report.basis("a socket opens", is_never_asked()).await;
        let (steps, not_a_feed) = report.finish();
        assert!(matches!(&steps[1].outcome, Outcome::Skipped { why } if why == "nothing can be published"));
        assert_eq!(not_a_feed.as_deref(), Some("POST /topics/a answered 501; a feed answers 201"));
    }
}
