//! A way to Postgres or Redis that can be cut, as a failing network or server would.
//!
//! **Invariant:** while it is cut, no byte passes, and every connection is closed.

use std::net::SocketAddr;
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the proxy does with connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Open,
    Cut,
    Over,
}

/// A running proxy, in a thread of its own.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    way: watch::Sender<Way>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens on a free port and passes everything on to `target` (`host:port`).
    ///
    /// # Errors
    /// When there is no free port or no thread.
    pub fn start(target: &str, is_open: bool) -> Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").context("a free port")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (way, ways) = watch::channel(if is_open { Way::Open } else { Way::Cut });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let target = target.to_owned();
        let thread = std::thread::Builder::new().name("proxy".to_owned()).spawn(move || {
            runtime.block_on(serve(listener, target, ways));
        })?;
        Ok(Self { address, way, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes every connection, and every new one at once.
    pub fn cut(&self) {
        self.way.send_replace(Way::Cut);
    }

    /// Passes everything on again.
    pub fn mend(&self) {
        self.way.send_replace(Way::Open);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.way.send_replace(Way::Over);
        if let Some(thread) = self.thread.take() {
            // It ends only by panicking or because it was told to; either is fine here.
            let _ = thread.join();
        }
    }
}

async fn serve(listener: std::net::TcpListener, target: String, mut ways: watch::Receiver<Way>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        let way = *ways.borrow_and_update();
        tokio::select! {
            accepted = listener.accept() => {
                if let (Ok((stream, _)), Way::Open) = (accepted, way) {
                    tokio::spawn(pass(stream, target.clone(), ways.clone()));
                }
            }
            changed = ways.changed() => {
                if changed.is_err() || *ways.borrow() == Way::Over {
                    return;
                }
            }
        }
    }
}

async fn pass(mut near: TcpStream, target: String, mut ways: watch::Receiver<Way>) {
    let passing = async {
        let mut far = TcpStream::connect(&target).await?;
        let _ = (near.set_nodelay(true), far.set_nodelay(true));
        tokio::io::copy_bidirectional(&mut near, &mut far).await
    };
    tokio::select! {
        // Either side hung up, or there was nobody on the other: the connection ends with this.
        _ = passing => {}
        _ = ways.wait_for(|way| *way != Way::Open) => {}
    }
}
