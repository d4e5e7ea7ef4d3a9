//! More clients at once than the defaults of any peer let in.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::raw::Raw;

/// Clients of a crowd: more than 1,000, at which several servers begin to let clients wait.
pub(crate) const CROWD: usize = 1100;

/// Clients that are connected at the same time.
pub(crate) struct Crowd(Vec<Raw>);

impl Crowd {
    /// Opens as many WebSockets, and waits until each has been sent `greeting`.
    pub(crate) async fn of_sockets(url: &str, path: &str, greeting: &str) -> Self {
        raise_descriptors();
        let mut clients = Vec::with_capacity(CROWD);
        for _ in 0..CROWD {
            let mut client = Raw::upgrade(url, path).await;
            client.hear(greeting).await;
            clients.push(client);
        }
        Self(clients)
    }

    /// Opens as many streams, and waits until each has been sent `greeting`.
    pub(crate) async fn of_streams(url: &str, path: &str, greeting: &str) -> Self {
        raise_descriptors();
        let mut clients = Vec::with_capacity(CROWD);
        for _ in 0..CROWD {
            let mut client = Raw::stream(url, path).await;
            client.hear(greeting).await;
            clients.push(client);
        }
        Self(clients)
    }

    /// Writes the same bytes for each of them.
    pub(crate) async fn all_say(&mut self, bytes: &[u8]) {
        for client in &mut self.0 {
            client.write(bytes).await;
        }
    }

    /// Waits until every one of them has been sent this text.
    pub(crate) async fn all_hear(&mut self, text: &str) {
        for client in &mut self.0 {
            client.hear(text).await;
        }
    }
}

/// A shell commonly gives 1,024 descriptors and permits more.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}
