//! npm's `eventsource`, the client that Node programs take, reads what our SSE writer writes.

mod lab;

use std::path::PathBuf;
use std::process::Command;

use lab::{Server, npm};
use serde_json::{Value, json};

/// The next `events` events that npm's client hears, as `{type, data, id}`; data is JSON in all of the feed's.
async fn hear(place: &PathBuf, url: &str, events: usize, last_id: &str) -> Vec<Value> {
    let mut node = Command::new("node");
    node.args(["client.mjs", url, &events.to_string(), last_id]).current_dir(place);
    let output = tokio::task::spawn_blocking(move || npm::run(&mut node)).await.unwrap().unwrap();
    let mut heard = Vec::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let mut event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        event["data"] = serde_json::from_str(event["data"].as_str().unwrap()).unwrap();
        heard.push(event);
    }
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn npms_eventsource_reads_what_we_write() {
    let set_up = tokio::task::spawn_blocking(|| npm::set_up("eventsource/js", "eventsource-js")).await.unwrap();
    let place = match set_up {
        Ok(place) => place,
        Err(reason) => {
            lab::skip::skipped("npms_eventsource_reads_what_we_write", &reason);
            return;
        }
    };
    let server = Server::start(&["--history", "5"]);
    let payloads = [
        "\"gone\"",
        "{\"text\": \"ä € 𝄞\"}",
        // Line breaks between tokens are the publisher's; each begins a new `data:` line, and spaces after it stay.
        "{\n  \"a\": [1,\r\n 2,\r3],\n\n  \"b\": \": id: 7\"}",
        "\"line\\nbreak\\r\\u0000\"",
        "null",
        "\" data: x\"",
    ];
    for payload in payloads {
        server.publish("news", payload).await;
    }
    let url = server.url("/topics/news/sse");
    let whole = hear(&place, &format!("{url}?after=earliest"), 6, "").await;
    let epoch = whole[0]["data"]["epoch"].as_str().unwrap().to_owned();
    let id = |offset: u64| format!("{epoch}:{offset}");
    let told = json!({"type": "subscribed", "topic": "news", "epoch": epoch, "offset": 1, "recovered": true});
    assert_eq!(whole[0], json!({"type": "subscribed", "id": id(1), "data": told}));
    for (event, offset) in whole[1..].iter().zip(2..) {
        assert_eq!((&event["type"], &event["id"]), (&json!("message"), &json!(id(offset))));
        assert_eq!(event["data"]["id"], offset);
        let payload: Value = serde_json::from_str(payloads[offset as usize - 1]).unwrap();
        assert_eq!(event["data"]["payload"], payload);
    }
    assert_eq!(whole.len(), 6);

    // What it goes on with is what it was given as an id; one that is too old is told so.
    let rest = hear(&place, &url, 3, &id(4)).await;
    assert_eq!([&rest[1]["id"], &rest[2]["id"]], [&json!(id(5)), &json!(id(6))]);
    let late = hear(&place, &url, 3, &id(0)).await;
    assert_eq!([&late[0]["data"]["recovered"], &late[1]["type"]], [&json!(false), &json!("gap")]);
    assert_eq!([&late[1]["data"]["oldest"], &late[2]["id"]], [&json!(id(1)), &json!(id(2))]);
}
