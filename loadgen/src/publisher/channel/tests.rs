//! What a channel does while its socket is busy, and where the server does not answer.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use feed::Postmark;
use results::Accepted;
use tokio::net::TcpListener;
use tokio::task::LocalSet;

use super::{Books, Channel, Channels, Http, Kind};
use crate::plan::Arrive;
use crate::plan::tests::plan;
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
