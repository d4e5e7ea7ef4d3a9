//! TLS towards the server under test: whom it is believed, and how a connection is sealed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use reqwest::Url;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_platform_verifier::BuilderVerifierExt;

/// HTTP/1.1 as ALPN names it (RFC 7301, section 6): the one that simulated clients speak.
const HTTP_1: &[u8] = b"http/1.1";

/// Which certificates are believed, if the URL says `https` or `wss`.
#[derive(Debug, Clone, Default, Args)]
pub struct Trust {
    /// Believe certificates of this authority, or this very certificate (PEM), and no others; without it, those that this machine
    /// trusts. Only https and wss URLs ask
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Believe any certificate, of anybody: for a lab, for anybody in between could read and change what passes
    #[arg(long, conflicts_with = "ca")]
    pub insecure: bool,
}

/// Why `url` could not be reached, and, if that is its certificate, what to do about it.
pub fn unreached(url: &str, error: &io::Error) -> anyhow::Error {
    let why = match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(_)) => {
            format!(
                "{error}: name the authority that signed its certificate with --ca, or believe anybody with --insecure"
            )
        }
        Some(Error::InvalidMessage(_)) => {
            format!("{error}: does it speak TLS? expected http:// or ws:// if it does not")
        }
        _ => error.to_string(),
    };
    anyhow!("cannot reach {url}: {why}")
}

/// What connections are sealed with.
#[derive(Debug, Clone)]
pub struct Seal {
    config: Arc<ClientConfig>,
    server: ServerName<'static>,
}

impl Trust {
    /// What connections to the server at `url` are sealed with; `None` where they are in the clear.
    pub fn seal(&self, url: &Url) -> anyhow::Result<Option<Seal>> {
        if url.scheme() != "https" {
            return Ok(None);
        }
        let name = url.host_str().with_context(|| format!("the URL `{url}` names no host"))?;
        let server = ServerName::try_from(name.trim_matches(['[', ']']).to_owned())
            .with_context(|| format!("the host `{name}` is no name that a certificate could have"))?;
        let mut config = self.config()?;
        config.alpn_protocols = vec![HTTP_1.to_vec()];
        Ok(Some(Seal { config: Arc::new(config), server }))
    }

    fn config(&self) -> anyhow::Result<ClientConfig> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        if self.insecure {
            let anybody = Arc::new(Anybody(provider));
            return Ok(builder.dangerous().with_custom_certificate_verifier(anybody).with_no_client_auth());
        }
        Ok(match &self.ca {
            Some(file) => builder.with_root_certificates(authorities(file)?).with_no_client_auth(),
            None => builder
                .with_platform_verifier()
                .context("cannot read the certificates that this machine trusts: name one with --ca")?
                .with_no_client_auth(),
        })
    }
}

impl Seal {
    /// Our end of a connection, before its handshake.
    pub fn connection(&self) -> io::Result<ClientConnection> {
        ClientConnection::new(Arc::clone(&self.config), self.server.clone()).map_err(io::Error::other)
    }

    /// What all connections share.
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    /// Whom the server has to prove to be.
    pub fn server(&self) -> &ServerName<'static> {
        &self.server
    }
}

/// Believes nobody: for a client of a server in the clear, which asks for a configuration all the same.
pub(super) fn nobody() -> &'static ClientConfig {
    static NOBODY: OnceLock<ClientConfig> = OnceLock::new();
    NOBODY.get_or_init(|| {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().expect("ring has suites of both versions");
        builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
    })
}

fn authorities(file: &Path) -> anyhow::Result<RootCertStore> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.with_context(|| format!("cannot read certificates from {}", file.display()))?;
    if certificates.is_empty() {
        bail!("{} holds no certificate: expected PEM, beginning with -----BEGIN CERTIFICATE-----", file.display());
    }
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).with_context(|| format!("a certificate in {} cannot be used", file.display()))?;
    }
    Ok(roots)
}

/// Believes anybody who holds the key to the certificate that they show.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
