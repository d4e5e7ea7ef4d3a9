//! Opening connections: thousands of them, from as many source addresses as their ports need.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use tokio::net::TcpSocket;

use super::{Connection, Counted, Traffic};

/// Clients per loopback source address: well below the 28,232 ephemeral ports that Linux gives to one address and
/// destination, because closed connections hold theirs for a minute (`TIME_WAIT`).
const CLIENTS_PER_SOURCE: u32 = 10_000;

/// Opens the connections of one worker's clients.
#[derive(Debug, Clone)]
pub struct Dialer {
    server: SocketAddr,
    traffic: Rc<Traffic>,
}

impl Dialer {
    /// Dials `server`, counting into `traffic`.
    pub fn new(server: SocketAddr, traffic: Rc<Traffic>) -> Self {
        Self { server, traffic }
    }

    /// Opens a connection for `client`.
    pub async fn dial(&self, client: u32) -> io::Result<Connection> {
        let socket = if self.server.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_nodelay(true)?;
        if let Some(source) = self.source(client) {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let tcp = socket.connect(self.server).await?;
        Ok(Connection::new(Counted::new(tcp, Rc::clone(&self.traffic))))
    }

    /// On IPv4 loopback, `127.0.0.1` and onwards; elsewhere what the system chooses.
    fn source(&self, client: u32) -> Option<IpAddr> {
        let index = client / CLIENTS_PER_SOURCE;
        match self.server.ip() {
            IpAddr::V4(server) if server.is_loopback() && index > 0 => {
                Some(IpAddr::V4(Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + index)))
            }
            _ => None,
        }
    }
}
