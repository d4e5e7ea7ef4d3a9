//! Socket.IO 5 over Engine.IO 4: events both ways, over polling or WebSocket, for everything that has a Socket.IO client.
//!
//! Connections: one once it is a WebSocket; before, and where none gets through, one or two that poll and post.
//! Bytes: `42["notification",` and `]` around each notification and a frame's head, or two HTTP heads for each poll and each post.
//! Waiting: none over WebSocket; as long-poll while polling.
//!
//! The protocols are the crate socketioxide's. Ours is what stands around it: `door` in front of its HTTP, with the rules that it
//! does not keep; `wire` beneath its WebSocket, which counts; `namespace` and `reading` behind it, which read the same logs as
//! every other transport. A topic is what others call a room.

mod door;
mod frames;
mod line;
mod namespace;
mod probe;
mod reading;
mod request;
mod room;
mod upgrade;
mod wire;

pub(crate) use door::routes;
