//! A wire between an engine and the node: slow, can be cut while an answer is on it, and can lead to another node.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// Where new connections lead; `None`: nowhere.
struct Line {
    node: Option<String>,
    connections: CancellationToken,
}

pub struct Relay {
    port: u16,
    line: Arc<Mutex<Line>>,
    /// How often clients have said something.
    pub heard: Arc<AtomicU32>,
    /// Milliseconds until an answer of the node arrives.
    delay: Arc<AtomicU64>,
}

impl Relay {
    /// What the node answers takes so many milliseconds to arrive.
    const DELAY: u64 = 300;

    pub async fn start(node: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let line = Line { node: None, connections: CancellationToken::new() };
        let delay = Arc::new(AtomicU64::new(Self::DELAY));
        let relay = Self { port, line: Arc::new(Mutex::new(line)), heard: Arc::default(), delay: Arc::clone(&delay) };
        relay.lead_to(node);
        let (line, heard) = (Arc::clone(&relay.line), Arc::clone(&relay.heard));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (node, stop) = {
                    let line = line.lock().unwrap_or_else(PoisonError::into_inner);
                    (line.node.clone(), line.connections.clone())
                };
                let Some(node) = node else { continue };
                let Ok(server) = TcpStream::connect(&node).await else { continue };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(stop.clone().run_until_cancelled_owned(pump(
                    from_client,
                    to_server,
                    Arc::default(),
                    Arc::clone(&heard),
                )));
                tokio::spawn(stop.run_until_cancelled_owned(pump(
                    from_server,
                    to_client,
                    Arc::clone(&delay),
                    Arc::default(),
                )));
            }
        });
        relay
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What the node answers from now on takes this long: for what a test does before the answer comes.
    pub fn slow_down(&self, delay: Duration) {
        self.delay.store(delay.as_millis() as u64, Ordering::Relaxed);
    }

    fn switch(&self, node: Option<String>) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.connections.cancel();
        *line = Line { node, connections: CancellationToken::new() };
    }

    /// Ends every connection, and takes no more.
    pub fn cut(&self) {
        self.switch(None);
    }

    /// Ends every connection; new ones lead to this node.
    pub fn lead_to(&self, node: &str) {
        self.switch(Some(node.trim_start_matches("http://").to_owned()));
    }
}

/// A delay line: what comes later does not wait for what came before.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Arc<AtomicU64>, heard: Arc<AtomicU32>) {
    let (put, mut take) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let read = async move {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(n @ 1..) = from.read(&mut bytes).await {
            heard.fetch_add(1, Ordering::Relaxed);
            let delay = Duration::from_millis(delay.load(Ordering::Relaxed));
            if put.send((Instant::now() + delay, bytes[..n].to_vec())).is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((at, bytes)) = take.recv().await {
            tokio::time::sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(read, write);
}
