//! The program: what it prints, how it stops, and what it says when it cannot start.

mod lab;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use lab::program::{Program, command};

fn read_until(client: &mut TcpStream, end: &str) -> String {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(end) {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
    String::from_utf8(seen).unwrap()
}

#[test]
fn sigterm_and_ctrl_c_end_open_streams_and_the_program_with_success() {
    for name in ["-TERM", "-INT"] {
        for workers in ["1", "2"] {
            let mut program = Program::start(&["--workers", workers, "--drain", "1s"]);
            let mut stream = program.open("/topics/news/sse");
            read_until(&mut stream, "\n\n\r\n");
            program.signal(name);
            let mut rest = String::new();
            stream.read_to_string(&mut rest).unwrap();
            assert!(rest.ends_with("0\r\n\r\n"), "{rest}");
            assert_eq!(program.child.wait().unwrap().code(), Some(0), "{name}");
        }
    }
}

#[test]
fn a_second_signal_does_not_wait() {
    for (name, code) in [("-INT", 130), ("-TERM", 143)] {
        let mut program = Program::start(&["--drain", "1h"]);
        let mut stuck = TcpStream::connect(&program.address).unwrap();
        write!(stuck, "POST /topics/news HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n1").unwrap();
        let mut idle = program.open("/healthz");
        read_until(&mut idle, "ok\n");
        let mut stream = program.open("/topics/news/sse");
        read_until(&mut stream, "\n\n\r\n");
        program.signal(name);
        assert_eq!(idle.read(&mut [0]).unwrap(), 0, "it has heard the first");
        // What comes within 0.2 s is the same request (`timeout` sends its signal twice).
        std::thread::sleep(Duration::from_millis(300));
        program.signal(name);
        assert_eq!(program.end().0, Some(code));
    }
}

#[test]
fn a_server_does_not_outlive_the_program_that_started_it() {
    let mut program = Program::start(&["--exit-on-stdin-close"]);
    drop(program.child.stdin.take());
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_demo_publishes_by_itself() {
    let program = Program::start(&["--demo", "100"]);
    let mut stream = program.open("/topics/demo/sse?after=earliest");
    read_until(&mut stream, "demo 3");
}

#[test]
fn times_that_nothing_can_take_are_refused_in_a_sentence() {
    for flag in [
        "--wait-max",
        "--head-timeout",
        "--idle-timeout",
        "--heartbeat",
        "--sse-retry",
        "--ping-interval",
        "--pong-timeout",
        "--write-timeout",
        "--drain",
    ] {
        for value in ["0s", "25h", "500000000000y", "5"] {
            // An address that is refused too, later: nothing may be left running if the time is not.
            let output = command(&["--listen", "192.0.2.1:1", flag, value]).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(said.contains("expected a time with its unit, above zero and up to 24h"), "{flag} {value}: {said}");
            assert_eq!(output.status.code(), Some(2), "{flag} {value}");
        }
    }
}

#[test]
fn what_keeps_it_from_starting_is_said_in_a_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let cases: [(&[&str], i32, &str); 7] = [
        (&["--listen", &taken], 1, "another process does already"),
        (&["--listen", "192.0.2.1:1"], 1, "no interface of this machine has that address"),
        (&["--listen", "127.0.0.1:0", "--connections-max", "4000000000"], 1, "does not fit into the limit of"),
        (&["--listen", "127.0.0.1:0", "--log", "loud=shout"], 1, "bad --log `loud=shout`"),
        (
            &["--listen", "127.0.0.1:0", "--broker", "kafka://me:s3cret@here"],
            1,
            "bad --broker: expected `memory`, or redis://",
        ),
        (
            &["--listen", "127.0.0.1:0", "--broker", "redis://me:s3cret@127.0.0.1:1"],
            1,
            "cannot use the broker at redis://127.0.0.1:1",
        ),
        (&["--listen", "here"], 2, "invalid socket address"),
    ];
    for (flags, code, sentence) in cases {
        let output = command(flags).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(sentence), "{flags:?}: {said}");
        assert!(!said.contains("s3cret"), "a password: {said}");
        assert_eq!(output.status.code(), Some(code), "{flags:?}");
        if code == 1 {
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }
}
