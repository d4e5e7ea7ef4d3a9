//! A Sentinel that says what it is told to: as much of the protocol as a client asks for.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What a Sentinel knows: the number of its configuration, and `host:port` of the primary.
type Knows = (u64, String);

/// It is gone when this is dropped; who is connected stays so.
pub(crate) struct Sentinel {
    pub(crate) address: SocketAddr,
    knows: watch::Sender<Knows>,
    running: JoinHandle<()>,
}

impl Sentinel {
    /// One that knows this, of whatever name it is asked.
    pub(crate) async fn start(configuration: u64, primary: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (knows, told) = watch::channel((configuration, primary.to_owned()));
        let address = listener.local_addr().unwrap();
        let running = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // It ends with its client.
                tokio::spawn(serve(client, told.clone()));
            }
        });
        Self { address, knows, running }
    }

    /// Has it know of another primary, and tell so.
    pub(crate) fn switch_to(&self, configuration: u64, primary: &str) {
        self.knows.send_replace((configuration, primary.to_owned()));
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn serve(client: TcpStream, mut told: watch::Receiver<Knows>) -> std::io::Result<()> {
    let (reader, mut writer) = client.into_split();
    let mut lines = BufReader::new(reader).lines();
    let mut is_listening = false;
    told.mark_unchanged();
    loop {
        let answer = tokio::select! {
            line = lines.next_line() => {
                let Some(line) = line? else { return Ok(()) };
                let count: usize = line.trim_start_matches('*').parse().expect("an array");
                let mut words = Vec::new();
                for _ in 0..count {
                    // Its length goes before it.
                    lines.next_line().await?;
                    words.push(lines.next_line().await?.unwrap_or_default().to_lowercase());
                }
                let (configuration, primary) = told.borrow().clone();
                let (host, port) = primary.rsplit_once(':').expect("host:port");
                match (&*words[0], words.get(1).map(String::as_str)) {
                    ("sentinel", Some("master")) => array(&["config-epoch", &configuration.to_string()]),
                    ("sentinel", _) => array(&[host, port]),
                    ("subscribe", Some(channel)) => {
                        is_listening = true;
                        format!("*3\r\n$9\r\nsubscribe\r\n${}\r\n{channel}\r\n:1\r\n", channel.len())
                    }
                    _ => "+OK\r\n".to_owned(),
                }
            }
            changed = told.changed(), if is_listening => {
                if changed.is_err() {
                    return Ok(());
                }
                let (_, primary) = told.borrow_and_update().clone();
                let (host, port) = primary.rsplit_once(':').expect("host:port");
                array(&["message", "+switch-master", &format!("main 192.0.2.1 1 {host} {port}")])
            }
        };
        writer.write_all(answer.as_bytes()).await?;
    }
}

fn array(words: &[&str]) -> String {
    let words: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    format!("*{}\r\n{words}", words.matches('$').count())
}
