//! Listeners on loopback, bound before anything else so that a port in use is told at once.

use std::{io, net::Ipv4Addr};

use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;

use super::{DevnetError, Service};

pub(super) struct Listener {
    socket: TcpListener,
    port: u16,
}

impl Listener {
    pub async fn bind(port: u16, service: Service) -> Result<Self, DevnetError> {
        let bound = async {
            let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
            let port = socket.local_addr()?.port();
            Ok(Self { socket, port })
        };
        bound.await.map_err(|cause: io::Error| match cause.kind() {
            io::ErrorKind::AddrInUse => DevnetError::PortInUse { port, service },
            _ => DevnetError::Listen { port, service, cause },
        })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("http://{}:{}", Ipv4Addr::LOCALHOST, self.port)
    }

    pub async fn accept(&self) -> io::Result<tokio::net::TcpStream> {
        self.socket.accept().await.map(|(stream, _)| stream)
    }

    /// The connections, for tonic.
    pub fn incoming(self) -> TcpIncoming {
        TcpIncoming::from(self.socket).with_nodelay(Some(true))
    }
}
