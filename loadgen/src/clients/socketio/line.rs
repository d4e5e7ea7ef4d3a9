//! A connection that is opened when there is something to send: whoever waits for it may stop and come back, and loses nothing.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::rc::Rc;

use crate::recording::Recorder;
use crate::wire::{Connection, Dialer};

type Dialling = Pin<Box<dyn Future<Output = io::Result<Connection>>>>;

/// The way of one half of a session.
pub(super) struct Line {
    client: u32,
    dialer: Dialer,
    recorder: Rc<Recorder>,
    /// Kept when nobody waits for it, so that it is not begun anew.
    dialling: Option<Dialling>,
    connection: Option<Connection>,
    /// Bytes that are sent of the request that is being sent.
    written: usize,
}

impl Line {
    /// A line without a connection.
    pub(super) fn new(client: u32, dialer: Dialer, recorder: Rc<Recorder>) -> Self {
        Self { client, dialer, recorder, dialling: None, connection: None, written: 0 }
    }

    /// The connection, if there is one.
    pub(super) fn connection(&mut self) -> Option<&mut Connection> {
        self.connection.as_mut()
    }

    /// True when a request is sent in part.
    pub(super) fn is_sending(&self) -> bool {
        self.written > 0
    }

    /// Opens a connection, unless there is one; true when it is new. Cancelling loses nothing.
    pub(super) async fn open(&mut self) -> io::Result<bool> {
        if self.connection.is_some() {
            return Ok(false);
        }
        let dialling = self.dialling.get_or_insert_with(|| {
            let (client, dialer) = (self.client, self.dialer.clone());
            Box::pin(async move { dialer.dial(client).await })
        });
        let dialled = dialling.await;
        self.dialling = None;
        self.connection = Some(dialled?);
        self.written = 0;
        self.recorder.count(|counters| counters.opened += 1);
        Ok(true)
    }

    /// Sends what is not sent of `request` over the open connection. Cancelling loses nothing if the same is sent next.
    pub(super) async fn send(&mut self, request: &[u8]) -> io::Result<()> {
        let connection = self.connection.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        while self.written < request.len() {
            self.written += connection.write(&request[self.written..]).await?;
        }
        self.written = 0;
        Ok(())
    }

    /// Forgets a connection that the server has ended, or on which it has sent data without being asked, as long as no byte of a request is on
    /// it: the next request goes out on a new one.
    pub(super) fn lose_ended(&mut self) {
        let Some(connection) = self.connection.as_mut().filter(|_| self.written == 0) else { return };
        let has_ended = connection.has_ended();
        let unasked = connection.take_unasked();
        self.recorder.record_unasked(unasked);
        if has_ended || unasked.is_some() {
            self.lose();
        }
    }

    /// Forgets a connection that has ended.
    pub(super) fn lose(&mut self) {
        self.connection = None;
        self.written = 0;
    }

    /// Ends the connection, whatever the server is about to say; the next is a new one.
    pub(super) async fn leave(&mut self) {
        self.written = 0;
        if let Some(connection) = self.connection.take() {
            connection.leave().await;
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line")
            .field("client", &self.client)
            .field("connection", &self.connection)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;
    use crate::target::{Target, Trust};
    use crate::wire::Traffic;

    /// Polls once, then stops waiting.
    async fn begin<T>(waiting: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = waiting => Some(done),
            () = std::future::ready(()) => None,
        }
    }

    #[tokio::test]
    async fn who_stops_waiting_finds_dialling_and_sending_where_they_were() {
        const PATIENCE: Duration = Duration::from_secs(20);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::resolve(&format!("http://{}", listener.local_addr().unwrap()), &Trust::default()).unwrap();
        let traffic = Rc::new(Traffic::default());
        let recorder = Rc::new(Recorder::new(Rc::clone(&traffic)));
        let mut line = Line::new(0, Dialer::unbound(&target, traffic), Rc::clone(&recorder));
        assert!(begin(line.open()).await.is_none(), "a connection takes more than one look");
        assert!(line.open().await.unwrap() && !line.open().await.unwrap());
        assert_eq!(recorder.snapshot(false).counters.opened, 1);
        let (mut server, _) = listener.accept().await.unwrap();
        assert!(begin(listener.accept()).await.is_none(), "it was dialled once");

        // More than the sockets hold, so that it is never sent at once.
        let request: Vec<u8> = (0..32_u32 << 18).flat_map(u32::to_le_bytes).collect();
        let mut received = vec![0; request.len()];
        let sending = async {
            let mut attempts = 1;
            while begin(line.send(&request)).await.is_none() {
                attempts += 1;
                tokio::task::yield_now().await;
            }
            attempts
        };
        let exchanged = async { tokio::join!(sending, server.read_exact(&mut received)) };
        let (attempts, read) = tokio::time::timeout(PATIENCE, exchanged).await.expect("it is sent in time");
        read.unwrap();
        assert!(attempts > 1, "it was sent at once");
        assert!(received == request && !line.is_sending());
    }

    #[tokio::test]
    async fn a_connection_that_the_server_has_ended_is_followed_by_another_before_a_byte_is_written() {
        const PATIENCE: Duration = Duration::from_secs(20);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::resolve(&format!("http://{}", listener.local_addr().unwrap()), &Trust::default()).unwrap();
        let traffic = Rc::new(Traffic::default());
        let recorder = Rc::new(Recorder::new(Rc::clone(&traffic)));
        let mut line = Line::new(0, Dialer::unbound(&target, traffic), recorder);
        line.open().await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        line.send(b"one").await.unwrap();
        line.lose_ended();
        assert!(line.connection().is_some(), "it has not ended");
        server.read_exact(&mut [0; 3]).await.unwrap();
        drop(server);
        let lost = async {
            while line.connection().is_some() {
                line.lose_ended();
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, lost).await.expect("its end is seen");
        assert!(line.open().await.unwrap(), "another one");
        line.send(b"two").await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let mut received = [0; 3];
        server.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"two");
    }
}
