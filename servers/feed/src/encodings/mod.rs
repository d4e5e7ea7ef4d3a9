//! How a notification becomes bytes.

pub mod json;
