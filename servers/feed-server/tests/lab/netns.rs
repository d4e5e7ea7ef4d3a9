//! Two network namespaces with a cable between them, which can be cut without either end being told.

use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Where the server is found, from the clients' namespace.
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// Both namespaces; they are removed when this is dropped.
pub(crate) struct Netns {
    server: String,
    client: String,
}

impl Netns {
    /// Makes them; `None`, having said why, where that is not possible.
    pub(crate) fn make(test: &str) -> Option<Self> {
        for program in [["ip", "iproute2"], ["nft", "nftables"]] {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/need.sh");
            let need = Command::new(script).args(program).output().unwrap();
            if !need.status.success() {
                super::skip::skipped(test, &String::from_utf8_lossy(&need.stderr));
                return None;
            }
        }
        let id = std::process::id();
        let this = Self { server: format!("wirelab-server-{id}"), client: format!("wirelab-client-{id}") };
        match this.lay_cable() {
            Ok(()) => Some(this),
            Err(error) => {
                super::skip::skipped(test, &format!("no network namespaces here: {error}"));
                None
            }
        }
    }

    fn lay_cable(&self) -> Result<(), String> {
        let Self { server, client } = self;
        ip(&format!("netns add {server}"))?;
        ip(&format!("netns add {client}"))?;
        ip(&format!("-n {server} link add wirelab0 type veth peer name wirelab0 netns {client}"))?;
        for (namespace, address) in [(server, SERVER), (client, CLIENT)] {
            ip(&format!("-n {namespace} address add {address}/24 dev wirelab0"))?;
            ip(&format!("-n {namespace} link set wirelab0 up"))?;
            ip(&format!("-n {namespace} link set lo up"))?;
        }
        Ok(())
    }

    /// Starts `program` where the server is, with pipes to it.
    pub(crate) fn spawn(&self, program: &str, flags: &[&str]) -> Child {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.server, program]).args(flags);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Connects to `port` of the server from where clients are.
    pub(crate) fn dial(&self, port: u16) -> TcpStream {
        inside(&self.client, move || TcpStream::connect(SocketAddrV4::new(SERVER, port)).unwrap())
    }

    /// Connects to `port` of the server from where it is itself, which no cut keeps from it.
    pub(crate) fn dial_beside(&self, port: u16) -> TcpStream {
        inside(&self.server, move || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap())
    }

    /// Has the clients' machine drop every packet in both directions: it is gone, and nobody is told.
    pub(crate) fn cut(&self) {
        let rules = "table inet cut { chain in { type filter hook input priority 0; policy drop; }; \
                     chain out { type filter hook output priority 0; policy drop; }; }";
        let done = Command::new("ip").args(["netns", "exec", &self.client, "nft", rules]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        for namespace in [&self.server, &self.client] {
            // What was never made cannot be removed, and need not.
            let _ = ip(&format!("netns delete {namespace}"));
        }
    }
}

/// Has a thread that ends afterwards do something in `namespace`: what it connects stays there.
fn inside<T: Send + 'static>(namespace: &str, act: impl FnOnce() -> T + Send + 'static) -> T {
    let namespace = std::fs::File::open(format!("/run/netns/{namespace}")).unwrap();
    let visit = std::thread::spawn(move || {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        act()
    });
    visit.join().unwrap()
}

fn ip(words: &str) -> Result<(), String> {
    let done = Command::new("ip").args(words.split(' ')).output().map_err(|error| error.to_string())?;
    match done.status.success() {
        true => Ok(()),
        false => Err(format!("ip {words}: {}", String::from_utf8_lossy(&done.stderr).trim())),
    }
}
