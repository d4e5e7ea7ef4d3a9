//! A GET or POST as a target wants it: path, query and header fields with variables in them.

use super::carried::Carried;
use super::template::{Escape, Template, Values, Variable};

/// The head of a request, without what loadgen writes itself: `Host`, the handshake, lengths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Its path, below the base URL's.
    pub path: Template,
    /// Fields of the query; one without a value yet is left out.
    pub query: Vec<(String, Template)>,
    /// Fields of the head; one without a value yet is left out.
    pub headers: Vec<(String, Template)>,
    /// Value of `Authorization` where no field of the head says another.
    pub authorization: Option<String>,
}

impl Request {
    /// Appends path and query to `out`.
    pub fn write_path(&self, values: &Values<'_>, out: &mut String) {
        let start = out.len();
        self.path.write(values, Escape::Url, out);
        let mut has_query = out[start..].contains('?');
        for (name, template) in &self.query {
            let before = out.len();
            out.push(if has_query { '&' } else { '?' });
            out.push_str(name);
            out.push('=');
            if template.write(values, Escape::Url, out) {
                has_query = true;
            } else {
                out.truncate(before);
            }
        }
    }

    /// The whole head; `fields` are further lines, each with its CRLF.
    pub fn head(&self, method: &str, prefix: &str, host: &str, values: &Values<'_>, fields: &str) -> String {
        let mut head = String::new();
        self.write_head(method, prefix, host, values, fields, &mut head);
        head
    }

    /// Appends the whole head to `head`.
    pub fn write_head(
        &self,
        method: &str,
        prefix: &str,
        host: &str,
        values: &Values<'_>,
        fields: &str,
        head: &mut String,
    ) {
        const ROOM: usize = 256;
        head.reserve(ROOM + fields.len());
        for part in [method, " ", prefix] {
            head.push_str(part);
        }
        self.write_path(values, head);
        head.push_str(" HTTP/1.1\r\n");
        if !self.names_its_host() {
            for part in ["Host: ", host, "\r\n"] {
                head.push_str(part);
            }
        }
        let mut authorization = self.authorization.as_deref();
        for (name, template) in &self.headers {
            let before = head.len();
            head.push_str(name);
            head.push_str(": ");
            let value = head.len();
            // A line break would end the field (RFC 9110, section 5.5).
            let can_be_sent = |head: &str| !head[value..].contains(|c: char| c.is_control() && c != '\t');
            if template.write(values, Escape::Nothing, head) && can_be_sent(head) {
                head.push_str("\r\n");
                authorization = authorization.filter(|_| !name.eq_ignore_ascii_case("Authorization"));
            } else {
                head.truncate(before);
            }
        }
        if let Some(value) = authorization {
            for part in ["Authorization: ", value, "\r\n"] {
                head.push_str(part);
            }
        }
        head.push_str(fields);
        head.push_str("\r\n");
    }

    /// Carries what the base URL has every request carry: its query before the path's own, its credentials unless there are others.
    pub(super) fn carry(&mut self, carried: &Carried) {
        if let Some(query) = &carried.query {
            self.path.begin_query(query);
        }
        self.authorization.clone_from(&carried.authorization);
    }

    /// True when `variable` stands anywhere in it.
    pub fn asks_for(&self, variable: Variable) -> bool {
        let fields = self.query.iter().chain(&self.headers);
        self.path.asks_for(variable) || fields.into_iter().any(|(_, template)| template.asks_for(variable))
    }

    /// True when a field of this name is among its header fields.
    pub fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name))
    }

    fn names_its_host(&self) -> bool {
        self.has_header("Host")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        Template::parse(text, Variable::OF_A_CLIENT, &["etag".to_owned()]).unwrap()
    }

    #[test]
    fn fields_without_a_value_are_left_out_of_query_and_head() {
        let request = Request {
            path: template("/sub/{topic}"),
            query: vec![("after".into(), template("{etag}")), ("wait".into(), template("{wait}"))],
            headers: vec![("If-None-Match".into(), template("{etag}")), ("X-Client".into(), template("{client}"))],
            authorization: None,
        };
        let first = Values { client: 3, wait_s: 2.5, ..Values::of("news", 1, None) };
        let expected = "GET /base/sub/news?wait=2.5 HTTP/1.1\r\nHost: here\r\nX-Client: 3\r\nConnection: close\r\n\r\n";
        assert_eq!(request.head("GET", "/base", "here", &first, "Connection: close\r\n"), expected);
        let unfit = [Some("7\r\nX-Injected: yes".to_owned())];
        let expected =
            "GET /base/sub/news?after=7%0D%0AX-Injected:%20yes&wait=2.5 HTTP/1.1\r\nHost: here\r\nX-Client: 3\r\n\r\n";
        assert_eq!(request.head("GET", "/base", "here", &Values { remembered: &unfit, ..first }, ""), expected);
        let remembered = [Some("\"a&b\"".to_owned())];
        let later = Values { remembered: &remembered, ..first };
        let head = request.head("GET", "", "here", &later, "");
        assert!(head.starts_with("GET /sub/news?after=%22a%26b%22&wait=2.5 HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("\r\nIf-None-Match: \"a&b\"\r\n"), "{head}");
    }

    #[test]
    fn a_host_of_the_targets_own_takes_the_place_of_ours() {
        let request = Request { headers: vec![("host".into(), template("chat.test"))], ..Request::default() };
        let head = request.head("GET", "", "here", &Values::of("news", 1, None), "");
        assert_eq!(head, "GET  HTTP/1.1\r\nhost: chat.test\r\n\r\n");
    }

    #[test]
    fn what_the_base_url_carries_stands_before_the_targets_own_and_gives_way_to_it() {
        let carried = Carried::of(&"http://user:pw@h/?apikey=7".parse().unwrap()).unwrap();
        let mut request = Request {
            path: template("/sub/{topic}?v=1"),
            query: vec![("after".into(), template("x"))],
            headers: vec![("authorization".into(), template("Bearer {token}"))],
            authorization: None,
        };
        request.carry(&carried);
        let head = |token| request.head("GET", "", "here", &Values::of("news", 1, token), "");
        let first = "GET /sub/news?apikey=7&v=1&after=x HTTP/1.1\r\nHost: here\r\n";
        assert_eq!(head(None), format!("{first}Authorization: Basic dXNlcjpwdw==\r\n\r\n"));
        assert_eq!(head(Some("t")), format!("{first}authorization: Bearer t\r\n\r\n"));
        let mut plain = Request { path: template("/sub/{topic}"), ..Request::default() };
        plain.carry(&carried);
        assert!(
            plain
                .head("GET", "/base", "here", &Values::of("news", 1, None), "")
                .starts_with("GET /base/sub/news?apikey=7 HTTP")
        );
    }
}
