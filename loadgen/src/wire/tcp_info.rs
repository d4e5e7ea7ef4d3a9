//! What the kernel counted on one connection (`TCP_INFO`), turned into bytes below the stream.
//!
//! The kernel counts segments in both directions, pure ACKs and the handshake included; each carries an IP and a TCP header
//! of known size. `scripts/wirecheck.sh` holds that against a capture: 20 clients of every transport agree to the byte, closing
//! included. What the kernel does not tell are bytes that were sent to us twice and SACK options, which come with them: one run of
//! five was off by 596 B of 361,236 received and 24 B of 61,116 sent, the size of two frames and two such options. This is
//! the only file of the generator with `unsafe` code: the standard library has no name for this socket option.

use std::os::fd::AsFd;

use super::TcpIp;

const IPV4_HEADER: u64 = 20;
const IPV6_HEADER: u64 = 40;
const TCP_HEADER: u64 = 20;
/// The timestamp option and its padding (RFC 7323), on every segment once agreed on.
const TIMESTAMPS: u64 = 12;
/// A SYN also carries maximum segment size and window scale, where other segments have nothing.
const SYN_OPTIONS: u64 = 8;

/// TCP/IP bytes of a connection so far; `None` where the system does not tell.
#[cfg(target_os = "linux")]
pub(super) fn tcp_ip(tcp: &impl AsFd) -> Option<TcpIp> {
    Some(Books::read(tcp)?.so_far())
}

/// TCP/IP bytes of a connection that is about to be closed, with those of the farewell that are still to come.
#[cfg(target_os = "linux")]
pub(super) fn tcp_ip_to_the_end(tcp: &impl AsFd) -> Option<TcpIp> {
    let books = Books::read(tcp)?;
    Some(books.so_far() + books.still_to_come())
}

/// What the kernel says of one connection.
#[cfg(target_os = "linux")]
struct Books {
    state: u8,
    /// Bytes of the IP and TCP headers of a segment.
    header: u64,
    segments_received: u64,
    segments_sent: u64,
    retransmitted: u64,
}

#[cfg(target_os = "linux")]
impl Books {
    fn read(tcp: &impl AsFd) -> Option<Self> {
        /// `TCPI_OPT_TIMESTAMPS` of `linux/tcp.h`.
        const OPTION_TIMESTAMPS: u8 = 1;
        // Offsets in `struct tcp_info` of `linux/tcp.h`, which only ever grows at its end.
        const STATE: usize = 0;
        const OPTIONS: usize = 5;
        const SEGS_OUT: usize = 136;
        const SEGS_IN: usize = 140;
        const BYTES_RETRANS: usize = 208;

        let info = read_tcp_info(tcp)?;
        let word = |at: usize| u64::from(u32::from_ne_bytes(info[at..at + 4].try_into().expect("four bytes")));
        let options = if info[OPTIONS] & OPTION_TIMESTAMPS == 0 { 0 } else { TIMESTAMPS };
        let is_ipv4 = rustix::net::sockopt::socket_domain(tcp).ok()? == rustix::net::AddressFamily::INET;
        let ip = if is_ipv4 { IPV4_HEADER } else { IPV6_HEADER };
        Some(Self {
            state: info[STATE],
            header: ip + TCP_HEADER + options,
            segments_received: word(SEGS_IN),
            segments_sent: word(SEGS_OUT),
            retransmitted: u64::from_ne_bytes(info[BYTES_RETRANS..BYTES_RETRANS + 8].try_into().expect("eight bytes")),
        })
    }

    fn so_far(&self) -> TcpIp {
        TcpIp {
            received: self.segments_received * self.header + SYN_OPTIONS,
            sent: self.segments_sent * self.header + SYN_OPTIONS + self.retransmitted,
        }
    }

    /// A connection ends with a FIN and its ACK in both directions; which of the four are yet to come is told by the state
    /// that the connection is in. A peer that takes its time sends an ACK of its own before its FIN, a reset saves
    /// what would have followed: then this is wrong, by a segment or two of a connection that was not left in order.
    fn still_to_come(&self) -> TcpIp {
        // States of `net/tcp_states.h`.
        const ESTABLISHED: u8 = 1;
        const FIN_WAIT1: u8 = 4;
        const FIN_WAIT2: u8 = 5;
        const CLOSE_WAIT: u8 = 8;
        const LAST_ACK: u8 = 9;
        const CLOSING: u8 = 11;
        let (received, sent) = match self.state {
            // Our FIN and the ACK of the peer's FIN, which carries the ACK of ours: a server that is told goes at once.
            ESTABLISHED => (1, 2),
            FIN_WAIT1 | FIN_WAIT2 => (1, 1),
            // Our FIN, which carries the ACK of the peer's, and its ACK.
            CLOSE_WAIT => (1, 1),
            LAST_ACK | CLOSING => (1, 0),
            _ => (0, 0),
        };
        TcpIp { received: received * self.header, sent: sent * self.header }
    }
}

/// Elsewhere nobody tells: not measured here.
#[cfg(not(target_os = "linux"))]
pub(super) fn tcp_ip(_: &impl AsFd) -> Option<TcpIp> {
    None
}

/// Elsewhere nobody tells: not measured here.
#[cfg(not(target_os = "linux"))]
pub(super) fn tcp_ip_to_the_end(_: &impl AsFd) -> Option<TcpIp> {
    None
}

#[cfg(target_os = "linux")]
const TCP_INFO_LEN: usize = 216;

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "TCP_INFO has no safe wrapper")]
fn read_tcp_info(tcp: &impl AsFd) -> Option<[u8; TCP_INFO_LEN]> {
    use std::os::fd::AsRawFd;
    let mut info = [0_u8; TCP_INFO_LEN];
    let mut len = TCP_INFO_LEN as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes into `info`, which is that long, and the socket is open.
    let result = unsafe {
        libc::getsockopt(
            tcp.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            std::ptr::from_mut(&mut info).cast(),
            &raw mut len,
        )
    };
    // A kernel older than 4.18 does not know the last field.
    (result == 0 && len as usize == TCP_INFO_LEN).then_some(info)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    /// A connection, from both sides, on which something was said both ways: an ACK that is due goes with the next segment
    /// from then on, as it does on any connection that has carried a request and an answer.
    async fn a_used_connection() -> (TcpStream, TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        client.write_all(b"ping").await.unwrap();
        server.read_exact(&mut [0; 4]).await.unwrap();
        server.write_all(b"pong").await.unwrap();
        client.read_exact(&mut [0; 4]).await.unwrap();
        (client, server)
    }

    #[tokio::test]
    async fn a_farewell_that_is_waited_for_leaves_nothing_to_come() {
        let (mut client, mut server) = a_used_connection().await;
        client.shutdown().await.unwrap();
        assert_eq!(server.read(&mut [0; 4]).await.unwrap(), 0);
        drop(server);
        assert_eq!(client.read(&mut [0; 4]).await.unwrap(), 0);
        assert_eq!(tcp_ip(&client), tcp_ip_to_the_end(&client));
    }

    #[tokio::test]
    async fn after_the_peers_end_one_segment_each_way_is_to_come() {
        let (mut client, mut server) = a_used_connection().await;
        server.shutdown().await.unwrap();
        assert_eq!(client.read(&mut [0; 4]).await.unwrap(), 0);
        let foretold = tcp_ip_to_the_end(&client);
        client.shutdown().await.unwrap();
        assert_eq!(server.read(&mut [0; 4]).await.unwrap(), 0);
        assert_eq!(tcp_ip(&client), foretold);
    }

    #[tokio::test]
    async fn a_connection_that_is_dropped_is_booked_to_its_end() {
        let (mut client, mut server) = a_used_connection().await;
        let foretold = tcp_ip_to_the_end(&client);
        client.shutdown().await.unwrap();
        assert_eq!(server.read(&mut [0; 4]).await.unwrap(), 0);
        drop(server);
        assert_eq!(client.read(&mut [0; 4]).await.unwrap(), 0);
        assert_eq!(tcp_ip(&client), foretold);
    }

    #[tokio::test]
    async fn a_handshake_and_one_exchange_are_counted_to_the_byte() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        // SYN 60 and ACK 52 out, SYN-ACK 60 in.
        assert_eq!(tcp_ip(&client), Some(TcpIp { received: 60, sent: 112 }));
        client.write_all(b"ping").await.unwrap();
        server.read_exact(&mut [0; 4]).await.unwrap();
        server.write_all(b"pong").await.unwrap();
        client.read_exact(&mut [0; 4]).await.unwrap();
        let after = tcp_ip(&client).unwrap();
        // One data segment out; in, the answer, and an ACK of its own if the answer did not carry it.
        assert!((164..=216).contains(&after.sent), "{after:?}");
        assert!((112..=164).contains(&after.received), "{after:?}");
    }
}
