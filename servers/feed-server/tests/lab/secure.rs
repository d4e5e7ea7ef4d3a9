//! A server that speaks TLS with a certificate of its own, and clients that believe it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{PATIENCE, Server};

/// A server with a certificate of its own, and the file in which that stands.
pub(crate) struct Secure {
    pub(crate) server: Server,
    pub(crate) certificate: NamedTempFile,
}

impl Secure {
    pub(crate) async fn start(flags: &[&str]) -> Self {
        let certificate = NamedTempFile::new().unwrap();
        let file = certificate.path().to_str().unwrap().to_owned();
        let server = Server::connect(&[flags, &["--tls-self-signed", &file]].concat()).await;
        Self { server, certificate }
    }

    pub(crate) async fn dial_as(&self, protocol: &str) -> TlsStream<TcpStream> {
        dial(self.server.address, self.certificate.path(), protocol).await
    }

    pub(crate) async fn dial(&self) -> TlsStream<TcpStream> {
        self.dial_as("http/1.1").await
    }

    pub(crate) async fn http2(&self) -> SendRequest<Full<Bytes>> {
        speak_http2(self.dial_as("h2").await).await
    }

    /// Sends `request` on a connection of its own, and returns the answer.
    pub(crate) async fn ask(&self, request: &str) -> String {
        let mut line = self.dial().await;
        line.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, line.read_to_string(&mut answer)).await.expect("an answer comes").unwrap();
        answer
    }

    pub(crate) async fn publish(&self, payload: &str) {
        let length = payload.len();
        let request = format!(
            "POST /topics/news HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{payload}"
        );
        assert!(self.ask(&request).await.starts_with("HTTP/1.1 201 "));
    }

    pub(crate) async fn stats(&self) -> Value {
        let answer = self.ask("GET /stats HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// Asks for statistics until `field` of `kind` is `expected`.
    pub(crate) async fn until(&self, kind: &str, field: &str, expected: u64) {
        let asking = async {
            while self.stats().await["connections"][kind][field] != expected {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("{kind}.{field} is never {expected}"));
    }
}

pub(crate) async fn read_until(line: &mut TlsStream<TcpStream>, end: &str) -> String {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(end) {
        let read = timeout(PATIENCE, line.read_buf(&mut seen)).await.expect("something comes").unwrap();
        assert!(read > 0, "ended after {:?}", String::from_utf8_lossy(&seen));
    }
    String::from_utf8(seen).unwrap()
}

/// A connection to the server at `address` that shows `certificate`, to speak `protocol` over.
pub(crate) async fn dial(address: SocketAddr, certificate: &Path, protocol: &str) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let tcp = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), tcp).await.unwrap()
}

/// Sends requests over `line` as streams of HTTP/2.
pub(crate) async fn speak_http2(line: TlsStream<TcpStream>) -> SendRequest<Full<Bytes>> {
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(line)).await.unwrap();
    tokio::spawn(connection);
    sender
}
