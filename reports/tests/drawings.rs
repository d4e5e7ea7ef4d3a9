//! Every plot is legible: nothing clipped, nothing on top of anything else, every warning drawn.

mod examples;

use examples::{invalid, run, runs, unmeasured};
use reports::groups::contenders;
use reports::plots::{Plot, all};
use results::{Ending, LoadedRun};

fn plots(runs: &[LoadedRun]) -> Vec<Plot> {
    all(&contenders(runs))
}

fn assert_legible(runs: &[LoadedRun]) {
    for plot in plots(runs) {
        let misplaced = plot.drawing.misplaced_labels();
        assert!(misplaced.is_empty(), "{}: {misplaced:#?}", plot.file);
    }
}

fn texts(plot: &Plot) -> Vec<&str> {
    plot.drawing.labels().map(|label| label.text.as_str()).collect()
}

#[test]
fn labels_are_neither_clipped_nor_on_each_other() {
    assert_legible(&runs());
    assert_legible(&runs()[..1]);
}

#[test]
fn long_names_and_large_numbers_stay_legible() {
    let mut runs = runs();
    for (index, run) in runs.iter_mut().enumerate() {
        run.run.asked.transport = format!("a-transport-with-a-remarkably-long-name-that-nobody-would-choose-{index}");
        run.run.asked.clients = 1_000_000 + index as u32;
        run.run.measured.deliveries.expected = u64::MAX / 8;
        run.run.measured.deliveries.lost = 123_456_789_012;
        run.run.measured.server.as_mut().unwrap().rss_per_connection_bytes *= 10_f64.powi(index as i32 * 3);
        run.run.measured.bytes.received.framing *= 5_000_u64.pow(index as u32 % 3);
        run.series.iter_mut().for_each(|row| row.open *= 1_000_000);
    }
    assert_legible(&runs);
}

#[test]
fn many_contenders_stay_legible() {
    let runs: Vec<LoadedRun> = (1..=3)
        .flat_map(|factor| {
            let mut runs = runs();
            runs.iter_mut().for_each(|run| run.run.asked.clients *= factor);
            runs
        })
        .collect();
    assert_legible(&runs);
}

#[test]
fn nothing_measured_at_all_is_still_a_plot_that_says_so() {
    let runs = [unmeasured(run("ws")), unmeasured(run("sse"))];
    assert_legible(&runs);
    for plot in plots(&runs) {
        let said = texts(&plot).iter().filter(|text| text.ends_with("not measured")).count();
        assert!(said >= 2, "{}: {:?}", plot.file, texts(&plot));
    }
}

#[test]
fn an_invalid_run_is_marked_across_every_plot() {
    let runs = [invalid(run("ws"), "loop-lag"), run("sse")];
    assert_legible(&runs);
    for plot in plots(&runs) {
        assert!(texts(&plot).contains(&"INVALID MEASUREMENT: loop-lag (ws)"), "{}", plot.file);
    }
}

#[test]
fn an_interrupted_run_and_a_debug_build_are_marked_on_every_plot() {
    let mut runs = runs();
    runs[0].run.ending = Ending::Interrupted;
    runs.iter_mut().for_each(|run| run.run.machine.build = "debug".to_owned());
    assert_legible(&runs);
    for plot in plots(&runs) {
        let texts = texts(&plot);
        assert!(texts.contains(&"INTERRUPTED before its end: short-poll"), "{}", plot.file);
        assert!(texts.iter().any(|text| text.starts_with("DEBUG BUILD")), "{}", plot.file);
    }
}

#[test]
fn valid_runs_carry_no_mark() {
    for plot in plots(&runs()) {
        assert!(!texts(&plot).iter().any(|text| text.contains("INVALID") || text.contains("DEBUG")), "{}", plot.file);
    }
}

#[test]
fn an_interrupted_round_beside_whole_ones_is_in_no_figure_and_is_named() {
    let mut runs = [run("ws"), run("ws"), run("ws")];
    runs[2].run.ending = Ending::Interrupted;
    let contenders = contenders(&runs);
    assert_eq!((contenders[0].all.len(), contenders[0].used.len()), (3, 2));
    let note = contenders[0].rounds_note();
    assert_eq!(note.as_deref(), Some("1 of 3 rounds interrupted and left out"));
}
