//! A wire that can be cut while an answer is on it.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};
use tokio_util::sync::CancellationToken;

/// A slow wire between an engine and the node, which can be cut while an answer is on it.
pub struct Relay {
    port: u16,
    cut: CancellationToken,
}

impl Relay {
    /// What the node answers takes this long to arrive.
    const DELAY: Duration = Duration::from_millis(300);

    pub async fn start(node: &str) -> Self {
        let node = node.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let cut = CancellationToken::new();
        let stop = cut.clone();
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&node).await else { break };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(stop.clone().run_until_cancelled_owned(pump(from_client, to_server, Duration::ZERO)));
                tokio::spawn(stop.clone().run_until_cancelled_owned(pump(from_server, to_client, Self::DELAY)));
            }
        }));
        Self { port, cut }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends every connection, and takes no more.
    pub fn cut(&self) {
        self.cut.cancel();
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = from.read(&mut bytes).await {
        tokio::time::sleep(delay).await;
        if to.write_all(&bytes[..n]).await.is_err() {
            return;
        }
    }
}
