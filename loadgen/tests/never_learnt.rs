//! What `remember` names and no answer ever had makes a run invalid that was harmed by it, whenever its clients would have repeated it.

mod foreign;
mod support;

use foreign::{doubled, measure};
use support::reasons;

#[tokio::test]
async fn an_id_that_no_event_had_makes_a_run_invalid_whose_answers_end_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doubled.toml");
    let target = doubled::TARGET.replace(
        "path = \"/events\"",
        "path = \"/one\"\nheaders = { Last-Event-ID = \"{id}\" }\nremember = { id = \"event id\" }",
    );
    std::fs::write(&path, target).unwrap();
    let url = doubled::serve(|text| format!("{{\"text\":\"{text}\"}}")).await;
    // Another notification is due before a client is back.
    let measured = measure(&["--transport", "sse", "--target", path.to_str().unwrap(), "--url", &url]).await;
    let run = results::load(&measured.out).unwrap_or_else(|e| panic!("{e}: {}", measured.stderr)).run;
    let connections = &run.measured.connections;
    assert!(run.measured.deliveries.lost > 0 && connections.reconnected == 0, "{}", measured.stdout);
    assert!(connections.orderly.unwrap().answers > 0, "{}", measured.stdout);
    assert_eq!((measured.code, reasons(&run)), (3, vec!["never-learnt"]), "{}", measured.stdout);
}
