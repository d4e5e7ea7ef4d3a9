//! What a channel does while its socket is busy, and where the server does not answer.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use feed::Postmark;
use results::Accepted;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;

use super::{Books, Channel, Channels, Http, Kind};
use crate::plan::tests::plan;
use crate::plan::{Arrive, Plan};
use crate::target::{Target, TargetFile, Trust};

#[tokio::test]
async fn a_socket_that_is_busy_with_a_pong_is_not_taken_for_lost() {
    let sending = async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::resolve(&format!("http://{}", listener.local_addr().unwrap()), &Trust::default()).unwrap();
        let plan = plan();
        let books = Rc::new(RefCell::new(Books::new(&plan, Accepted::Answered)));
        let channel = Channel::open(Kind::Http(Http::new(&plan, &target)), &target, Rc::clone(&books)).await.unwrap();
        let pong = channel.take_writer().expect("it was just opened");
        let arrive = Arrive { offset: plan.warmup, topic: 0, sequence: 0 };
        let postmark = Postmark { run: plan.run, publisher: 0, sequence: 0, intended_ns: 1 };
        let mut sent = pin!(channel.send(arrive, true, postmark, || ()));
        tokio::select! {
            biased;
            () = &mut sent => panic!("it did not wait: {:?}", books.borrow().failures()),
            () = tokio::task::yield_now() => {}
        }
        drop(pong);
        sent.await;
        assert!(books.borrow().failures().is_empty(), "{:?}", books.borrow().failures());
        assert_eq!(books.borrow().pending.len(), 1);
    };
    LocalSet::new().run_until(sending).await;
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_not_waited_for_without_end() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/targets/examples/chat.toml");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let target =
        Target::resolve_as(&url, Arc::new(TargetFile::named(example).unwrap()), None, &Trust::default()).unwrap();
    let error = LocalSet::new().run_until(Channels::open(&plan(), &target)).await.unwrap_err();
    assert!(format!("{error:#}").contains("did not let the publisher in within 5 s"), "{error:#}");
}

/// Takes TLS connections, with a certificate of its own.
fn acceptor() -> TlsAcceptor {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], PrivateKeyDer::Pkcs8(signing_key.serialize_der().into()));
    TlsAcceptor::from(Arc::new(config.unwrap()))
}

#[tokio::test]
async fn what_is_sent_over_tls_is_with_the_kernel_even_when_the_socket_is_full() {
    const PATIENCE: Duration = Duration::from_secs(20);
    /// Nothing has moved for so long: the sockets are full.
    const LULL: Duration = Duration::from_millis(500);
    let sending = async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let target = Target::resolve(&url, &Trust { insecure: true, ..Trust::default() }).unwrap();
        let plan = Plan { payload: 4_000, ..plan() };
        let books = Rc::new(RefCell::new(Books::new(&plan, Accepted::Answered)));
        let (channel, peer) =
            tokio::join!(Channel::open(Kind::Http(Http::new(&plan, &target)), &target, Rc::clone(&books)), async {
                acceptor().accept(listener.accept().await.unwrap().0).await
            });
        let (channel, mut peer) = (channel.unwrap(), peer.unwrap());
        let mut sequence = 0;
        let mut send = || {
            let arrive = Arrive { offset: plan.warmup, topic: 0, sequence };
            let postmark = Postmark { run: plan.run, publisher: 0, sequence, intended_ns: 1 };
            sequence += 1;
            channel.send(arrive, true, postmark, || ())
        };
        // The peer does not read, so that one of them has to wait, and is left waiting.
        let mut sent = 0;
        let mut waiting = loop {
            let mut one = Box::pin(send());
            match tokio::time::timeout(LULL, one.as_mut()).await {
                Ok(()) => sent += 1,
                Err(_) => break one,
            }
        };
        let mut received = Vec::new();
        while let Ok(Ok(1..)) = tokio::time::timeout(LULL, peer.read_buf(&mut received)).await {}
        let came = memchr::memmem::find_iter(&received, b"POST ").count();
        assert!(came >= sent, "{came} requests came of {sent} that were sent");
        tokio::time::timeout(PATIENCE, waiting.as_mut()).await.expect("there is room now");
    };
    LocalSet::new().run_until(sending).await;
}
