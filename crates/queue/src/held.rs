//! A connection that is kept while there is work, and given back before its holder sleeps.
//!
//! **Invariant:** a connection that failed, or did not answer in time, is not used again.

use store::{Single, Store, Tx};

/// The connection of one claimer or finisher.
#[derive(Debug)]
pub(crate) struct Held {
    store: Store,
    connection: Option<Single>,
}

impl Held {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, connection: None }
    }

    /// The connection, for a while: whoever succeeds gives it back by [`Held::keep`].
    pub(crate) async fn take(&mut self) -> Result<Single, store::Error> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.store.single().await,
        }
    }

    /// It works: the next [`Held::take`] needs no other.
    pub(crate) fn keep(&mut self, connection: Single) {
        self.connection = Some(connection);
    }

    /// Begins a transaction, on any connection.
    pub(crate) async fn begin(&mut self) -> Result<Tx, store::Error> {
        self.let_go();
        self.store.begin().await
    }

    /// Others may use it.
    pub(crate) fn let_go(&mut self) {
        self.connection = None;
    }
}
