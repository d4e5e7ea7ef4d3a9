//! A run folder gives back what was written, and says what is wrong when it cannot.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use results::{LatencyLog, LoadedRun, RunFolder, load, load_all};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/v1").join(name)
}

/// A copy of an example that a test may break.
fn copy(name: &str, into: &Path) -> PathBuf {
    let folder = into.join(name);
    fs::create_dir(&folder).unwrap();
    for file in fs::read_dir(example(name)).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.join(file.file_name())).unwrap();
    }
    folder
}

fn write(folder: &Path, loaded: &LoadedRun) -> RunFolder {
    let mut log = LatencyLog::default();
    for span in &loaded.latency {
        log.push(None, span.start, span.length, &span.histogram).unwrap();
    }
    let created = RunFolder::create(folder).unwrap();
    created.write(&loaded.run, &log, SystemTime::UNIX_EPOCH + Duration::from_secs(60), &loaded.series).unwrap();
    created
}

#[test]
fn what_is_written_is_loaded_again() {
    let place = tempfile::tempdir().unwrap();
    let before = load(&example("ws")).unwrap();
    let after = load(write(&place.path().join("run"), &before).path()).unwrap();
    assert_eq!(after.run, before.run);
    assert_eq!(after.series, before.series);
    assert_eq!(after.latency.len(), 10);
    for (after, before) in after.latency.iter().zip(&before.latency) {
        assert_eq!((after.start, after.length), (before.start, before.length));
        assert_eq!(after.histogram, before.histogram);
    }
}

#[test]
fn what_an_old_run_does_not_tell_is_missing_and_what_is_missing_stays_so() {
    let place = tempfile::tempdir().unwrap();
    let mut before = load(&example("long-poll")).unwrap();
    let measured = &mut before.run.measured;
    assert_eq!((measured.foreign, measured.generator.turn_wait.as_ref()), (None, None), "older than both");
    let (server, generator) = (measured.server.as_mut().unwrap(), &mut measured.generator);
    assert_eq!((server.cpu_user_s, generator.cpu_system_s), (None, None), "older than CPU that is split");
    assert!(server.idle_cpu_share.is_some() && generator.rss_per_client_bytes.is_some(), "told as numbers then");
    server.idle_cpu_share = None;
    (generator.rss_before_bytes, generator.rss_end_bytes, generator.rss_per_client_bytes) = (None, None, None);
    let after = load(write(&place.path().join("run"), &before).path()).unwrap();
    assert_eq!(after.run, before.run);
}

#[test]
fn tagged_intervals_and_silent_seconds_are_told_apart() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("latency.hlog");
    let second = Duration::from_secs(1);
    let mut log = LatencyLog::default();
    log.push(Some("connect"), Duration::ZERO, second, &results::new_histogram()).unwrap();
    log.push(None, second, second, &results::new_histogram()).unwrap();
    log.write(&path, SystemTime::UNIX_EPOCH).unwrap();
    let spans = results::read_latency_log(&path).unwrap();
    assert_eq!(spans.len(), 1);
    assert!(spans[0].histogram.is_empty());
}

#[test]
fn a_log_that_grows_in_its_file_is_whole_after_every_interval_and_says_the_same_as_one_that_was_kept() {
    let place = tempfile::tempdir().unwrap();
    let (path, kept_path) = (place.path().join("latency.hlog"), place.path().join("kept.hlog"));
    let second = Duration::from_secs(1);
    let started = SystemTime::UNIX_EPOCH + Duration::from_secs(60);
    let (mut log, mut kept) = (LatencyLog::begin(&path, started).unwrap(), LatencyLog::default());
    for place in 0..3 {
        let mut histogram = results::new_histogram();
        histogram.record(1_000_000 * u64::from(place + 1)).unwrap();
        log.push(None, second * place, second, &histogram).unwrap();
        kept.push(None, second * place, second, &histogram).unwrap();
        let spans = results::read_latency_log(&path).unwrap();
        assert_eq!(spans.len(), place as usize + 1, "what came is on disk, whatever becomes of the run");
        assert_eq!(spans.last().unwrap().histogram, histogram);
    }
    log.write(&path, started).unwrap();
    kept.write(&kept_path, started).unwrap();
    assert_eq!(fs::read(&path).unwrap(), fs::read(&kept_path).unwrap());
}

#[test]
fn a_comparison_expands_to_its_runs_in_order() {
    let runs = load_all(&[example("")]).unwrap();
    let transports: Vec<_> = runs.iter().map(|run| run.run.asked.transport.as_str()).collect();
    assert_eq!(transports, ["short-poll", "long-poll", "sse", "ws"]);
    assert!(runs.iter().all(|run| run.run.asked.socketio.is_none()), "files that are older than Socket.IO");
}

#[test]
fn an_example_is_small_enough_to_be_committed() {
    for run in load_all(&[example("")]).unwrap() {
        let files = fs::read_dir(&run.folder).unwrap();
        let bytes: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert!(bytes < 40_000, "{}: {bytes} bytes", run.folder.display());
    }
}

#[test]
fn an_existing_folder_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let error = RunFolder::create(place.path()).unwrap_err().to_string();
    assert_eq!(error, format!("{} exists already: name a folder that does not, or remove it", place.path().display()));
}

#[test]
fn a_folder_without_a_run_is_named_with_what_was_expected() {
    let place = tempfile::tempdir().unwrap();
    for folder in [place.path().to_owned(), place.path().join("missing")] {
        let expected = format!("{} is not a run folder: expected run.json or comparison.json in it", folder.display());
        assert_eq!(load(&folder).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_truncated_run_file_is_malformed() {
    let place = tempfile::tempdir().unwrap();
    let folder = copy("sse", place.path());
    let text = fs::read_to_string(folder.join("run.json")).unwrap();
    fs::write(folder.join("run.json"), &text[..text.len() / 2]).unwrap();
    let error = load(&folder).unwrap_err().to_string();
    let expected = format!("{} cannot be read as a result file: EOF while parsing", folder.join("run.json").display());
    assert!(error.starts_with(&expected), "{error}");
}

#[test]
fn foreign_json_is_told_from_a_run() {
    let place = tempfile::tempdir().unwrap();
    let folder = copy("sse", place.path());
    fs::write(folder.join("run.json"), r#"{"name": "something else"}"#).unwrap();
    let expected = format!(
        "{} cannot be read as a result file: it has no `schema` number, so no run of Wirelab wrote it",
        folder.join("run.json").display()
    );
    assert_eq!(load(&folder).unwrap_err().to_string(), expected);
}

#[test]
fn a_run_without_a_field_names_the_field() {
    let place = tempfile::tempdir().unwrap();
    let folder = copy("sse", place.path());
    fs::write(folder.join("run.json"), r#"{"schema": 1}"#).unwrap();
    let error = load(&folder).unwrap_err().to_string();
    assert!(error.ends_with("cannot be read as a result file: missing field `id`"), "{error}");
}

#[test]
fn a_newer_schema_is_refused_by_name() {
    let place = tempfile::tempdir().unwrap();
    let folder = copy("sse", place.path());
    fs::write(folder.join("run.json"), r#"{"schema": 7}"#).unwrap();
    let expected = format!(
        "{} has schema 7, this build reads up to 1: use the build that wrote it, or a newer one",
        folder.join("run.json").display()
    );
    assert_eq!(load(&folder).unwrap_err().to_string(), expected);
}

#[test]
fn each_missing_file_is_named() {
    for missing in ["latency.hlog", "series.csv"] {
        let place = tempfile::tempdir().unwrap();
        let folder = copy("sse", place.path());
        fs::remove_file(folder.join(missing)).unwrap();
        let error = load(&folder).unwrap_err().to_string();
        let expected = format!("cannot read {}: ", folder.join(missing).display());
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn a_series_with_a_wrong_cell_names_its_line() {
    let place = tempfile::tempdir().unwrap();
    let folder = copy("sse", place.path());
    let text = fs::read_to_string(folder.join("series.csv")).unwrap();
    fs::write(folder.join("series.csv"), text.replacen("settle,", "settle,many", 1)).unwrap();
    let error = load(&folder).unwrap_err().to_string();
    assert!(error.contains("series.csv cannot be read as a result file: line 4: field 2"), "{error}");
}

#[test]
fn a_latency_log_that_is_none_is_malformed() {
    let place = tempfile::tempdir().unwrap();
    let folder = copy("sse", place.path());
    fs::write(folder.join("latency.hlog"), "not a log\n").unwrap();
    let error = load(&folder).unwrap_err().to_string();
    assert!(
        error.contains("latency.hlog cannot be read as a result file: not an HdrHistogram interval log"),
        "{error}"
    );
}
