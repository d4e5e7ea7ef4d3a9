//! `loadgen find-max` refuses what it cannot search, before anything is started.

use std::process::Command;

fn find_max(words: &[&str]) -> (Option<i32>, String) {
    let place = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["find-max", "--transport", "ws"])
        .args(words)
        .arg("--out")
        .arg(place.path().join("search"))
        .output()
        .unwrap();
    assert!(!place.path().join("search").exists(), "nothing is written");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn more_clients_than_descriptors_are_refused_with_the_number_that_fits() {
    let (code, told) = find_max(&["--vary", "clients", "--clients", "1000000", "--slo", "lost==0"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("cannot start at 1,000,000 clients: this process has room for "), "{told}");
}

#[test]
fn a_start_above_the_most_is_refused() {
    let (code, told) = find_max(&["--vary", "rate", "--rate", "50", "--most", "20", "--slo", "lost==0"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("cannot start at 50 notifications/s, which is above --most 20: lower --rate"), "{told}");
}

#[test]
fn an_unknown_quantity_is_a_usage_error_that_lists_the_known_ones() {
    let (code, told) = find_max(&["--vary", "rate", "--slo", "p99<10ms,p98<1ms"]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("unknown quantity `p98`: expected one of p50, p90"), "{told}");
}
