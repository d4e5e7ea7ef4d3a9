//! The program from end to end: what it writes, what it refuses, and in which words.

mod examples;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::json;

fn report(folders: &[&Path], out: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_report")).args(folders).arg("--out").arg(out).output().unwrap()
}

fn error_of(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(text.trim_end().lines().count(), 1, "one sentence: {text}");
    text.trim_end().to_owned()
}

fn page_of(out: &Path) -> String {
    fs::read_to_string(out.join("index.html")).unwrap()
}

/// A report of a comparison that `spoil` has changed.
fn report_of(spoil: impl FnOnce(&Path)) -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let comparison = examples::copy(place.path());
    spoil(&comparison);
    let out = place.path().join("report");
    let output = report(&[&comparison], &out);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (place, out)
}

#[test]
fn a_comparison_becomes_plots_tables_and_a_page() {
    let (_place, out) = report_of(|_| {});
    let plots = [
        "latency_percentiles",
        "latency_over_time",
        "bytes_per_delivery",
        "server_cpu",
        "server_rss",
        "connections",
        "ledger",
    ];
    for plot in plots {
        let png = fs::read(out.join(format!("{plot}.png"))).unwrap();
        assert!(png.starts_with(b"\x89PNG"), "{plot}");
        assert_eq!(u32::from_be_bytes(png[16..20].try_into().unwrap()), 2400, "{plot} is 1200 wide, twice as fine");
        let svg = fs::read_to_string(out.join(format!("{plot}.svg"))).unwrap();
        assert!(svg.starts_with("<svg ") && svg.contains("@font-face"), "{plot}");
        assert!(page_of(&out).contains(&format!("<figure id=\"{plot}\">")), "{plot}");
    }
    let csv = fs::read_to_string(out.join("summary.csv")).unwrap();
    assert_eq!(csv.lines().count(), 5);
    assert!(csv.lines().nth(4).unwrap().starts_with("ws,ws,valid,,false,false,1,1,1,"), "{csv}");
    let markdown = fs::read_to_string(out.join("summary.md")).unwrap();
    assert!(markdown.starts_with("Over ws a notification arrives in "), "{markdown}");
    assert!(page_of(&out).contains("<p class=\"answer\">Over ws a notification arrives in "));
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let (_place, out) = report_of(|_| {});
    let page = page_of(&out).replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for outside in ["http://", "https://", "@import", "<script", "<link", "<iframe"] {
        assert!(!page.contains(outside), "{outside}");
    }
    for (marker, inside) in [("src=", "src=\"data:"), ("url(", "url(data:"), ("href=", "href=\"#")] {
        let foreign = page.match_indices(marker).filter(|(at, _)| !page[*at..].starts_with(inside)).count();
        assert_eq!(foreign, 0, "{marker}");
    }
}

#[test]
fn an_invalid_run_is_stated_first_everywhere() {
    let (_place, out) = report_of(|comparison| {
        examples::edit(comparison, "ws", |run| {
            let text = "x";
            run["verdict"]["reasons"] =
                json!([{"check": "send-lag", "seen": text, "bound": text, "cause": text, "remedy": text}]);
        });
    });
    let mark = "INVALID MEASUREMENT: send-lag (ws)";
    let page = page_of(&out);
    let main = page.split("<main>").nth(1).unwrap().trim_start();
    assert!(main.starts_with(&format!("<p class=\"banner alarm\">{mark}</p>")), "{}", &main[..200]);
    let markdown = fs::read_to_string(out.join("summary.md")).unwrap();
    assert!(markdown.starts_with(&format!("**{mark}**\n")), "{markdown}");
    let csv = fs::read_to_string(out.join("summary.csv")).unwrap();
    assert!(csv.contains("\nws,ws,invalid,send-lag,"), "{csv}");
    for file in fs::read_dir(&out).unwrap().map(|file| file.unwrap().path()) {
        if file.extension().is_some_and(|ending| ending == "svg") {
            assert!(fs::read_to_string(&file).unwrap().contains(mark), "{}", file.display());
        }
    }
}

#[test]
fn what_was_not_measured_is_said_on_the_page_and_empty_in_the_csv() {
    let (_place, out) = report_of(|comparison| {
        examples::edit(comparison, "ws", |run| run["measured"]["server"] = json!(null));
    });
    assert!(page_of(&out).contains("<td class=\"missing\">not measured</td>"));
    let csv = fs::read_to_string(out.join("summary.csv")).unwrap();
    let row: Vec<_> = csv.lines().nth(4).unwrap().split(',').collect();
    let column = csv.lines().next().unwrap().split(',').position(|name| name == "server_cpu_us_per_delivery").unwrap();
    assert_eq!(row[column], "");
}

#[test]
fn names_given_by_people_cannot_become_markup() {
    let evil = "<script>alert('&\"')</script>";
    let (_place, out) = report_of(|comparison| {
        examples::edit(comparison, "ws", |run| {
            run["asked"]["topic"] = json!(evil);
            run["asked"]["url"] = json!(evil);
            run["asked"]["transport"] = json!(evil);
            run["asked"]["command"] = json!([evil]);
            run["machine"]["cpu"] = json!(evil);
        });
    });
    let page = page_of(&out);
    assert!(!page.contains("<script"));
    assert!(page.contains("&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;"));
    assert!(!fs::read_to_string(out.join("ledger.svg")).unwrap().contains("<script"));
    // Markdown takes a tag behind a backslash for text.
    let markdown = fs::read_to_string(out.join("summary.md")).unwrap();
    assert_eq!(markdown.matches('<').count(), markdown.matches("\\<").count(), "{markdown}");
}

#[test]
fn an_earlier_report_is_replaced_and_anything_else_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let (run, out) = (examples::folder().join("ws"), place.path().join("report"));
    assert!(report(&[&run], &out).status.success());
    fs::write(out.join("summary.md"), "old").unwrap();
    fs::write(out.join("notes.txt"), "mine").unwrap();
    assert!(report(&[&run], &out).status.success());
    assert_ne!(fs::read_to_string(out.join("summary.md")).unwrap(), "old");
    assert_eq!(fs::read_to_string(out.join("notes.txt")).unwrap(), "mine");

    let site = place.path().join("site");
    fs::create_dir(&site).unwrap();
    fs::write(site.join("index.html"), "somebody's page").unwrap();
    let expected = format!(
        "error: {} exists and holds no report: expected a new folder, or one that report wrote",
        site.display()
    );
    assert_eq!(error_of(&report(&[&run], &site)), expected);
    assert_eq!(page_of(&site), "somebody's page");
}

#[test]
fn a_missing_folder_is_named_and_nothing_is_written() {
    let place = tempfile::tempdir().unwrap();
    let (missing, out) = (place.path().join("missing"), place.path().join("report"));
    let expected =
        format!("error: {} is not a run folder: expected run.json or comparison.json in it", missing.display());
    assert_eq!(error_of(&report(&[&missing], &out)), expected);
    assert!(!out.exists());
}

#[test]
fn truncated_and_foreign_run_files_are_named() {
    let place = tempfile::tempdir().unwrap();
    let comparison = examples::copy(place.path());
    let (path, out) = (comparison.join("ws/run.json"), place.path().join("report"));
    fs::write(&path, r#"{"schema": 1, "id": "e1a0"#).unwrap();
    let expected = format!(
        "error: {} cannot be read as a result file: EOF while parsing a string at line 1 column 25",
        path.display()
    );
    assert_eq!(error_of(&report(&[&comparison], &out)), expected);
    fs::write(&path, "[1, 2, 3]").unwrap();
    let expected = format!(
        "error: {} cannot be read as a result file: it has no `schema` number, so no run of Wirelab wrote it",
        path.display()
    );
    assert_eq!(error_of(&report(&[&comparison], &out)), expected);
    assert!(!out.exists());
}

#[test]
fn a_place_that_cannot_be_written_to_is_named() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    let out = file.join("report");
    let error = error_of(&report(&[&examples::folder().join("ws")], &out));
    let expected =
        format!("error: cannot create {}, expected a place to write the report to: Not a directory", out.display());
    assert!(error.starts_with(&expected), "{error}");
}

#[test]
fn a_run_given_twice_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let run = examples::folder().join("ws");
    let error = error_of(&report(&[&examples::folder(), &run], &place.path().join("report")));
    assert_eq!(error, format!("error: {} is given twice: expected every run once", run.display()));
}

#[test]
fn wrong_words_are_a_matter_of_usage() {
    let output = Command::new(env!("CARGO_BIN_EXE_report")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let output = Command::new(env!("CARGO_BIN_EXE_report")).arg("--help").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("one that report wrote before, which is then replaced file by file"), "{help}");
}
