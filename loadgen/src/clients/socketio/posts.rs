//! The half of a polling session that speaks: POSTs on a connection of their own, one at a time.

use std::rc::Rc;

use feed::framings::engine_io::SEPARATOR;

use super::super::ClientError;
use super::line::Line;
use super::rendezvous::Rendezvous;
use crate::recording::Recorder;
use crate::wire::Dialer;
use crate::wire::http::{self, HttpError, WrongStatus};

/// A connection with at most one POST on it. Servers end connections that are idle (Node's after 5 s), so it is opened when
/// there is something to say, and again when the server has ended it.
#[derive(Debug)]
pub(super) struct Posts {
    line: Line,
    /// The head of the request, up to the value of `Content-Length`.
    head: String,
    /// Packets that wait for their POST.
    outbox: Vec<Vec<u8>>,
    /// The request that has no answer.
    posting: Option<Post>,
}

#[derive(Debug)]
struct Post {
    request: Vec<u8>,
    is_sent: bool,
}

impl Posts {
    /// POSTs of the session `sid`; nothing is opened yet.
    pub(super) fn new(client: u32, rendezvous: &Rendezvous, sid: &str, dialer: Dialer, recorder: Rc<Recorder>) -> Self {
        let first_lines = rendezvous.request("POST", "polling", Some(sid));
        let head = format!("{first_lines}Content-Type: text/plain;charset=UTF-8\r\nContent-Length: ");
        let line = Line::new(client, dialer, recorder);
        Self { line, head, outbox: Vec::new(), posting: None }
    }

    /// Takes packets over, to be sent together with the next POST.
    pub(super) fn take(&mut self, packets: &mut Vec<Vec<u8>>) {
        self.outbox.append(packets);
    }

    /// True when everything that was taken is sent and answered.
    pub(super) fn is_quiet(&self) -> bool {
        self.posting.is_none() && self.outbox.is_empty()
    }

    /// Sends what there is to send, and returns when it is answered. With nothing to send it waits, forever: whoever wants
    /// something sent cancels it, which loses nothing.
    pub(super) async fn advance(&mut self) -> Result<(), ClientError> {
        if self.posting.is_none() && !self.outbox.is_empty() {
            let body = std::mem::take(&mut self.outbox).join(&SEPARATOR);
            let request = [format!("{}{}\r\n\r\n", self.head, body.len()).as_bytes(), &body].concat();
            self.posting = Some(Post { request, is_sent: false });
        }
        if self.posting.is_some() { self.post().await } else { self.await_end().await }
    }

    /// Leaves, whatever the server is about to say.
    pub(super) async fn leave(mut self) {
        self.line.leave().await;
    }

    /// Sends the POST, unless it is on its way, and waits for its answer. Where the server has ended the kept connection before a byte of it
    /// was written, it goes out on a new one. One that was written and not answered may have been read, and is never sent again (RFC
    /// 9110, section 9.2.2): then the session reconnects.
    async fn post(&mut self) -> Result<(), ClientError> {
        while let Some(post) = &mut self.posting {
            if !post.is_sent {
                self.line.lose_ended();
            }
            let is_new = self.line.open().await?;
            match exchange(&mut self.line, post).await {
                Ok(Ok(keeps_alive)) => {
                    self.posting = None;
                    if !keeps_alive {
                        self.line.leave().await;
                    }
                }
                Ok(Err(wrong)) => return Err(wrong.into()),
                Err(HttpError::Io(_)) if !is_new && !post.is_sent && !self.line.is_sending() => self.line.lose(),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits for the server's end of an idle connection, or for what it says on it without being asked; then, or where there is none, forever.
    async fn await_end(&mut self) -> Result<(), ClientError> {
        while let Some(connection) = self.line.connection() {
            match connection.take_in().await {
                Ok(true) => self.line.lose_ended(),
                Ok(false) | Err(_) => self.line.lose(),
            }
        }
        std::future::pending().await
    }
}

/// Whether the connection may carry another request, or why the answer is no success.
async fn exchange(line: &mut Line, post: &mut Post) -> Result<Result<bool, WrongStatus>, HttpError> {
    if !post.is_sent {
        line.send(&post.request).await?;
        post.is_sent = true;
    }
    let connection = line.connection().ok_or(HttpError::Closed)?;
    http::read_answer(connection, &[], |head, body, _| match head.status {
        200..=299 => Ok(head.keeps_alive),
        _ => Err(WrongStatus::new(&head, "200", body)),
    })
    .await
}
