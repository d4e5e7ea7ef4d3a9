//! A server that lies about one count in its `/stats`: each lie must make the run invalid, by name.
//!
//! Books are held against those of a server that loadgen has started itself, and it looks for one beside its own program. So each
//! case has a folder with a link to loadgen and, as `feed-server`, one to this program, which under that name is the liar: it stands
//! before the real server, passes every byte on, and alters what `/stats` says. Without a harness, because the liar needs `main`.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use results::load;
use serde_json::Value;
use support::{WIDE_BOUNDS, assert_valid, finish, place, reasons, sibling};

/// Names the real server, for the liar.
const HONEST: &str = "WIRELAB_TEST_HONEST_SERVER";
/// Names the lie, for the liar.
const LIE: &str = "WIRELAB_TEST_LIE";

/// What is lied about, and the quantity that must be told to disagree; none where there is no lie.
const CASES: [(&str, Option<&str>); 8] = [
    ("nothing", None),
    ("published", Some("published")),
    ("delivered", Some("deliveries")),
    ("bytes_written", Some("stream bytes received")),
    ("bytes_read", Some("stream bytes sent")),
    ("opened", Some("connections opened")),
    ("open in the middle", Some("open at the end of the window")),
    ("open in the end", Some("open at the end of the run")),
];

fn main() {
    let own = std::env::current_exe().unwrap();
    if own.file_stem().is_some_and(|name| name == "feed-server") {
        return lie();
    }
    // A word on the command line is a part of a case's name, as for any test; flags are the harness's.
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-')).unwrap_or_default();
    let cases = CASES.iter().filter(|(lie, _)| lie.contains(&wanted));
    // All at once: most of their time is waiting.
    let running: Vec<_> = cases.map(|&case| (case.0, thread::spawn(move || examine(case)))).collect();
    let failed: Vec<_> = running.into_iter().filter_map(|(lie, case)| case.join().err().map(|_| lie)).collect();
    assert!(failed.is_empty(), "failed: {failed:?}");
}

/// A run against a server that lies so.
fn examine((lie, disagrees): (&str, Option<&str>)) {
    let folder = tempfile::tempdir().unwrap();
    let generator = folder.path().join("loadgen");
    place(Path::new(env!("CARGO_BIN_EXE_loadgen")), &generator);
    place(&std::env::current_exe().unwrap(), &folder.path().join("feed-server"));
    let out = folder.path().join("run");
    let mut command = Command::new(generator);
    // So low a rate that a busy machine does not send a notification after the next one is due, which would be a reason of its own.
    command.args(["run", "--transport", "ws", "--clients", "4", "--rate", "4", "--settle", "0s"]);
    command.args(["--warmup", "200ms", "--duration", "1500ms", "--drain", "5s", "--out"]).arg(&out).args(WIDE_BOUNDS);
    command.env(HONEST, sibling("feed-server").get_program()).env(LIE, lie);
    let (code, stdout, stderr) = finish(&mut command);
    let told = format!("{lie}: {stdout}{stderr}");
    let run = load(&out).unwrap_or_else(|error| panic!("{error}: {told}")).run;
    let Some(quantity) = disagrees else {
        assert_valid(code, &out, &told);
        assert!(stdout.contains("all 7 counts of the whole run agree"), "{told}");
        return println!("server that lies about nothing ... ok");
    };
    assert_eq!((code, reasons(&run)), (3, vec!["server-disagrees"]), "{told}");
    let differing: Vec<&str> = run
        .measured
        .reconciliation
        .iter()
        .filter(|row| row.is_disagreement())
        .map(|row| row.quantity.as_str())
        .collect();
    assert_eq!(differing, [quantity], "{told}");
    assert!(stdout.trim_start().starts_with("INVALID MEASUREMENT"), "{told}");
    assert!(stdout.contains(&format!("  server-disagrees: {quantity}: ")), "{told}");
    assert!(stdout.contains("1 of 7 counts of the whole run differ") && stdout.contains("NOT EXPLAINED"), "{told}");
    println!("server that lies about {lie} ... ok: {}", run.verdict.reasons.last().unwrap().seen);
}

/// The liar: serves until its standard input ends, which the real server inherits.
fn lie() {
    let lie = std::env::var(LIE).unwrap();
    let mut honest = Command::new(std::env::var_os(HONEST).unwrap())
        .args(std::env::args_os().skip(1))
        .stdin(Stdio::inherit())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(honest.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().rsplit("http://").next().unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("listening on http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for outside in listener.incoming().map(Result::unwrap) {
            let (address, lie) = (address.clone(), lie.clone());
            // What a lost connection means is for both its ends to say.
            thread::spawn(move || serve(&outside, &address, &lie).is_ok());
        }
    });
    honest.wait().unwrap();
}

fn serve(outside: &TcpStream, address: &str, lie: &str) -> std::io::Result<()> {
    let mut first = [0; 10];
    let len = outside.peek(&mut first)?;
    if &first[..len] == b"GET /stats" {
        return tell(outside, address, lie);
    }
    let inside = TcpStream::connect(address)?;
    for end in [outside, &inside] {
        end.set_nodelay(true)?;
    }
    thread::scope(|scope| {
        for (mut from, mut to) in [(outside, &inside), (&inside, outside)] {
            scope.spawn(move || {
                let passed = std::io::copy(&mut from, &mut to);
                // An end is passed on as an end, a reset as one.
                to.shutdown(if passed.is_ok() { Shutdown::Write } else { Shutdown::Both })
            });
        }
    });
    Ok(())
}

/// Answers one question for `/stats`, not quite as the real server does.
fn tell(mut outside: &TcpStream, address: &str, lie: &str) -> std::io::Result<()> {
    let question = BufReader::new(outside).lines().map_while(Result::ok);
    question.take_while(|line| !line.is_empty()).for_each(drop);
    let mut inside = TcpStream::connect(address)?;
    inside.write_all(b"GET /stats HTTP/1.1\r\nHost: liar\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    inside.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    assert!(!head.to_ascii_lowercase().contains("chunked"), "{head}");
    let mut stats: Value = serde_json::from_str(body)?;
    alter(&mut stats, lie);
    let body = stats.to_string();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
    write!(outside, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
    outside.shutdown(Shutdown::Both)
}

/// One more than is true, or one client less in the middle. Before the clients come, when only the probe has, the truth is told: it
/// is what the books count from.
fn alter(stats: &mut Value, lie: &str) {
    let add = |stats: &mut Value, path: &str, more: i64| {
        if let Some(count) = stats.pointer_mut(path) {
            *count = (count.as_i64().unwrap() + more).into();
        }
    };
    let of = |path: &str| format!("/connections/ws/{path}");
    let [opened, open] = ["opened", "open"].map(|name| stats.pointer(&of(name)).and_then(Value::as_i64).unwrap_or(0));
    let has_clients = opened > 1;
    match lie {
        "nothing" => {}
        "published" if stats["published"].as_i64() > Some(0) => add(stats, "/published", 1),
        "delivered" | "bytes_written" | "bytes_read" | "opened" if has_clients => add(stats, &of(lie), 1),
        "open in the middle" if open > 0 => add(stats, &of("open"), -1),
        "open in the end" if has_clients && open == 0 => add(stats, &of("open"), 1),
        _ => {}
    }
}
