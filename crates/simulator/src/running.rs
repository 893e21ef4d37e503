//! A simulator in this process, on a port of its own, for as long as a value lives.

use std::io;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::{Client, serve};

/// A simulator that runs in this process until the value is dropped.
#[derive(Debug)]
pub struct Running {
    base_url: String,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<io::Result<()>>,
}

impl Running {
    /// Starts a simulator on a free port of the loopback interface.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(listener, async {
            // A dropped sender means stop, as well as a sent one.
            let _ = stopped.await;
        }));
        Ok(Self { base_url, stop: Some(stop), task })
    }

    /// Where it listens, such as `http://127.0.0.1:4711`, without a trailing slash.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// A client of its control.
    pub fn client(&self) -> Client {
        Client::new(&self.base_url)
    }

    /// Stops it and waits until the port is free.
    ///
    /// # Errors
    /// When the listener had failed.
    pub async fn stop(mut self) -> io::Result<()> {
        self.stop.take();
        (&mut self.task).await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}
