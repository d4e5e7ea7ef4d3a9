//! How the program lives on, or ends, when what started it goes: a terminal that hangs up, `timeout`, pipes that nobody reads.

mod lab;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lab::program::{Program, command};
use lab::{PATIENCE, handshake, now};

fn read_until(client: &mut TcpStream, end: &str) -> String {
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(end) {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap_or_else(|error| panic!("{error} after {}", String::from_utf8_lossy(&seen)));
        seen.push(byte[0]);
    }
    String::from_utf8_lossy(&seen).into_owned()
}

/// A stream that has begun.
fn stream(program: &Program) -> TcpStream {
    let mut stream = program.open("/topics/news/sse");
    read_until(&mut stream, "\n\n\r\n");
    stream
}

fn rest(stream: &mut TcpStream) -> String {
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    rest
}

/// Starts `command` and reads where the server listens; its pipes stay as they are.
fn started(command: &mut Command) -> Program {
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim_end().strip_prefix("feed-server listening on http://").unwrap_or_else(|| panic!("{line}"));
    Program { address: address.to_owned(), child }
}

const FLAGS: [&str; 4] = ["--listen", "127.0.0.1:0", "--drain", "1s"];

#[test]
fn a_signal_that_is_sent_twice_at_once_ends_open_streams_and_the_program_with_success() {
    // A terminal that closes: from the kernel, and from the shell. GNU timeout: to the child, and to its group.
    for name in ["-HUP", "-TERM", "-INT"] {
        let mut program = Program::start(&["--drain", "1s"]);
        let mut stream = stream(&program);
        program.signal(name);
        program.signal(name);
        assert!(rest(&mut stream).ends_with("0\r\n\r\n"), "{name}");
        assert_eq!(program.child.wait().unwrap().code(), Some(0), "{name}");
    }
}

#[test]
fn a_second_hangup_does_not_wait() {
    let mut program = Program::start(&["--drain", "1h"]);
    let _stream = stream(&program);
    program.signal("-HUP");
    std::thread::sleep(Duration::from_millis(300));
    program.signal("-HUP");
    assert_eq!(program.end().0, Some(129));
}

#[test]
fn a_server_under_nohup_goes_on_when_its_terminal_hangs_up() {
    let mut nohup = Command::new("nohup");
    nohup.arg(env!("CARGO_BIN_EXE_feed-server")).args(FLAGS);
    // Anything but a terminal is left as it is.
    nohup.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = started(&mut nohup);
    program.signal("-HUP");
    let mut stream = stream(&program);
    program.signal("-HUP");
    let mut client = program.open("/healthz");
    read_until(&mut client, "ok\n");
    program.signal("-TERM");
    assert!(rest(&mut stream).ends_with("0\r\n\r\n"));
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
}

#[test]
fn timeout_which_sends_its_signal_twice_lets_the_server_say_goodbye() {
    let mut timeout = Command::new("timeout");
    // In a group of its own, which is what it signals, too.
    timeout.args(["--preserve-status", "1"]).arg(env!("CARGO_BIN_EXE_feed-server")).args(FLAGS).process_group(0);
    timeout.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = started(&mut timeout);
    let mut stream = stream(&program);
    let rest = rest(&mut stream);
    assert!(rest.ends_with("0\r\n\r\n"), "it is not cut: {rest:?}");
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
}

/// A server whose stdout or stderr nobody reads from the beginning; it listens on a port that was free.
fn unheard(flags: &[&str], close: impl Fn(&mut Child)) -> Program {
    // A port that was free a moment ago may be taken by another: then the next one.
    for _ in 0..20 {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut child = command(&[&["--listen", &free], flags].concat()).spawn().unwrap();
        close(&mut child);
        let begun = now();
        while begun.elapsed() < PATIENCE && child.try_wait().unwrap().is_none() {
            if TcpStream::connect(&free).is_ok() {
                return Program { child, address: free };
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut said = String::new();
        if let Some(mut stderr) = child.stderr.take() {
            let _ = stderr.read_to_string(&mut said);
        }
        let code = child.wait().unwrap().code();
        assert!(said.contains("another process does already"), "it ended with {code:?}: {said}");
    }
    panic!("no port was free");
}

#[test]
fn a_server_whose_output_nobody_reads_serves_all_the_same() {
    let mut program = unheard(&["--drain", "1s"], |child| drop(child.stdout.take()));
    let mut stream = stream(&program);
    program.signal("-TERM");
    assert!(rest(&mut stream).ends_with("0\r\n\r\n"));
    let (code, said) = program.end();
    assert_eq!((code, &*said), (Some(0), ""));
}

#[test]
fn a_log_that_nobody_reads_disturbs_no_connection() {
    let mut program = unheard(&["--drain", "1s"], |child| {
        drop(child.stdout.take());
        drop(child.stderr.take());
    });
    for _ in 0..3 {
        let mut client = TcpStream::connect(&program.address).unwrap();
        client.write_all(handshake("").as_bytes()).unwrap();
        read_until(&mut client, "recovered\":true}");
        // Each is a warning of the log, and answered by a close frame: 1002.
        client.write_all(b"\xff\xff").unwrap();
        let mut said = Vec::new();
        client.read_to_end(&mut said).unwrap();
        assert!(said.starts_with(b"\x88") && said[2..4] == [0x03, 0xea], "{said:x?}");
    }
    let mut stats = program.open("/stats");
    assert!(read_until(&mut stats, "\"protocol-error\":3").contains("200 OK"));
    program.signal("-TERM");
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
}

#[test]
fn help_and_version_into_a_closed_pipe_end_quietly() {
    for flag in ["--help", "--version"] {
        let mut child = command(&[flag]).spawn().unwrap();
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!((child.wait().unwrap().code(), &*said), (Some(0), ""), "{flag}");
    }
}
