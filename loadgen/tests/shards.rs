//! Several generators that play one plan by hand, and their results put together: exact books, and doubts where they belong.

mod support;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use results::{Ending, LoadedRun, load};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::{WIDE_BOUNDS, assert_ended, assert_valid, await_measured, finish, loadgen, sibling};

/// A server for several generators; it ends when this is dropped.
struct Server {
    url: String,
    _input: ChildStdin,
    child: Child,
}

impl Server {
    fn start() -> Self {
        let mut command = sibling("feed-server");
        command.args(["--listen", "127.0.0.1:0", "--exit-on-stdin-close"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let ready = lines.find(|line| line.contains("listening on ")).expect("it listens");
        let url = ready.split_once("listening on ").unwrap().1.trim().to_owned();
        Self { url, _input: child.stdin.take().unwrap(), child }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts one shard of run `1f3a`.
fn shard(shard: &str, server: &Server, start: SystemTime, duration: &str, out: &Path) -> Child {
    let mut command = loadgen();
    command
        .args(["run", "--transport", "ws", "--clients", "41", "--topics", "2", "--rate", "10", "--payload", "120"])
        .args(["--warmup", "600ms", "--settle", "200ms", "--duration", duration, "--run-id", "1f3a", "--shard", shard])
        .args(["--start-at", &humantime::format_rfc3339_millis(start).to_string(), "--url", &server.url])
        .args(WIDE_BOUNDS)
        .arg("--out")
        .arg(out);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Time for both to start and to connect on a busy machine.
fn soon() -> SystemTime {
    SystemTime::now() + Duration::from_secs(4)
}

/// Two shards that were played once for all tests that only read them.
static PAIR: LazyLock<(tempfile::TempDir, [PathBuf; 2])> = LazyLock::new(|| {
    let place = tempfile::tempdir().unwrap();
    let folders = ["one", "two"].map(|name| place.path().join(name));
    let (server, start) = (Server::start(), soon());
    let children = [("1/2", &folders[0]), ("2/2", &folders[1])].map(|(k, out)| shard(k, &server, start, "3s", out));
    for (child, out) in children.into_iter().zip(&folders) {
        let output = child.wait_with_output().unwrap();
        let told = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        assert_valid(output.status.code().expect("it was not killed"), out, &told);
        assert!(told.contains("/2: deliveries are those of its own publisher"), "{told}");
    }
    (place, folders)
});

/// Copies of both, for a test that spoils them.
fn copies(place: &Path) -> [PathBuf; 2] {
    let copy = |from: &PathBuf| {
        let to = place.join(from.file_name().unwrap());
        std::fs::create_dir(&to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
        to
    };
    [copy(&PAIR.1[0]), copy(&PAIR.1[1])]
}

fn change(file: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(file, serde_json::to_vec(&value).unwrap()).unwrap();
}

/// Merges; exit code, what was said on both outputs, and the merged run if there is one.
fn merge(shards: &[PathBuf], place: &Path) -> (i32, String, Option<LoadedRun>) {
    let out = place.join("merged");
    let (code, stdout, stderr) = finish(loadgen().arg("merge").args(shards).arg("--out").arg(&out));
    (code, stdout + &stderr, load(&out).ok())
}

fn reasons(merged: Option<LoadedRun>) -> Vec<String> {
    support::reasons(&merged.expect("it was written").run).into_iter().map(str::to_owned).collect()
}

#[test]
fn the_books_of_two_shards_are_exact_and_their_histograms_add_up() {
    let place = tempfile::tempdir().unwrap();
    let (code, told, merged) = merge(&PAIR.1, place.path());
    assert_valid(code, &place.path().join("merged"), &told);
    let merged = merged.unwrap();
    let parts = PAIR.1.clone().map(|folder| load(&folder).unwrap());
    let (run, measured) = (&merged.run, &merged.run.measured);
    assert_eq!((run.shards.len(), run.asked.shard.as_deref(), run.id.as_str()), (2, None, "00001f3a"));
    assert_eq!((run.shards[0].clients, run.shards[1].clients), (20, 21));

    // Two topics at 10/s for 3 s; 21 clients subscribe to one of them, 20 to the other.
    let books = &measured.deliveries;
    assert_eq!((measured.published.due, measured.published.accepted), (60, 60));
    assert_eq!((books.expected, books.delivered), (30 * 41, 30 * 41), "{told}");
    assert_eq!((books.lost, books.duplicated, books.reordered, books.late), (0, 0, 0, 0));
    let of_shards: u64 = run.shards.iter().map(|shard| shard.delivered).sum();
    assert_eq!(of_shards, books.delivered);

    let values = |run: &LoadedRun| run.latency.iter().map(|span| span.histogram.len()).sum::<u64>();
    let recorded: u64 = parts.iter().map(|part| part.run.measured.latency.count).sum();
    assert_eq!((measured.latency.count, values(&merged)), (recorded, recorded));
    assert_eq!(parts.iter().map(values).sum::<u64>(), recorded);
    // Each client's latencies are those of half of what it received.
    assert_eq!(recorded, books.delivered / 2);
    let largest = parts.iter().map(|part| part.run.measured.latency.max_ns).max().unwrap();
    assert!(measured.latency.max_ns.abs_diff(largest) <= largest / 500, "{} {largest}", measured.latency.max_ns);
    assert_eq!(measured.connect.count, 41);
    assert_eq!(measured.published.send_lag.count, 60);

    let sum = |of: fn(&LoadedRun) -> u64| parts.iter().map(of).sum::<u64>();
    assert_eq!(measured.bytes.deliveries, sum(|part| part.run.measured.bytes.deliveries));
    assert_eq!(measured.bytes.received.framing, sum(|part| part.run.measured.bytes.received.framing));
    assert_eq!(measured.connections.live_at_end, 41);
    let delivered = |run: &LoadedRun| run.series.iter().map(|row| row.delivered).sum::<u64>();
    assert_eq!(delivered(&merged), parts.iter().map(delivered).sum::<u64>());
    let server = measured.server.as_ref().expect("both read the same server, which tells");
    assert_eq!(server.open_at_end, Some(41), "one server is not counted twice");
    let published = |run: &LoadedRun| run.series.iter().map(|row| row.published).sum::<u64>();
    assert_eq!(published(&merged), parts.iter().map(published).sum::<u64>());
    let is_measured = |row: &results::SeriesRow| row.phase == "measure" && row.published > 0 && row.open == 41;
    assert!(merged.series.iter().any(is_measured), "{:?}", merged.series);
}

#[test]
fn a_shard_that_is_stopped_early_shows_as_loss_and_in_the_ending() {
    let place = tempfile::tempdir().unwrap();
    let folders = ["one", "two"].map(|name| place.path().join(name));
    let (server, start) = (Server::start(), soon());
    let first = shard("1/2", &server, start, "12s", &folders[0]);
    let mut second = shard("2/2", &server, start, "12s", &folders[1]);
    let mut lines = BufReader::new(second.stderr.take().unwrap()).lines().map(Result::unwrap);
    await_measured(&mut lines);
    // It stays until its drain bound, three seconds, for what the first publishes, and not to the end.
    kill_process(Pid::from_raw(second.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    lines.for_each(drop);
    let code = second.wait_with_output().unwrap().status.code().expect("it was not killed");
    assert_ended(code, 1, &folders[1], "what was measured is kept");
    let first = first.wait_with_output().unwrap();
    assert_valid(first.status.code().expect("it was not killed"), &folders[0], &String::from_utf8_lossy(&first.stdout));

    let (code, told, merged) = merge(&folders, place.path());
    let run = merged.unwrap().run;
    assert_ended(code, 1, &place.path().join("merged"), &told);
    assert_eq!(run.ending, Ending::Interrupted, "{told}");
    let books = &run.measured.deliveries;
    assert_eq!((run.shards[0].lost, run.shards[1].lost), (0, books.lost), "who stayed has all, who left has not");
    assert!(books.lost > 0 && books.delivered > 0, "{books:?}");
    assert_eq!(books.expected, books.delivered + books.lost);
    // The first published all of its half, which every client should have had.
    assert_eq!(run.shards[0].accepted, 120);
    let [of_first, of_second] = [run.shards[0].expected, run.shards[1].expected];
    assert_eq!(of_first + of_second, books.expected);
    assert!(of_second >= 40 * 21, "{of_second}");
}

#[test]
fn a_missing_shard_makes_the_run_invalid_and_is_named() {
    let place = tempfile::tempdir().unwrap();
    let (code, told, merged) = merge(&PAIR.1[..1], place.path());
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("1 of 2 shards are not there: 2/2"), "{told}");
    assert_eq!(reasons(merged), ["shards-missing"]);
}

#[test]
fn shards_of_different_runs_or_the_same_shard_twice_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let copies = copies(place.path());
    let (code, told, merged) = merge(&[copies[0].clone(), PAIR.1[0].clone()], place.path());
    assert!(code == 1 && merged.is_none() && told.contains("are both shard 1/2"), "{told}");
    change(&copies[1].join("shard.json"), |shard| shard["run"] = 7.into());
    let (code, told, merged) = merge(&copies, place.path());
    assert!(code == 1 && merged.is_none(), "{told}");
    assert!(told.contains("are of different runs (00001f3a and 00000007)") && told.contains("--run-id"), "{told}");
    change(&copies[0].join("shard.json"), |shard| shard["ends"] = serde_json::json!([]));
    let (code, told, _) = merge(&copies[..1], place.path());
    assert!(code == 1 && told.contains("shard.json is damaged"), "{told}");
    std::fs::remove_file(copies[0].join("shard.json")).unwrap();
    let (code, told, _) = merge(&copies[..1], place.path());
    assert!(code == 1 && told.contains("is no shard of a run"), "{told}");
}

#[test]
fn shards_that_were_asked_for_different_loads_or_lie_apart_are_no_measurement() {
    let place = tempfile::tempdir().unwrap();
    let asked = copies(place.path());
    change(&asked[1].join("run.json"), |run| run["asked"]["rate_per_s"] = 11.0.into());
    let (code, told, merged) = merge(&asked, place.path());
    assert!(code == 3 && told.contains("shard 2/2: rate per second 10 against 11"), "{told}");
    assert_eq!(reasons(merged), ["shards-differ"]);

    let place = tempfile::tempdir().unwrap();
    let apart = copies(place.path());
    // As if the second machine's clock went two seconds behind: it began later, and what it heard had been sent long ago.
    const LATE_NS: i64 = 2_000_000_000;
    change(&apart[0].join("shard.json"), |shard| {
        shard["heard"][1] = (shard["heard"][1].as_i64().unwrap() + LATE_NS).into();
    });
    change(&apart[1].join("shard.json"), |shard| {
        shard["heard"][0] = (shard["heard"][0].as_i64().unwrap() - LATE_NS).into();
    });
    let (code, told, merged) = merge(&apart, place.path());
    assert!(code == 3 && told.contains("shard 2/2 began to publish 2") && told.contains("after shard 1/2"), "{told}");
    assert_eq!(reasons(merged), ["shards-apart"]);
}

#[test]
fn a_start_that_is_too_soon_or_a_share_of_nothing_is_said_before_anything_is_measured() {
    let (place, server) = (tempfile::tempdir().unwrap(), Server::start());
    let refused = |words: &[&str]| {
        let mut command = loadgen();
        command.args(["run", "--transport", "ws", "--run-id", "1", "--url", &server.url]).args(words);
        let (code, _, stderr) = finish(command.arg("--out").arg(place.path().join("run")));
        assert_eq!(code, 2, "{stderr}");
        stderr
    };
    let told = refused(&["--shard", "1/2", "--start-at", "+1s", "--clients", "4000", "--connect-rate", "1000"]);
    assert!(told.contains("connecting takes 4.0 s and settling 1.0 s"), "{told}");
    let told =
        refused(&["--shard", "1/4", "--start-at", "+9s", "--clients", "8", "--rate", "0.1", "--duration", "10s"]);
    assert!(told.contains("would publish nothing while it is measured") && told.contains("40s"), "{told}");
}
