//! What runs inside Redis, as one step each.

use redis::Script;

/// The scripts, by what they do.
#[derive(Debug)]
pub(super) struct Scripts {
    /// A server comes in.
    pub(super) enter: Script,
    /// Appends, numbers, trims and tells.
    pub(super) publish: Script,
    /// What follows an offset.
    pub(super) read: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            enter: Script::new(include_str!("enter.lua")),
            publish: Script::new(concat!(include_str!("topic.lua"), include_str!("publish.lua"))),
            read: Script::new(concat!(include_str!("topic.lua"), include_str!("read.lua"))),
        }
    }
}
