//! How each boundary is reached.
//!
//! **Invariant:** what is done here could be done by a network, a line or a neighbour at the database.

use anyhow::Result;
use simulator::{Action, Outcome, When};

use super::round::Round;
use super::step::Step;

const CALL: &str = "call";
const LOOK: &str = "look";
const UPLOAD: &str = "upload";
const LOOK_UPS: &str = "/2/users/*";

/// How many posts of the round have a status, or an intent in a state.
const PUBLISHING: &str =
    "select count(*) from schedules where id = any ($1::uuid[]) and status = 'publishing'";
const PUBLISHED: &str =
    "select count(*) from schedules where id = any ($1::uuid[]) and status = 'published'";
const UNCONFIRMED: &str =
    "select count(*) from schedules where id = any ($1::uuid[]) and status = 'unconfirmed'";
const SCHEDULED: &str =
    "select count(*) from schedules where id = any ($1::uuid[]) and status = 'scheduled'";
const INTENTS_OPEN: &str =
    "select count(*) from publish_intents where schedule_id = any ($1::uuid[]) and state = 'open'";
const INTENTS_PUBLISHED: &str = "select count(*) from publish_intents
    where schedule_id = any ($1::uuid[]) and state = 'published'";
const INTENTS_UNKNOWN: &str = "select count(*) from publish_intents
    where schedule_id = any ($1::uuid[]) and state = 'unknown'";

impl Round<'_> {
    /// Brings every post to the boundary and kills the workers there, then puts all right.
    pub(crate) async fn cross(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Claimed => self.at_row("schedules").await?,
            Step::InHand => self.at_table("schedules").await?,
            Step::InHandCommitted => {
                self.at_row("schedules").await?;
                self.lose_commits().await?;
                self.see(PUBLISHING).await?;
            }
            Step::Uploading => {
                self.hold("POST", "/2/media/upload", UPLOAD).await?;
                self.go().await?;
                self.held(UPLOAD).await?;
            }
            Step::Intent => self.at_table("publish_intents").await?,
            Step::IntentCommitted => {
                self.at_table("publish_intents").await?;
                self.lose_commits().await?;
                self.see(INTENTS_OPEN).await?;
            }
            Step::Sent | Step::SentActsLater => self.in_call(When::Before).await?,
            Step::Acted => self.in_call(When::After).await?,
            Step::Answered => {
                self.in_call(When::After).await?;
                self.lock_rows("publish_intents").await?;
                self.release(CALL, Outcome::Proceed).await?;
                self.blocked().await?;
            }
            Step::Recorded => {
                self.in_call(When::After).await?;
                self.lock_rows("schedules").await?;
                self.release(CALL, Outcome::Proceed).await?;
                self.see(INTENTS_PUBLISHED).await?;
                self.blocked().await?;
            }
            Step::Written => self.at_table("published_posts").await?,
            Step::WrittenCommitted => {
                self.at_table("published_posts").await?;
                self.lose_commits().await?;
                self.see(PUBLISHED).await?;
            }
            Step::Dropped => {
                self.trap(Action::DropAfter {}).await?;
                return self.go().await;
            }
            Step::DroppedNoted => {
                self.in_call(When::After).await?;
                self.lock_rows("schedules").await?;
                self.release(CALL, Outcome::Drop).await?;
                self.see(INTENTS_UNKNOWN).await?;
                self.blocked().await?;
            }
            Step::DroppedWritten => self.unconfirmed_written().await?,
            Step::DroppedCommitted => {
                self.unconfirmed_written().await?;
                self.lose_commits().await?;
                self.see(UNCONFIRMED).await?;
            }
            Step::Looking => self.in_look().await?,
            Step::LookedFound => {
                self.in_look().await?;
                self.lock_rows("schedules").await?;
                self.release(LOOK, Outcome::Proceed).await?;
                self.blocked().await?;
            }
            Step::FoundWritten => self.found_written().await?,
            Step::FoundCommitted => {
                self.found_written().await?;
                self.lose_commits().await?;
                self.see(PUBLISHED).await?;
            }
            Step::Absent => self.absent().await?,
            Step::AbsentCommitted => {
                self.absent().await?;
                self.lose_commits().await?;
                self.see(SCHEDULED).await?;
            }
            Step::ActedThenLooking => {
                self.in_call(When::After).await?;
                self.hold("GET", LOOK_UPS, LOOK).await?;
                self.die(Outcome::Drop).await?;
                self.held(LOOK).await?;
            }
        }
        let outcome = if step == Step::SentActsLater { Outcome::Proceed } else { Outcome::Drop };
        self.die(outcome).await
    }

    async fn die(&mut self, outcome: Outcome) -> Result<()> {
        self.stage.scene.a_moment().await;
        self.stage.scene.kill_workers().await?;
        for name in [CALL, LOOK, UPLOAD] {
            self.release(name, outcome).await?;
        }
        self.mend().await
    }

    /// Somebody has the rows that every post needs next.
    async fn at_row(&mut self, table: &str) -> Result<()> {
        self.lock_rows(table).await?;
        self.go().await?;
        self.blocked().await
    }

    /// Somebody keeps every post from writing to a table.
    async fn at_table(&mut self, table: &str) -> Result<()> {
        self.lock_table(table).await?;
        self.go().await?;
        self.blocked().await
    }

    async fn in_call(&mut self, when: When) -> Result<()> {
        self.trap(Action::hold(CALL, when)).await?;
        self.go().await?;
        self.held(CALL).await
    }

    /// Accepted, then dropped; the workers are about to commit that this is not known.
    async fn unconfirmed_written(&mut self) -> Result<()> {
        self.in_call(When::After).await?;
        self.lock_table("events").await?;
        self.release(CALL, Outcome::Drop).await?;
        self.blocked().await
    }

    async fn in_look(&mut self) -> Result<()> {
        self.hold("GET", LOOK_UPS, LOOK).await?;
        self.trap(Action::DropAfter {}).await?;
        self.go().await?;
        self.held(LOOK).await
    }

    async fn found_written(&mut self) -> Result<()> {
        self.in_look().await?;
        self.lock_table("published_posts").await?;
        self.release(LOOK, Outcome::Proceed).await?;
        self.blocked().await
    }

    /// Dropped before; three looks found nothing.
    async fn absent(&mut self) -> Result<()> {
        self.trap(Action::DropBefore {}).await?;
        self.go().await?;
        self.see(UNCONFIRMED).await?;
        self.lock_table("schedules").await?;
        self.blocked().await
    }
}
