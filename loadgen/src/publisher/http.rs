//! Publishing over HTTP: pipelined requests on one connection, answers matched in order (RFC 9112, section 9.3.2).

use std::cell::RefCell;

use feed::Postmark;
use tokio::io::AsyncReadExt;

use super::books::Books;
use super::channel::Reading;
use super::message::{Message, text_of};
use crate::clock;
use crate::plan::Plan;
use crate::target::{Publishing, Target, Values};
use crate::wire::http;

/// The requests of all topics.
#[derive(Debug)]
pub(super) struct Http {
    /// Per topic, but for the postmark.
    requests: Vec<Message>,
}

impl Http {
    pub(super) fn new(plan: &Plan, target: &Target) -> Self {
        let Publishing::Http { method, request, body, .. } = &target.file.publishing else {
            unreachable!("only a target that publishes over HTTP is asked");
        };
        let text = text_of(plan);
        let requests = plan.topics.iter().map(|topic| {
            let values = Values { text: &text, ..Values::of(topic.as_str(), plan.run, target.secret()) };
            let body = body.filled(&values);
            let length = format!("Content-Length: {}\r\n", body.len());
            let head = request.head(method, &target.prefix, &target.host, &values, &length);
            Message::around(plan, (head + &body).into_bytes())
        });
        Self { requests: requests.collect() }
    }

    /// The request that carries `postmark` to a topic.
    pub(super) fn request(&self, topic: u16, postmark: Postmark) -> Vec<u8> {
        self.requests[usize::from(topic)].stamped(postmark)
    }
}

/// Matches answers to requests until the channel ends or stops making sense.
pub(super) async fn read_answers(reader: &mut Reading, books: &RefCell<Books>) {
    let mut received = Vec::new();
    while let Ok(1..) = reader.read_buf(&mut received).await {
        let at_ns = clock::now_ns();
        let mut used = 0;
        loop {
            match http::read_whole(&received[used..]) {
                Ok(Some((len, head))) => {
                    books.borrow_mut().answer(head.status, at_ns);
                    used += len;
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
        received.drain(..used);
    }
}
