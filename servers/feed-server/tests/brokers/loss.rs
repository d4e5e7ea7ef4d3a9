//! Redis loses what it had: every reader is told, and nobody gets new offsets for old ones.

use feed::Transport;

use crate::lab::{Raw, Reader, Server};
use crate::redis::{Keeps, Redis};

fn epoch(cursor: &str) -> &str {
    cursor.split(':').next().unwrap()
}

/// What a stream tells of lost history: a gap, then notifications of another epoch from 1.
async fn is_told(stream: &mut Reader, before: &str, payload: u64) {
    let gap = stream.message().await.unwrap();
    assert_eq!(gap["type"], "gap", "{gap}");
    let oldest = gap["oldest"].as_str().unwrap();
    assert!(oldest.ends_with(":0") && epoch(oldest) != epoch(before), "{oldest} after {before}");
    let notification = stream.message().await.unwrap();
    assert_eq!((&notification["id"], &notification["payload"]), (&1.into(), &payload.into()));
}

async fn everybody_is_told(servers: [&Server; 2], streams: &mut [Reader], before: &str) {
    servers[0].publish("news", "7").await;
    for stream in streams {
        is_told(stream, before, 7).await;
    }
    let mut cursors = Vec::new();
    for server in servers {
        for transport in Transport::OWN {
            let mut reader = server.read(transport, Some(before)).await;
            assert!(!reader.started.recovered, "{transport}");
            assert_eq!(reader.next(1).await, [7], "{transport}");
            cursors.push(reader.cursor);
        }
    }
    assert!(cursors.iter().all(|cursor| *cursor == cursors[0]) && cursors[0].ends_with(":1"), "{cursors:?}");
}

/// Two servers with a history of five and a stream of each kind, and the cursor after it.
async fn two_servers(redis: &Redis) -> ([Server; 2], Vec<Reader>, String) {
    let servers = [redis.server(&[]).await, redis.server(&[]).await];
    servers[0].publish_numbers(1..=5).await;
    let mut streams = Vec::new();
    for server in &servers {
        for transport in [Transport::Sse, Transport::Ws, Transport::SocketIo] {
            let mut stream = server.read(transport, Some("earliest")).await;
            assert_eq!(stream.next(5).await, [1, 2, 3, 4, 5]);
            streams.push(stream);
        }
    }
    let cursor = servers[1].read(Transport::ShortPoll, None).await.cursor;
    (servers, streams, cursor)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_that_keeps_nothing_is_told_as_a_gap() {
    let Some(mut redis) = Redis::start("a_restart_that_keeps_nothing_is_told_as_a_gap", Keeps::Nothing) else { return };
    let ([one, other], mut streams, before) = two_servers(&redis).await;
    redis.kill();
    redis.restart();
    for server in [&one, &other] {
        server.stats_when(|stats| stats.broker.connected && stats.broker.reconnects == 1).await;
    }
    everybody_is_told([&one, &other], &mut streams, &before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_is_told_as_a_gap() {
    let Some(redis) = Redis::start("a_flush_is_told_as_a_gap", Keeps::Everything) else { return };
    let ([one, other], mut streams, before) = two_servers(&redis).await;
    assert_eq!(redis.command(&["FLUSHALL"]).unwrap(), "+OK");
    everybody_is_told([&one, &other], &mut streams, &before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_snapshot_that_comes_back_is_not_taken_for_the_history() {
    let test = "an_old_snapshot_that_comes_back_is_not_taken_for_the_history";
    let Some(mut redis) = Redis::start(test, Keeps::Nothing) else { return };
    let server = redis.server(&[]).await;
    server.publish_numbers(1..=3).await;
    assert_eq!(redis.command(&["SAVE"]).unwrap(), "+OK");
    let ([one, other], mut streams, before) = {
        server.publish_numbers(4..=5).await;
        let servers = [server, redis.server(&[]).await];
        let mut streams = Vec::new();
        for server in &servers {
            let mut stream = server.read(Transport::Ws, Some("earliest")).await;
            assert_eq!(stream.next(5).await, [1, 2, 3, 4, 5]);
            streams.push(stream);
        }
        let before = servers[0].read(Transport::ShortPoll, None).await.cursor;
        (servers, streams, before)
    };
    redis.kill();
    redis.restart();
    assert_eq!(redis.command(&["HGET", "wirelab:topic:news", "head"]).unwrap(), "$1", "the snapshot is back");
    // A third server that never saw the old history must not go on with it either.
    redis.server(&[]).await.publish("news", "7").await;
    for server in [&one, &other] {
        server.stats_when(|stats| stats.broker.connected && stats.broker.reconnects == 1).await;
    }
    for stream in &mut streams {
        is_told(stream, &before, 7).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_lost_its_end_is_noticed_by_whoever_saw_it() {
    let test = "a_log_that_lost_its_end_is_noticed_by_whoever_saw_it";
    let Some(redis) = Redis::start(test, Keeps::Everything) else { return };
    let ([one, other], mut streams, before) = two_servers(&redis).await;
    // As after the crash of a machine: the last two notifications never reached the disk.
    redis.command(&["HSET", "wirelab:topic:news", "head", "3"]);
    redis.command(&["XDEL", "wirelab:log:news", "4-0", "5-0"]);
    everybody_is_told([&one, &other], &mut streams, &before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_saw_the_lost_end_and_publishes_first_does_not_hide_the_loss() {
    let test = "a_server_that_never_saw_the_lost_end_and_publishes_first_does_not_hide_the_loss";
    let Some(redis) = Redis::start(test, Keeps::Everything) else { return };
    let ([one, other], mut streams, before) = two_servers(&redis).await;
    let newcomer = redis.server(&[]).await;
    redis.command(&["HSET", "wirelab:topic:news", "head", "3"]);
    redis.command(&["XDEL", "wirelab:log:news", "4-0", "5-0"]);
    redis.command(&["XSETID", "wirelab:log:news", "3-0"]);
    assert_eq!(
        newcomer.publish("news", "6").await,
        4,
        "it takes Redis at its word: the offset of another notification"
    );
    let gap = streams[0].message().await.unwrap();
    assert_eq!(gap["type"], "gap", "{gap}");
    newcomer.publish("news", "7").await;
    let notification = streams[0].message().await.unwrap();
    assert_eq!((&notification["id"], &notification["payload"]), (&1.into(), &7.into()));
    for stream in &mut streams[1..] {
        is_told(stream, &before, 7).await;
    }
    let cursors =
        [one.read(Transport::ShortPoll, None).await.cursor, other.read(Transport::ShortPoll, None).await.cursor];
    assert!(cursors[0] == cursors[1] && cursors[0].ends_with(":1"), "{cursors:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_only_publishes_notices_that_the_end_is_lost() {
    let test = "a_server_that_only_publishes_notices_that_the_end_is_lost";
    let Some(redis) = Redis::start(test, Keeps::Everything) else { return };
    let server = redis.server(&[]).await;
    server.publish_numbers(1..=5).await;
    redis.command(&["HSET", "wirelab:topic:news", "head", "3"]);
    redis.command(&["XDEL", "wirelab:log:news", "4-0", "5-0"]);
    assert_eq!(server.publish("news", "7").await, 1, "another epoch");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_blocked_when_history_is_lost_is_told_and_goes_on() {
    let test = "a_stream_that_is_blocked_when_history_is_lost_is_told_and_goes_on";
    let Some(redis) = Redis::start(test, Keeps::Nothing) else { return };
    let server = redis.server(&[]).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut blocked = Raw::new(socket.connect(server.address).await.unwrap());
    blocked.get("/topics/news/sse").await;
    blocked.read_until("recovered\":true}", 1).await;
    let large = format!("\"{}\"", "x".repeat(60_000));
    for _ in 0..150 {
        server.publish("news", &large).await;
    }
    assert_eq!(redis.command(&["FLUSHALL"]).unwrap(), "+OK");
    assert_eq!(server.publish("news", "7").await, 1);
    // The publisher is answered when the log of this server has gone on; then the stream looks, while it is still blocked.
    assert_eq!(server.read(Transport::Ws, Some("earliest")).await.next(1).await, [7]);
    let text = blocked.read_until("\"payload\":7}", 1).await;
    assert!(text.contains("event:gap\n"), "{}", &text[text.len() - 500..]);
    assert!(server.stats().await.connections["sse"].ended.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_away_holds_its_newest_against_what_redis_has_under_its_offset() {
    let test = "a_server_that_was_away_holds_its_newest_against_what_redis_has_under_its_offset";
    let Some(redis) = Redis::start(test, Keeps::Everything) else { return };
    let ([one, _other], mut streams, before) = two_servers(&redis).await;
    // Numbered again while nobody listened: another notification is the fifth, and a sixth follows.
    let epoch = epoch(&before);
    redis.command(&["XDEL", "wirelab:log:news", "5-0"]);
    redis.command(&["XSETID", "wirelab:log:news", "4-0"]);
    for offset in [5, 6] {
        let entry = format!("{epoch} {offset} 1795132800000000 0 {offset}0");
        redis.command(&["XADD", "wirelab:log:news", &format!("{offset}-0"), "entry", &entry]);
    }
    redis.command(&["HSET", "wirelab:topic:news", "head", "6"]);
    redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    for stream in &mut streams {
        let gap = stream.message().await.unwrap();
        assert_eq!(gap["type"], "gap", "{gap}");
    }
    assert_eq!(one.publish("news", "7").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_the_log_of_redis_switched_on_or_off_loses_nothing_by_that() {
    let test = "who_has_the_log_of_redis_switched_on_or_off_loses_nothing_by_that";
    let Some(redis) = Redis::start(test, Keeps::Nothing) else { return };
    let server = redis.server(&[]).await;
    server.publish_numbers(1..=3).await;
    let mut before = server.read(Transport::ShortPoll, None).await.cursor;
    for log in ["yes", "no"] {
        assert_eq!(redis.command(&["CONFIG", "SET", "appendonly", log]).unwrap(), "+OK");
        // Whoever comes in looks.
        let other = redis.server(&[]).await;
        assert_eq!(other.read(Transport::ShortPoll, None).await.cursor, before, "{log}");
        other.publish("news", "4").await;
        let mut reader = other.read(Transport::ShortPoll, Some(&before)).await;
        assert_eq!((reader.started.recovered, reader.next(1).await), (true, vec![4]), "{log}");
        before = reader.cursor;
    }
}
