//! Claims about the room, held against peers on sockets of their own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::pin;

use super::seat::READINGS;
use super::*;
use crate::recording::Recorder;
use crate::wire::{Counted, Traffic};

/// Long enough for anything that happens at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client that notes what it hears, and says as much for each byte as it was told to.
struct Noting {
    connection: Connection,
    heard: Rc<RefCell<Vec<u8>>>,
    reply: usize,
}

impl Reading for Noting {
    fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    fn hear(&mut self, bytes: &[u8], _: u64, _: &mut Account) -> Result<(), ClientError> {
        self.heard.borrow_mut().extend_from_slice(bytes);
        for &byte in bytes.iter().filter(|_| self.reply > 0) {
            self.connection.say(&vec![byte; self.reply])?;
        }
        Ok(())
    }
}

/// Has `act` deal with the peer of a client in a room, on a thread of its own; returns what the client heard and why it left.
fn listen<T: Send + 'static>(
    reply: usize,
    others: impl Future<Output = ()>,
    act: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (Vec<u8>, Option<ClientError>, T) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let (peer, _) = listener.accept().unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let peer = std::thread::spawn(move || act(peer));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (heard, lost) = runtime.block_on(async {
        let room = Room::new(Queue::new().unwrap());
        let traffic = Rc::new(Traffic::default());
        let connection = Connection::new(Counted::new(socket, Rc::clone(&traffic)));
        let heard = Rc::new(RefCell::default());
        let client = Box::new(Noting { connection, heard: Rc::clone(&heard), reply });
        let account = Box::new(Account::alone(1, 0..1, Rc::new(Recorder::new(traffic))));
        let mut never = pin!(std::future::pending());
        let listening = room.listen(client, account, never.as_mut());
        let (_, _, lost) = tokio::select! {
            left = tokio::time::timeout(PATIENCE, listening) => left.expect("the stream ends"),
            _ = room.lead() => unreachable!("it leads for as long as it is polled"),
            () = others => unreachable!("others have no end"),
        };
        (heard.take(), lost)
    });
    (heard, lost, peer.join().unwrap())
}

#[test]
fn what_came_before_the_end_is_heard_before_it() {
    let (heard, lost, ()) = listen(0, std::future::pending(), |mut peer| {
        peer.write_all(&vec![7; 3 * READINGS * SCRATCH]).unwrap();
    });
    assert_eq!(heard, vec![7; 3 * READINGS * SCRATCH]);
    assert!(matches!(lost, Some(ClientError::Ended(None))), "{lost:?}");
}

#[test]
fn an_end_that_the_queue_told_of_before_all_was_read_is_noticed_after_it() {
    const ROOM: usize = 1000;
    let sent = vec![7; READINGS * ROOM + ROOM / 2];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    peer.write_all(&sent).unwrap();
    drop(peer);
    // All of it is there, and the end.
    std::thread::sleep(Duration::from_millis(50));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (heard, lost) = runtime.block_on(async {
        let room = Room::new(Queue::new().unwrap());
        let connection = Connection::new(Counted::new(socket, Rc::default()));
        let heard = Rc::new(RefCell::default());
        let client = Box::new(Noting { connection, heard: Rc::clone(&heard), reply: 0 });
        let account = Box::new(Account::alone(1, 0..1, Rc::new(Recorder::new(Rc::default()))));
        let mut never = pin!(std::future::pending());
        // It is read into less room than it takes.
        let reading = async {
            let mut queue = room.poll.take().expect("nobody leads");
            let (mut events, mut scratch) = (Events::with_capacity(AT_A_TIME), vec![0; ROOM]);
            loop {
                room.read_once(&mut queue, &mut events, &mut scratch).unwrap();
                tokio::task::yield_now().await;
            }
        };
        let (_, _, lost) = tokio::select! {
            left = tokio::time::timeout(PATIENCE, room.listen(client, account, never.as_mut())) => {
                left.expect("the stream ends")
            }
            () = reading => unreachable!("it reads for as long as it is polled"),
        };
        (heard.take(), lost)
    });
    assert!(heard == sent, "{} bytes of {}", heard.len(), sent.len());
    assert!(matches!(lost, Some(ClientError::Ended(None))), "{lost:?}");
}

#[test]
fn what_the_socket_does_not_take_at_once_is_said_in_order_before_anything_more_is_heard() {
    let reply = 8 << 20;
    let (heard, _, said) = listen(reply, std::future::pending(), move |mut peer| {
        peer.write_all(b"ab").unwrap();
        let mut said = vec![0; 2 * reply];
        peer.read_exact(&mut said).unwrap();
        said
    });
    assert_eq!(heard, b"ab");
    assert!(said[..reply].iter().all(|&byte| byte == b'a') && said[reply..].iter().all(|&byte| byte == b'b'));
}

#[test]
fn a_stream_without_a_pause_lets_others_have_their_turn() {
    let turns = Rc::new(Cell::new(0));
    let counted = Rc::clone(&turns);
    let others = async move {
        loop {
            counted.set(counted.get() + 1);
            tokio::task::yield_now().await;
        }
    };
    let (heard, _, ()) = listen(0, others, |mut peer| {
        for _ in 0..4_000 {
            peer.write_all(&[1; 16 << 10]).unwrap();
        }
    });
    assert_eq!(heard.len(), 4_000 * (16 << 10));
    // How often the runtime polls one task between two turns of the other is its own affair; who is starved has next to none.
    let least = heard.len() / (4 * BYTES_AT_A_TIME);
    assert!(turns.get() >= least, "{} turns of {least} beside 64 MB", turns.get());
}

/// A client that asks again after whatever it hears, and notes the order of it all.
struct Asking {
    number: usize,
    connection: Connection,
    wants_to_ask: bool,
    notes: Rc<RefCell<Vec<(&'static str, usize)>>>,
}

impl Reading for Asking {
    fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    fn hear(&mut self, _: &[u8], _: u64, _: &mut Account) -> Result<(), ClientError> {
        self.wants_to_ask = true;
        self.notes.borrow_mut().push(("hears", self.number));
        Ok(())
    }

    fn wish(&self) -> Wish {
        if self.wants_to_ask { Wish::ToAsk } else { Wish::ToListen }
    }

    fn ask(&mut self, _: &mut Account) -> Result<(), ClientError> {
        self.wants_to_ask = false;
        self.notes.borrow_mut().push(("asks", self.number));
        self.connection.say(b"?")?;
        Ok(())
    }
}

#[test]
fn all_answers_are_heard_before_anybody_asks_and_all_ask_in_the_order_of_their_answers() {
    const CLIENTS: usize = 40;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (room, notes) = (Rc::new(Room::new(Queue::new().unwrap())), Rc::new(RefCell::default()));
    let recorder = Rc::new(Recorder::new(Rc::new(Traffic::default())));
    let local = tokio::task::LocalSet::new();
    let peers: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            socket.set_nonblocking(true).unwrap();
            let (mut peer, _) = listener.accept().unwrap();
            peer.set_read_timeout(Some(PATIENCE)).unwrap();
            peer.write_all(b"!").unwrap();
            let connection = Connection::new(Counted::new(socket, Rc::new(Traffic::default())));
            let client = Box::new(Asking { number, connection, wants_to_ask: false, notes: Rc::clone(&notes) });
            let account = Box::new(Account::alone(1, 0..1, Rc::clone(&recorder)));
            let room = Rc::clone(&room);
            local.spawn_local(async move { room.listen(client, account, pin!(std::future::pending())).await });
            peer
        })
        .collect();
    let reading = local.run_until(async {
        // Everybody sits before anybody reads.
        while room.seats.borrow().len() < CLIENTS {
            tokio::task::yield_now().await;
        }
        let all_have_asked = async {
            while notes.borrow().len() < 2 * CLIENTS {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            said = tokio::time::timeout(PATIENCE, all_have_asked) => said.expect("all ask in the end"),
            _ = room.lead() => unreachable!("it leads for as long as it is polled"),
        }
    });
    runtime.block_on(reading);
    let notes = notes.take();
    let (heard, asked) = notes.split_at(CLIENTS);
    assert!(
        heard.iter().all(|(what, _)| *what == "hears") && asked.iter().all(|(what, _)| *what == "asks"),
        "{notes:?}"
    );
    assert!(heard.iter().map(|(_, number)| number).eq(asked.iter().map(|(_, number)| number)), "{notes:?}");
    assert_eq!(recorder.snapshot(false).turn_wait.len(), CLIENTS as u64, "each wait is on the books");
    for mut peer in peers {
        peer.read_exact(&mut [0]).unwrap();
    }
}
