//! The guard against one client that is many: connections of each address are bounded, and what it has asked is remembered.
//!
//! An address is that of the TCP connection; for IPv6 its network of 64 bits, which is what one host has. Behind a proxy everybody has the
//! proxy's: `X-Forwarded-For` is not believed, because anybody can write it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use super::count::Guard;
use super::pace::{Bucket, Pace};
use crate::clock;
use crate::refusal::Refusal;

/// Addresses without a connection that are remembered because they have asked a lot, about 100 bytes each; when there are more, all
/// of those are forgotten, and begin with a whole burst.
const REMEMBERED_MAX: usize = 1 << 16;
/// Addresses from which on those are looked for of which nothing need be known.
const SWEEP_FROM: usize = 1 << 10;

/// All addresses that have connections, or have asked a lot.
#[derive(Debug)]
pub(crate) struct Addresses {
    connections_max: Option<u32>,
    /// How often each may ask.
    pub(super) pace: Option<Pace>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    clients: HashMap<IpAddr, Arc<Client>>,
    /// How many there are when one looks next.
    sweep_at: usize,
}

/// One address.
#[derive(Debug, Default)]
pub(super) struct Client {
    connections: AtomicU32,
    /// What it has asked.
    pub(super) asked: Bucket,
}

impl Addresses {
    /// With at most so many connections each, which may ask at this `pace`.
    pub(crate) fn new(connections_max: Option<u32>, pace: Option<Pace>) -> Arc<Self> {
        Arc::new(Self { connections_max, pace, known: Mutex::default() })
    }

    /// Lets a connection in; with nothing to watch, nothing is noted.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Option<Arc<Visit>>, Refusal> {
        if self.connections_max.is_none() && self.pace.is_none() {
            return Ok(None);
        }
        let address = client(address);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let client = match known.clients.get(&address) {
            Some(client) => client.clone(),
            None => {
                self.sweep(&mut known);
                known.clients.entry(address).or_default().clone()
            }
        };
        if let Some(max) = self.connections_max
            && client.connections.load(Relaxed) >= max
        {
            return Err(refusal(max));
        }
        // Under the lock, as the count of those that leave.
        client.connections.fetch_add(1, Relaxed);
        Ok(Some(Arc::new(Visit { addresses: self.clone(), address, client })))
    }

    /// Forgets whom there is no reason to remember, so often that it is cheap for each that comes.
    fn sweep(&self, known: &mut Known) {
        if known.clients.len() < known.sweep_at.max(SWEEP_FROM) {
            return;
        }
        let is_here = |client: &Client| client.connections.load(Relaxed) > 0;
        known.clients.retain(|_, client| is_here(client) || !self.is_rested(client));
        if known.clients.values().filter(|client| !is_here(client)).count() > REMEMBERED_MAX {
            known.clients.retain(|_, client| is_here(client));
        }
        known.sweep_at = known.clients.len() * 2;
    }

    fn is_rested(&self, client: &Client) -> bool {
        self.pace.is_none_or(|pace| pace.is_rested(&client.asked, clock::now()))
    }
}

/// 429, for it is this client who has too many.
fn refusal(max: u32) -> Refusal {
    let error = format!("{max} connections are open from your address already: close one, or come back later");
    Refusal::new(StatusCode::TOO_MANY_REQUESTS, error)
        .with(RETRY_AFTER, HeaderValue::from_static("1"))
        .by(Guard::ConnectionsPerAddress)
}

/// Whom an address stands for.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

/// One connection of an address, for as long as this is kept.
#[derive(Debug)]
pub(crate) struct Visit {
    addresses: Arc<Addresses>,
    address: IpAddr,
    pub(super) client: Arc<Client>,
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut known = self.addresses.known.lock().unwrap_or_else(PoisonError::into_inner);
        let was_last = self.client.connections.fetch_sub(1, Relaxed) == 1;
        if was_last && self.addresses.is_rested(&self.client) {
            known.clients.remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(addresses: &Addresses) -> usize {
        addresses.known.lock().unwrap().clients.len()
    }

    #[test]
    fn an_address_has_so_many_connections_and_another_its_own() {
        let addresses = Addresses::new(Some(2), None);
        let enter = |address: &str| addresses.enter(address.parse().unwrap());
        let (first, second) = (enter("10.0.0.1").unwrap(), enter("::ffff:10.0.0.1").unwrap());
        assert!(first.is_some() && second.is_some() && enter("10.0.0.1").is_err());
        let six = [enter("2001:db8::1").unwrap(), enter("2001:db8::ffff:2").unwrap()];
        assert!(enter("2001:db8::3").is_err() && enter("2001:db8:0:1::1").is_ok(), "a network is a client");
        drop(first);
        assert!(enter("10.0.0.1").is_ok());
        drop((second, six));
        assert_eq!(count(&addresses), 0, "who is gone is forgotten");
    }

    #[test]
    fn with_nothing_to_watch_nothing_is_noted() {
        let addresses = Addresses::new(None, None);
        assert!(addresses.enter("10.0.0.1".parse().unwrap()).unwrap().is_none());
        assert_eq!(count(&addresses), 0);
    }

    #[test]
    fn who_has_asked_a_lot_is_remembered_and_their_number_is_bounded() {
        let pace = Pace::new(0.001, None, clock::now());
        let addresses = Addresses::new(None, Some(pace));
        let ask = |number: u32| {
            let visit = addresses.enter(IpAddr::from(number.to_be_bytes())).unwrap().unwrap();
            pace.take(&visit.client.asked, clock::now()).is_ok()
        };
        assert!(ask(1) && !ask(1), "a new connection is no new client");
        let all = REMEMBERED_MAX as u32 * 3;
        (2..all).for_each(|number| assert!(ask(number)));
        assert!(count(&addresses) < REMEMBERED_MAX * 2 + 2, "{} of {all}", count(&addresses));
    }
}
