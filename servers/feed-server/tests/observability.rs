//! What an operator sees: metrics that Prometheus takes, a dashboard that asks for nothing else, and a line for each abnormal end.

mod lab;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use lab::program::Program;
use lab::{Server, handshake};
use serde_json::Value;

/// `/metrics` of a server that has seen something of each kind.
async fn metrics() -> String {
    let server = Server::start(&[]);
    server.publish("news", "1").await;
    let mut client = server.dial().await;
    client.write(handshake("")).await;
    client.read_until("recovered\":true}", 1).await;
    client.write(b"\xff\xff").await;
    server.stats_when(|stats| stats.connections["ws"].ended.contains_key("protocol-error")).await;
    server.get("/metrics").await.text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_named_and_typed_as_prometheus_wants_them() {
    let text = metrics().await;
    let (mut kinds, mut helped) = (BTreeMap::new(), BTreeSet::new());
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next().unwrap(), words.next().unwrap()) {
            ("#", "HELP") => assert!(helped.insert(words.next().unwrap()), "helped twice: {line}"),
            ("#", "TYPE") => {
                let (name, kind) = (words.next().unwrap(), words.next().unwrap());
                assert!(kinds.insert(name, kind).is_none() && helped.contains(name), "{line}");
                assert_eq!(
                    kind == "counter",
                    name.ends_with("_total"),
                    "a counter, and nothing else, is a total: {line}"
                );
                let name_is_legal = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
                let unit_is_base = !["_ms", "_us", "_milliseconds", "_kb"].iter().any(|unit| name.contains(unit));
                assert!(name_is_legal && unit_is_base, "{name}");
                assert!(name.starts_with("feed_") || name.starts_with("process_"), "{name}");
            }
            (sample, value) => {
                let name = sample.split('{').next().unwrap();
                assert!(kinds.contains_key(name) && value.parse::<f64>().is_ok_and(|value| value >= 0.0), "{line}");
            }
        }
    }
    assert!(text.contains("feed_ended_total{transport=\"ws\",reason=\"protocol-error\"} 1\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promtool_finds_nothing_to_complain_about() {
    let need = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/need.sh");
    let need = Command::new(need).args(["promtool", "prometheus"]).output().unwrap();
    if !need.status.success() {
        return lab::skip::skipped("promtool_finds_nothing_to_complain_about", &String::from_utf8_lossy(&need.stderr));
    }
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool.spawn().unwrap();
    promtool.stdin.take().unwrap().write_all(metrics().await.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_of_the_dashboard_is_one_of_the_server() {
    let dashboard = include_str!("../grafana/dashboard.json");
    let dashboard: Value = serde_json::from_str(dashboard).unwrap();
    let text = metrics().await;
    let mut asked = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let query = target["expr"].as_str().unwrap();
            let names = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            asked.extend(
                names.filter(|name| name.starts_with("feed_") || name.starts_with("process_")).map(str::to_owned),
            );
        }
    }
    assert!(asked.len() > 15, "{asked:?}");
    for name in &asked {
        assert!(text.contains(&format!("# TYPE {name} ")), "{name} is not in /metrics");
    }
}

#[test]
fn an_abnormal_end_is_a_line_with_its_reason_and_a_normal_one_is_none() {
    for (format, expected) in [("json", r#""reason":"protocol-error""#), ("human", r#"reason="protocol-error""#)] {
        let mut program = Program::start(&["--log-format", format, "--drain", "1s"]);
        for last in [&b"\x88\x82\0\0\0\0\x03\xe8"[..], b"\xff\xff"] {
            let mut client = std::net::TcpStream::connect(&program.address).unwrap();
            client.write_all(handshake("?after=s3cret:1").as_bytes()).unwrap();
            client.write_all(last).unwrap();
            // Until the server has ended it.
            let _ = client.read_to_end(&mut Vec::new());
        }
        let mut stream = program.open("/topics/news/sse");
        stream.read_exact(&mut [0; 15]).unwrap();
        program.signal("-TERM");
        let (code, said) = program.end();
        assert_eq!((code, said.lines().count()), (Some(0), 1), "one line, of the second: {said}");
        assert!(said.contains(expected) && said.contains("127.0.0.1:") && !said.contains("s3cret"), "{said}");
        if format == "json" {
            let line: Value = serde_json::from_str(&said).unwrap();
            assert_eq!((&line["level"], &line["fields"]["transport"]), (&"WARN".into(), &"ws".into()), "{said}");
        }
    }
}
