//! The server under test: where it is, as the command line says, and how one speaks with it, as its target file says.

mod addresses;
mod built_in;
mod carried;
mod condition;
mod event;
mod file;
mod json_pointer;
mod json_template;
mod json_value;
mod publishing;
mod request;
mod session_url;
mod spelling;
mod subscription;
mod template;
mod tls;
mod token;
mod toml_file;

pub use condition::{BadCondition, Condition};
pub use event::{auth_data, event_data};
pub use file::{FEED, Live, Start, TargetFile};
pub use json_pointer::{text_of, value_at};
pub use publishing::Publishing;
pub use request::Request;
pub use session_url::SessionUrl;
pub use subscription::{Remember, Replies, SocketIoSubscription, Subscription};
pub use template::{Escape, Template, UnknownVariable, Values, Variable};
pub use tls::{Seal, Trust, unreached};
pub use token::{Token, failure, reason, redacted, redacted_words};

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use carried::Carried;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use addresses::{Answered, alternating, first_to_answer, shown};

/// A connection in the clear, or sealed.
pub type Line = Either<TcpStream, TlsStream<TcpStream>>;

/// Where the server is, and what it understands.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its base URL, with the scheme `http` or `https`.
    pub url: Url,
    /// Where connections go: its name is resolved once, as name service is no part of the measurement. The first of several addresses,
    /// until [`Self::reach`] finds the one that answers.
    pub address: SocketAddr,
    /// All addresses of its name, in the order in which they are tried.
    addresses: Vec<SocketAddr>,
    /// Value of the `Host` field.
    pub host: String,
    /// Path before all of the feed's paths, without a slash at its end.
    pub prefix: String,
    /// How one speaks with it; its requests carry what the URL has of credentials and query.
    pub file: Arc<TargetFile>,
    /// The secret that lets clients in, if it wants one, and what of the URL must not be shown.
    pub token: Option<Token>,
    /// What the URL has every request carry.
    carried: Carried,
    /// What connections are sealed with, if they are.
    pub seal: Option<Seal>,
}

impl Target {
    /// Resolves the base URL of a feed, such as `http://127.0.0.1:8080`; `ws://` is taken for `http://`, `wss://` for `https://`.
    pub fn resolve(text: &str, trust: &Trust) -> anyhow::Result<Self> {
        Self::resolve_as(text, Arc::new(TargetFile::feed()), None, trust)
    }

    /// Resolves the base URL of a server that is spoken with as `file` says, and believed as `trust` says.
    pub fn resolve_as(text: &str, file: Arc<TargetFile>, token: Option<Token>, trust: &Trust) -> anyhow::Result<Self> {
        let url = parse(text)?;
        let name = url.host_str().with_context(|| format!("the URL `{}` names no host", redacted(None, text)))?;
        let port = url.port_or_known_default().unwrap_or(80);
        let resolved = (name.trim_matches(['[', ']']), port)
            .to_socket_addrs()
            .with_context(|| format!("cannot resolve the host `{name}`"))?;
        let addresses = alternating(resolved);
        let address = *addresses.first().with_context(|| format!("the host `{name}` has no address"))?;
        let host = match url.port() {
            Some(port) => format!("{name}:{port}"),
            None => name.to_owned(),
        };
        let prefix = url.path().trim_end_matches('/').to_owned();
        let seal = trust.seal(&url)?;
        let carried = Carried::of(&url)?;
        let token = Token::hiding(token, &carried.hidden);
        let file = if carried == Carried::default() { file } else { Arc::new(file.carrying(&carried)) };
        Ok(Self { url, address, addresses, host, prefix, file, token, carried, seal })
    }

    /// The same, at the first of its addresses to answer (RFC 8305), and what to tell of it where others were tried. A name with one
    /// address is left to whoever connects. It is an error, which lists every address with its own, when none answers within `bound`.
    pub async fn reach(self, bound: Duration) -> anyhow::Result<(Self, Option<String>)> {
        if self.addresses.len() < 2 {
            return Ok((self, None));
        }
        let url = self.shown_url();
        match first_to_answer(&self.addresses, bound).await {
            Ok(Answered { kept, others }) => {
                let tried = (!others.is_empty())
                    .then(|| format!("{url} has several addresses ({}): {kept} answered and is kept", shown(&others)));
                Ok((Self { address: kept, ..self }, tried))
            }
            Err(tried) => bail!(
                "cannot reach {url}: none of its {} addresses answered within {}: {}",
                self.addresses.len(),
                humantime::format_duration(bound),
                shown(&tried)
            ),
        }
    }

    /// The secret, to be sent.
    pub fn secret(&self) -> Option<&str> {
        self.token.as_ref().and_then(Token::secret)
    }

    /// The base URL as it may be shown.
    pub fn shown_url(&self) -> String {
        redacted(self.token.as_ref(), self.url.as_str())
    }

    /// An error in which the server's own words may stand, as it may be shown.
    pub fn told(&self, error: &anyhow::Error) -> anyhow::Error {
        let mut links: Vec<String> = Vec::new();
        for link in error.chain().map(|link| failure(self.token.as_ref(), &link.to_string())) {
            // An error that stands for another one says the same, or ends in it.
            if links.last().is_none_or(|before| !before.ends_with(&link)) {
                links.push(link);
            }
        }
        anyhow!(links.join(": "))
    }

    /// The URL of a path below the base, for control requests.
    pub fn join(&self, path: &str) -> String {
        format!("{}://{}{}", self.url.scheme(), self.host, self.below(path))
    }

    /// A path below the base's, with the base's query before its own.
    pub fn below(&self, path: &str) -> String {
        self.prefix.clone() + &self.carried.extend(path)
    }

    /// The value of `Authorization` that user and password of the URL are (RFC 7617), for requests that no target file describes.
    pub fn authorization(&self) -> Option<&str> {
        self.carried.authorization.as_deref()
    }

    /// The same as a line of a head, with its CRLF; empty without one.
    pub fn authorization_field(&self) -> String {
        self.authorization().map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default()
    }

    /// Opens a connection that no simulated client has, and that nobody counts.
    pub async fn open(&self) -> std::io::Result<Line> {
        let tcp = TcpStream::connect(self.address).await?;
        tcp.set_nodelay(true)?;
        Ok(match &self.seal {
            None => Either::Left(tcp),
            Some(seal) => {
                let connector = TlsConnector::from(Arc::clone(seal.config()));
                Either::Right(connector.connect(seal.server().clone(), tcp).await?)
            }
        })
    }

    /// A client for control requests, which go past every proxy.
    pub fn http(&self) -> reqwest::ClientBuilder {
        let config =
            self.seal.as_ref().map_or_else(|| tls::nobody().clone(), |seal| ClientConfig::clone(seal.config()));
        let shown = self.authorization().and_then(|value| HeaderValue::from_str(value).ok()).map(|mut value| {
            value.set_sensitive(true);
            HeaderMap::from_iter([(AUTHORIZATION, value)])
        });
        let client = reqwest::Client::builder()
            // As the clients' own reader does (RFC 9112, section 5.2).
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .no_proxy()
            .default_headers(shown.unwrap_or_default())
            .tls_backend_preconfigured(config);
        match self.url.domain() {
            // The server that is measured is the one that is asked.
            Some(name) => client.resolve(name, self.address),
            None => client,
        }
    }
}

/// Reads a base URL without resolving it.
pub fn parse(text: &str) -> anyhow::Result<Url> {
    let expected = "expected one like http://127.0.0.1:8080";
    let shown = redacted(None, text);
    let url: Url = text.parse().with_context(|| format!("`{shown}` is not a URL: {expected}"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        // The scheme is the beginning of the text, in whatever case.
        "ws" => Ok(format!("http{}", &text.trim_start()["ws".len()..]).parse()?),
        "wss" => Ok(format!("https{}", &text.trim_start()["wss".len()..]).parse()?),
        other => bail!("`{shown}` has the scheme `{other}`: {expected}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_becomes_address_host_and_prefix() {
        let target = Target::resolve("ws://127.0.0.1:8080/feed/", &Trust::default()).unwrap();
        assert_eq!(target.address.to_string(), "127.0.0.1:8080");
        assert_eq!((target.host.as_str(), target.prefix.as_str()), ("127.0.0.1:8080", "/feed"));
        assert_eq!(target.join("/stats"), "http://127.0.0.1:8080/feed/stats");
    }

    /// A target whose name resolves to these addresses.
    fn at(addresses: Vec<SocketAddr>) -> Target {
        let target = Target::resolve("http://localhost:1/feed", &Trust::default()).unwrap();
        Target { address: addresses[0], addresses, ..target }
    }

    #[tokio::test]
    async fn the_address_that_answers_is_the_one_that_all_requests_go_to() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        const BOUND: Duration = Duration::from_secs(20);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let v4 = listener.local_addr().unwrap();
        let v6 = SocketAddr::new("::1".parse().unwrap(), v4.port());
        let (target, told) = at(vec![v6, v4]).reach(BOUND).await.unwrap();
        assert_eq!(target.address, v4);
        let told = told.unwrap();
        assert!(told.starts_with(&format!("http://localhost:1/feed has several addresses ({v6}: ")), "{told}");
        assert!(told.ends_with(&format!("): {v4} answered and is kept")), "{told}");
        // Its name has the port of the URL, and requests go there: only the address is replaced.
        let url = format!("http://localhost:{}/feed", v4.port());
        let target = Target { url: url.parse().unwrap(), host: format!("localhost:{}", v4.port()), ..target };
        let answer = async {
            loop {
                // The first connection was the attempt that was kept.
                let (mut tcp, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 1024];
                if tcp.read(&mut request).await.unwrap() > 0 {
                    return tcp.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
                }
            }
        };
        let get = target.http().build().unwrap().get(target.join("/stats")).send();
        let (answered, ()) = tokio::join!(tokio::time::timeout(BOUND, get), answer);
        assert_eq!(answered.unwrap().unwrap().status(), 204);
    }

    #[tokio::test]
    async fn a_server_that_no_address_answers_for_is_told_with_each() {
        let nobody = |address: &str| {
            let listener = std::net::TcpListener::bind(address).unwrap();
            listener.local_addr().unwrap()
        };
        let (one, two) = (nobody("127.0.0.1:0"), nobody("127.0.0.2:0"));
        let error = at(vec![one, two]).reach(Duration::from_secs(20)).await.unwrap_err().to_string();
        assert!(error.starts_with("cannot reach http://localhost:1/feed: none of its 2 addresses answered"), "{error}");
        assert!(error.contains(&format!("{one}: Connection refused")), "{error}");
        assert!(error.contains(&format!("; {two}: Connection refused")), "{error}");
    }

    #[test]
    fn a_secret_in_the_base_url_is_not_shown_however_the_url_spells_it() {
        let token = Token::new("s3 cr\"t".into()).unwrap();
        let (file, trust) = (Arc::new(TargetFile::feed()), Trust::default());
        let target = Target::resolve_as("http://127.0.0.1/s3 cr\"t/x", file, Some(token), &trust).unwrap();
        assert_eq!(target.shown_url(), "http://127.0.0.1/***/x");
    }

    #[test]
    fn a_websockets_scheme_is_told_in_either_case() {
        let parsed =
            ["WS://ws.example/ws", "wss://a", "WSS://u:p@wss.example"].map(|text| parse(text).unwrap().to_string());
        assert_eq!(parsed, ["http://ws.example/ws", "https://a/", "https://u:p@wss.example/"]);
    }

    #[test]
    fn what_is_no_usable_url_is_refused_by_name() {
        for text in ["127.0.0.1:8080", "nonsense", "ftp://127.0.0.1"] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(text) && error.contains("expected one like"), "{error}");
        }
    }
}
