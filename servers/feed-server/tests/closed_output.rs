//! A server whose output nobody reads serves on; what it cannot write is an error only where it matters.

mod lab;

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use lab::program::command;

/// A pipe whose reader is gone.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// A disk without room.
fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

fn server() -> Command {
    command(&["--listen", "127.0.0.1:0", "--exit-on-stdin-close", "--drain", "200ms"])
}

/// Has it end by itself; its exit code.
fn end(mut child: Child) -> Option<i32> {
    drop(child.stdin.take());
    child.wait().unwrap().code()
}

#[test]
fn a_server_whose_log_cannot_be_written_ends_as_it_would() {
    for stderr in [closed as fn() -> Stdio, full] {
        let mut child = server().stdout(Stdio::piped()).stderr(stderr()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit("//").next().unwrap().to_owned();
        // A request that never comes whole: the server says so in its log when it ends.
        let mut stuck = TcpStream::connect(&address).unwrap();
        write!(stuck, "POST /topics/news HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n1").unwrap();
        let mut client = TcpStream::connect(&address).unwrap();
        write!(client, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(end(child), Some(0));
    }
}

#[test]
fn a_server_serves_though_nobody_reads_where_and_one_that_cannot_say_it_is_an_error() {
    assert_eq!(end(server().stdout(closed()).stderr(Stdio::null()).spawn().unwrap()), Some(0));
    let output = server().stdout(full()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let told = "feed-server: cannot write to standard output where it listens: No space left on device (os error 28)\n";
    assert!(stderr.ends_with(told), "{stderr}");
}

#[test]
fn help_ends_quietly_where_nobody_reads_it_and_with_an_error_where_it_cannot_be_written() {
    let output = command(&["--help"]).stdout(closed()).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    let output = command(&["--help"]).stdout(full()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let told = "feed-server: cannot write to standard output: No space left on device (os error 28)\n";
    assert_eq!((output.status.code(), stderr.as_str()), (Some(1), told));
}
