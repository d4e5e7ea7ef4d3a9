//! The server under test, as it was named on the command line.

use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::{Context, bail};
use reqwest::Url;

/// Where the server is.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its base URL, with the scheme `http`.
    pub url: Url,
    /// The address that it resolved to, once: name service is no part of the measurement.
    pub address: SocketAddr,
    /// Value of the `Host` field.
    pub host: String,
    /// Path before all of the feed's paths, without a slash at its end.
    pub prefix: String,
}

impl Target {
    /// Resolves a base URL such as `http://127.0.0.1:8080`; `ws://` is taken for `http://`.
    pub fn resolve(text: &str) -> anyhow::Result<Self> {
        let url = parse(text)?;
        let name = url.host_str().with_context(|| format!("the URL `{text}` names no host"))?;
        let port = url.port_or_known_default().unwrap_or(80);
        let address = (name.trim_matches(['[', ']']), port)
            .to_socket_addrs()
            .with_context(|| format!("cannot resolve the host `{name}`"))?
            .next()
            .with_context(|| format!("the host `{name}` has no address"))?;
        let host = match url.port() {
            Some(port) => format!("{name}:{port}"),
            None => name.to_owned(),
        };
        let prefix = url.path().trim_end_matches('/').to_owned();
        Ok(Self { url, address, host, prefix })
    }

    /// The URL of a path below the base, for control requests.
    pub fn join(&self, path: &str) -> String {
        format!("http://{}{}{path}", self.host, self.prefix)
    }
}

/// Reads a base URL without resolving it.
pub fn parse(text: &str) -> anyhow::Result<Url> {
    let expected = "expected one like http://127.0.0.1:8080";
    let url: Url = text.parse().with_context(|| format!("`{text}` is not a URL: {expected}"))?;
    match url.scheme() {
        "http" => Ok(url),
        "ws" => Ok(text.replacen("ws", "http", 1).parse()?),
        "https" | "wss" => bail!("`{text}` needs TLS, which this build does not speak: {expected}"),
        other => bail!("`{text}` has the scheme `{other}`: {expected}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_becomes_address_host_and_prefix() {
        let target = Target::resolve("ws://127.0.0.1:8080/feed/").unwrap();
        assert_eq!(target.address.to_string(), "127.0.0.1:8080");
        assert_eq!((target.host.as_str(), target.prefix.as_str()), ("127.0.0.1:8080", "/feed"));
        assert_eq!(target.join("/stats"), "http://127.0.0.1:8080/feed/stats");
    }

    #[test]
    fn what_is_no_usable_url_is_refused_by_name() {
        for text in ["127.0.0.1:8080", "nonsense", "ftp://127.0.0.1", "wss://127.0.0.1"] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(text) && error.contains("expected one like"), "{error}");
        }
    }
}
