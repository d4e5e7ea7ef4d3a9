//! The end of a transport that came together with its beginning: the client was live, and comes back from where it was by then.

use super::ClientError;

/// What a client that is live was lost by while it connected, until whoever listens is told. Most clients never carry one, so it lies
/// apart.
#[derive(Debug, Default)]
pub(super) struct Lost(Option<Box<ClientError>>);

impl Lost {
    /// Passes on what was `received` while connecting; an error is kept for later, if the client has a place to go on from: what has brought
    /// it there is on the books, and would be brought again.
    pub(super) fn keep(&mut self, received: Result<(), ClientError>, has_place: bool) -> Result<(), ClientError> {
        match received {
            Err(error) if has_place || error.is_orderly() => {
                self.0 = Some(Box::new(error));
                Ok(())
            }
            received => received,
        }
    }

    /// Tells it, once.
    pub(super) fn tell(&mut self) -> Result<(), ClientError> {
        self.0.take().map_or(Ok(()), |error| Err(*error))
    }
}

#[cfg(test)]
mod tests;
