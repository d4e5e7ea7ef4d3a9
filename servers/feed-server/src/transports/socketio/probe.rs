//! The probe before an upgrade, in front of the library: until it has succeeded, the session goes on polling.

use std::time::Duration;

use feed::framings::websocket::{self, Message, Opcode, Reader, Role, close};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::line::Line;
use crate::socket::Socket;

/// How long a probe may take from the handshake to the upgrade: as in the protocol's reference.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is read at a time, bytes; a probe has 25.
const READ_SIZE: usize = 1024;
/// What a client may say until it upgrades, bytes: with the upgrade may come what follows it.
const SAID_MAX: usize = 16 << 10;
/// The answer to the probe, as a frame.
pub(super) const ANSWER: &[u8] = b"\x81\x063probe";

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Silent,
    Probed,
    Upgraded,
    Failed,
}

impl Stage {
    fn after(self, message: &Message<'_>) -> Self {
        match (self, message) {
            (Self::Silent, Message::Text("2probe")) => Self::Probed,
            (Self::Probed, Message::Text("5")) => Self::Upgraded,
            // What follows is the session's.
            (Self::Upgraded, _) => Self::Upgraded,
            // Pings and pongs, too: the library, which hears all of it again, would end the session for them.
            _ => Self::Failed,
        }
    }
}

/// Answers the probe, has pending polls answered, and waits for the upgrade; then all that the client said is unread again, so that
/// the library hears it as well. Otherwise says goodbye, and the session goes on as if nothing had been.
pub(super) async fn probe(mut socket: Socket, line: &Line) -> Option<Socket> {
    if timeout(PATIENCE, succeed(&mut socket, line)).await == Ok(Some(())) {
        return Some(socket);
    }
    line.unwire();
    let goodbye =
        websocket::write(Opcode::Close, &websocket::close_payload(close::POLICY, "no probe, or no upgrade after it"));
    if let Ok(Ok(())) = timeout(PATIENCE, socket.write_all(&goodbye)).await {
        socket.linger().await;
    }
    None
}

async fn succeed(socket: &mut Socket, line: &Line) -> Option<()> {
    let mut reader = Reader::new(Role::Server, SAID_MAX);
    let (mut said, mut stage, mut answered) = (Vec::new(), Stage::Silent, false);
    while said.len() < SAID_MAX {
        let mut buffer = [0; READ_SIZE];
        let len = socket.read(&mut buffer).await.ok().filter(|len| *len > 0)?;
        said.extend_from_slice(&buffer[..len]);
        let read = reader.read(&buffer[..len], |message| stage = stage.after(&message));
        // After the upgrade, what is wrong is the library's to say.
        if stage == Stage::Failed || (read.is_err() && stage != Stage::Upgraded) {
            return None;
        }
        if stage != Stage::Silent && !answered {
            answered = true;
            line.probed();
            socket.write_all(ANSWER).await.ok()?;
        }
        if stage == Stage::Upgraded {
            socket.unread(&said);
            return Some(());
        }
    }
    None
}
