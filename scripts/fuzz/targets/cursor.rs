//! Cursors, epochs, topics: what is understood is written as it was read, or as it will be read again.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use feed::{After, Cursor, Epoch, TopicName, Transport};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    reads_back::<Cursor>(text);
    reads_back::<TopicName>(text);
    reads_back::<Transport>(text);
    if let Some(epoch) = reads_back::<Epoch>(text) {
        assert_eq!(epoch.as_str(), text);
    }
    let after = text.parse::<After>().ok();
    let cursor = text.parse::<Cursor>().ok().map(After::Cursor);
    assert!(after == cursor || text == "earliest", "{text}");
    let quoted = serde_json::to_string(text).unwrap();
    assert_eq!(serde_json::from_str::<Cursor>(&quoted).ok(), text.parse().ok());
});

fn reads_back<T: FromStr + Display + Debug + PartialEq>(text: &str) -> Option<T> {
    let value = text.parse::<T>().ok()?;
    assert_eq!(value.to_string().parse::<T>().ok().as_ref(), Some(&value));
    Some(value)
}
