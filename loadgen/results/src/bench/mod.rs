//! What `make bench` found out: the contents of `bench.json`, section by section, contender by contender, round by round.
//!
//! A section is one load, carried by several contenders in interleaved rounds: round 3 of one was made beside round 3 of
//! another, so ratios are made within a round ([`figures`]). What must hold of them stands in the file as well ([`findings`]).

pub mod figures;
pub mod findings;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Name of the file that makes a folder the record of a bench.
pub const BENCH_FILE: &str = "bench.json";

/// The contents of `bench.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bench {
    /// Version of the schema, see [`crate::SCHEMA`].
    pub schema: u32,
    /// When it began, RFC 3339 in UTC.
    pub started_at: String,
    /// How long it took, seconds.
    pub took_s: f64,
    /// The commit that was measured.
    pub commit: String,
    /// True when the tree held changes that no commit has.
    pub dirty: bool,
    /// The machine: names of properties and their values, as the bench could read them.
    pub machine: BTreeMap<String, serde_json::Value>,
    /// True when it was stopped before its end; what it did not come to is missing.
    pub interrupted: bool,
    /// Who could not take part.
    #[serde(default)]
    pub missing: Vec<Missing>,
    /// The loads, in the order in which they are told.
    pub sections: Vec<Section>,
    /// How costs may grow from one section to another.
    #[serde(default)]
    pub growth: Vec<Growth>,
}

/// A contender that could not take part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// What it is called.
    pub name: String,
    /// Why it could not.
    pub reason: String,
    /// The command that would change that; absent where there is none.
    #[serde(default)]
    pub install: Option<String>,
}

/// One load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// Its name in this file, for example `server-ws-1000`.
    pub name: String,
    /// The load in words.
    pub title: String,
    /// Whose cost is told.
    pub side: Side,
    /// What costs are divided by: `delivery`, `request`, `publish`, `message`.
    pub unit: String,
    /// How many clients there were.
    pub clients: u64,
    /// What carried the notifications.
    pub transport: String,
    /// Who was measured, in the order in which they are told.
    pub contenders: Vec<Contender>,
    /// What must hold.
    #[serde(default)]
    pub targets: Vec<Target>,
}

/// Which half of the lab a section measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// What serves.
    Server,
    /// What plays the clients.
    Generator,
}

/// One contender of a section, and what it spent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contender {
    /// What it is called.
    pub name: String,
    /// What it stands for.
    pub role: Role,
    /// What tells it from another of its name, for example `--coalesce 5`; absent where it runs as it comes.
    #[serde(default)]
    pub variant: Option<String>,
    /// Its rounds. Those of one place were made side by side.
    pub rounds: Vec<Round>,
}

/// What a contender stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Wirelab's own.
    Ours,
    /// The least that the kernel allows.
    Floor,
    /// What people use today.
    Peer,
}

/// What one contender spent in one round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// Deliveries, requests, publishes or messages in the window.
    pub units: u64,
    /// CPU time in user mode over the window, microseconds.
    pub user_us: f64,
    /// CPU time that the kernel spent for it, microseconds.
    pub system_us: f64,
    /// Resident memory per client, bytes; absent where it was not measured.
    #[serde(default)]
    pub rss_per_client_bytes: Option<f64>,
    /// Median of delivery latency, nanoseconds; absent where it was not measured.
    #[serde(default)]
    pub p50_ns: Option<u64>,
    /// 99th percentile of it, nanoseconds; absent where it was not measured.
    #[serde(default)]
    pub p99_ns: Option<u64>,
    /// False when the measurement is not to be believed.
    pub valid: bool,
    /// Why it is not.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// Folder of the run behind it, relative to the bench's own; absent where another program measured.
    #[serde(default)]
    pub run: Option<String>,
}

/// What must hold of one contender in one section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Of what.
    pub quantity: Quantity,
    /// Of whom: a label, a name, or `floor`.
    pub contender: String,
    /// Whose value is 1; where it is absent, the bound is one of us per unit, bytes, or ns.
    #[serde(default)]
    pub against: Option<String>,
    /// Its median over rounds may be so much.
    pub at_most: f64,
    /// Where the bound comes from, or what is to be known about it; may be empty.
    #[serde(default)]
    pub note: String,
}

/// What a target bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quantity {
    /// CPU time per unit, microseconds.
    Cpu,
    /// Resident memory per client, bytes.
    Rss,
    /// 99th percentile of latency, nanoseconds.
    P99,
}

/// How a contender's CPU per unit may grow from one section to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// What grows, in words.
    pub name: String,
    /// Name of the section whose cost is 1.
    pub from: String,
    /// Name of the section that is held against it.
    pub to: String,
    /// Whose cost: a label, a name, or `floor`.
    pub contender: String,
    /// Whose growth is divided out; nobody's where it is absent.
    #[serde(default)]
    pub divide_by: Option<String>,
    /// It may be so many times the cost.
    pub at_most: f64,
}

impl Section {
    /// The contender that `name` means: by its label, else by its name, else, of `floor`, by its role.
    pub fn find(&self, name: &str) -> Option<&Contender> {
        let first = |is: &dyn Fn(&&Contender) -> bool| self.contenders.iter().find(is);
        first(&|contender| contender.label() == name)
            .or_else(|| first(&|contender| contender.name == name))
            .or_else(|| self.floor().filter(|_| name == "floor"))
    }

    /// The least that the kernel allows, where it took part.
    pub fn floor(&self) -> Option<&Contender> {
        self.contenders.iter().find(|contender| contender.role == Role::Floor)
    }
}

impl Contender {
    /// Its name, and its variant if it has one.
    pub fn label(&self) -> String {
        self.variant.as_ref().map_or_else(|| self.name.clone(), |variant| format!("{} {variant}", self.name))
    }
}
