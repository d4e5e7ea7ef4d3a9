//! The requests that publish over HTTP, and what their answers say.

use feed::Postmark;

use super::message::{Message, text_of};
use crate::plan::Plan;
use crate::target::{Condition, Publishing, Target, Values};
use crate::wire::http::Head;

/// A 2xx answer says that the notification was not accepted.
pub(super) const NOT_ACCEPTED: &str = "not-accepted";

/// The requests of all topics.
#[derive(Debug)]
pub(super) struct Http {
    /// Per topic, but for the postmark.
    requests: Vec<Message>,
    /// What the body of an acceptance says, beside its status.
    accepted: Option<Condition>,
}

impl Http {
    pub(super) fn new(plan: &Plan, target: &Target) -> Self {
        let Publishing::Http { method, request, body, accepted } = &target.file.publishing else {
            unreachable!("only a target that publishes over HTTP is asked");
        };
        let text = text_of(plan);
        let requests = plan.topics.iter().map(|topic| {
            let values = Values { text: &text, ..Values::of(topic.as_str(), plan.run, target.secret()) };
            let body = body.filled(&values);
            let length = format!("Content-Length: {}\r\n", body.len());
            let head = request.head(method, &target.prefix, &target.host, &values, &length);
            let head_len = head.len();
            Message::around(plan, (head + &body).into_bytes()).with_unique_values(head_len)
        });
        Self { requests: requests.collect(), accepted: accepted.clone() }
    }

    /// The request that carries `postmark` to a topic.
    pub(super) fn request(&self, topic: u16, postmark: Postmark) -> Vec<u8> {
        self.requests[usize::from(topic)].stamped(postmark)
    }

    /// True when each request carries a key of its own by which the server recognises it if it comes again.
    pub(super) fn has_idempotency_key(&self) -> bool {
        self.requests.iter().all(Message::is_unique)
    }

    /// True when the body of an answer says whether it is an acceptance.
    pub(super) fn reads_bodies(&self) -> bool {
        self.accepted.is_some()
    }

    /// Why an answer is no acceptance; `None` when it is one.
    pub(super) fn refusal(&self, head: &Head, body: &[u8]) -> Option<String> {
        if !(200..300).contains(&head.status) {
            return Some(format!("status-{}", head.status));
        }
        let accepted = self.accepted.as_ref()?;
        if let Some(coding) = &head.coding {
            // What it says cannot be read.
            return Some(format!("coded: {}", coding.name));
        }
        (!accepted.holds(body)).then(|| NOT_ACCEPTED.to_owned())
    }
}
