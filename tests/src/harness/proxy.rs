//! A way to a server that can be cut, as a failing network or server would; that can be long; and that
//! can lose answers.
//!
//! **Invariant:** while it is cut, no byte passes, and every connection is closed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the proxy does with connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Open,
    Cut,
    Over,
}

/// Which answers get lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lost {
    /// None.
    #[default]
    Nothing,
    /// Those of Postgres to a commit, which is made.
    Commits,
    /// All.
    Answers,
}

impl Lost {
    fn loses_answer_to(self, request: &[u8]) -> bool {
        match self {
            Lost::Nothing => false,
            Lost::Commits => request.windows(COMMIT.len()).any(|window| window == COMMIT),
            Lost::Answers => true,
        }
    }
}

/// What the proxy does with bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    way_takes: Duration,
    lost: Lost,
}

/// How a Postgres client asks for a commit.
const COMMIT: &[u8] = b"COMMIT\0";

/// A running proxy, in a thread of its own.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    way: watch::Sender<Way>,
    line: watch::Sender<Line>,
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
        let (line, lines) = watch::channel(Line::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let target = target.to_owned();
        let thread = std::thread::Builder::new().name("proxy".to_owned()).spawn(move || {
            runtime.block_on(serve(listener, target, ways, lines));
        })?;
        Ok(Self { address, way, line, thread: Some(thread) })
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

    /// From now on bytes are on their way for so long, in each direction.
    pub fn takes(&self, time: Duration) {
        self.line.send_modify(|line| line.way_takes = time);
    }

    /// From now on, a connection whose answer gets lost hears nothing more. It is closed as soon as
    /// nothing gets lost any more.
    pub fn loses(&self, lost: Lost) {
        self.line.send_modify(|line| line.lost = lost);
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

async fn serve(
    listener: std::net::TcpListener,
    target: String,
    mut ways: watch::Receiver<Way>,
    lines: watch::Receiver<Line>,
) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        let way = *ways.borrow_and_update();
        tokio::select! {
            accepted = listener.accept() => {
                if let (Ok((stream, _)), Way::Open) = (accepted, way) {
                    tokio::spawn(pass(stream, target.clone(), ways.clone(), lines.clone()));
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

async fn pass(
    mut near: TcpStream,
    target: String,
    mut ways: watch::Receiver<Way>,
    lines: watch::Receiver<Line>,
) {
    let passing = async {
        let mut far = TcpStream::connect(&target).await?;
        let _ = (near.set_nodelay(true), far.set_nodelay(true));
        let deaf = Arc::new(AtomicBool::new(false));
        let ((near_in, near_out), (far_in, far_out)) = (near.split(), far.split());
        let there = Direction { lines: lines.clone(), deaf: deaf.clone(), is_answer: false };
        let back = Direction { lines: lines.clone(), deaf: deaf.clone(), is_answer: true };
        tokio::select! {
            carried = async {
                tokio::try_join!(there.carry(near_in, far_out), back.carry(far_in, near_out))
            } => carried.map(drop),
            () = found_out(lines, &deaf) => Ok(()),
        }
    };
    tokio::select! {
        // Either side hung up, or there was nobody on the other: the connection ends with this.
        _ = passing => {}
        _ = ways.wait_for(|way| *way != Way::Open) => {}
    }
}

/// Waits until the answers that this connection has lost are to be missed.
async fn found_out(mut lines: watch::Receiver<Line>, deaf: &AtomicBool) {
    let is_found = |line: &Line| line.lost == Lost::Nothing && deaf.load(Ordering::Relaxed);
    let _ = lines.wait_for(is_found).await;
}

/// One direction of a connection.
struct Direction {
    lines: watch::Receiver<Line>,
    /// Set when the answers of this connection are lost from now on.
    deaf: Arc<AtomicBool>,
    is_answer: bool,
}

impl Direction {
    async fn carry(self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<()> {
        let mut bytes = vec![0; 32 * 1024];
        loop {
            let read = from.read(&mut bytes).await?;
            if read == 0 {
                return to.shutdown().await;
            }
            let line = *self.lines.borrow();
            if !line.way_takes.is_zero() {
                tokio::time::sleep(line.way_takes).await;
            }
            let read = &bytes[..read];
            // Whoever asks has read all earlier answers.
            if !self.is_answer && line.lost.loses_answer_to(read) {
                self.deaf.store(true, Ordering::Relaxed);
            }
            if !(self.is_answer && self.deaf.load(Ordering::Relaxed)) {
                to.write_all(read).await?;
            }
        }
    }
}
