//! The generator's books against the server's own: two programs that counted the same things must have counted the same.
//!
//! Only where the server is our child and so nobody else's: a stranger's readers stand in the same counters as ours, and
//! what cannot be told apart is not compared. The probe's connection, the publisher's and the ones that read `/stats` are no
//! clients: the probe has left before the first reading, the others count as `other`.

use feed::{ConnectionStats, ServerStats, Transport};
use results::Reconciled;
use serde::{Deserialize, Serialize};

use crate::server_cost::{Reading, Readings};

/// The generator's side, over the whole run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    /// Notifications accepted.
    pub published: u64,
    /// Notifications that were refused, or whose answer never came; of the latter the server may have taken some.
    pub unanswered: u64,
    /// Notifications received, repeated ones included.
    pub deliveries: u64,
    /// Stream bytes received.
    pub bytes_received: u64,
    /// Stream bytes sent.
    pub bytes_sent: u64,
    /// Connections opened.
    pub opened: u64,
    /// Connections open at the end of the window, where clients keep theirs open between messages.
    pub open_at_window_end: Option<u64>,
    /// True when connections were lost, refused or given up, or the run was stopped in its middle: then the side that sent has
    /// counted what never arrived.
    pub was_disturbed: bool,
}

/// Who is ahead when something on its way never arrives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ahead {
    Generator,
    Server,
}

/// Compares; `None` when a reading is missing.
pub fn reconcile(books: &Books, readings: &Readings, transport: Transport) -> Option<Vec<Reconciled>> {
    let [before, window_end, last] = [&readings.before, &readings.end, &readings.last];
    let said = |reading: &'_ Option<Reading>| reading.as_ref()?.stats.clone();
    let (before, window_end, last) = (said(before)?, said(window_end)?, said(last)?);
    Some(compare(books, [&before, &window_end, &last], transport))
}

fn compare(books: &Books, [before, window_end, last]: [&ServerStats; 3], transport: Transport) -> Vec<Reconciled> {
    let of = |stats: &ServerStats| stats.connections.get(transport.name()).cloned().unwrap_or_default();
    let (first, end) = (of(before), of(last));
    let since = |count: fn(&ConnectionStats) -> u64| count(&end).saturating_sub(count(&first));
    let row = |quantity: &str, generator, server, ahead| Reconciled {
        quantity: quantity.into(),
        generator,
        server,
        explained: explain(books, generator, server, ahead),
    };
    let mut rows = vec![
        published(books, last.published.saturating_sub(before.published)),
        row("deliveries", books.deliveries, since(|c| c.delivered), Ahead::Server),
        row("stream bytes received", books.bytes_received, since(|c| c.bytes_written), Ahead::Server),
        row("stream bytes sent", books.bytes_sent, since(|c| c.bytes_read), Ahead::Generator),
        row("connections opened", books.opened, since(|c| c.opened), Ahead::Generator),
    ];
    if let Some(open) = books.open_at_window_end {
        rows.push(row("open at the end of the window", open, of(window_end).open, Ahead::Server));
    }
    rows.push(row("open at the end of the run", 0, end.open, Ahead::Server));
    rows
}

fn published(books: &Books, server: u64) -> Reconciled {
    let generator = books.published;
    let explained = (server > generator && server <= generator + books.unanswered)
        .then(|| "some publishing requests were not answered; the server may have taken them".into());
    Reconciled { quantity: "published".into(), generator, server, explained }
}

fn explain(books: &Books, generator: u64, server: u64, ahead: Ahead) -> Option<String> {
    let is_ahead = if generator > server { Ahead::Generator } else { Ahead::Server };
    (books.was_disturbed && generator != server && is_ahead == ahead)
        .then(|| "connections were lost or given up, or the run was stopped, with something on its way".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(published: u64, sse: ConnectionStats) -> ServerStats {
        let connections = [("sse".to_owned(), sse)].into();
        ServerStats { published, connections, ..ServerStats::default() }
    }

    /// A server that had served somebody before, and then counts as `books` does.
    fn readings() -> [ServerStats; 3] {
        let count = |open, opened, delivered, bytes_written, bytes_read| ConnectionStats {
            open,
            opened,
            delivered,
            bytes_written,
            bytes_read,
            ..ConnectionStats::default()
        };
        [
            stats(3, count(0, 1, 7, 500, 50)),
            stats(13, count(4, 5, 47, 4_400, 450)),
            stats(13, count(0, 5, 47, 4_500, 450)),
        ]
    }

    const BOOKS: Books = Books {
        published: 10,
        unanswered: 0,
        deliveries: 40,
        bytes_received: 4_000,
        bytes_sent: 400,
        opened: 4,
        open_at_window_end: Some(4),
        was_disturbed: false,
    };

    /// What differs, each with whether it is explained.
    fn differences(books: Books) -> Vec<(String, bool)> {
        let [before, window_end, last] = &readings();
        compare(&books, [before, window_end, last], Transport::Sse)
            .into_iter()
            .filter(|row| row.generator != row.server)
            .map(|row| (row.quantity.clone(), row.is_explained()))
            .collect()
    }

    #[test]
    fn books_that_agree_differ_in_nothing() {
        assert_eq!(differences(BOOKS), []);
    }

    #[test]
    fn a_single_byte_that_one_side_did_not_count_is_told() {
        let one = |quantity: &str| vec![(quantity.to_owned(), false)];
        assert_eq!(differences(Books { bytes_received: 3_999, ..BOOKS }), one("stream bytes received"));
        assert_eq!(differences(Books { bytes_sent: 401, ..BOOKS }), one("stream bytes sent"));
        assert_eq!(differences(Books { deliveries: 41, ..BOOKS }), one("deliveries"));
        assert_eq!(differences(Books { published: 11, ..BOOKS }), one("published"));
        assert_eq!(differences(Books { opened: 5, ..BOOKS }), one("connections opened"));
        assert_eq!(differences(Books { open_at_window_end: Some(3), ..BOOKS }), one("open at the end of the window"));
    }

    #[test]
    fn lost_connections_explain_only_that_the_sender_is_ahead() {
        let disturbed = Books { was_disturbed: true, ..BOOKS };
        let told = |books| differences(books).into_iter().map(|(_, is_explained)| is_explained).collect::<Vec<_>>();
        assert_eq!(told(Books { bytes_received: 3_999, ..disturbed }), [true]);
        assert_eq!(told(Books { bytes_received: 4_001, ..disturbed }), [false]);
        assert_eq!(told(Books { bytes_sent: 401, ..disturbed }), [true]);
        assert_eq!(told(Books { bytes_sent: 399, ..disturbed }), [false]);
    }

    #[test]
    fn unanswered_requests_explain_as_many_notifications() {
        assert_eq!(differences(Books { published: 8, unanswered: 2, ..BOOKS }), [("published".into(), true)]);
        assert_eq!(differences(Books { published: 8, unanswered: 1, ..BOOKS }), [("published".into(), false)]);
    }
}
