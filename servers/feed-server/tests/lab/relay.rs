//! A name that moves: an address whose new connections go wherever it points by then, while old ones stay where they are.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// It moves with [`point_to`](Self::point_to), and is gone when this is dropped.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    to: Arc<Mutex<String>>,
    running: JoinHandle<()>,
}

impl Relay {
    /// One that points to `host:port`.
    pub(crate) async fn to(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = Arc::new(Mutex::new(address.to_owned()));
        let (address, pointer) = (listener.local_addr().unwrap(), to.clone());
        let running = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let to = pointer.lock().unwrap().clone();
                tokio::spawn(async move {
                    // Who is not there is not reached: the client's connection ends.
                    if let Ok(mut server) = TcpStream::connect(to).await {
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Self { address, to, running }
    }

    /// Has connections from now on go to `host:port`.
    pub(crate) fn point_to(&self, address: &str) {
        address.clone_into(&mut self.to.lock().unwrap());
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.running.abort();
    }
}
