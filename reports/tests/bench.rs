//! The record of a bench becomes a page that tells the right ratios, what was missed before all else, and who was missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use reports::bench::plots;
use results::bench::Bench;
use results::bench::findings::Outcome;
use serde_json::{Value, json};

fn record() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/examples/bench/bench.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn bench(record: &Value) -> Bench {
    serde_json::from_value(record.clone()).unwrap()
}

fn report(folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_report")).arg("bench").arg(folder).output().unwrap()
}

/// The page of a record that `change` has changed, and the folder that it is in.
fn page_of(change: impl FnOnce(&mut Value)) -> (tempfile::TempDir, String) {
    let place = tempfile::tempdir().unwrap();
    let mut record = record();
    change(&mut record);
    fs::write(place.path().join("bench.json"), record.to_string()).unwrap();
    let output = report(place.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = fs::read_to_string(place.path().join("index.html")).unwrap();
    (place, page)
}

fn main_of(page: &str) -> &str {
    page.split("<main>").nth(1).unwrap().trim_start()
}

/// A contender's row in a section of the table.
fn row<'a>(page: &'a str, section: &str, contender: &str) -> &'a str {
    let section = page.split("<tr class=\"section\">").skip(1).find(|part| part.contains(section)).unwrap();
    section.lines().find(|line| line.starts_with("<tr><td>") && line.contains(contender)).unwrap()
}

#[test]
fn a_record_becomes_a_page_and_images_beside_it() {
    let (place, page) = page_of(|_| {});
    let images =
        ["bench_server_cpu", "bench_server_memory", "bench_generator_cpu", "bench_generator_memory", "bench_coalesce"];
    for image in images {
        assert!(fs::read(place.path().join(format!("{image}.png"))).unwrap().starts_with(b"\x89PNG"), "{image}");
        assert!(fs::read_to_string(place.path().join(format!("{image}.svg"))).unwrap().starts_with("<svg "), "{image}");
        assert!(page.contains(&format!("<figure id=\"{image}\">")), "{image}");
    }
    assert!(page.contains("commit 0123abcd ·") && page.contains("memory: 8 GiB"), "commit and machine");
    assert!(report(place.path()).status.success(), "an earlier page is replaced");
}

#[test]
fn ratios_to_the_floor_are_paired_by_round() {
    let (_place, page) = page_of(|_| {});
    // Made of 6.0 against 5.5 with +0, +2 and -1 per cent, while both drift by -10 to +20 per cent from round to round.
    let ours = row(&page, "ws, 1,000 clients x 10/s", "feed-server");
    assert!(ours.contains("<td>1.09 x [1.08, 1.11]</td>"), "{ours}");
    assert!(ours.contains("<td>6 us [5.35, 7.34]</td><td>1.2 + 4.8 us</td>"), "{ours}");
    assert!(ours.contains("CPU at most 1.12 x floor: met<"), "{ours}");
    assert!(ours.contains("CPU at most 1.00 x picows: not measured<"), "nobody measured picows: {ours}");
    assert!(ours.contains("RSS at most 2 KiB: met<"), "{ours}");
    assert!(row(&page, "reading ws", "locust").contains("<td>10.49 x [10.38, 10.70]</td>"));
}

#[test]
fn a_missed_target_is_named_before_anything_else() {
    let (_place, page) = page_of(|_| {});
    let head = main_of(&page);
    assert!(head.starts_with("<div class=\"banner alarm\">MISSED: 1 of 8 targets"), "{}", &head[..200]);
    let missed = "<li>ws, 15,000 clients x 2/s: CPU per delivery of feed-server at most 1.12 x floor, and it is 1.32 x [1.30, 1.34]</li>";
    assert!(head.contains(missed), "{}", &head[..600]);
    assert!(page.contains("<p class=\"answer\">6 of 8 targets met, 1 missed, 1 not measured.</p>"));
    assert!(
        row(&page, "ws, 15,000", "feed-server").contains("<span class=\"missed\">CPU at most 1.12 x floor: MISSED")
    );

    let (_place, page) = page_of(|record| record["sections"][1]["targets"][0]["at_most"] = json!(1.35));
    assert!(
        main_of(&page).starts_with("<p class=\"banner caution\">"),
        "nothing is missed: {}",
        &main_of(&page)[..200]
    );
    assert!(!page.contains("MISSED:") && !page.contains(": MISSED") && !page.contains(", MISSED"), "{page}");
}

#[test]
fn growth_is_told_with_the_floors_divided_out() {
    // 9.6 / 6.0 over 7.3 / 5.5.
    let (_place, page) = page_of(|_| {});
    assert!(page.contains("<td>1.21 x [1.17, 1.24]</td><td><span class=\"met\">met</span>"), "{page}");
    let (_place, page) = page_of(|record| record["growth"][0]["divide_by"] = json!(null));
    assert!(page.contains("<td>1.60 x [1.16, "), "without the floor it is what CPU grew by");
    assert!(
        main_of(&page).contains("<li>15,000 clients against 1,000 of feed-server at most 1.25 x, and it is 1.60 x")
    );
    let (_place, page) = page_of(|record| record["growth"][0]["to"] = json!("no-such-section"));
    assert!(page.contains("<td>not measured</td><td><span class=\"unknown\">not measured</span>"));
}

#[test]
fn who_is_missing_is_named_with_what_would_install_it() {
    let (_place, page) = page_of(|_| {});
    let picows =
        "<li><strong>picows</strong>: Python 3.13 has no wheel of it. <code>apt-get install python3-dev</code></li>";
    assert!(page.contains(picows) && page.contains("<li><strong>k6</strong>: not installed.</li>"));
}

#[test]
fn an_invalid_round_is_said_first_and_one_that_stands_alone_stripes_its_plots() {
    let (_place, page) = page_of(|_| {});
    let left_out = "INVALID ROUNDS LEFT OUT: loop-lag (1 of 3 rounds of node-ws in ws, 1,000 clients x 10/s)";
    assert!(main_of(&page).split("<h1>").next().unwrap().contains(left_out));
    assert!(page.contains("round 2</strong> loop-lag: the 99th percentile was 24 ms"));
    let node = row(&page, "ws, 1,000 clients x 10/s", "node-ws");
    assert!(node.contains("<td>1.83 x [1.82, 1.84]</td>"), "made of the other two: {node}");

    let spoil = |record: &mut Value| {
        for round in record["sections"][0]["contenders"][0]["rounds"].as_array_mut().unwrap() {
            round["valid"] = json!(false);
            round["reasons"] = json!(["send-lag: too late"]);
        }
    };
    let (place, page) = page_of(spoil);
    let mark = "INVALID MEASUREMENT: send-lag (feed-server in ws, 1,000 clients x 10/s)";
    assert!(main_of(&page).starts_with(&format!("<p class=\"banner alarm\">{mark}</p>")), "{}", &main_of(&page)[..200]);
    assert!(page.contains("CPU at most 1.12 x floor: INVALID"), "a target is neither met nor missed by it");
    let svg = |name: &str| fs::read_to_string(place.path().join(format!("{name}.svg"))).unwrap();
    assert!(svg("bench_server_cpu").contains("1.32 x, MISSED"), "the other section");
    assert!(svg("bench_server_cpu").contains(mark) && !svg("bench_generator_cpu").contains("INVALID"));
}

#[test]
fn an_interrupted_bench_says_so_and_what_it_lacks_is_not_zero() {
    let (_place, page) = page_of(|record| {
        record["interrupted"] = json!(true);
        record["dirty"] = json!(true);
        record["sections"][0]["contenders"][0]["rounds"] = json!([]);
    });
    assert!(main_of(&page).split("<h1>").next().unwrap().contains("INTERRUPTED before its end"));
    assert!(page.contains("commit 0123abcd, with changes that no commit has"));
    let ours = row(&page, "ws, 1,000 clients x 10/s", "feed-server");
    assert!(ours.contains("<td class=\"missing\">not measured</td>") && !ours.contains("<td>0"), "{ours}");
    let nothing =
        bench(&json!({"schema": 1, "started_at": "", "took_s": 0, "commit": "", "dirty": false, "machine": {},
        "interrupted": true, "sections": []}));
    assert!(plots::all(&nothing).is_empty() && nothing.findings().is_empty());
}

#[test]
fn ten_sections_of_six_contenders_with_long_names_stay_legible() {
    let mut record = record();
    let sections = record["sections"].as_array_mut().unwrap();
    for place in 0..9 {
        let mut section = sections[place % 2].clone();
        section["title"] =
            json!(format!("long-poll, {place},000 clients x 10/s, and a title that is longer than its panel is wide"));
        let peers = section["contenders"].as_array_mut().unwrap();
        while peers.len() < 6 {
            let mut peer = peers[2].clone();
            peer["name"] = json!(format!("uWebSockets-through-a-binding-{} with a remarkably long name", peers.len()));
            peer["variant"] = json!("--with-a-flag 12345 --and-another");
            peer["rounds"][0]["user_us"] = json!(10_f64.powi(peers.len() as i32 + 2));
            peer["rounds"][1]["rss_per_client_bytes"] = json!(1e9);
            peers.push(peer);
        }
        sections.push(section);
    }
    for valid in [true, false] {
        record["sections"][0]["contenders"][0]["rounds"] =
            json!([{"units": 1, "user_us": 1, "system_us": 0, "valid": valid}]);
        for plot in plots::all(&bench(&record)) {
            let misplaced = plot.drawing.misplaced_labels();
            assert!(misplaced.is_empty(), "{}: {misplaced:#?}", plot.file);
        }
    }
}

#[test]
fn waiting_times_that_cost_the_same_have_labels_apart() {
    let mut record = record();
    for contender in record["sections"][2]["contenders"].as_array_mut().unwrap() {
        contender["rounds"] = json!([{"units": 10, "user_us": 20, "system_us": 30, "valid": true, "p50_ns": 4_000_000, "p99_ns": 9_000_000}]);
    }
    let plots = plots::all(&bench(&record));
    let drawing = &plots.iter().find(|plot| plot.file == plots::coalesce::FILE).unwrap().drawing;
    assert_eq!(drawing.misplaced_labels(), Vec::<String>::new());
    for label in ["off", "5 ms", "20 ms", "50 ms", "floor"] {
        assert!(drawing.labels().any(|each| each.text == label), "{label}");
    }
}

#[test]
fn what_cannot_be_read_or_overwritten_is_named() {
    let place = tempfile::tempdir().unwrap();
    let error = |folder: &Path| String::from_utf8(report(folder).stderr).unwrap();
    let none =
        format!("error: {} holds no bench.json: expected a folder that `make bench` wrote\n", place.path().display());
    assert_eq!(error(place.path()), none);
    let path: PathBuf = place.path().join("bench.json");
    fs::write(&path, r#"{"schema": 99}"#).unwrap();
    assert!(error(place.path()).contains("has schema 99, this build reads up to 1"));
    fs::write(&path, record().to_string()).unwrap();
    fs::write(place.path().join("index.html"), "somebody's page").unwrap();
    assert!(error(place.path()).contains("is somebody else's page"));
    assert_eq!(fs::read_to_string(place.path().join("index.html")).unwrap(), "somebody's page");
}

#[test]
fn names_given_by_others_cannot_become_markup() {
    let evil = "<script>alert('&\"')</script>";
    let (_place, page) = page_of(|record| {
        record["commit"] = json!(evil);
        record["machine"] = json!({ evil: evil });
        record["missing"][0] = json!({"name": evil, "reason": evil, "install": evil});
        record["growth"][0]["name"] = json!(evil);
        let section = &mut record["sections"][0];
        (section["title"], section["unit"]) = (json!(evil), json!(evil));
        section["targets"][0]["note"] = json!(evil);
        section["contenders"][3]["name"] = json!(evil);
        section["contenders"][3]["rounds"][1]["reasons"] = json!([evil]);
    });
    assert!(!page.contains("<script"));
}

#[test]
fn findings_are_what_their_median_makes_of_them() {
    let outcomes: Vec<Outcome> = bench(&record()).findings().iter().map(|finding| finding.outcome).collect();
    use Outcome::{Met, Missed, NotMeasured};
    assert_eq!(outcomes, [Met, Met, NotMeasured, Met, Missed, Met, Met, Met]);
}
