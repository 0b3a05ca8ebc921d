//! The network's object store: a real S3 server whose one bucket everybody may read and only the owner may write.

use std::path::{Path, PathBuf};

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::{conn::auto, graceful::GracefulShutdown},
};
use s3s::{
    S3Result,
    access::{S3Access, S3AccessContext},
    auth::SimpleAuth,
    path::S3Path,
    s3_error,
    service::{S3Service, S3ServiceBuilder},
};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::{DevnetError, directory::NetworkRecord, listen::Listener};
use crate::storage::StoreConfig;

const BUCKET: &str = "somascope";

/// How to write to the network's object store, and where everybody reads it.
#[derive(Clone, Debug)]
pub struct ObjectStoreAccess {
    pub endpoint_url: String,
    pub bucket: String,
    pub access_key_id: String,
    pub secret_access_key: SecretString,
    /// Prefix of public URLs: `{public_url}/{key}`.
    pub public_url: String,
}

impl ObjectStoreAccess {
    pub(super) fn new(listener: &Listener, record: &NetworkRecord) -> Self {
        let endpoint_url = listener.url();
        Self {
            public_url: format!("{endpoint_url}/{BUCKET}"),
            endpoint_url,
            bucket: BUCKET.to_owned(),
            access_key_id: record.access_key_id.clone(),
            secret_access_key: record.secret_access_key.clone().into(),
        }
    }

    /// The same, for `storage`.
    pub fn store_config(&self) -> StoreConfig {
        StoreConfig {
            endpoint_url: Some(self.endpoint_url.clone()),
            region: "us-east-1".to_owned(),
            bucket: self.bucket.clone(),
            access_key_id: self.access_key_id.clone(),
            secret_access_key: self.secret_access_key.clone(),
            public_url: self.public_url.clone(),
        }
    }
}

/// Signed requests may do anything in buckets that there are; unsigned ones may read objects of the one bucket.
struct PublicRead {
    root: PathBuf,
}

#[tonic::async_trait]
impl S3Access for PublicRead {
    async fn check(&self, request: &mut S3AccessContext<'_>) -> S3Result<()> {
        let reads_public = matches!(request.s3_op().name(), "GetObject" | "HeadObject")
            && matches!(request.s3_path(), S3Path::Object { bucket, .. } if &**bucket == BUCKET);
        // The server below would make it.
        let is_missing = match request.s3_path() {
            S3Path::Object { bucket, .. } => !self.root.join(&**bucket).is_dir(),
            S3Path::Root | S3Path::Bucket { .. } => false,
        };
        match request.credentials() {
            Some(_) if is_missing => Err(s3_error!(NoSuchBucket, "The specified bucket does not exist")),
            Some(_) => Ok(()),
            None if reads_public => Ok(()),
            None => Err(s3_error!(AccessDenied, "Signature is required")),
        }
    }
}

/// The server over a directory, with its bucket made.
pub(super) fn service(root: &Path, record: &NetworkRecord) -> Result<S3Service, DevnetError> {
    let bucket = root.join(BUCKET);
    std::fs::create_dir_all(&bucket).map_err(|cause| DevnetError::Directory { dir: bucket, cause })?;
    let files = s3s_fs::FileSystem::new(root).map_err(|e| DevnetError::Objects(format!("{e:?}")))?;
    let mut server = S3ServiceBuilder::new(files);
    server.set_auth(SimpleAuth::from_single(&*record.access_key_id, &*record.secret_access_key));
    server.set_access(PublicRead { root: root.to_owned() });
    Ok(server.build())
}

/// Serves until `stop`, then lets running requests end.
pub(super) async fn serve(listener: Listener, service: S3Service, stop: CancellationToken) {
    let http = auto::Builder::new(TokioExecutor::new());
    let running = GracefulShutdown::new();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let stream = match accepted {
            Ok(stream) => stream,
            // A connection that broke before it was taken, or no descriptor left: the next one may be better.
            Err(error) => {
                tracing::warn!(%error, "the object store could not accept a connection");
                tokio::task::yield_now().await;
                continue;
            }
        };
        let connection = http.serve_connection(TokioIo::new(stream), service.clone()).into_owned();
        let connection = running.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the object store broke");
            }
        });
    }
    running.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{devnet::Service, primitives::hash, storage::Store};
    use bytes::Bytes;
    use std::collections::BTreeMap;

    struct Fixture {
        access: ObjectStoreAccess,
        stop: CancellationToken,
        _dir: tempfile::TempDir,
    }

    async fn start() -> Fixture {
        let dir = tempfile::tempdir().expect("a directory");
        let listener = Listener::bind(0, Service::Objects).await.expect("a port");
        let record = NetworkRecord::new(1, 16, BTreeMap::new(), listener.port());
        let access = ObjectStoreAccess::new(&listener, &record);
        let stop = CancellationToken::new();
        let service = service(dir.path(), &record).expect("a server");
        tokio::spawn(serve(listener, service, stop.clone()));
        Fixture { access, stop, _dir: dir }
    }

    #[tokio::test]
    async fn what_the_owner_puts_everybody_reads() {
        let fixture = start().await;
        let store = Store::new(fixture.access.store_config()).expect("a store");
        let url = store.put("3/blob.bin", Bytes::from_static(b"soma")).await.expect("an upload");
        assert_eq!(url, format!("{}/3/blob.bin", fixture.access.public_url));
        store.read_back(&url, hash(b"soma"), 4).await.expect("the same bytes without a signature");
        fixture.stop.cancel();
    }

    #[tokio::test]
    async fn strangers_cannot_write_list_or_delete() {
        let fixture = start().await;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::new();
        let url = format!("{}/x.bin", fixture.access.public_url);
        assert_eq!(http.put(&url).body("x").send().await.expect("an answer").status(), 403);
        assert_eq!(http.delete(&url).send().await.expect("an answer").status(), 403);
        assert_eq!(http.get(&fixture.access.public_url).send().await.expect("an answer").status(), 403);
        assert_eq!(http.get(&url).send().await.expect("an answer").status(), 404);

        let wrong = StoreConfig { secret_access_key: "guessed".to_owned().into(), ..fixture.access.store_config() };
        let store = Store::new(wrong).expect("a store");
        assert!(store.put("x.bin", Bytes::from_static(b"x")).await.is_err());
        fixture.stop.cancel();
    }
}
