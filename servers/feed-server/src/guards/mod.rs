//! What stands between a request and its handler: each guard with its rejection, which says what was expected.

pub(crate) mod body;
pub(crate) mod connections;
pub(crate) mod readmission;
pub(crate) mod routes;
pub(crate) mod topics;
