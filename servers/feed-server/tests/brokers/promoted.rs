//! A replica that was there before the loss goes on with the epochs; a snapshot that was loaded since does not.

use std::time::Duration;

use feed::Transport;

use crate::lab::relay::Relay;
use crate::lab::{Reader, Server};
use crate::redis::{Keeps, Redis};

/// A primary and its replica, neither with an append-only file, behind a name; a server, a stream that has three notifications, and
/// the cursor after them.
struct Case {
    primary: Redis,
    replica: Redis,
    name: Relay,
    server: Server,
    reader: Reader,
    before: String,
}

async fn behind(address: &Relay) -> Server {
    Server::connect(&["--broker", &format!("redis://{}", address.address)]).await
}

async fn cursor(server: &Server) -> String {
    server.read(Transport::ShortPoll, None).await.cursor
}

impl Case {
    async fn new(test: &str) -> Option<Self> {
        let primary = Redis::start(test, Keeps::Nothing)?;
        let replica = Redis::start(test, Keeps::Nothing)?;
        replica.follow(&primary);
        let name = Relay::to(&primary.address()).await;
        let server = behind(&name).await;
        server.publish_numbers(1..=3).await;
        let mut reader = server.read(Transport::Ws, Some("earliest")).await;
        assert_eq!(reader.next(3).await, [1, 2, 3]);
        let before = cursor(&server).await;
        Some(Self { primary, replica, name, server, reader, before })
    }

    /// Waits until the replica has what the primary has, and is surely older than whatever happens next: Redis tells its age in whole
    /// seconds, and the server saw the primary a second ago at most.
    async fn copied(&self) {
        let offset = self.primary.field("replication", "master_repl_offset");
        self.replica.await_information("replication", &format!("\nslave_repl_offset:{offset}\r"));
        while self.replica.field("server", "uptime_in_seconds").parse::<u64>().unwrap() < 4 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn reconnected(&self) {
        self.server.stats_when(|stats| stats.broker.connected && stats.broker.reconnects == 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_replica_keeps_the_epochs() {
    let Some(mut case) = Case::new("a_promoted_replica_keeps_the_epochs").await else { return };
    let history = case.primary.field("replication", "master_replid");
    case.copied().await;
    case.name.point_to(&case.replica.address());
    case.primary.kill();
    case.replica.promote();
    assert_eq!(case.replica.field("replication", "master_replid2"), history, "the history goes on");
    case.reconnected().await;
    assert_eq!(cursor(&case.server).await, case.before);
    case.server.publish("news", "4").await;
    assert_eq!(case.reader.next(1).await, [4], "no gap");
    let later = behind(&case.name).await;
    let mut reader = later.read(Transport::Sse, Some(&case.before)).await;
    assert_eq!((reader.started.recovered, reader.next(1).await), (true, vec![4]), "nor for who comes later");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_is_loaded_is_no_promoted_replica_though_it_goes_on_with_the_history() {
    let test = "a_snapshot_that_is_loaded_is_no_promoted_replica_though_it_goes_on_with_the_history";
    let Some(mut case) = Case::new(test).await else { return };
    let history = case.primary.field("replication", "master_replid");
    // With the history's name in it, because there is a replica.
    assert_eq!(case.primary.command(&["SAVE"]).unwrap(), "+OK");
    case.copied().await;
    case.primary.kill();
    case.primary.restart();
    assert_eq!(case.primary.field("replication", "master_replid2"), history, "it says what a promoted replica says");
    case.reconnected().await;
    let gap = case.reader.message().await.unwrap();
    assert_eq!(gap["type"], "gap", "nobody knows what came after the snapshot: {gap}");
    assert_ne!(cursor(&case.server).await.split(':').next(), case.before.split(':').next(), "another epoch");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_began_after_the_loss_is_not_trusted() {
    let test = "a_replica_that_began_after_the_loss_is_not_trusted";
    let Some(mut case) = Case::new(test).await else { return };
    let history = case.primary.field("replication", "master_replid");
    case.copied().await;
    assert_eq!(case.replica.command(&["SAVE"]).unwrap(), "+OK");
    case.name.point_to(&case.replica.address());
    case.primary.kill();
    // Nobody can tell how old the snapshot was that it came back with.
    case.replica.kill();
    case.replica.restart();
    assert_eq!(case.replica.field("replication", "master_replid2"), history);
    case.reconnected().await;
    let gap = case.reader.message().await.unwrap();
    assert_eq!(gap["type"], "gap", "{gap}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_lacks_the_end_is_noticed_by_who_saw_it() {
    let test = "a_replica_that_lacks_the_end_is_noticed_by_who_saw_it";
    let Some(mut case) = Case::new(test).await else { return };
    case.copied().await;
    // What follows reaches the old primary alone.
    case.replica.promote();
    case.server.publish_numbers(4..=5).await;
    assert_eq!(case.reader.next(2).await, [4, 5]);
    case.name.point_to(&case.replica.address());
    case.primary.kill();
    case.reconnected().await;
    let gap = case.reader.message().await.unwrap();
    assert_eq!(gap["type"], "gap", "{gap}");
    assert_eq!(case.server.publish("news", "6").await, 1, "no offset means two notifications");
}
