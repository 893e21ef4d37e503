//! The last look at the clock before a call that must not be late: when its connection stands, TLS
//! included, and before its first byte.
//!
//! **Invariant:** a connection whose call names no time is refused.

use futures::future::BoxFuture;
use std::error::Error;
use std::task::{Context, Poll};
use std::time::Instant;
use tower::{Layer, Service};

tokio::task_local! {
    static SEND_BEFORE: Instant;
}

/// Makes a call whose first byte must leave before a moment.
pub(super) async fn send_before<T>(moment: Instant, call: impl Future<Output = T>) -> T {
    SEND_BEFORE.scope(moment, call).await
}

/// Lets a connection through while its call is in time.
#[derive(Clone, Copy, Debug)]
pub(super) struct InTime;

impl<S> Layer<S> for InTime {
    type Service = InTimeService<S>;

    fn layer(&self, connect: S) -> Self::Service {
        InTimeService { connect }
    }
}

/// [`InTime`] around what connects.
#[derive(Clone, Debug)]
pub(super) struct InTimeService<S> {
    connect: S,
}

type BoxError = Box<dyn Error + Send + Sync>;

impl<S, R> Service<R> for InTimeService<S>
where
    S: Service<R, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connect.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let connecting = self.connect.call(request);
        Box::pin(async move {
            let connection = connecting.await?;
            match SEND_BEFORE.try_with(|moment| Instant::now() < *moment) {
                Ok(true) => Ok(connection),
                Ok(false) => Err("its time to be sent had run out".into()),
                Err(_) => Err("the call names no time to be sent before".into()),
            }
        })
    }
}
