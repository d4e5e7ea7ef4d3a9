//! A client's connection, from the system call up to whole HTTP answers; every byte of it is counted here.

mod connection;
mod counted;
mod dial;
mod handshake;
pub mod http;
mod tcp_info;
mod traffic;
mod unasked;
pub mod websocket;

pub use connection::Connection;
pub use counted::Counted;
pub use dial::{Dialer, clients_per_source};
pub use handshake::{Handshake, HandshakeError, NotOffered, SWITCHING};
pub use traffic::{TcpIp, Traffic};
pub use unasked::{UNASKED_DATA, Unasked};
