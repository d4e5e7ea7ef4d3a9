//! Feed servers behind a Redis of the test's own.

pub(crate) use crate::lab::redis::{Keeps, Redis};

use crate::lab::Server;

impl Redis {
    /// A feed server behind it.
    pub(crate) async fn server(&self, flags: &[&str]) -> Server {
        Server::connect(&[&["--broker", &self.url()], flags].concat()).await
    }
}
