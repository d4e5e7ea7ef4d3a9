//! A client's connection, from the system call up to whole HTTP answers; every byte of it is counted here.

mod connection;
mod counted;
mod dial;
mod handshake;
pub mod http;
mod protocol_5;
mod tcp_info;
mod traffic;
mod unasked;
pub mod websocket;

pub use connection::Connection;
pub use counted::Counted;
pub use dial::{Dialer, clients_per_source};
pub use handshake::{Handshake, HandshakeError, NotOffered, SWITCHING};
pub use protocol_5::{NO_SID, is_of_protocol_5};
pub use traffic::{TcpIp, Traffic};
pub use unasked::{UNASKED_DATA, Unasked};
