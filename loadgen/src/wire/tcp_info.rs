//! What the kernel counted on one connection (`TCP_INFO`), turned into bytes below the stream.
//!
//! The kernel counts segments in both directions, pure ACKs and the handshake included; each carries an IP and a TCP header
//! of known size. This is the only file with `unsafe` code: the standard library has no name for this socket option.

use tokio::net::TcpStream;

use super::TcpIp;

/// Bytes of the closing exchange, which happens after the kernel was asked: our FIN and its ACK, with timestamps.
pub(super) const FAREWELL: TcpIp =
    TcpIp { received: IPV4_HEADER + TCP_HEADER + TIMESTAMPS, sent: IPV4_HEADER + TCP_HEADER + TIMESTAMPS };

const IPV4_HEADER: u64 = 20;
const IPV6_HEADER: u64 = 40;
const TCP_HEADER: u64 = 20;
/// The timestamp option and its padding (RFC 7323), on every segment once agreed on.
const TIMESTAMPS: u64 = 12;
/// A SYN also carries maximum segment size and window scale, where other segments have nothing.
const SYN_OPTIONS: u64 = 8;

/// TCP/IP bytes of a connection so far; `None` where the system does not tell.
#[cfg(target_os = "linux")]
pub(super) fn tcp_ip(tcp: &TcpStream) -> Option<TcpIp> {
    /// `TCPI_OPT_TIMESTAMPS` of `linux/tcp.h`.
    const OPTION_TIMESTAMPS: u8 = 1;
    // Offsets in `struct tcp_info` of `linux/tcp.h`, which only ever grows at its end.
    const OPTIONS: usize = 5;
    const SEGS_OUT: usize = 136;
    const SEGS_IN: usize = 140;
    const BYTES_RETRANS: usize = 208;

    let info = read_tcp_info(tcp)?;
    let word = |at: usize| u64::from(u32::from_ne_bytes(info[at..at + 4].try_into().expect("four bytes")));
    let retransmitted = u64::from_ne_bytes(info[BYTES_RETRANS..BYTES_RETRANS + 8].try_into().expect("eight bytes"));
    let ip = if tcp.local_addr().ok()?.is_ipv4() { IPV4_HEADER } else { IPV6_HEADER };
    let options = if info[OPTIONS] & OPTION_TIMESTAMPS == 0 { 0 } else { TIMESTAMPS };
    let header = ip + TCP_HEADER + options;
    Some(TcpIp {
        received: word(SEGS_IN) * header + SYN_OPTIONS,
        sent: word(SEGS_OUT) * header + SYN_OPTIONS + retransmitted,
    })
}

/// Elsewhere nobody tells: not measured here.
#[cfg(not(target_os = "linux"))]
pub(super) fn tcp_ip(_: &TcpStream) -> Option<TcpIp> {
    None
}

#[cfg(target_os = "linux")]
const TCP_INFO_LEN: usize = 216;

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "TCP_INFO has no safe wrapper")]
fn read_tcp_info(tcp: &TcpStream) -> Option<[u8; TCP_INFO_LEN]> {
    use std::os::fd::AsRawFd;
    let mut info = [0_u8; TCP_INFO_LEN];
    let mut len = TCP_INFO_LEN as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes into `info`, which is that long, and the socket is open.
    let result = unsafe {
        libc::getsockopt(
            tcp.as_raw_fd(),
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
