//! Memory that a crowd of connections needed is given back to the system once they have gone.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

mod lab;

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use lab::program::Program;
use lab::{PATIENCE, now};

/// Bytes of the server that are resident and its own: what of the program's file was read is not counted.
fn resident(program: &Program) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.child.id())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    resident.trim().strip_suffix("kB").unwrap().trim().parse::<u64>().unwrap() << 10
}

/// Waits until `holds`; false when it does not in time.
fn comes(mut holds: impl FnMut() -> bool) -> bool {
    let begun = now();
    while begun.elapsed() < PATIENCE {
        if holds() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

#[test]
fn what_a_crowd_needed_is_given_back_once_it_has_gone() {
    let program = Program::start(&["--workers", "1", "--head-timeout", "60s"]);
    let mut others = vec![program.open("/topics/news/sse")];
    let before = resident(&program);
    let mut crowd = Vec::new();
    for number in 0..600 {
        // Half a head, for which a buffer is kept.
        let mut client = TcpStream::connect(&program.address).unwrap();
        write!(client, "GET / HTTP/1.1\r\nX: {}", "x".repeat(12_000)).unwrap();
        crowd.push(client);
        // Who stays keeps something small between what the others leave.
        if number % 30 == 0 {
            others.push(program.open("/topics/news/sse"));
        }
    }
    let grown = 600 * 12_000;
    assert!(comes(|| resident(&program) > before + grown), "{} from {before}", resident(&program));
    let peak = resident(&program);
    drop(crowd);
    let back = comes(|| resident(&program) < before + (peak - before) / 3);
    assert!(
        back,
        "{} bytes are resident, {before} were before the crowd came, {peak} while it was there",
        resident(&program)
    );
}
