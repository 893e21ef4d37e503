//! Answers that come in pieces: at a pace, and perhaps not to their end.
//!
//! **Invariant:** a stream that is cut ends with a reset of its connection, never as if complete.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::time::{Sleep, sleep};

use crate::call::Stream;
use crate::connection::Line;

/// The body of an answer in pieces.
pub(crate) struct Pieces {
    left: std::vec::IntoIter<Bytes>,
    /// How many pieces are sent before the cut.
    until_cut: Option<usize>,
    pause: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
    line: Line,
    /// To be told when the last piece is handed over.
    over: Option<Over>,
}

/// Whoever wants to know of a stream's end.
pub(crate) type Over = Box<dyn FnOnce() + Send>;

impl Pieces {
    pub(crate) fn new(stream: Stream, line: Line, over: Over) -> Self {
        let Stream { pieces, pause, cut_after } = stream;
        let (left, over) = (pieces.into_iter(), Some(over));
        Self { left, until_cut: cut_after, pause, waiting: None, line, over }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(waiting) = &mut self.waiting {
            std::task::ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
        }
        if self.until_cut == Some(0) {
            self.line.sever();
            return Poll::Pending;
        }
        self.until_cut = self.until_cut.map(|pieces| pieces - 1);
        // Also before the cut, so that what was written leaves before the reset.
        let pause = if self.until_cut == Some(0) { CUT_PAUSE.max(self.pause) } else { self.pause };
        let piece = self.left.next();
        if self.left.len() == 0
            && let Some(over) = self.over.take()
        {
            over();
        }
        if piece.is_some() && !pause.is_zero() {
            self.waiting = Some(Box::pin(sleep(pause)));
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// Time for the last pieces to be read before a cut.
const CUT_PAUSE: Duration = Duration::from_millis(20);
