//! A standing answer: a poll that brought nothing is answered with the same bytes when the same bytes ask again, as long as nothing
//! follows its cursor.
//!
//! Most of a short poller's requests are the one before, byte for byte, and most bring nothing. What routes and guards made of those bytes
//! holds whenever they come, and so does the answer, all but its date, while the head of the log is where it was. What holds for a
//! time only, guards have asked anew: see `guards/readmission.rs`.

use std::fmt;
use std::io::IoSlice;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use feed::Cursor;

use crate::again::ASKED_MAX;
use crate::clock;
use crate::guards::readmission::Readmission;
use crate::hub::Log;
use crate::replies::Replies;
use crate::socket::Socket;

/// What has to be so for an answer to be given again. It travels as an extension of the response, from the handler to the connection.
#[derive(Debug, Clone)]
pub(crate) struct WhileNothingFollows(Arc<Condition>);

#[derive(Debug)]
struct Condition {
    log: Arc<Log>,
    cursor: Cursor,
    readmission: Readmission,
}

impl WhileNothingFollows {
    /// Of an answer which says that nothing follows `cursor`, the newest of its `log`.
    pub(crate) fn new(log: Arc<Log>, cursor: Cursor, readmission: Readmission) -> Self {
        Self(Arc::new(Condition { log, cursor, readmission }))
    }

    fn holds(&self) -> bool {
        self.0.log.head() == self.0.cursor && self.0.readmission.is_granted()
    }
}

/// Writes what is left of an answer; `None` when the client is gone, or took nothing for too long. Boxed, for it is seldom: an idle
/// connection has no room for it.
pub(crate) type Rest<'a> = Pin<Box<dyn Future<Output = Option<()>> + Send + 'a>>;

/// A poll that brought nothing, and what it was answered.
pub(crate) struct Standing {
    asked: Box<[u8]>,
    answer: Box<[u8]>,
    /// Where in the answer its date stands.
    date: Range<usize>,
    condition: WhileNothingFollows,
}

impl Standing {
    /// Keeps what was `asked` and the `answer`; nothing if that would be too much to keep.
    pub(crate) fn keep(
        asked: &[u8],
        answer: &[u8],
        date: Range<usize>,
        condition: WhileNothingFollows,
    ) -> Option<Box<Self>> {
        let fits = asked.len() <= ASKED_MAX;
        fits.then(|| Box::new(Self { asked: asked.into(), answer: answer.into(), date, condition }))
    }

    /// True when `bytes` ask the same, and nothing more, and are to be told the same. Guards that count have counted them then.
    pub(crate) fn answers(&self, bytes: &[u8]) -> bool {
        *self.asked == *bytes && self.condition.holds()
    }

    /// Answers once more; what the socket does not take at once is left to be waited for.
    pub(crate) fn tell<'a>(&mut self, socket: &'a Socket, patience: Duration) -> Option<Rest<'a>> {
        self.answer[self.date.clone()].copy_from_slice(&clock::http_date());
        let (meter, kind) = (socket.meter(), socket.meter().kind());
        meter.label(kind);
        meter.answered(0);
        // An error is left to who writes the rest.
        let written = socket.try_write_for(kind, &[IoSlice::new(&self.answer)]).unwrap_or(0);
        (written < self.answer.len()).then(|| {
            let mut rest = Replies::rest(kind, &self.answer[written..]);
            Box::pin(async move { rest.write(socket, patience).await }) as Rest<'a>
        })
    }
}

impl fmt::Debug for Standing {
    /// Without the request, which may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Standing")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use feed::Payload;
    use tokio::io::{AsyncReadExt, Interest};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::hub::{Habits, Hub};
    use crate::line::Line;
    use crate::stats::{Kind, Meter, Stats};
    use crate::window::Limit;

    const PATIENCE: Duration = Duration::from_secs(10);
    const DATE: &str = "Thu, 01 Jan 1970 00:00:00 GMT";

    fn log() -> Arc<Log> {
        let bound = Limit { count: 10, bytes: 1000 };
        let hub = Hub::new(1, Habits { bound, workers: 1, coalesce: Duration::ZERO });
        hub.log(&"news".parse().unwrap()).unwrap()
    }

    fn standing(log: &Arc<Log>, asked: &[u8], body: &[u8], readmission: Readmission) -> Option<Box<Standing>> {
        let head = b"HTTP/1.1 200 OK\r\ndate: ";
        let answer = [head, DATE.as_bytes(), b"\r\n\r\n", body].concat();
        let condition = WhileNothingFollows::new(log.clone(), log.head(), readmission);
        Standing::keep(asked, &answer, head.len()..head.len() + DATE.len(), condition)
    }

    #[test]
    fn it_stands_for_the_same_bytes_until_something_follows_or_a_guard_wants_to_see_them() {
        let log = log();
        let granted = Arc::new(AtomicUsize::new(0));
        let counting = granted.clone();
        let readmission = Readmission::on(move || counting.fetch_add(1, Relaxed) < 2);
        let standing = standing(&log, b"GET / ", b"", readmission).unwrap();
        for other in [&b"GET /"[..], b"GET / G", b"GET /x", b"GET / GET / ", b""] {
            assert!(!standing.answers(other));
        }
        assert_eq!(granted.load(Relaxed), 0, "guards are asked about the same request alone");
        assert!(standing.answers(b"GET / ") && standing.answers(b"GET / "));
        assert!(!standing.answers(b"GET / "), "a guard wants to see it");
        log.append(&Payload::from_json(b"1").unwrap());
        assert!(!standing.answers(b"GET / "));
        assert_eq!(granted.load(Relaxed), 3, "what is not to be told the same is not counted here");
    }

    #[test]
    fn a_request_of_unusual_length_is_not_kept() {
        let log = log();
        assert!(standing(&log, &[b'x'; ASKED_MAX], b"", Readmission::on(|| true)).is_some());
        assert!(standing(&log, &[b'x'; ASKED_MAX + 1], b"", Readmission::on(|| true)).is_none());
    }

    #[tokio::test]
    async fn what_the_socket_does_not_take_at_once_follows_and_the_date_is_that_of_now() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let stats = Arc::new(Stats::new());
        let meter = Arc::new(Meter::new(stats.clone(), 0));
        meter.label(Kind::ShortPoll);
        let socket = Socket::new(Line::Clear(stream), meter);
        socket.ready(Interest::WRITABLE).await.unwrap();

        // More than a socket holds.
        let body = vec![b'x'; 16 << 20];
        let mut standing = standing(&log(), b"GET / ", &body, Readmission::on(|| true)).unwrap();
        let telling = tokio::spawn(async move {
            let rest = standing.tell(&socket, PATIENCE).expect("it is more than a socket holds");
            rest.await.map(|()| socket)
        });
        let mut told = vec![0; "HTTP/1.1 200 OK\r\ndate: \r\n\r\n".len() + DATE.len() + body.len()];
        client.read_exact(&mut told).await.unwrap();
        assert!(telling.await.unwrap().is_some());
        let (head, rest) = told.split_at(told.len() - body.len());
        let head = String::from_utf8_lossy(head);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\ndate: ") && head.ends_with(" GMT\r\n\r\n"), "{head}");
        assert!(!head.contains("1970"), "{head}");
        assert!(rest == body, "all of it, once");
        let counted = stats.connections(Kind::ShortPoll);
        assert_eq!((counted.answered, counted.empty, counted.bytes_written as usize), (1, 1, told.len()));
    }
}
