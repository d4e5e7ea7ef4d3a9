//! A client that hears nothing while others do makes a run invalid, whoever's fault it is; what others than readers explain does not.

mod foreign;
mod support;

use std::process::Command;

use foreign::{Measured, carry_out, doubled, example, partial, rest};
use results::Run;
use support::{WIDE_BOUNDS, loadgen, reasons};

/// Runs of a server that sends as it pleases: 30 notifications in a window of three seconds, none before.
async fn measured(sends: partial::Sends, clients: &str, more: &[&str]) -> (Measured, Run) {
    measured_at("10", sends, clients, more).await
}

/// The same at another rate.
async fn measured_at(rate: &str, sends: partial::Sends, clients: &str, more: &[&str]) -> (Measured, Run) {
    let url = partial::serve(sends).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("partial.toml");
    std::fs::write(&file, partial::TARGET).unwrap();
    let mut command = loadgen();
    command.args(["run", "--transport", "sse", "--target", file.to_str().unwrap(), "--url", &url]);
    command.args(["--clients", clients, "--rate", rate, "--warmup", "0s", "--settle", "100ms", "--duration", "3s"]);
    command.args(["--drain", "1s", "--connect-rate", "500"]).args(more);
    run(command, folder).await
}

async fn run(mut command: Command, folder: tempfile::TempDir) -> (Measured, Run) {
    command.args(["--pin", "off"]).args(WIDE_BOUNDS).arg("--out").arg(folder.path().join("run"));
    let measured = carry_out(command, folder).await;
    let run = results::load(&measured.out).unwrap_or_else(|e| panic!("{e}: {}", measured.stderr)).run;
    (measured, run)
}

/// The run is invalid for this reason alone, which says this.
fn assert_unheard((measured, run): (Measured, Run), said: &str) {
    assert_eq!((measured.code, reasons(&run)), (3, vec!["clients-unheard"]), "{}", measured.stdout);
    let reason = run.verdict.reasons.iter().find(|reason| reason.check == "clients-unheard").unwrap();
    assert!(reason.seen.starts_with(said), "{reason}");
    assert!(
        reason.cause.contains("a reader of loadgen's does not read") && reason.cause.contains("does not send"),
        "{reason}"
    );
    assert!(reason.remedy.contains("`loadgen check`") && reason.remedy.contains("capture"), "{reason}");
}

fn assert_valid((measured, run): (Measured, Run)) -> Run {
    assert_eq!(reasons(&run), [""; 0], "{}", measured.stdout);
    run
}

#[tokio::test]
async fn one_deaf_client_of_a_hundred_makes_a_run_invalid() {
    let found = measured(|listener, _| listener != 42, "100", &[]).await;
    assert_unheard(
        found,
        "1 of 100 clients received nothing, while half or more of their topic's clients received 90 %",
    );
}

#[tokio::test]
async fn a_client_that_goes_deaf_before_the_last_third_makes_a_run_invalid() {
    let found = measured(|listener, event| listener != 3 || event < 15, "8", &[]).await;
    assert_unheard(found, "1 of 8 clients received nothing of what was due in the last third, while half");
}

/// As when the end of each answer was missed: every client heard the first notification and no other.
#[tokio::test]
async fn clients_that_all_hear_the_first_notification_alone_make_a_run_invalid() {
    let found = measured(|_, event| event == 0, "4", &[]).await;
    assert_unheard(
        found,
        "4 of 4 clients (every client of their topics) received nothing of what was due in the last third",
    );
}

#[tokio::test]
async fn a_deaf_client_of_several_workers_is_found_when_they_are_merged() {
    let found = measured(|listener, _| listener != 5, "12", &["--workers", "2"]).await;
    assert_unheard(found, "1 of 12 clients received nothing, while half");
}

#[tokio::test]
async fn a_server_that_drops_half_at_random_has_no_deaf_clients() {
    // As good as random: a bit of the product of two large odd numbers.
    let half = |listener: usize, event: usize| {
        ((listener * 64 + event + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) & 1 == 0
    };
    let run = assert_valid(measured(half, "40", &[]).await);
    let books = &run.measured.deliveries;
    assert!(books.lost > books.expected / 3 && books.delivered > books.expected / 3, "{books:?}");
}

#[tokio::test]
async fn clients_that_faults_were_aimed_at_and_fewer_than_five_notifications_are_no_deaf_clients() {
    let cut = ["--fault", "vanish 25% at 200ms", "--reconnect", "off"];
    assert_valid(measured(|_, _| true, "12", &cut).await);
    // Three notifications in all, of which one client hears none.
    assert_valid(measured_at("1", |listener, _| listener != 2, "8", &[]).await);
}

/// Each delivery comes 2.3 s after its publication, all the time: what is missing at the end was on its way.
#[tokio::test]
async fn clients_that_are_behind_are_told_as_late_and_not_as_deaf() {
    let url = doubled::serve(|text| format!("{{\"text\":\"{text}\"}}")).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("behind.toml");
    std::fs::write(&file, doubled::TARGET.replace("/events", "/behind")).unwrap();
    let mut command = loadgen();
    command.args(["run", "--transport", "sse", "--target", file.to_str().unwrap(), "--url", &url]);
    command.args(["--clients", "4", "--rate", "10", "--warmup", "500ms", "--settle", "300ms", "--duration", "3s"]);
    command.args(["--drain", "1s"]);
    let (measured, run) = run(command, folder).await;
    assert_eq!((measured.code, reasons(&run)), (3, vec!["drain"]), "{}", measured.stdout);
}

#[tokio::test]
async fn clients_that_poll_less_often_than_the_window_lasts_are_no_deaf_clients() {
    let url = rest::serve().await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = loadgen();
    command.args(["run", "--transport", "short-poll", "--target", example("rest").to_str().unwrap(), "--url", &url]);
    command.args(["--clients", "4", "--rate", "10", "--warmup", "0s", "--settle", "100ms", "--duration", "2s"]);
    command.args(["--poll-interval", "3s", "--drain", "100ms"]);
    assert_valid(run(command, folder).await);
}
