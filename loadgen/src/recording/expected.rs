//! What one client makes of messages that are no notifications, as its target file says: it is let in, or it is refused.

use std::sync::Arc;

use super::told::beginning;
use crate::target::Replies;

/// What a client waits for, and what it was told.
#[derive(Debug)]
pub(super) struct Expected {
    replies: Arc<Replies>,
    is_let_in: bool,
    refusal: Option<String>,
}

impl Expected {
    /// `None` where the target says nothing of it: then any first message lets a client in, and none refuses it.
    pub(super) fn new(replies: &Arc<Replies>) -> Option<Box<Self>> {
        let says_something = replies.live.is_some() || replies.refused.is_some();
        says_something.then(|| Box::new(Self { replies: Arc::clone(replies), is_let_in: false, refusal: None }))
    }

    /// The client begins to connect.
    pub(super) fn begin(&mut self) {
        (self.is_let_in, self.refusal) = (false, None);
    }

    /// Takes a message in, which `is_notification` or not.
    pub(super) fn hear(&mut self, message: &[u8], is_notification: bool) {
        let Replies { live, refused } = &*self.replies;
        if !is_notification && self.refusal.is_none() && refused.as_ref().is_some_and(|refused| refused.holds(message))
        {
            self.refusal = Some(beginning(message));
        } else if !self.is_let_in {
            self.is_let_in = live.as_ref().is_none_or(|live| live.holds(message));
        }
    }

    /// True once what lets a client in was said.
    pub(super) fn is_let_in(&self) -> bool {
        self.is_let_in || self.replies.live.is_none()
    }

    /// What refused the client, once.
    pub(super) fn take_refusal(&mut self) -> Option<String> {
        self.refusal.take()
    }
}
