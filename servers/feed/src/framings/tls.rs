//! TLS (RFC 8446) on a socket that never waits: what is written in the clear goes out sealed, what comes sealed is read in the clear.

use std::io::{self, ErrorKind, Read, Write};

use rustls::Connection;

/// Bytes that are sealed at a time before the socket has taken them: what a client that takes nothing can make us hold, in four records.
const SEALED_AT_A_TIME: usize = 64 << 10;

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
