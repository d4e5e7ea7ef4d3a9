//! Envelopes: notifications, the messages of streams, the heads of polls, and what Socket.IO wraps around them.
#![no_main]

use feed::encodings::json;
use feed::framings::{engine_io, poll, socket_io};
use feed::{Gap, POSTMARK_LEN, Payload, Postmark, StreamMessage, Subscribed, postmarks};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(notification) = json::decode(input)
        && notification.topic.parse::<feed::TopicName>().is_ok()
    {
        let again = json::encode(&notification);
        let back = json::decode(&again).expect("what is encoded is decoded");
        assert_eq!(
            (&back.topic, back.id, back.timestamp_us),
            (&notification.topic, notification.id, notification.timestamp_us)
        );
        assert_eq!((&back.content_type, back.payload.get()), (&notification.content_type, notification.payload.get()));
    }
    let _ = serde_json::from_slice::<StreamMessage>(input);
    if let Ok(subscribed) = serde_json::from_slice::<Subscribed>(input) {
        assert_eq!(
            serde_json::from_slice::<Subscribed>(&serde_json::to_vec(&subscribed).unwrap()).unwrap(),
            subscribed
        );
    }
    if let Ok(gap) = serde_json::from_slice::<Gap>(input) {
        assert_eq!(serde_json::from_slice::<Gap>(&serde_json::to_vec(&gap).unwrap()).unwrap(), gap);
    }
    if let Some(head) = poll::read_head(input) {
        assert_eq!(poll::read_head(&poll::write_head(&head)), Some(head));
    }
    let _ = Payload::from_json(input);
    for content_type in ["text/plain", "image/png"] {
        let payload = Payload::from_bytes(input, content_type);
        assert!(serde_json::from_str::<String>(payload.json.get()).is_ok());
    }
    for mark in postmarks(input) {
        let mut token = [0; POSTMARK_LEN];
        mark.write(&mut token);
        assert_eq!(Postmark::read(&token), Some(mark));
    }
    if let Ok(packet) = engine_io::read(input) {
        let written = engine_io::write(&packet);
        assert_eq!(engine_io::read(&written), Ok(packet));
    }
    engine_io::read_payload(input).for_each(drop);
    // Data is not looked at in reading; what is no JSON could be taken for what stands before it.
    if let Ok(packet) = socket_io::read(input)
        && (packet.data.is_empty() || packet.data.starts_with(b"[") || packet.data.starts_with(b"{"))
    {
        let written = socket_io::write(&packet);
        assert_eq!(socket_io::read(&written), Ok(packet));
    }
});
