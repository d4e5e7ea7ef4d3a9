//! The four ways of carrying a feed: one file each, and in each `routes`, `open`, `deliver`, in this order.

mod acknowledged;
pub(crate) mod long_poll;
pub(crate) mod short_poll;
pub(crate) mod socketio;
pub(crate) mod sse;
pub(crate) mod ws;
