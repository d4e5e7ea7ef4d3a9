//! Every way in which HTTP ends a body, met by everything that reads one: a matrix that is printed, and has no empty cell.

mod foreign;
mod support;

use std::fmt::Write;

use foreign::carry_out;
use foreign::raw::{Asked, Ending, Kind, Manner, Raw, target};
use futures_util::StreamExt;
use support::{WIDE_BOUNDS, finish, loadgen};

/// Who reads the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    Sse,
    LongPoll,
    ShortPoll,
    Publish,
    Probe,
    Check,
}

const READERS: [Reader; 6] =
    [Reader::Sse, Reader::LongPoll, Reader::ShortPoll, Reader::Publish, Reader::Probe, Reader::Check];

/// Cells filled at once: most of their time is waiting.
const AT_ONCE: usize = 8;
/// What the probe, and `check`, say of an answer that is cut off.
const CUT: &str = "the connection ended in the middle of an answer";

/// What the cell must say.
fn expected(ending: Ending, reader: Reader) -> &'static str {
    match (reader, ending) {
        (Reader::Sse | Reader::LongPoll | Reader::ShortPoll, ending) if ending.is_cut() => "all, truncated",
        (Reader::Sse, Ending::Status204) => "told to stop",
        (Reader::Sse, Ending::Status304) => "all, status-304",
        (Reader::Sse, Ending::Status205) => "all, status-205",
        (Reader::Sse | Reader::LongPoll | Reader::ShortPoll, _) => "all",
        (Reader::Publish, Ending::Status304) => "refused by 304",
        // Its status counts.
        (Reader::Publish, ending) if ending.is_cut() => "accepted, truncated",
        (Reader::Publish, _) => "accepted",
        (Reader::Probe, Ending::Status204) => "told to stop / passes",
        (Reader::Probe, Ending::Status304) => "answered 304 / passes",
        (Reader::Probe, Ending::Status205) => "answered 205 / passes",
        // A stream is live with its first bytes; its end is the clients' to meet.
        (Reader::Probe, ending) if ending.is_cut() => "passes / cut off",
        (Reader::Probe, _) => "passes / passes",
        (Reader::Check, Ending::Status204) => "2 of 3, told to stop",
        (Reader::Check, Ending::Status304) => "2 of 3, answered 304",
        (Reader::Check, Ending::Status205) => "2 of 3, answered 205",
        (Reader::Check, ending) if ending.is_cut() => "0 of 3, cut off",
        (Reader::Check, _) => "3 of 3",
    }
}

#[tokio::test]
async fn every_reader_knows_every_way_in_which_a_body_ends() {
    let cells = Ending::ALL.into_iter().flat_map(|ending| READERS.map(|reader| (ending, reader)));
    let filled = futures_util::stream::iter(cells)
        .map(|(ending, reader)| async move { (ending, reader, fill(ending, reader).await) });
    let filled: Vec<_> = filled.buffer_unordered(AT_ONCE).collect().await;
    let mut matrix = format!("{:<16}", "");
    for reader in READERS {
        let _ = write!(matrix, " {:<22}", format!("{reader:?}"));
    }
    let mut wrong = Vec::new();
    for ending in Ending::ALL {
        let _ = write!(matrix, "\n{:<16}", format!("{ending:?}"));
        for reader in READERS {
            let cell = filled.iter().find(|filled| (filled.0, filled.1) == (ending, reader));
            let (cell, said) = cell.map_or_else(Default::default, |filled| filled.2.clone());
            let _ = write!(matrix, " {cell:<22}");
            if cell != expected(ending, reader) {
                wrong.push(format!("{ending:?} x {reader:?}: expected `{}`\n{said}", expected(ending, reader)));
            }
        }
    }
    println!("{matrix}");
    assert!(wrong.is_empty(), "{matrix}\n\n{}", wrong.join("\n\n"));
}

/// The word of a cell, and all that was said.
async fn fill(ending: Ending, reader: Reader) -> (String, String) {
    match reader {
        Reader::Sse => deliver(ending, Kind::Sse, "sse").await,
        Reader::LongPoll => deliver(ending, Kind::Long, "long-poll").await,
        Reader::ShortPoll => deliver(ending, Kind::Short, "short-poll").await,
        Reader::Publish => publish(ending).await,
        Reader::Probe => probe(ending).await,
        Reader::Check => check(ending).await,
    }
}

/// Answers of `kind` end so: those without content where there is nothing to bring, those that are cut off one of five.
fn manner(ending: Ending, kind: Kind) -> Manner {
    Manner::ending(move |asked: Asked| {
        let is_meant = match (ending.status(), kind) {
            _ if asked.kind != kind => false,
            (Some(204), Kind::Sse) => asked.brings,
            (Some(_), Kind::Publish) => true,
            (Some(_), Kind::Sse) => asked.brings && asked.number % 3 == 2,
            // A client's first one says where to go on from.
            (Some(_), Kind::Long | Kind::Short) => !asked.brings && asked.goes_on,
            (None, _) => !ending.is_cut() || asked.number >= 5 && asked.number % 5 == 2,
        };
        if is_meant { ending } else { Ending::Chunks }
    })
}

async fn run(server: &Raw, transport: &str, seconds: &str) -> foreign::Measured {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("raw.toml");
    std::fs::write(&path, target("")).unwrap();
    let mut command = loadgen();
    command.env_remove("WIRELAB_TOKEN").args(["run", "--transport", transport, "--url", &server.url, "--target"]);
    command.arg(path).args([
        "--clients",
        "4",
        "--rate",
        "10",
        "--warmup",
        "0s",
        "--settle",
        "300ms",
        "--duration",
        seconds,
    ]);
    command.args([
        "--wait",
        "50ms",
        "--poll-interval",
        "50ms",
        "--connect-rate",
        "200",
        "--reconnect-first",
        "20ms",
        "--reconnect-longest",
        "100ms",
    ]);
    command.args(["--pin", "off"]).args(WIDE_BOUNDS).arg("--out").arg(folder.path().join("run"));
    carry_out(command, folder).await
}

async fn deliver(ending: Ending, kind: Kind, transport: &str) -> (String, String) {
    let server = Raw::serve(manner(ending, kind)).await;
    let measured = run(&server, transport, "2s").await;
    let said = measured.stdout.clone() + &measured.stderr;
    let Ok(loaded) = results::load(&measured.out) else { return ("no run".into(), said) };
    let (books, connections) = (&loaded.run.measured.deliveries, &loaded.run.measured.connections);
    if connections.orderly.is_some_and(|orderly| orderly.told_to_stop == 4) && connections.errors.is_empty() {
        return ("told to stop".into(), said);
    }
    let is_whole = (books.expected, books.delivered, books.duplicated, books.lost) == (80, 80, 0, 0);
    let errors: Vec<&str> = connections.errors.keys().map(String::as_str).collect();
    let is_clean = errors.is_empty() && loaded.run.verdict.is_valid();
    match (is_whole, errors.as_slice()) {
        (true, []) if is_clean => ("all".into(), said),
        (true, [kind]) => (format!("all, {kind}"), said),
        _ => (format!("{books:?} {errors:?}"), said),
    }
}

async fn publish(ending: Ending) -> (String, String) {
    let server = Raw::serve(manner(ending, Kind::Publish)).await;
    let measured = run(&server, "short-poll", "2s").await;
    let said = measured.stdout.clone() + &measured.stderr;
    let Ok(loaded) = results::load(&measured.out) else { return ("no run".into(), said) };
    let run = &loaded.run.measured;
    // Whatever becomes of it, nothing that arrived is lost, and nothing is said twice.
    let is_whole = (run.deliveries.lost, run.deliveries.duplicated) == (0, 0);
    let errors: Vec<&str> = run.connections.errors.keys().map(String::as_str).collect();
    let word = match errors.as_slice() {
        [] if run.published.accepted == 20 && loaded.run.verdict.is_valid() => "accepted",
        [kind] if kind.ends_with("304") && run.published.accepted == 0 => "refused by 304",
        ["publish-truncated"] if run.published.accepted == 20 && loaded.run.verdict.is_valid() => "accepted, truncated",
        _ => return (format!("{:?} {errors:?}", run.published), said),
    };
    (if is_whole { word.into() } else { format!("{word}, but {:?}", run.deliveries) }, said)
}

/// From the first answer on, of streams and of polls.
async fn probe(ending: Ending) -> (String, String) {
    let (mut words, mut all) = (Vec::new(), String::new());
    for (kind, transport) in [(Kind::Sse, "sse"), (Kind::Short, "short-poll")] {
        let server =
            Raw::serve(Manner::ending(move |asked| if asked.kind == kind { ending } else { Ending::Length })).await;
        let measured = run(&server, transport, "300ms").await;
        let said = measured.stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or("passes").to_owned();
        words.push(word_of(&said).to_owned());
        all += &(said + "\n");
    }
    (words.join(" / "), all)
}

fn word_of(said: &str) -> &str {
    let known = [
        (CUT, "cut off"),
        ("204 No Content to the request of an event stream", "told to stop"),
        ("answered 304", "answered 304"),
        ("answered 205", "answered 205"),
    ];
    known.iter().find(|(text, _)| said.contains(text)).map_or(said, |(_, word)| word)
}

async fn check(ending: Ending) -> (String, String) {
    let server = Raw::serve(Manner::ending(move |asked| {
        let is_meant = match (ending.status(), asked.kind) {
            (None, Kind::Publish) => !ending.is_cut(),
            (None, _) => true,
            (Some(_), Kind::Publish) => false,
            (Some(_), Kind::Sse) => asked.brings,
            (Some(_), Kind::Long | Kind::Short) => !asked.brings && asked.goes_on,
        };
        if is_meant { ending } else { Ending::Length }
    }))
    .await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("raw.toml");
    std::fs::write(&path, target("")).unwrap();
    let mut command = loadgen();
    command.args(["check", "--target", path.to_str().unwrap(), &server.url]);
    let (_, stdout, stderr) = tokio::task::spawn_blocking(move || finish(&mut command)).await.unwrap();
    let said = stdout + &stderr;
    let works = said.lines().find_map(|line| line.split_once(" of 3 transports")).map_or("none", |(works, _)| works);
    let sentence = said
        .lines()
        .find(|line| line.starts_with("sse: ") && !line.contains("the first that was no notification"))
        .unwrap_or_default();
    let word = if sentence.is_empty() { String::new() } else { format!(", {}", word_of(sentence)) };
    (format!("{works} of 3{word}"), said)
}
