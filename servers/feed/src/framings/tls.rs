//! TLS (RFC 8446) on a socket that never waits: what is written in the clear goes out sealed, what comes sealed is read in the clear.

use std::io::{self, ErrorKind, Read, Write};

use rustls::Connection;

/// Bytes that are sealed at a time before the socket has taken them: what a client that takes nothing can make us hold, in sixteen records.
/// More than any messages that are written together, so that the byte which is not reported is the last of them, and whoever wrote
/// them knows that the last was begun.
const SEALED_AT_A_TIME: usize = 256 << 10;

/// One end of a connection, past or before its handshake. The socket is lent to each call, and answers `WouldBlock` where it would wait.
#[derive(Debug)]
pub struct Tls {
    connection: Connection,
    /// The last byte that was sealed is not yet reported as written.
    withholds: bool,
    has_said_goodbye: bool,
    received: Carried,
    sent: Carried,
}

/// What went one way: bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carried {
    /// Inside: what is read or written in the clear.
    pub clear: u64,
    /// Outside: records, handshake and alerts included.
    pub sealed: u64,
}

impl Tls {
    /// An end whose handshake is done, or will be done by reading and writing.
    pub fn new(connection: impl Into<Connection>) -> Self {
        let mut connection = connection.into();
        // How much is sealed ahead is bounded here.
        connection.set_buffer_limit(None);
        Self {
            connection,
            withholds: false,
            has_said_goodbye: false,
            received: Carried::default(),
            sent: Carried::default(),
        }
    }

    /// True until the handshake is done.
    pub fn is_shaking_hands(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// The protocol that both ends agreed on (RFC 7301), after the handshake.
    pub fn protocol(&self) -> Option<&[u8]> {
        self.connection.alpn_protocol()
    }

    /// What was received so far.
    pub fn received(&self) -> Carried {
        self.received
    }

    /// What was sent so far.
    pub fn sent(&self) -> Carried {
        self.sent
    }

    /// Goes on with the handshake: `Ok` when it is done and all of it is sent. `WouldBlock` when it waits for the peer, or, if
    /// this [has more to send](Self::has_more_to_send), for room.
    pub fn shake_hands(&mut self, socket: &mut (impl Read + Write)) -> io::Result<()> {
        self.flush(socket)?;
        while self.connection.is_handshaking() {
            if self.take_in(socket)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.flush(socket)?;
        }
        Ok(())
    }

    /// Reads all that is there, up to the length of `buffer`: less only when the socket has nothing more, or was ended. `WouldBlock` when
    /// there is nothing, 0 when the peer has ended its side, politely or not.
    pub fn read(&mut self, socket: &mut (impl Read + Write), buffer: &mut [u8]) -> io::Result<usize> {
        let mut len = 0;
        while len < buffer.len() {
            match self.connection.reader().read(&mut buffer[len..]) {
                Ok(0) => break,
                Ok(read) => len += read,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
                Err(error) if error.kind() == ErrorKind::WouldBlock => match self.take_in(socket) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock && len > 0 => break,
                    Err(error) => return Err(error),
                    Ok(_) => {}
                },
                Err(error) => return Err(error),
            }
        }
        self.received.clear += len as u64;
        Ok(len)
    }

    /// True when there is something to read that the socket says nothing of any more.
    pub fn has_unread(&mut self) -> bool {
        // An error is one that the next reading tells.
        self.connection
            .process_new_packets()
            .map_or(true, |state| state.plaintext_bytes_to_read() > 0 || state.peer_has_closed())
    }

    /// True once the peer has said that it sends nothing more (close_notify; RFC 8446, section 6.1): an end without that may be anybody's.
    pub fn has_heard_goodbye(&mut self) -> bool {
        self.connection.process_new_packets().is_ok_and(|state| state.peer_has_closed())
    }

    /// Writes a part of `bytes`, which are not empty; `WouldBlock` when the socket takes nothing.
    ///
    /// What was sealed cannot be taken back, so as long as the socket has not taken all of it, its last byte is not reported: who has
    /// more to write, as they then believe, comes back when there is room, and what they write begins with that byte.
    pub fn write(&mut self, socket: &mut (impl Read + Write), bytes: &[u8]) -> io::Result<usize> {
        self.flush(socket)?;
        let known = usize::from(std::mem::take(&mut self.withholds));
        let rest = &bytes[known..];
        let taken = self.connection.writer().write(&rest[..rest.len().min(SEALED_AT_A_TIME)])?;
        self.sent.clear += taken as u64;
        match self.flush(socket) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.withholds = true;
                match known + taken - 1 {
                    0 => Err(error),
                    reported => Ok(reported),
                }
            }
            flushed => flushed.map(|()| known + taken),
        }
    }

    /// True when something that was sealed is not sent.
    pub fn has_more_to_send(&self) -> bool {
        self.connection.wants_write()
    }

    /// Sends what is sealed; `WouldBlock` when something is left.
    pub fn flush(&mut self, socket: &mut impl Write) -> io::Result<()> {
        while self.connection.wants_write() {
            match self.connection.write_tls(socket) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(sent) => self.sent.sealed += sent as u64,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Says that nothing follows (RFC 8446, section 6.1), as far as there is room.
    pub fn say_goodbye(&mut self, socket: &mut impl Write) -> io::Result<()> {
        if !std::mem::replace(&mut self.has_said_goodbye, true) {
            self.connection.send_close_notify();
        }
        self.flush(socket)
    }

    /// Takes what the socket has, and unseals it; 0 when it was ended.
    fn take_in(&mut self, socket: &mut (impl Read + Write)) -> io::Result<usize> {
        let received = loop {
            match self.connection.read_tls(socket) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                received => break received?,
            }
        };
        self.received.sealed += received as u64;
        if let Err(error) = self.connection.process_new_packets() {
            // The peer is told why, if it still listens.
            let _ = self.flush(socket);
            return Err(io::Error::new(ErrorKind::InvalidData, error));
        }
        // An answer to what came, such as a new key; what does not fit goes with the next writing.
        match self.flush(socket) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(received),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::rc::Rc;
    use std::sync::Arc;

    use rustls::crypto::ring;
    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

    use super::*;

    /// Bytes on their way to one end.
    type Pipe = Rc<RefCell<VecDeque<u8>>>;

    /// One end of a pair of pipes that hold no more than `room`.
    struct Socket {
        incoming: Pipe,
        outgoing: Pipe,
        room: usize,
    }

    impl Read for Socket {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.incoming.borrow_mut().read(buffer)? {
                0 => Err(ErrorKind::WouldBlock.into()),
                read => Ok(read),
            }
        }
    }

    impl Write for Socket {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut outgoing = self.outgoing.borrow_mut();
            match bytes.len().min(self.room.saturating_sub(outgoing.len())) {
                0 => Err(ErrorKind::WouldBlock.into()),
                fits => outgoing.write(&bytes[..fits]),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Client and server with their sockets, past the handshake; what the server sends has so much room.
    fn pair(room: usize) -> ((Tls, Socket), (Tls, Socket)) {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let provider = Arc::new(ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = Tls::new(ClientConnection::new(Arc::new(client), name).unwrap());
        let mut server = Tls::new(ServerConnection::new(Arc::new(server)).unwrap());

        let (up, down) = (Pipe::default(), Pipe::default());
        let mut at_client = Socket { incoming: down.clone(), outgoing: up.clone(), room: usize::MAX };
        let mut at_server = Socket { incoming: up, outgoing: down, room: usize::MAX };
        for _ in 0..4 {
            let _ = client.shake_hands(&mut at_client);
            let _ = server.shake_hands(&mut at_server);
        }
        assert!(!client.is_shaking_hands() && !server.is_shaking_hands());
        assert!(client.read(&mut at_client, &mut [0]).is_err(), "the tickets are taken in");
        at_server.room = room;
        ((client, at_client), (server, at_server))
    }

    /// Writes like one who comes back only while something is left to write, and reads whenever there is no room.
    fn carry(room: usize, message: &[u8]) -> Vec<u8> {
        let ((mut client, mut at_client), (mut server, mut at_server)) = pair(room);
        let mut received = Vec::new();
        let mut listen = || {
            let mut buffer = [0; 1000];
            while let Ok(read) = client.read(&mut at_client, &mut buffer) {
                received.extend_from_slice(&buffer[..read]);
            }
        };
        let mut left = message;
        while !left.is_empty() {
            match server.write(&mut at_server, left) {
                Ok(written) => {
                    assert!(written > 0);
                    left = &left[written..];
                    assert!(!left.is_empty() || !server.has_more_to_send(), "nobody would send what is left");
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    listen();
                }
            }
        }
        listen();
        received
    }

    #[test]
    fn whoever_has_written_all_has_sent_all_however_little_room_there_is() {
        let message: Vec<u8> = (0..SEALED_AT_A_TIME + 100_000).map(|index| (index % 251) as u8).collect();
        for room in [1, 7, 500, 16_000, 16_500, 70_000, 1 << 20] {
            for len in [1, 2, 100, 16_384, SEALED_AT_A_TIME, SEALED_AT_A_TIME + 1, message.len()] {
                assert!(carry(room, &message[..len]) == message[..len], "{len} bytes through {room}");
            }
        }
    }

    #[test]
    fn a_message_is_begun_before_it_is_reported_and_never_twice() {
        let ((mut client, mut at_client), (mut server, mut at_server)) = pair(10);
        assert_eq!(server.write(&mut at_server, b"ab").unwrap(), 1, "the last byte waits");
        assert_eq!(server.write(&mut at_server, b"b").unwrap_err().kind(), ErrorKind::WouldBlock);
        at_server.room = usize::MAX;
        assert_eq!(server.write(&mut at_server, b"bc").unwrap(), 2);
        let mut buffer = [0; 10];
        assert_eq!(client.read(&mut at_client, &mut buffer).unwrap(), 3);
        assert_eq!(&buffer[..3], b"abc");
        assert_eq!((server.sent().clear, client.received().clear), (3, 3));
        assert_eq!(server.sent().sealed, client.received().sealed);
    }

    #[test]
    fn what_the_socket_no_longer_speaks_of_is_known() {
        let ((mut client, mut at_client), (mut server, mut at_server)) = pair(usize::MAX);
        assert!(!client.has_unread());
        server.write(&mut at_server, b"abc").unwrap();
        assert_eq!(client.read(&mut at_client, &mut [0]).unwrap(), 1);
        assert!(client.has_unread());
        assert_eq!(client.read(&mut at_client, &mut [0; 9]).unwrap(), 2);
        assert!(!client.has_unread());
        server.say_goodbye(&mut at_server).unwrap();
        assert_eq!(client.read(&mut at_client, &mut [0; 9]).unwrap(), 0);
    }
}
