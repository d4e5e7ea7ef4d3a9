//! Where an Engine.IO session is found: a path that may have a query of its own, then what the protocol wants to know.

use feed::framings::engine_io::REVISION;

use super::template::{Escape, Template, Values, percent_encode};

/// The way to an Engine.IO server, with its variables filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionUrl {
    /// Ends where the protocol's own part of the query begins.
    base: String,
}

impl SessionUrl {
    /// The server that listens on `path` below `prefix`; values in it are escaped.
    pub fn new(prefix: &str, path: &Template, values: &Values<'_>) -> Self {
        let mut base = prefix.to_owned();
        path.write(values, Escape::Url, &mut base);
        base.push(if base.contains('?') { '&' } else { '?' });
        Self { base }
    }

    /// The target of a request over Engine.IO's `transport`, for the session `sid` once there is one.
    pub fn over(&self, transport: &str, sid: Option<&str>) -> String {
        let mut url = format!("{}EIO={REVISION}&transport={transport}", self.base);
        if let Some(sid) = sid {
            url.push_str("&sid=");
            percent_encode(sid, &mut url);
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Variable;

    #[test]
    fn a_query_of_the_paths_own_is_continued_and_values_are_escaped() {
        let url = |path: &str, sid| {
            let path = Template::parse(path, Variable::OF_A_PUBLISHER, &[]).unwrap();
            SessionUrl::new("/base", &path, &Values::of("news", 1, Some("a&b c"))).over("polling", sid)
        };
        assert_eq!(url("/socket.io/", None), "/base/socket.io/?EIO=4&transport=polling");
        assert_eq!(
            url("/socket.io/?key={token}", Some("x+/=&y_-")),
            "/base/socket.io/?key=a%26b%20c&EIO=4&transport=polling&sid=x%2B%2F%3D%26y_-"
        );
    }
}
