//! The contract of the notification feed, as a library that knows nobody.
//!
//! Server and generator both speak through this crate and never link each other: what one half writes, the other half
//! reads, and both halves of every message stand side by side in one file. `CONTRACT.md` beside this crate says the
//! same in words, for servers in other languages.

mod batch;
mod cursor;
pub mod encodings;
pub mod framings;
mod notification;
mod postmark;
mod routes;
mod stats;
mod transport;

pub use batch::{BatchHead, Gap, StreamMessage, Subscribed};
pub use cursor::{After, Cursor, CursorError, Epoch};
pub use notification::{Notification, Payload};
pub use postmark::{POSTMARK_LEN, Postmark, postmarks};
pub use routes::{MAX_TOPIC_LEN, SOCKET_IO_PATH, TopicError, TopicName, publish_path, subscribe_path};
pub use stats::{BrokerStats, ConnectionStats, ServerStats};
pub use transport::{Transport, UnknownTransport};
