//! Socket.IO: events over Engine.IO, which polls, or speaks WebSocket, or begins with the one and moves to the other.
//!
//! Price: two round trips more than WebSocket alone before the first event; polling holds two connections, and every batch of
//! events costs a request.

mod conversation;
mod gets;
mod line;
mod polling;
mod posts;
mod rendezvous;
mod socket;
mod upgrade;

use std::pin::Pin;
use std::time::Duration;

use tokio::time::Sleep;

use self::conversation::Conversation;
use self::polling::Polling;
use self::rendezvous::Rendezvous;
use self::socket::Socket;
use super::lost::Lost;
use super::{Client, ClientError, Resume, Site};
use crate::clock;
use crate::plan::SocketIoMode;
use crate::recording::Account;

/// A client like the official one's: it joins a namespace, says what it wants, and listens.
#[derive(Debug)]
pub struct SocketIo {
    carrier: Carrier,
    conversation: Conversation,
    lost: Lost,
    /// Rings when nothing may have been heard for too long.
    alarm: Pin<Box<Sleep>>,
}

/// What Engine.IO's packets travel over.
#[derive(Debug)]
enum Carrier {
    Polling(Box<Polling>),
    Socket(Box<Socket>),
}

impl Carrier {
    async fn receive(
        &mut self,
        site: &Site,
        account: &mut Account,
        conversation: &mut Conversation,
    ) -> Result<(), ClientError> {
        match self {
            Self::Polling(polling) => polling.receive(site, account, conversation).await,
            Self::Socket(socket) => socket.receive(account, conversation).await,
        }
    }
}

impl Client for SocketIo {
    /// Live when the namespace has let it in and its subscription is acknowledged. One that is to move to WebSocket does so
    /// before it subscribes, so that a window is carried by one transport alone.
    async fn connect(site: &Site, client: u32, resume: Resume, account: &mut Account) -> Result<Self, ClientError> {
        let rendezvous = Rendezvous::new(site, client, &resume);
        let mut this = Self::open(site, client, &rendezvous, account).await?;
        this.say(&[rendezvous.join()]).await?;
        while !this.conversation.has_joined() {
            this.receive(site, account).await?;
        }
        if site.plan.socketio == SocketIoMode::Upgrade {
            this.upgrade(site, client, &rendezvous, account).await?;
        }
        this.say(&rendezvous.first_packets()).await?;
        while !this.conversation.is_subscribed(&rendezvous) {
            let received = this.receive(site, account).await;
            this.lost.keep(received, this.conversation.is_subscribed(&rendezvous))?;
        }
        while !account.is_let_in() {
            this.receive(site, account).await?;
        }
        this.conversation.go_live();
        Ok(this)
    }

    async fn receive(&mut self, site: &Site, account: &mut Account) -> Result<(), ClientError> {
        self.lost.tell()?;
        let Self { carrier, conversation, alarm, .. } = self;
        let has_rung = tokio::select! {
            biased;
            received = carrier.receive(site, account, conversation) => { received?; false }
            () = alarm.as_mut() => true,
        };
        if has_rung { self.heed_alarm() } else { Ok(()) }
    }

    fn resume(&self) -> Resume {
        Resume { cursor: self.conversation.cursor(), ..Resume::default() }
    }

    async fn close(mut self) {
        self.conversation.say(&self.conversation.goodbye());
        match self.carrier {
            Carrier::Polling(polling) => polling.close(self.conversation).await,
            Carrier::Socket(socket) => socket.close(self.conversation).await,
        }
    }
}

impl SocketIo {
    /// Opens the session, over whatever comes first.
    async fn open(
        site: &Site,
        client: u32,
        rendezvous: &Rendezvous,
        account: &mut Account,
    ) -> Result<Self, ClientError> {
        let mut conversation = Conversation::new(rendezvous);
        let carrier = if site.plan.socketio == SocketIoMode::Websocket {
            let mut socket = Socket::open(site, client, rendezvous, None, account).await?;
            while conversation.handshake().is_none() {
                socket.receive(account, &mut conversation).await?;
            }
            Carrier::Socket(Box::new(socket))
        } else {
            Carrier::Polling(Box::new(Polling::open(site, client, rendezvous, account, &mut conversation).await?))
        };
        let alarm = Box::pin(tokio::time::sleep(conversation.longest_silence()));
        Ok(Self { carrier, conversation, lost: Lost::default(), alarm })
    }

    /// Says Socket.IO packets, and returns when they are on their way.
    async fn say(&mut self, packets: &[Vec<u8>]) -> Result<(), ClientError> {
        for packet in packets {
            self.conversation.say(packet);
        }
        match &mut self.carrier {
            Carrier::Polling(polling) => polling.flush(&mut self.conversation).await,
            Carrier::Socket(socket) => socket.flush(&mut self.conversation).await,
        }
    }

    /// Moves a session that began with polling to a WebSocket. Where that fails the session goes on polling, as the official
    /// client's does, and the failure is counted as an error.
    async fn upgrade(
        &mut self,
        site: &Site,
        client: u32,
        rendezvous: &Rendezvous,
        account: &mut Account,
    ) -> Result<(), ClientError> {
        let Carrier::Polling(polling) = &mut self.carrier else { return Ok(()) };
        match upgrade::upgrade(polling, site, client, rendezvous, account, &mut self.conversation).await? {
            Ok(socket) => {
                let polling = std::mem::replace(&mut self.carrier, Carrier::Socket(Box::new(socket)));
                if let Carrier::Polling(polling) = polling {
                    polling.leave().await;
                }
            }
            Err(refusal) => account.recorder().record_error(refusal),
        }
        Ok(())
    }

    /// The alarm rings at the earliest instant at which the server may be too silent; what was heard since puts it off.
    fn heed_alarm(&mut self) -> Result<(), ClientError> {
        let longest = self.conversation.longest_silence();
        let silence = Duration::from_nanos(clock::now_ns().saturating_sub(self.conversation.heard_ns()));
        if silence >= longest {
            return Err(ClientError::Silent(longest));
        }
        self.alarm.as_mut().reset((clock::now() + (longest - silence)).into());
        Ok(())
    }
}
