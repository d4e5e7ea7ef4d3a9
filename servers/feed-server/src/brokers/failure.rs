//! Why a broker cannot do what it is asked, and what a client is told.

use http::StatusCode;

use crate::guards::count::Guard;
use crate::hub::{KeyReused, TooManyTopics};
use crate::refusal::Refusal;

/// Why nothing was published, or cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// One topic more than may exist.
    #[error("{0} topics exist already: use one of them, or raise --topics-max")]
    TooManyTopics(usize),
    /// There is no connection to the broker: nothing was done.
    #[error("the broker is out of reach: nothing was done, try again")]
    OutOfReach,
    /// The broker was asked and did not confirm.
    #[error(
        "the broker did not confirm: it may be done or not; what had an idempotency key can be published again, else read the topic first"
    )]
    Unconfirmed,
    /// The broker was asked what it holds, and did not say, or nothing that makes sense.
    #[error("the broker did not tell what it holds of this topic: try again; the server's log says why")]
    Unread,
    /// What was the broker copies another one: nothing was done.
    #[error("the broker is a replica: nothing was done, its primary is looked for; try again")]
    Replica,
    /// The broker is starting: nothing was done.
    #[error("the broker is loading its data: nothing was done, try again")]
    Loading,
    /// The broker has no memory left: nothing was done.
    #[error("the broker is out of memory: nothing was done; raise its maxmemory, or lower --history")]
    Full,
    /// The broker does not trust its disk: nothing was done.
    #[error("the broker cannot write its data to disk: nothing was done; its own log says why")]
    CannotSave,
    /// The broker is not to take writes alone: nothing was done.
    #[error(
        "the broker has fewer replicas than it is to have for writes (min-replicas-to-write): nothing was done; see to them"
    )]
    FewReplicas,
    /// The broker does something else: nothing was done.
    #[error("the broker is busy with somebody's script: nothing was done, try again")]
    Busy,
    /// The broker said no: nothing was done.
    #[error("the broker refused: nothing was done; the server's log says why")]
    Refused,
    /// The key stands for another publication, which is still retained.
    #[error(
        "this idempotency key was used for something else: a repeat has the same payload, anything else its own key"
    )]
    KeyReused,
}

impl From<KeyReused> for Failure {
    fn from(KeyReused: KeyReused) -> Self {
        Self::KeyReused
    }
}

impl From<TooManyTopics> for Failure {
    fn from(TooManyTopics(max): TooManyTopics) -> Self {
        Self::TooManyTopics(max)
    }
}

/// When to try again, in seconds: where somebody has to see to the broker first, not at once.
const SOON: u32 = 1;
const LATER: u32 = 5;

/// 503, for later may work; 422 where it never will (draft-ietf-httpapi-idempotency-key-header, section 2.7).
impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::KeyReused => Self::new(StatusCode::UNPROCESSABLE_ENTITY, failure.to_string()),
            Failure::TooManyTopics(_) => Self::overloaded(failure.to_string()).by(Guard::TopicsMax),
            Failure::OutOfReach | Failure::Unconfirmed | Failure::Unread | Failure::Refused => {
                Self::unavailable(failure.to_string(), SOON)
            }
            Failure::Replica | Failure::Loading | Failure::Busy => Self::unavailable(failure.to_string(), SOON),
            Failure::Full | Failure::CannotSave | Failure::FewReplicas => Self::unavailable(failure.to_string(), LATER),
        }
    }
}
