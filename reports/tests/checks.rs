//! Every round is held against a second measurement of the same, and the page says what came of it.

mod examples;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

/// The cells after `p50` in the row that tells the run of ws, once `change` has been made to what it measured.
fn row_of_ws(change: impl FnOnce(&mut Value)) -> String {
    let place = tempfile::tempdir().unwrap();
    let comparison = examples::copy(place.path());
    examples::edit(&comparison, "ws", |run| change(&mut run["measured"]));
    let page = page_of(&comparison, &place.path().join("report"));
    assert!(page.contains("<h2>Measured twice</h2>"));
    let section = page.split("<h2>Measured twice</h2>").nth(1).unwrap().split("</table>").next().unwrap();
    section.lines().find(|line| line.starts_with("<tr><td>ws</td>")).unwrap().to_owned()
}

fn page_of(folder: &Path, out: &Path) -> String {
    reports::report(&[folder.to_owned()], out).unwrap();
    fs::read_to_string(out.join("index.html")).unwrap()
}

fn counted(quantity: &str, generator: u64, server: u64, explained: Option<&str>) -> Value {
    json!({"quantity": quantity, "generator": generator, "server": server, "explained": explained})
}

#[test]
fn latency_from_actual_publishing_instants_stands_beside_the_other() {
    let row = row_of_ws(|measured| {
        let mut actual = measured["latency"].clone();
        actual["p50_ns"] = json!(1_234_000);
        actual["p99_ns"] = json!(5_670_000);
        measured["latency_from_actual"] = actual;
    });
    let cells: Vec<&str> = row.split("</td>").collect();
    assert_eq!((cells[3], cells[5]), ("<td>1.23 ms", "<td>5.67 ms"), "{row}");
}

#[test]
fn a_run_from_before_it_was_recorded_has_no_latency_from_actual_instants() {
    for absent in [json!(null), json!(results::Percentiles::default())] {
        let row = row_of_ws(|measured| measured["latency_from_actual"] = absent);
        assert_eq!(row.matches("<td class=\"missing\">not measured</td>").count(), 2, "{row}");
    }
}

#[test]
fn counts_that_agree_are_told_in_one_line() {
    let row = row_of_ws(|measured| {
        measured["reconciliation"] = json!([counted("published", 48, 48, None), counted("deliveries", 9, 9, None)]);
    });
    assert!(row.ends_with("<td>all 2 counts agree with the server&#39;s</td></tr>"), "{row}");
}

#[test]
fn every_count_that_differs_is_told_with_both_sides_and_its_reason() {
    let explained = counted("deliveries", 23_990, 24_000, Some("connections were lost"));
    let row = row_of_ws(|measured| measured["reconciliation"] = json!([counted("published", 48, 48, None), explained]));
    let expected = "<td>1 of 2 counts differ from the server&#39;s<br>deliveries: 23,990 by the generator, 24,000 by the \
                    server; explained: connections were lost</td></tr>";
    assert!(row.ends_with(expected), "{row}");
}

#[test]
fn a_count_that_differs_for_no_reason_is_marked() {
    let row = row_of_ws(|measured| measured["reconciliation"] = json!([counted("published", 48, 49, None)]));
    assert!(row.contains("<td class=\"marked\">1 of 1 counts differ"), "{row}");
    assert!(row.contains("published: 48 by the generator, 49 by the server; NOT EXPLAINED"), "{row}");
}

#[test]
fn a_run_whose_server_is_not_ours_alone_is_not_reconciled() {
    let row = row_of_ws(|measured| measured["reconciliation"] = json!([]));
    assert!(row.ends_with("<td class=\"missing\">not reconciled</td></tr>"), "{row}");
}

#[test]
fn a_quantity_and_its_reason_cannot_become_markup() {
    let row = row_of_ws(|measured| {
        measured["reconciliation"] = json!([counted("<script>", 1, 2, Some("<img src=x>"))]);
    });
    assert!(
        row.contains("&lt;script&gt;: 1 by the generator") && row.contains("explained: &lt;img src=x&gt;"),
        "{row}"
    );
}
