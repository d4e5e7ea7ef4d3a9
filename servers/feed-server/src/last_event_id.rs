//! Where an event stream starts: after `Last-Event-ID`, in the header or, as EventSource polyfills send it, in the query, or after `after`.

use feed::After;
use http::{HeaderMap, Uri};

use crate::refusal::Refusal;
use crate::subscription;

/// Parameters of polyfills that mean nothing to this server: a random number against caches (Yaffle's, up to 2016), and what Internet
/// Explorer needed (amvtek's).
const IGNORED: [&str; 3] = ["r", "evs_buffer_size_limit", "evs_preamble"];

/// Reads where to start: after what the header `Last-Event-ID` says, else the parameter of that name, else `after`.
///
/// A client that reconnects repeats its first URL, and a polyfill may append to it: so the header goes first, and the last of several
/// parameters counts. An empty id is none (HTML, section 9.2.2). Errors are 400.
pub(crate) fn start(uri: &Uri, headers: &HeaderMap) -> Result<After, Refusal> {
    let Params { after, id } = Params::read(uri)?;
    if let Some(field) = headers.get("last-event-id").filter(|field| !field.is_empty()) {
        return cursor("Last-Event-ID", &String::from_utf8_lossy(field.as_bytes()));
    }
    match id {
        Some((name, id)) => cursor(&name, &id),
        None => Ok(subscription::after(after.as_deref())?.unwrap_or_default()),
    }
}

fn cursor(name: &str, id: &str) -> Result<After, Refusal> {
    id.parse().map(After::Cursor).map_err(|error| Refusal::bad_request(format!("{name}: {error}")))
}

/// The query of an event stream.
#[derive(Debug, Default)]
struct Params {
    after: Option<String>,
    /// The last id that is not empty, and what its parameter is called.
    id: Option<(String, String)>,
}

impl Params {
    fn read(uri: &Uri) -> Result<Self, Refusal> {
        let mut params = Self::default();
        for (name, value) in subscription::params::<Vec<(String, String)>>(uri)? {
            match &*name {
                "after" if params.after.is_some() => {
                    return Err(Refusal::bad_request("bad query: duplicate field `after`"));
                }
                "after" => params.after = Some(value),
                name if IGNORED.contains(&name) => {}
                _ if is_last_event_id(&name) && value.is_empty() => {}
                _ if is_last_event_id(&name) => params.id = Some((name, value)),
                _ => {
                    let error = format!("bad query: unknown field `{name}`, expected `after` or `lastEventId`");
                    return Err(Refusal::bad_request(error));
                }
            }
        }
        Ok(params)
    }
}

/// True of `lastEventId` (Yaffle's event-source-polyfill), `evs_last_event_id` (amvtek's), and `Last-Event-ID`, `last_event_id` and
/// the like, which programs configure.
fn is_last_event_id(name: &str) -> bool {
    let letters: String = name.chars().filter(|char| !matches!(char, '-' | '_')).collect();
    ["lasteventid", "evslasteventid"].iter().any(|spelling| letters.eq_ignore_ascii_case(spelling))
}
