//! What holds for each peer, whatever it is written in: it listens where it says, and ends when it is asked to.

use peers::{Peer, folder, names};
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpStream;

async fn connect(peer: &Peer) -> TcpStream {
    let address = peer.url.strip_prefix("http://").expect("a URL with the scheme http");
    TcpStream::connect(address).await.unwrap()
}

#[tokio::test]
async fn a_peer_ends_on_sigterm() {
    for name in names().unwrap() {
        let Some(mut peer) = Peer::for_test(&name, &[]).await else { continue };
        let _open = connect(&peer).await;
        let pid = Pid::from_raw(peer.pid().unwrap().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let status = peer.ended("SIGTERM").await.unwrap_or_else(|error| panic!("{error}"));
        assert!(status.success(), "{name}: {status}");
    }
}

#[tokio::test]
async fn a_peer_ends_when_its_standard_input_does() {
    for name in names().unwrap() {
        let Some(peer) = Peer::for_test(&name, &[]).await else { continue };
        let _open = connect(&peer).await;
        let status = peer.close_stdin().await.unwrap_or_else(|error| panic!("{error}"));
        assert!(status.success(), "{name}: {status}");
    }
}

#[test]
fn a_peer_is_described_and_what_it_installs_is_pinned() {
    for name in names().unwrap() {
        for file in ["README.md", "run"] {
            assert!(folder(&name).join(file).is_file(), "{name} has no {file}");
        }
        let target = std::fs::read_to_string(folder(&name).join("peer.toml")).unwrap();
        for line in [format!("name = \"{name}\""), format!("setup = \"scripts/peers.sh setup {name}\"")] {
            assert!(target.lines().any(|other| other == line), "{name}/peer.toml has no line {line}");
        }
        if let Ok(lock) = std::fs::read_to_string(folder(&name).join("package-lock.json")) {
            assert!(
                !lock.contains("\"resolved\""),
                "{name}: write the lock file with omit-lockfile-registry-resolved=true"
            );
        }
        if let Ok(packages) = std::fs::read_to_string(folder(&name).join("requirements.txt")) {
            for line in packages.lines().filter(|line| !line.starts_with('#')) {
                assert!(line.contains("=="), "{name}/requirements.txt: expected package==version, found {line}");
            }
        }
    }
}
