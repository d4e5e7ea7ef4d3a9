//! What stands between a request and its handler: each guard with its rejection, which says what was expected.

pub(crate) mod addresses;
pub(crate) mod body;
pub(crate) mod connections;
pub(crate) mod count;
pub(crate) mod grants;
pub(crate) mod keys;
pub(crate) mod messages;
pub(crate) mod origin;
pub(crate) mod pace;
pub(crate) mod readmission;
pub(crate) mod requests;
pub(crate) mod routes;
mod signatures;
pub(crate) mod token;
pub(crate) mod topics;
