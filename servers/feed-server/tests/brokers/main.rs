//! The laws of `src/brokers/mod.rs`, held against every broker, and what several servers behind one promise.

#[path = "../lab/mod.rs"]
mod lab;

mod demoted;
mod laws;
mod loss;
mod outage;
mod promoted;
mod ready;
mod redis;
mod several;
