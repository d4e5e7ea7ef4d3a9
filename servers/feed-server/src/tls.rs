//! TLS at the door: the certificate that the server shows, and the handshake with whoever comes in.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use feed::framings::tls::Tls;
use rcgen::CertifiedKey;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::line::{Line, Sealed};

/// HTTP/2 as ALPN names it (RFC 9113, section 3.2).
const H2: &[u8] = b"h2";
/// HTTP/1.1 as ALPN names it (RFC 7301, section 6).
const HTTP_1: &[u8] = b"http/1.1";

/// Whether, and as whom, the server speaks TLS.
#[derive(Debug, Clone, Default, Args)]
pub struct TlsArgs {
    /// Speak TLS 1.2 and 1.3, and nothing else, with this certificate and the chain behind it (PEM). HTTP/1.1 and HTTP/2 are chosen by
    /// ALPN; WebSocket goes over HTTP/1.1.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The private key that belongs to it (PEM: PKCS #8, PKCS #1 or SEC1).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Speak TLS with a certificate made on the spot, for localhost, the loopback addresses and that of `--listen`; written to the file
    /// that is named, so that clients can be told to trust it. The key is in this process only.
    #[arg(long, value_name = "CERT-FILE", num_args = 0..=1, conflicts_with = "tls_cert")]
    pub tls_self_signed: Option<Option<PathBuf>>,
}

/// Shows the certificate.
#[derive(Clone)]
pub(crate) struct Porter {
    acceptor: TlsAcceptor,
    /// How long a handshake may take.
    patience: Duration,
}

/// Who came in.
pub(crate) enum Guest {
    /// Speaks HTTP/1.1.
    One(Line),
    /// Speaks HTTP/2. Boxed, for most do not.
    Two(Box<TlsStream<TcpStream>>),
}

impl std::fmt::Debug for Porter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Porter")
    }
}

impl TlsArgs {
    /// True when the server speaks TLS.
    pub fn is_on(&self) -> bool {
        self.tls_cert.is_some() || self.tls_self_signed.is_some()
    }

    /// Reads or makes the certificate, for a server at `address`; `None` when none is asked for.
    pub(crate) fn porter(&self, address: IpAddr, patience: Duration) -> anyhow::Result<Option<Porter>> {
        let (chain, key) = match (&self.tls_cert, &self.tls_key, &self.tls_self_signed) {
            (Some(cert), Some(key), _) => (chain(cert)?, private_key(key)?),
            (_, _, Some(file)) => self_signed(address, file.as_deref())?,
            _ => return Ok(None),
        };
        let provider = Arc::new(ring::default_provider());
        let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = versions
            .context("the cipher suites do not go with TLS 1.2 and 1.3")?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .context("--tls-cert and --tls-key do not go together")?;
        config.alpn_protocols = vec![H2.to_vec(), HTTP_1.to_vec()];
        Ok(Some(Porter { acceptor: TlsAcceptor::from(Arc::new(config)), patience }))
    }
}

impl Porter {
    /// Shakes hands; `None` with who does not speak TLS, or takes too long.
    pub(crate) async fn receive(&self, stream: TcpStream) -> Option<Guest> {
        // Boxed, for what a handshake needs is not needed afterwards.
        let accepted = Box::pin(timeout(self.patience, self.acceptor.accept(stream))).await;
        let stream = match accepted {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(%error, "TLS handshake failed");
                return None;
            }
            Err(_) => return None,
        };
        if stream.get_ref().1.alpn_protocol() == Some(H2) {
            return Some(Guest::Two(Box::new(stream)));
        }
        let (stream, connection) = stream.into_inner();
        Some(Guest::One(Line::Sealed(Box::new(Sealed::new(stream, Tls::new(connection))))))
    }
}

fn chain(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = read.with_context(|| format!("cannot read certificates from {}", file.display()))?;
    if chain.is_empty() {
        bail!("{} holds no certificate: expected PEM, beginning with -----BEGIN CERTIFICATE-----", file.display());
    }
    Ok(chain)
}

fn private_key(file: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(file).with_context(|| {
        format!("cannot read a private key from {}: expected PEM, with -----BEGIN PRIVATE KEY-----", file.display())
    })
}

/// Writes a file under a temporary name and renames it, so that who waits for it never reads half of it. What is no regular file is written to
/// as it is.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|known| !known.is_file()) {
        return std::fs::write(path, text);
    }
    let mut name = std::ffi::OsString::from(".partial.");
    name.push(path.file_name().unwrap_or_default());
    let partial = path.with_file_name(name);
    let written = std::fs::write(&partial, text).and_then(|()| std::fs::rename(&partial, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    written
}

/// A certificate and its key.
type Credentials = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn self_signed(address: IpAddr, file: Option<&Path>) -> anyhow::Result<Credentials> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    if !address.is_unspecified() && !address.is_loopback() {
        names.push(address.to_string());
    }
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(names).context("cannot make a certificate")?;
    if let Some(file) = file {
        write_whole(file, &cert.pem())
            .with_context(|| format!("cannot write the certificate to {}", file.display()))?;
    }
    Ok((vec![cert.der().clone()], PrivateKeyDer::Pkcs8(signing_key.serialize_der().into())))
}
