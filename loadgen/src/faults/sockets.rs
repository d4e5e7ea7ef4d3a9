//! What is done to the connections of one client, below whatever it speaks on them.

use std::cell::RefCell;
use std::io;
use std::net::TcpStream;
use std::rc::{Rc, Weak};
use std::time::Duration;

/// The sockets that a client has open.
#[derive(Debug, Default)]
pub struct Sockets {
    open: RefCell<Vec<Weak<TcpStream>>>,
}

impl Sockets {
    /// Enters one that was just opened.
    pub fn enter(&self, socket: &Rc<TcpStream>) {
        let mut open = self.open.borrow_mut();
        open.retain(|socket| socket.strong_count() > 0);
        open.push(Rc::downgrade(socket));
    }

    /// Has them all end with a reset once their client lets go of them: what is unread is thrown away, nothing is said (`SO_LINGER`
    /// of no time).
    pub fn reset_on_close(&self) -> io::Result<()> {
        self.each(|socket| Ok(rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO))?))
    }

    /// Makes them deaf: the kernel drops every segment that comes, as if the cable were cut, so that the peer gets no acknowledgement
    /// and no reset. For as long as their client keeps them and sends nothing, it has vanished.
    ///
    /// A classic packet filter on the socket itself (`SO_ATTACH_FILTER`) that lets nothing through: it needs no privilege, where
    /// dropping packets in the network (nftables) needs root or a network namespace.
    #[cfg(target_os = "linux")]
    pub fn deafen(&self) -> io::Result<()> {
        /// `BPF_RET | BPF_K` of `linux/bpf_common.h`; with a constant of 0, no byte of any packet is let through.
        const RETURN_CONSTANT: u16 = 0x06;
        self.each(|socket| {
            let nothing = [socket2::SockFilter::new(RETURN_CONSTANT, 0, 0, 0)];
            socket2::SockRef::from(socket).attach_filter(&nothing)
        })
    }

    /// Other systems have no such filter; that a run needs one is refused before it begins.
    #[cfg(not(target_os = "linux"))]
    pub fn deafen(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn each(&self, done: impl Fn(&TcpStream) -> io::Result<()>) -> io::Result<()> {
        self.open.borrow().iter().filter_map(Weak::upgrade).try_for_each(|socket| done(&socket))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// The server's end of a connection, and the client's.
    fn connection(sockets: &Sockets) -> (TcpStream, Rc<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = Rc::new(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        sockets.enter(&client);
        (listener.accept().unwrap().0, client)
    }

    #[test]
    fn a_cut_client_ends_with_a_reset() {
        let sockets = Sockets::default();
        let (mut server, client) = connection(&sockets);
        sockets.reset_on_close().unwrap();
        drop(client);
        assert_eq!(server.read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_vanished_client_acknowledges_nothing_and_its_neighbour_does() {
        let sockets = Sockets::default();
        let (server, client) = connection(&sockets);
        let (neighbours_server, neighbour) = connection(&Sockets::default());
        sockets.deafen().unwrap();
        let is_taken_in = |mut server: &TcpStream, mut client: &TcpStream| {
            server.write_all(b"anybody there?").unwrap();
            client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
            client.read(&mut [0; 32]).is_ok()
        };
        assert!(is_taken_in(&neighbours_server, &neighbour));
        assert!(!is_taken_in(&server, &client));
        // A timeout of the kernel's own, `tcpi_unacked` stays above zero: the peer would notice in time what its user timeout is.
        socket2::SockRef::from(&server).set_tcp_user_timeout(Some(Duration::from_millis(300))).unwrap();
        server.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert_eq!((&server).read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(client.peer_addr().is_ok(), "and it is open all the while");
    }
}
