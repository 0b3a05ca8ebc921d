//! Samples for scoring services, which fetch data by URL: a small HTTP server that knows the bytes that are being scored right now, each
//! under a path that nobody can guess, and nothing else. It reads no file.

use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use crate::primitives::Digest;

/// Connections at once; further ones wait.
const CONNECTIONS: usize = 64;
/// For a client to say what it wants, from the first byte on that it does not send.
const PATIENCE: Duration = Duration::from_secs(10);
/// For a client to take it: no connection holds its place for ever.
const LONGEST: Duration = Duration::from_secs(300);

#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    #[error(
        "`{0}` is no address to share samples at: give one like http://192.168.1.5:9130, which the scoring services can reach"
    )]
    Address(String),
    #[error("samples cannot be shared at {url}: {cause}")]
    Listen { url: String, cause: io::Error },
}

/// Path → bytes, and how many offer them.
type Offers = Arc<Mutex<HashMap<String, (Bytes, usize)>>>;

/// Ends with its last clone.
#[derive(Clone)]
pub(in crate::engine) struct Share {
    /// `http://host:port/<secret>`
    prefix: Arc<str>,
    offers: Offers,
    _running: Arc<DropGuard>,
}

/// A sample can be fetched as long as this lives.
pub(in crate::engine) struct Offer {
    pub url: String,
    path: String,
    offers: Offers,
}

impl Share {
    /// Listens at the address in `public`, or at any of this machine's if it is not one of them (it is then forwarded from there);
    /// `None`: for services on this machine, at a free port.
    pub async fn start(public: Option<&str>) -> Result<Self, ShareError> {
        let (socket, base) = match public {
            None => {
                let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                let socket = TcpListener::bind(listen).await;
                let told = |cause| ShareError::Listen { url: "127.0.0.1".to_owned(), cause };
                let socket = socket.map_err(told)?;
                let address = socket.local_addr().map_err(told)?;
                (socket, format!("http://{address}"))
            }
            Some(public) => {
                let url = parse(public)?;
                let socket = bind(&url).await.map_err(|cause| ShareError::Listen { url: public.to_owned(), cause })?;
                let base = url.as_str().trim_end_matches('/').to_owned();
                (socket, base)
            }
        };
        // Checksums of public data can be guessed; this cannot.
        let secret = hex::encode(rand::random::<[u8; 16]>());
        let (stop, offers) = (CancellationToken::new(), Offers::default());
        tokio::spawn(serve(socket, offers.clone(), stop.clone(), PATIENCE));
        Ok(Self { prefix: format!("{base}/{secret}").into(), offers, _running: Arc::new(stop.drop_guard()) })
    }

    /// Where all samples are.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    pub fn offer(&self, checksum: Digest, bytes: &Arc<[u8]>) -> Offer {
        let url = format!("{}/{checksum}", self.prefix);
        let path = Url::parse(&url).map_or_else(|_| String::new(), |url| url.path().to_owned());
        let mut offers = self.offers.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || (Bytes::from_owner(bytes.clone()), 0);
        offers.entry(path.clone()).or_insert_with(fresh).1 += 1;
        Offer { url, path, offers: self.offers.clone() }
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        let mut offers = self.offers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, count)) = offers.get_mut(&self.path) {
            *count -= 1;
            if *count == 0 {
                offers.remove(&self.path);
            }
        }
    }
}

fn parse(public: &str) -> Result<Url, ShareError> {
    let bad = || ShareError::Address(public.to_owned());
    let url = Url::parse(public).map_err(|_| bad())?;
    let is_plain =
        url.scheme() == "http" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if is_plain && url.host().is_some() { Ok(url) } else { Err(bad()) }
}

async fn bind(url: &Url) -> io::Result<TcpListener> {
    let port = url.port_or_known_default().unwrap_or(80);
    let mut others = false;
    for address in url.socket_addrs(|| None)? {
        match TcpListener::bind(address).await {
            Ok(socket) => return Ok(socket),
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => others = true,
            Err(error) => return Err(error),
        }
    }
    match others {
        true => TcpListener::bind((IpAddr::from(Ipv4Addr::UNSPECIFIED), port)).await,
        false => Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address")),
    }
}

async fn serve(socket: TcpListener, offers: Offers, stop: CancellationToken, patience: Duration) {
    // To look whether it is the second version would wait without an end for who says nothing.
    let mut http = auto::Builder::new(TokioExecutor::new()).http1_only();
    http.http1().timer(TokioTimer::new()).header_read_timeout(patience);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let accept = async {
        loop {
            // Never closed.
            let Ok(place) = places.clone().acquire_owned().await else { return };
            let Ok((stream, _)) = socket.accept().await else {
                // A connection that broke before it was taken, or no descriptor left: the next one may be better.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let offers = offers.clone();
            let answer = move |request: Request<_>| {
                let answer = answer(&offers, &request);
                async move { Ok::<_, Infallible>(answer) }
            };
            let service = TowerToHyperService::new(tower::service_fn(answer));
            let connection = http.serve_connection(TokioIo::new(stream), service).into_owned();
            tokio::spawn(async move {
                // However it ends, the place is free again.
                let _ = tokio::time::timeout(LONGEST, connection).await;
                drop(place);
            });
        }
    };
    stop.run_until_cancelled(accept).await;
}

fn answer<B>(offers: &Offers, request: &Request<B>) -> Response<Full<Bytes>> {
    let found = offers.lock().unwrap_or_else(PoisonError::into_inner).get(request.uri().path()).cloned();
    let (status, body) = match (request.method(), found) {
        (&Method::GET | &Method::HEAD, Some((bytes, _))) => (StatusCode::OK, bytes),
        (&Method::GET | &Method::HEAD, None) => (StatusCode::NOT_FOUND, Bytes::new()),
        _ => (StatusCode::METHOD_NOT_ALLOWED, Bytes::new()),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::hash;

    async fn get(url: &str) -> (u16, Bytes) {
        // One TLS stack for the whole program, installed by whoever is first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let answer = reqwest::get(url).await.expect("an answer");
        (answer.status().as_u16(), answer.bytes().await.expect("a body"))
    }

    #[tokio::test]
    async fn a_sample_is_there_while_it_is_offered_and_nothing_else_ever_is() {
        let share = Share::start(None).await.expect("a port");
        let bytes: Arc<[u8]> = b"soma"[..].into();
        let (offer, again) = (share.offer(hash(&bytes), &bytes), share.offer(hash(&bytes), &bytes));
        assert_eq!(get(&offer.url).await, (200, Bytes::from_static(b"soma")));
        let base = share.prefix().rsplit_once('/').expect("a path").0.to_owned();
        let checksum = hash(&bytes);
        for other in [format!("{base}/{checksum}"), format!("{}/", share.prefix()), format!("{base}/etc/passwd")] {
            assert_eq!(get(&other).await.0, 404, "{other}");
        }
        let url = offer.url.clone();
        drop(offer);
        assert_eq!(get(&url).await.0, 200, "it is offered twice");
        drop(again);
        assert_eq!(get(&url).await.0, 404);
    }

    #[tokio::test]
    async fn who_says_nothing_holds_no_place() {
        let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("an address");
        let offered: (Bytes, usize) = (Bytes::from_static(b"soma"), 1);
        let offers: Offers = Arc::new(Mutex::new(HashMap::from([("/sample".to_owned(), offered)])));
        let stop = CancellationToken::new();
        let _stopped = stop.clone().drop_guard();
        tokio::spawn(serve(socket, offers, stop, Duration::from_millis(100)));
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS {
            silent.push(tokio::net::TcpStream::connect(address).await.expect("it listens"));
        }
        let answer = tokio::time::timeout(LONGEST / 2, get(&format!("http://{address}/sample"))).await;
        assert_eq!(answer.expect("a place is free"), (200, Bytes::from_static(b"soma")));
        drop(silent);
    }

    #[tokio::test]
    async fn an_address_that_nobody_could_fetch_from_is_refused() {
        for bad in ["192.168.1.5:9130", "https://h/x", "ftp://h", "http://me@h:1"] {
            assert!(matches!(Share::start(Some(bad)).await, Err(ShareError::Address(_))), "{bad}");
        }
        let free = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
        let share = Share::start(Some(&format!("http://{free}"))).await.expect("it is free");
        assert!(share.prefix().starts_with(&format!("http://{free}/")), "{}", share.prefix());
        let taken = Share::start(Some(&format!("http://{free}"))).await;
        assert!(matches!(taken, Err(ShareError::Listen { .. })));
    }
}
