//! Several processes of this program that play one load on this machine, and the one that leads them.
//!
//! Workers are ordinary shards, told over their standard input when to publish and when to leave; what they measured is
//! [merged](crate::merge) like that of shards on several machines.

mod lead;
mod obey;
mod overview;
mod process;
mod servers;

pub use lead::lead;
pub use obey::{Leader, obey};
