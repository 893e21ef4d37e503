//! The accept loop: one task per TCP connection, each of which can be reset from inside.
//!
//! A fault that drops a connection must not look like an HTTP answer of any kind. So every
//! request carries the [`Line`] on which it came; severing it ends the connection's task, and the
//! socket is closed with zero linger, which the peer sees as a reset.
//!
//! **Invariant:** nothing more is written to a severed connection.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tower::ServiceExt;

/// A pause after a failed accept, so that a shortage of file handles does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The connection on which a request came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line(Arc<Severance>);

#[derive(Debug, Default)]
struct Severance {
    severed: AtomicBool,
    wake: Notify,
}

impl Line {
    /// Resets the connection. The caller must not answer any more.
    pub(crate) fn sever(&self) {
        self.0.severed.store(true, Ordering::SeqCst);
        self.0.wake.notify_one();
    }
}

/// A socket that is reset, not closed, when its line was severed.
struct Socket {
    stream: TcpStream,
    line: Line,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.line.0.severed.load(Ordering::SeqCst)
            && let Err(error) = self.stream.set_zero_linger()
        {
            tracing::warn!(%error, "the connection is closed instead of reset");
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Serves `app` on `listener` until `shutdown`, then closes what is still open.
pub(crate) async fn accept(
    listener: TcpListener,
    app: Router,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut shutdown = pin!(shutdown);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => return Ok(()),
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _peer)) => {
                    connections.spawn(converse(stream, app.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

async fn converse(stream: TcpStream, app: Router) {
    // Answers are small and waited for; a failure to set this costs only time.
    let _ = stream.set_nodelay(true);
    let line = Line::default();
    let socket = Socket { stream, line: line.clone() };
    let service = hyper::service::service_fn({
        let line = line.clone();
        move |request: hyper::Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(line.clone());
            let app = app.clone();
            async move { app.oneshot(request).await }
        }
    });
    let conversation = hyper::server::conn::http1::Builder::new()
        // An idle connection is never closed by time: that would look like a fault nobody asked for.
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(socket), service);
    tokio::select! {
        biased;
        () = line.0.wake.notified() => {}
        ended = conversation => if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}
