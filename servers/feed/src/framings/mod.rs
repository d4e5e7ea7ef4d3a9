//! How encoded notifications travel inside a transport's byte stream: the server's half and the client's, side by side.

pub mod chunked;
pub mod engine_io;
pub mod poll;
pub mod socket_io;
pub mod sse;
mod text;
#[cfg(feature = "tls")]
pub mod tls;
pub mod websocket;
