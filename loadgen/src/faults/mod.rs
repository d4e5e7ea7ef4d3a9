//! Faults that a run commits on purpose: what they are, whom they hit, how they are done, and how everybody recovers.
//!
//! `fault.rs` is how they are written. `aim.rs` says which client is hit when, `board.rs` hands that to the clients of a player, and
//! `sockets.rs` is what is done to their connections; `server.rs` does what is done to the server, `stopped.rs` stops it for a while,
//! `absence.rs` says what that excuses. `watch.rs` samples
//! ten times a second what arrives, and `recovery.rs` makes what is reported of it and of the instants that `recording/changes.rs` keeps; `bystanders.rs` tells the latency of those apart who were not hit.

mod absence;
mod aim;
mod board;
mod bystanders;
mod fault;
mod recovery;
mod server;
mod sockets;
mod stopped;
mod watch;

pub use absence::absence;
pub use aim::{Hit, aim};
pub use board::{Blow, Board, Seat};
pub use bystanders::{Groups, groups};
pub use fault::{DEFAULT_START, Fault, What};
pub use recovery::{Done, Losses, recovery};
pub use server::{OwnServer, ServerFault, commit};
pub use sockets::Sockets;
pub use stopped::{Stopped, continue_all};
pub use watch::{STEP, Watch};
