//! The four ways of carrying a feed: one file each, and in each `routes`, `open`, `deliver`, in this order.
//!
//! `echo` is no transport: it is how conformance suites reach the one in `ws`.

mod acknowledged;
mod coding;
pub(crate) mod echo;
pub(crate) mod long_poll;
pub(crate) mod short_poll;
pub(crate) mod socketio;
pub(crate) mod sse;
pub(crate) mod ws;
