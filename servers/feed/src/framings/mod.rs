//! How encoded notifications travel inside a transport's byte stream: the server's half and the client's, side by side.

pub mod chunked;
pub mod poll;
pub mod sse;
pub mod websocket;
