//! Plain requests, answered one after the other without hyper: by the same router, and in as few writes as possible.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use axum::body::{Body, HttpBody};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{Method, Request};
use http_body_util::BodyExt;
use tokio::task::yield_now;

use crate::connection::{Left, Lobby};
use crate::refusal::Refusal;
use crate::replies::Replies;
use crate::request::{Front, take};
use crate::socket::{ARRIVALS_MAX, Socket};
use crate::standing::{Standing, WhileNothingFollows};
use crate::takeover::{Deliver, Takeover, closes};

/// Answers the requests in `arrived`, and what has come behind them, until nothing is left or something is not plain; `None` when
/// the connection is over.
pub(crate) async fn answer(socket: Socket, arrived: Bytes, lobby: &Lobby) -> Option<Left> {
    let mut visit = Visit { socket, arrived, replies: Replies::new(), standing: None, lobby };
    loop {
        let before = visit.arrived.clone();
        match visit.front() {
            Front::Plain(request) => {
                let asked = before.slice(..before.len() - visit.arrived.len());
                match visit.reply_to(request, &asked).await? {
                    Reply::Given => {}
                    Reply::Taken(deliver) => return Some(Left::Taken(visit.leave().await?, deliver, asked)),
                    Reply::Last => {
                        // What the client has sent behind it would have the system destroy what is on its way.
                        visit.socket.linger().await;
                        return None;
                    }
                }
            }
            Front::Nothing => {
                let standing = visit.standing.take();
                return Some(Left::Idle(visit.leave().await?, standing));
            }
            Front::Part if visit.more().await? => {}
            Front::Part | Front::Foreign => return Some(Left::Detour(visit.leave().await?)),
        }
    }
}

/// What has come of requests, and what goes out.
struct Visit<'a> {
    socket: Socket,
    arrived: Bytes,
    replies: Replies,
    /// The last answer, if it stands.
    standing: Option<Box<Standing>>,
    lobby: &'a Lobby,
}

/// What became of a request.
enum Reply {
    /// It has its answer, which is gathered.
    Given,
    /// The same, and it is the last of the connection, and written.
    Last,
    /// Whoever is to answer wants the socket.
    Taken(Deliver),
}

impl Visit<'_> {
    /// Takes the next request off what has come.
    fn front(&mut self) -> Front {
        match self.arrived.is_empty() {
            // How to say goodbye before an answer is made, hyper knows.
            false if self.lobby.closing.is_due(self.socket.meter()) => Front::Foreign,
            _ => take(&mut self.arrived, self.lobby.head_max),
        }
    }

    /// Has the router answer what was `asked`, and gathers the answer, unless it wants the socket.
    async fn reply_to(&mut self, mut request: Request<Body>, asked: &[u8]) -> Option<Reply> {
        let bodiless = request.body().is_end_stream();
        let is_head = *request.method() == Method::HEAD;
        request.extensions_mut().insert(self.socket.meter().clone());
        let mut response = self.respond(request).await?;
        match response.extensions_mut().remove::<Takeover>().and_then(Takeover::into_deliver) {
            Some(deliver) if bodiless => return Some(Reply::Taken(deliver)),
            Some(_) => response = Refusal::subscription_with_a_body().into_response(),
            None => {}
        }
        let condition = response.extensions_mut().remove::<WhileNothingFollows>();
        let (mut head, body) = response.into_parts();
        let mut body = whole(body).await?;
        if is_head {
            // The router leaves bodies out, but a guard's refusal never came to it.
            head.headers.entry(CONTENT_LENGTH).or_insert_with(|| body.len().into());
            body = Bytes::new();
        }
        let kind = self.socket.meter().kind();
        if !self.replies.have_room(kind) {
            self.flush().await?;
        }
        let last =
            self.lobby.closing.is_due(self.socket.meter()) || head.headers.get_all(CONNECTION).iter().any(closes);
        let start = self.replies.gathered().len();
        let date = self.replies.push(kind, head, &body, last);
        if last {
            self.flush().await?;
            return Some(Reply::Last);
        }
        self.standing = condition.and_then(|condition| {
            let answer = &self.replies.gathered()[start..];
            Standing::keep(asked, answer, date.start - start..date.end - start, condition)
        });
        Some(Reply::Given)
    }

    async fn respond(&mut self, request: Request<Body>) -> Option<Response> {
        let mut answering = pin!(self.lobby.entrance.answer(request));
        if let Poll::Ready(response) = poll_fn(|cx| Poll::Ready(answering.as_mut().poll(cx))).await {
            return Some(response);
        }
        // What is ready does not wait for what is not.
        self.flush().await?;
        poll_fn(|cx| {
            if let Poll::Ready(response) = answering.as_mut().poll(cx) {
                return Poll::Ready(Some(response));
            }
            // A client that goes is noticed, unless it has left something to be read.
            if self.arrived.is_empty()
                && let Poll::Ready(arrived) = self.socket.poll_arrivals(cx, &[])
            {
                self.arrived = arrived.unwrap_or_default();
                if self.arrived.is_empty() {
                    return Poll::Ready(None);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Looks whether the rest of a request is there already.
    async fn more(&mut self) -> Option<bool> {
        if self.arrived.len() >= ARRIVALS_MAX || self.lobby.closing.is_due(self.socket.meter()) {
            return Some(false);
        }
        self.flush().await?;
        // One who sends without end is not all there is.
        yield_now().await;
        let before = self.arrived.len();
        match poll_fn(|cx| Poll::Ready(self.socket.poll_arrivals(cx, &self.arrived))).await {
            Poll::Ready(arrived) => self.arrived = arrived.ok()?,
            Poll::Pending => {}
        }
        Some(self.arrived.len() > before)
    }

    async fn flush(&mut self) -> Option<()> {
        self.replies.write(&self.socket, self.lobby.write_timeout).await
    }

    /// Writes what is ready, and puts back what was not for us.
    async fn leave(mut self) -> Option<Socket> {
        self.flush().await?;
        self.socket.unread(&self.arrived);
        Some(self.socket)
    }
}

/// The whole body of an answer: what has no end takes the socket instead. `None` when it fails, which ends the connection, for the
/// head has no way to say so.
async fn whole(mut body: Body) -> Option<Bytes> {
    let first = match body.frame().await {
        None => return Some(Bytes::new()),
        Some(frame) => frame.ok()?.into_data().unwrap_or_default(),
    };
    if body.is_end_stream() {
        return Some(first);
    }
    let rest = body.collect().await.ok()?.to_bytes();
    Some([first, rest].concat().into())
}
