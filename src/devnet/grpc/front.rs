//! What stands before the services of the RPC port: other requests than gRPC's, and the headers of every answer.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{FutureExt, future::BoxFuture};
use http::{Method, Request, Response, StatusCode};
use tonic::body::Body;
use tower::{Layer, Service};

use super::{headers, proxy::Proxy};
use crate::devnet::node::Node;

/// Lets requests for one of these services through, and answers the others itself.
#[derive(Clone)]
pub(super) struct Front {
    pub node: Node,
    pub proxy: Arc<Proxy>,
    pub services: &'static [&'static str],
}

impl<S> Layer<S> for Front {
    type Service = Fronted<S>;

    fn layer(&self, inner: S) -> Fronted<S> {
        Fronted { inner, front: self.clone() }
    }
}

#[derive(Clone)]
pub(super) struct Fronted<S> {
    inner: S,
    front: Front,
}

impl<S> Service<Request<Body>> for Fronted<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        let service = path.strip_prefix('/').and_then(|path| path.split_once('/')).map(|(service, _)| service);
        if service.is_some_and(|service| self.front.services.contains(&service)) {
            let node = self.front.node.clone();
            let answer = self.inner.call(request);
            return async move {
                let mut response = answer.await?;
                headers::add(&node.head(), response.headers_mut());
                Ok(response)
            }
            .boxed();
        }
        let wanted = (request.method() == Method::GET).then(|| Proxy::wanted(path)).flatten();
        let proxy = self.front.proxy.clone();
        async move {
            let mut response = match wanted {
                Some(wanted) => proxy.answer(wanted).await,
                None => {
                    let mut response = Response::new(Body::empty());
                    *response.status_mut() = StatusCode::NOT_FOUND;
                    response
                }
            };
            headers::add_origin(response.headers_mut());
            Ok(response)
        }
        .boxed()
    }
}
