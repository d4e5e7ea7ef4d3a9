//! One worker as its leader holds it: a process of this program, its orders, and what it says.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use anyhow::Context;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, Command};
use tokio::sync::mpsc;

use crate::children::Group;
use crate::gate::Said;
use crate::lines::next_line;
use crate::shard::Shard;

/// Flags that the leader keeps for itself, each with a value.
const OWN_FLAGS: [&str; 10] = [
    "--scenario",
    "--workers",
    "--url",
    "--server-pid",
    "--server-flags",
    "--out",
    "--assert",
    "--junit",
    "--run-id",
    "--start-at",
];

/// What happens to a worker.
#[derive(Debug)]
pub(super) enum Event {
    /// It said something.
    Said(Said),
    /// It ended, with these last words on standard error.
    Ended(std::io::Result<ExitStatus>, String),
}

/// A worker that runs. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Worker {
    orders: Option<ChildStdin>,
    _group: Option<Group>,
}

impl Worker {
    /// Starts `program` with `words`; what happens to it is sent to `events` with its place.
    pub(super) fn start(
        program: &Path,
        words: &[OsString],
        shard: Shard,
        events: &mpsc::UnboundedSender<(usize, Event)>,
    ) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-c goes to the whole foreground group; workers are told by their leader. Who tells one of them alone ends the run.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start worker {shard} ({})", program.display()))?;
        let (orders, group) = (child.stdin.take(), child.id().map(Group::of));
        let events = events.clone();
        tokio::spawn(async move {
            let (status, last_words) = listen(&mut child, shard, &events).await;
            let _ = events.send((shard.index as usize, Event::Ended(status, last_words)));
        });
        Ok(Self { orders, _group: group })
    }

    /// Gives an order. One that is gone is noticed by its end.
    pub(super) async fn tell(&mut self, order: &str) {
        if let Some(orders) = &mut self.orders {
            let _ = orders.write_all(format!("{order}\n").as_bytes()).await;
        }
    }
}

/// Hears a worker out.
async fn listen(
    child: &mut Child,
    shard: Shard,
    events: &mpsc::UnboundedSender<(usize, Event)>,
) -> (std::io::Result<ExitStatus>, String) {
    let complaints = tokio::spawn(pass_on(shard, child.stderr.take().expect("its standard error is piped")));
    let mut pipe = BufReader::new(child.stdout.take().expect("its standard output is piped"));
    while let Ok(Some(line)) = next_line(&mut pipe).await {
        match serde_json::from_str(&line) {
            Ok(said) => drop(events.send((shard.index as usize, Event::Said(said)))),
            Err(_) => results::errln!("worker {shard}: {line}"),
        }
    }
    (child.wait().await, complaints.await.unwrap_or_default())
}

/// Passes a worker's complaints on to ours, so that its pipe never fills; returns the last one.
async fn pass_on(shard: Shard, stderr: ChildStderr) -> String {
    let mut pipe = BufReader::new(stderr);
    let mut last = String::new();
    while let Ok(Some(line)) = next_line(&mut pipe).await {
        results::errln!("worker {shard}: {line}");
        last = line;
    }
    last
}

/// The command line of a worker: the leader's own, without what the leader keeps for itself, and with its place in the run.
pub(super) fn words(
    own: impl Iterator<Item = OsString>,
    shard: Shard,
    run: u32,
    url: &str,
    out: &Path,
    threads: u32,
) -> Vec<OsString> {
    let mut words = Vec::new();
    let mut has_threads = false;
    let mut own = own.skip(1);
    while let Some(word) = own.next() {
        let text = word.to_string_lossy();
        let (flag, has_value) = text.split_once('=').map_or((text.as_ref(), false), |(flag, _)| (flag, true));
        if OWN_FLAGS.contains(&flag) {
            if !has_value {
                own.next();
            }
            continue;
        }
        has_threads |= flag == "--threads";
        words.push(word);
    }
    let mut add = |flag: &str, value: &OsStr| words.extend([OsString::from(flag), value.to_owned()]);
    add("--shard", OsStr::new(&shard.to_string()));
    add("--run-id", OsStr::new(&format!("{run:x}")));
    add("--start-at", OsStr::new("leader"));
    add("--url", OsStr::new(url));
    add("--out", out.as_os_str());
    if !has_threads {
        add("--threads", OsStr::new(&threads.to_string()));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_asked_for_what_its_leader_was_asked_for_less_what_concerns_the_leader() {
        let own = "loadgen run --transport ws --scenario calm --workers 2 --server-flags=--history=9 --url=http://a,http://b --clients 10 --out here --assert p99<1s";
        let own = own.split(' ').map(OsString::from);
        let words = words(own, Shard { index: 1, of: 2 }, 0x1f, "http://b", Path::new("here/shard-2"), 1);
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        let expected = "run --transport ws --clients 10 --shard 2/2 --run-id 1f --start-at leader --url http://b \
                        --out here/shard-2 --threads 1";
        assert_eq!(words.join(" "), expected);
    }
}
