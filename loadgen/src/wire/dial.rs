//! Opening connections: thousands of them, from as many source addresses as their ports need.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use feed::framings::tls::Tls;
use tokio::net::TcpSocket;

use super::{Connection, Counted, Traffic};
use crate::faults::Board;
use crate::target::{Seal, Target};

/// Ports that clients take of one loopback source address. One address has 28,232 ephemeral ports on Linux, and a closed
/// connection holds its own for a minute (`TIME_WAIT`), whichever server it went to.
const PORTS_PER_SOURCE: u32 = 10_000;

/// How many clients share a loopback source address when each holds up to `ports_per_client` ports of it.
pub fn clients_per_source(ports_per_client: u32) -> u32 {
    (PORTS_PER_SOURCE / ports_per_client.max(1)).max(1)
}

/// Opens the connections of one player's clients.
#[derive(Debug, Clone)]
pub struct Dialer {
    server: SocketAddr,
    /// First source address, on IPv4 loopback.
    base: Option<Ipv4Addr>,
    clients_per_source: u32,
    traffic: Rc<Traffic>,
    seal: Option<Seal>,
    /// Where faults find the clients' sockets, in a run that has some.
    board: Option<Rc<Board>>,
}

impl Dialer {
    /// Dials the server of `target`, counting into `traffic`, for clients that hold up to `ports_per_client` ports at a time. Each `run` has
    /// source addresses of its own on loopback, so that it does not find the ports taken that the run before it has just
    /// closed.
    pub fn new(target: &Target, run: u32, ports_per_client: u32, traffic: Rc<Traffic>) -> Self {
        let (server, seal) = (target.address, target.seal.clone());
        let base = match server.ip() {
            IpAddr::V4(address) if address.is_loopback() && cfg!(target_os = "linux") => {
                Some(Ipv4Addr::new(127, (run % 253) as u8 + 1, 0, 1))
            }
            _ => None,
        };
        Self { server, base, clients_per_source: clients_per_source(ports_per_client), traffic, seal, board: None }
    }

    /// The same, with each client's sockets known to `board`.
    pub fn known_to(self, board: Rc<Board>) -> Self {
        Self { board: Some(board), ..self }
    }

    /// True when its connections speak TLS.
    pub fn is_sealed(&self) -> bool {
        self.seal.is_some()
    }

    /// Where faults find the clients' sockets.
    pub fn board(&self) -> Option<&Board> {
        self.board.as_deref()
    }

    /// Dials the server of `target` from whichever source address the system takes: for what is no client of the load, and must not be
    /// taken for one in a capture.
    pub fn unbound(target: &Target, traffic: Rc<Traffic>) -> Self {
        let (server, seal) = (target.address, target.seal.clone());
        Self { server, base: None, clients_per_source: PORTS_PER_SOURCE, traffic, seal, board: None }
    }

    /// Opens a connection for `client`.
    pub async fn dial(&self, client: u32) -> io::Result<Connection> {
        let socket = if self.server.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_nodelay(true)?;
        if let Some(base) = self.base {
            let source = Ipv4Addr::from_bits(base.to_bits() + client / self.clients_per_source);
            socket.bind(SocketAddr::new(IpAddr::V4(source), 0))?;
        }
        let tcp = socket.connect(self.server).await?.into_std()?;
        let mut counted = Counted::new(tcp, Rc::clone(&self.traffic));
        if let Some(seal) = &self.seal {
            // Boxed, so that those who connect in the clear do not carry it.
            Box::pin(counted.seal(Tls::new(seal.connection()?))).await?;
        }
        if let Some(board) = &self.board {
            board.seat(client).sockets.enter(counted.socket());
        }
        Ok(Connection::new(counted))
    }
}
