//! The instrument measures something known: a stub server that drops, repeats, swaps, delays, splits and cuts as it was told.
//!
//! The generator is led through it as through any run; afterwards its results are held against what the stub says it did.

mod resolution;
mod rows;
pub mod stub;
mod trial;
mod truth;

pub use resolution::Resolution;
pub use rows::{ADVICE, Row, examine, table};
pub use trial::{Findings, Trial};
pub use truth::{TRUTH_PATH, Truth};
