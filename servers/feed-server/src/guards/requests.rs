//! The guard against clients that ask too often: 429, and when to come back.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::{HeaderValue, RETRY_AFTER};
use http::{Request, StatusCode};

use super::addresses::Addresses;
use super::count::Guard;
use crate::clock;
use crate::refusal::Refusal;
use crate::stats::Meter;

/// Lets a request of a connection in, if its address has not asked too much; when nobody is watched, all.
pub(crate) fn admit(addresses: &Addresses, request: &Request<Body>) -> Result<(), Refusal> {
    if addresses.pace.is_none() {
        return Ok(());
    }
    match request.extensions().get::<Arc<Meter>>() {
        Some(meter) => admit_again(addresses, meter),
        None => Ok(()),
    }
}

/// The same for a request that is known to be like the one before on its connection.
pub(crate) fn admit_again(addresses: &Addresses, meter: &Meter) -> Result<(), Refusal> {
    match (&addresses.pace, meter.visit()) {
        (Some(pace), Some(visit)) => pace.take(&visit.client.asked, clock::now()).map_err(refusal),
        _ => Ok(()),
    }
}

/// 429 (RFC 6585, section 4); the wait in whole seconds (RFC 9110, section 10.2.3), rounded up.
fn refusal(wait: Duration) -> Refusal {
    let seconds = (wait.as_secs_f64().ceil() as u64).max(1);
    let error = format!("more requests from your address than --requests-per-second allows: ask again in {seconds} s");
    Refusal::new(StatusCode::TOO_MANY_REQUESTS, error)
        .with(RETRY_AFTER, HeaderValue::from(seconds))
        .by(Guard::RequestsPerSecond)
}
