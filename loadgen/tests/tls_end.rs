//! Over TLS, a body that ends with its connection is whole only behind a close_notify alert (RFC 9112, section 9.8).

mod foreign;
mod support;

use std::sync::{Arc, Mutex};

use foreign::raw::target;
use foreign::{Measured, carry_out};
use support::{WIDE_BOUNDS, loadgen};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// A server whose answers to polls, and events, end with their connection, with an alert or without; its URL.
async fn serve(says_goodbye: bool) -> String {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let log = Arc::new(Mutex::new(Vec::new()));
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(answer(acceptor.clone(), tcp, Arc::clone(&log), says_goodbye));
        }
    });
    url
}

async fn answer(acceptor: TlsAcceptor, tcp: TcpStream, log: Arc<Mutex<Vec<String>>>, says_goodbye: bool) -> Option<()> {
    let mut tls = acceptor.accept(tcp).await.ok()?;
    let mut received = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&received).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let line = head.lines().next()?;
            if line.starts_with("GET ") {
                let since = line.split_once("since=").and_then(|(_, rest)| rest.split([' ', '&']).next()?.parse().ok());
                let log = log.lock().unwrap().clone();
                let messages = log.get(since.unwrap_or(log.len())..).unwrap_or_default().join(",");
                let body = format!("HTTP/1.1 200 OK\r\n\r\n{{\"next\":{},\"messages\":[{messages}]}}", log.len());
                tls.write_all(body.as_bytes()).await.ok()?;
                tls.flush().await.ok()?;
                break;
            }
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).map(str::parse::<usize>);
            if length.is_some_and(|length| length.is_ok_and(|length| body.len() == length)) {
                log.lock().unwrap().push(body.to_owned());
                received.clear();
                tls.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.ok()?;
                tls.flush().await.ok()?;
                continue;
            }
        }
        if tls.read_buf(&mut received).await.ok()? == 0 {
            return None;
        }
    }
    if says_goodbye {
        tls.shutdown().await.ok()?;
    }
    let (mut tcp, _) = tls.into_inner();
    tcp.shutdown().await.ok()?;
    // A reset would take back what was said.
    while tcp.read_buf(&mut received).await.ok()? > 0 {}
    Some(())
}

async fn measure(url: &str) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("raw.toml");
    std::fs::write(&path, target("")).unwrap();
    let mut command = loadgen();
    command.env_remove("WIRELAB_TOKEN").args([
        "run",
        "--insecure",
        "--transport",
        "short-poll",
        "--url",
        url,
        "--target",
    ]);
    command.arg(path).args(["--clients", "4", "--warmup", "0s", "--settle", "300ms", "--poll-interval", "200ms"]);
    command.args(["--rate", "10", "--duration", "2s", "--connect-rate", "200", "--pin", "off"]).args(WIDE_BOUNDS);
    command.arg("--out").arg(folder.path().join("run"));
    carry_out(command, folder).await
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_whole_only_behind_an_alert() {
    let polite = measure(&serve(true).await).await.exact(4);
    assert_eq!(polite.measured.deliveries.expected, 80);
    assert!(polite.measured.connections.errors.is_empty(), "{:?}", polite.measured.connections.errors);
    let cut = measure(&serve(false).await).await;
    assert_eq!(cut.code, 1, "{}{}", cut.stdout, cut.stderr);
    let said = "without a close_notify alert, so an answer that ends with it may be cut off (RFC 9112 9.8)";
    assert!(cut.stderr.contains(said), "{}", cut.stderr);
}
