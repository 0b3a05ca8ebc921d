//! For tests: an HTTP server whose answers are written by hand, so that they can be wrong.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinHandle,
};

use super::{Fetcher, download::Manners};

/// Of [`hasty`] downloads.
pub(crate) const RANGE: u64 = 64 << 10;

/// Small ranges and short pauses.
pub(crate) fn hasty() -> Fetcher {
    let manners = Manners {
        range: RANGE,
        ahead: 4,
        // A busy machine is no stall.
        stall: Duration::from_secs(60),
        least: 16 << 10,
        failures: 3,
        first_pause: Duration::from_millis(10),
        longest_pause: Duration::from_millis(50),
        reserve: 0,
    };
    Fetcher { manners, ..Fetcher::new().expect("a client") }
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Counted from 0.
    pub number: usize,
    pub path: String,
    /// Half-open.
    pub range: Option<Range<u64>>,
    pub if_range: Option<String>,
}

/// What the server does next on a connection; it closes after the last step.
pub(crate) enum Step {
    Send(Bytes),
    Wait(Duration),
    /// Until there is a permit.
    Gate(Arc<Semaphore>),
    /// Keeps the connection, silently.
    Hang,
}

pub(crate) struct Server {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Server {
    pub async fn start(answer: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/weights.enc", listener.local_addr().expect("a bound socket"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (seen.clone(), Arc::new(answer));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, log.clone(), answer.clone()));
            }
        });
        Self { url, seen, task }
    }

    /// One that serves these files by path, ranges, validator and all.
    pub async fn of_files(files: impl IntoIterator<Item = (&'static str, Bytes)>) -> Self {
        let files: HashMap<_, _> = files.into_iter().collect();
        Self::start(move |seen| match files.get(seen.path.as_str()) {
            Some(data) => honest(seen, data, "\"v1\""),
            None => head(404, &[], 0),
        })
        .await
    }

    pub fn at(&self, path: &str) -> String {
        self.url.replace("/weights.enc", path)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.log().clone()
    }

    /// First bytes of the ranges asked for, in ascending order.
    pub fn starts(&self) -> Vec<u64> {
        let mut starts: Vec<u64> = self.log().iter().filter_map(|seen| Some(seen.range.clone()?.start)).collect();
        starts.sort_unstable();
        starts
    }

    fn log(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    log: Arc<Mutex<Vec<Seen>>>,
    answer: Arc<impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static>,
) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let header = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    };
    let range = header("range").and_then(|range| {
        let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
        Some(first.parse::<u64>().ok()?..last.parse::<u64>().ok()? + 1)
    });
    let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
    let seen = {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = Seen { number: log.len(), path, range, if_range: header("if-range") };
        log.push(seen.clone());
        seen
    };
    for step in answer(&seen) {
        let done = match step {
            Step::Send(bytes) => stream.write_all(&bytes).await,
            Step::Wait(time) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
            Step::Gate(gate) => {
                gate.acquire().await.expect("nobody closes it").forget();
                Ok(())
            }
            Step::Hang => return std::future::pending().await,
        };
        if done.is_err() {
            return;
        }
    }
    let _ = stream.shutdown().await;
}

/// Status line and headers, with a length.
pub(crate) fn head(status: u16, headers: &[(&str, &str)], length: u64) -> Vec<Step> {
    let mut text = format!("HTTP/1.1 {status} Answer\r\nconnection: close\r\ncontent-length: {length}\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    vec![Step::Send((text + "\r\n").into())]
}

/// Everything, whatever was asked for.
pub(crate) fn whole(data: &Bytes) -> Vec<Step> {
    let mut steps = head(200, &[], data.len() as u64);
    steps.push(Step::Send(data.clone()));
    steps
}

/// What a good server answers.
pub(crate) fn honest(seen: &Seen, data: &Bytes, etag: &str) -> Vec<Step> {
    let same = seen.if_range.as_deref().is_none_or(|of| of == etag);
    let Some(range) = seen.range.clone().filter(|_| same) else { return whole(data) };
    let end = range.end.min(data.len() as u64);
    let content = format!("bytes {}-{}/{}", range.start, end - 1, data.len());
    let mut steps = head(206, &[("content-range", &content), ("etag", etag)], end - range.start);
    steps.push(Step::Send(data.slice(range.start as usize..end as usize)));
    steps
}
