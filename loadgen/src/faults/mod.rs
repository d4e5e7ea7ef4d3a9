//! Faults that a run commits on purpose: what they are, whom they hit, how they are done, and how everybody recovers.
//!
//! [`fault`] is how they are written. [`aim`] says which client is hit when, [`board`] hands that to the clients of a player, and
//! [`sockets`] is what is done to their connections; [`server`] does what is done to the server. [`watch`] looks at the clients
//! ten times a second, and [`recovery`] makes what is reported of it.

mod aim;
mod board;
mod fault;
mod recovery;
mod server;
mod sockets;
mod watch;

pub use aim::{Hit, aim};
pub use board::{Blow, Board, Seat};
pub use fault::{DEFAULT_START, Fault, What};
pub use recovery::{Done, Losses, recovery};
pub use server::{OwnServer, ServerFault, commit};
pub use sockets::Sockets;
pub use watch::{STEP, Watch};
