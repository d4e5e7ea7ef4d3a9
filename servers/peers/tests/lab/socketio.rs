//! Socket.IO 4 spoken by hand over one WebSocket (Engine.IO protocol 4), so that the server is held to the wire.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::Client;

/// A client in one namespace.
pub(crate) struct SocketIo {
    client: Client,
    namespace: String,
    next_ack: u64,
    /// Events that were not waited for when they came.
    early: VecDeque<Value>,
    /// What the server said when the namespace was entered: `sid`, and `pid` where sessions can be recovered.
    pub(crate) session: Value,
}

impl SocketIo {
    /// Connects and enters a namespace.
    ///
    /// # Errors
    /// What the server says when it refuses.
    pub(crate) async fn connect(url: &str, namespace: &str, auth: &Value) -> Result<Self, Value> {
        let mut client = Client::connect(&format!("{url}/socket.io/?EIO=4&transport=websocket")).await;
        let open = client.hear().await;
        assert!(open.starts_with("0{"), "expected an Engine.IO open packet, got {open}");
        Self::enter(client, namespace, auth).await
    }

    /// Enters a namespace through a connection that is open.
    ///
    /// # Errors
    /// What the server says when it refuses.
    pub(crate) async fn enter(mut client: Client, namespace: &str, auth: &Value) -> Result<Self, Value> {
        let namespace = if namespace == "/" { String::new() } else { format!("{namespace},") };
        client.say(&format!("40{namespace}{auth}")).await;
        let mut entering = Self { client, namespace, next_ack: 0, early: VecDeque::new(), session: Value::Null };
        loop {
            let (kind, answer) = entering.packet().await;
            let answer: Value = serde_json::from_str(&answer).unwrap();
            match kind.as_str() {
                "40" => return Ok(Self { session: answer, ..entering }),
                // What a recovered session missed comes before the word that it is recovered.
                "42" => entering.early.push_back(answer),
                "44" => return Err(answer),
                other => panic!("expected to be let in or refused, got {other}{answer}"),
            }
        }
    }

    /// Emits an event: its name and its arguments.
    pub(crate) async fn emit(&mut self, event: &Value) {
        self.client.say(&format!("42{}{event}", self.namespace)).await;
    }

    /// Emits an event and waits for its acknowledgement: the arguments.
    pub(crate) async fn ask(&mut self, event: &Value) -> Value {
        let id = self.next_ack;
        self.next_ack += 1;
        self.client.say(&format!("42{}{id}{event}", self.namespace)).await;
        loop {
            let (kind, rest) = self.packet().await;
            if let Some(answer) = rest.strip_prefix(&id.to_string()).filter(|_| kind == "43") {
                return serde_json::from_str(answer).unwrap();
            }
            assert_eq!(kind, "42", "expected an acknowledgement, got {kind}{rest}");
            self.early.push_back(serde_json::from_str(&rest).unwrap());
        }
    }

    /// The next event: its name and its arguments.
    pub(crate) async fn hear(&mut self) -> Value {
        if let Some(event) = self.early.pop_front() {
            return event;
        }
        let (kind, rest) = self.packet().await;
        assert_eq!(kind, "42", "expected an event, got {kind}{rest}");
        serde_json::from_str(&rest).unwrap()
    }

    /// Sends a packet as it stands.
    pub(crate) async fn say_raw(&mut self, packet: &str) {
        self.client.say(packet).await;
    }

    /// Waits for the end of the connection.
    pub(crate) async fn end(&mut self) {
        self.client.end().await;
    }

    /// Joins a room: the server's answer.
    pub(crate) async fn join(&mut self, room: &str) -> Value {
        self.ask(&json!(["join", room])).await[0].clone()
    }

    /// The next packet that is no ping: its two digits, and what follows the namespace. Pings are answered.
    async fn packet(&mut self) -> (String, String) {
        loop {
            let text = self.client.hear().await;
            if text == "2" {
                self.client.say("3").await;
                continue;
            }
            let (kind, rest) = text.split_at(2);
            let rest = rest.strip_prefix(&self.namespace).unwrap_or_else(|| panic!("not of this namespace: {text}"));
            return (kind.to_owned(), rest.to_owned());
        }
    }
}
