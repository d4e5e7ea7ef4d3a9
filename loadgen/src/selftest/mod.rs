//! The instrument measures something known: a stub server that drops, repeats, swaps, delays, splits and cuts as it was told.
//!
//! The generator is led through it as through any run; once thoroughly over each transport, and once past each kind of odd server. Afterwards its results are held against what the stub says it did.

mod odd_servers;
mod resolution;
mod row;
mod rows;
pub mod stub;
mod trial;
mod truth;

pub use odd_servers::OddServer;
pub use resolution::Resolution;
pub use row::Row;
pub use rows::{ADVICE, examine, table};
pub use trial::{Findings, Trial};
pub use truth::{TRUTH_PATH, Truth};
