//! The load generator: plays thousands of clients against a realtime server and measures what arrives, when, at what cost.
//!
//! The way of one run: [`config`] -> [`plan`] -> [`conductor`], which has [`publisher`] publish on time and [`player`]s
//! play [`subscriber`]s, each through a client of its transport ([`clients`]) over connections that count their
//! bytes ([`wire`]); what arrives is written down in [`recording`], judged in [`verdict`], and told in [`output`].
//! Several processes play one plan as [`shard`]s, led by one of them ([`workers`]) or by hand, and are put together ([`merge`]).
//! What a run does to itself on purpose stands in [`faults`], and how clients come back in [`reconnection`].
//! [`selftest`] holds all of that against a server whose behaviour is known.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod assertion;
pub mod check;
pub mod children;
pub mod clients;
pub mod clock;
pub mod commands;
pub mod conductor;
pub mod config;
pub mod cores;
pub mod cpu_time;
pub mod display;
pub mod faults;
pub mod gate;
pub mod hunt;
pub mod interrupt;
pub mod journal;
pub mod junit;
pub mod limit;
pub mod lines;
pub mod machine;
pub mod marks;
pub mod merge;
pub mod output;
pub mod parts;
pub mod plan;
pub mod player;
pub mod preflight;
pub mod process;
pub mod process_tree;
pub mod publisher;
pub mod reading_room;
pub mod reconciliation;
pub mod reconnection;
pub mod recording;
pub mod scenario;
pub mod selftest;
pub mod server_cost;
pub mod server_flags;
pub mod server_process;
pub mod shard;
pub mod side_by_side;
pub mod subscriber;
pub mod survey;
pub mod target;
pub mod target_args;
pub mod verdict;
pub mod wire;
pub mod workers;
