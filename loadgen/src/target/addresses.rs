//! The addresses of a server's name, and which of them answers first (Happy Eyeballs, RFC 8305).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;

/// From one attempt to connect to the next, unless the one before fails earlier (RFC 8305, section 5: recommended).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Addresses in the order in which they are tried, each once: families alternate, the first one's first (RFC 8305, section 4).
pub(super) fn alternating(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut each: Vec<SocketAddr> = Vec::new();
    for address in addresses {
        if !each.contains(&address) {
            each.push(address);
        }
    }
    let is_v4_first = each.first().is_some_and(SocketAddr::is_ipv4);
    let (first, second): (Vec<_>, Vec<_>) = each.into_iter().partition(|address| address.is_ipv4() == is_v4_first);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut ordered = Vec::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return ordered;
        }
        ordered.extend(pair.into_iter().flatten());
    }
}

/// What became of an attempt to connect to an address that is not kept: its error, or none when it was still under way.
pub(super) type Attempt = (SocketAddr, Option<io::Error>);

/// Which address answered.
#[derive(Debug)]
pub(super) struct Answered {
    /// The first to accept a TCP connection.
    pub kept: SocketAddr,
    /// The others that were tried, in order.
    pub others: Vec<Attempt>,
}

/// Connects to addresses in their order, a quarter of a second after each other or as soon as one fails, until one accepts. The error
/// lists every address that was tried until all had failed or `bound` was over.
pub(super) async fn first_to_answer(addresses: &[SocketAddr], bound: Duration) -> Result<Answered, Vec<Attempt>> {
    let mut tried: Vec<Attempt> = Vec::new();
    match tokio::time::timeout(bound, race(addresses, &mut tried)).await {
        Ok(Some(kept)) => {
            tried.retain(|(address, _)| *address != kept);
            Ok(Answered { kept, others: tried })
        }
        Ok(None) | Err(_) => Err(tried),
    }
}

/// The first address to answer; `None` when all have failed. Each that is tried is entered into `tried`.
async fn race(addresses: &[SocketAddr], tried: &mut Vec<Attempt>) -> Option<SocketAddr> {
    let mut waiting = addresses.iter().copied();
    let mut attempts = FuturesUnordered::new();
    loop {
        if let Some(address) = waiting.next() {
            tried.push((address, None));
            attempts.push(async move { (address, TcpStream::connect(address).await) });
        }
        if attempts.is_empty() {
            return None;
        }
        let has_more = waiting.len() > 0;
        tokio::select! {
            biased;
            Some((address, connected)) = attempts.next() => match connected {
                Ok(_) => return Some(address),
                Err(error) => {
                    let attempt = tried.iter_mut().find(|(tried, _)| *tried == address);
                    attempt.expect("an attempt is entered when it begins").1 = Some(error);
                }
            },
            () = tokio::time::sleep(ATTEMPT_DELAY), if has_more => {}
        }
    }
}

/// Each attempt with its own error, in one line.
pub(super) fn shown(attempts: &[Attempt]) -> String {
    let shown = attempts.iter().map(|(address, error)| match error {
        Some(error) => format!("{address}: {error}"),
        None => format!("{address}: no connection yet"),
    });
    shown.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use tokio::net::{TcpListener, TcpSocket};

    const PATIENCE: Duration = Duration::from_secs(20);

    /// An address of this machine where nobody listens.
    async fn deserted(address: &str) -> SocketAddr {
        TcpListener::bind(address).await.unwrap().local_addr().unwrap()
    }

    /// An address that answers nobody: its queue of connections is full. What fills it has to be kept.
    async fn mute() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut fill = Vec::new();
        while let Ok(Ok(tcp)) = tokio::time::timeout(ATTEMPT_DELAY, TcpStream::connect(address)).await {
            fill.push(tcp);
            assert!(fill.len() < 100, "the queue has an end");
        }
        (address, listener, fill)
    }

    #[test]
    fn families_alternate_and_each_address_stands_once() {
        let addresses = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let resolved = addresses(&["[::1]:1", "[::1]:1", "[::2]:1", "127.0.0.1:1", "[::3]:1", "127.0.0.2:1"]);
        let ordered = addresses(&["[::1]:1", "127.0.0.1:1", "[::2]:1", "127.0.0.2:1", "[::3]:1"]);
        assert_eq!(alternating(resolved), ordered);
        let resolved = addresses(&["127.0.0.1:1", "127.0.0.2:1", "[::1]:1"]);
        assert_eq!(alternating(resolved), addresses(&["127.0.0.1:1", "[::1]:1", "127.0.0.2:1"]));
        assert!(alternating([]).is_empty());
    }

    #[tokio::test]
    async fn the_address_that_answers_is_kept_and_one_that_refuses_is_named() {
        let refusing = deserted("127.0.0.1:0").await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let answering = listener.local_addr().unwrap();
        let Answered { kept, others } = first_to_answer(&[refusing, answering], PATIENCE).await.unwrap();
        assert_eq!(kept, answering);
        let shown = shown(&others);
        assert!(shown.starts_with(&format!("{refusing}: Connection refused")) && !shown.contains(';'), "{shown}");
    }

    #[tokio::test]
    async fn ipv6_that_refuses_does_not_keep_from_ipv4() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let v4 = listener.local_addr().unwrap();
        let v6 = SocketAddr::new("::1".parse().unwrap(), v4.port());
        let Answered { kept, others } = first_to_answer(&alternating([v6, v4]), PATIENCE).await.unwrap();
        // Without IPv6 the error is another one, and the outcome the same.
        assert_eq!((kept, others.len(), others[0].0), (v4, 1, v6));
        assert!(others[0].1.is_some(), "{others:?}");
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_delays_the_next_by_a_quarter_of_a_second() {
        let (mute, _listener, _fill) = mute().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let answering = listener.local_addr().unwrap();
        let begun = clock::now();
        let Answered { kept, others } = first_to_answer(&[mute, answering], PATIENCE).await.unwrap();
        assert!(clock::now().saturating_duration_since(begun) >= ATTEMPT_DELAY);
        assert_eq!((kept, shown(&others)), (answering, format!("{mute}: no connection yet")));
    }

    #[tokio::test]
    async fn where_none_answers_each_is_listed_with_its_own_error() {
        let (mute, _listener, _fill) = mute().await;
        let refusing = deserted("127.0.0.1:0").await;
        let tried = first_to_answer(&[refusing, mute], Duration::from_millis(600)).await.unwrap_err();
        let shown = shown(&tried);
        assert!(shown.starts_with(&format!("{refusing}: Connection refused")), "{shown}");
        assert!(shown.ends_with(&format!("; {mute}: no connection yet")), "{shown}");
        assert_eq!(first_to_answer(&[refusing], PATIENCE).await.unwrap_err().len(), 1);
    }
}
