//! The fleet as its users, its operators and its attackers meet it: real processes, real Postgres
//! and Redis, a faithful stand-in for X.
//!
//! | folder | what |
//! | --- | --- |
//! | `accounts/` | connected by consent, refreshed by one worker at a time, lost and found again |
//! | `ahead/` | what will happen is shown before it is scheduled, and what will not before its time |
//! | `analytics/` | what people did is added up once, and told as it is |
//! | `publishing/` | a scheduled post goes out exactly once, whatever happens |
//! | `engagement/` | what people do with posts: told, asked for, counted once |
//! | `review/` | what was approved goes out, and nothing else |
//! | `queue/` | no job is lost, and none runs twice at the same time |
//! | `api/` | bad input, idempotency, batches, limits, keys |
//! | `billing/` | what Stripe tells decides what an organization may do |
//! | `generation/` | content and images within the plan; nothing counts or costs twice |
//! | `recurring/` | series, their occurrences, and what is late |
//! | `security/` | the real logins attacked; secrets looked for everywhere |
//! | `chaos.rs` | everything at once, briefly |
//! | `clocks.rs` | machines whose clocks are wrong by ten minutes |
//! | `seen/` | metrics, alerts and health, as operators meet them |
//! | `structure.rs` | the edges between packages, configuration, generated references |

#![expect(clippy::unwrap_used, reason = "tests")]

mod accounts;
mod ahead;
mod analytics;
mod api;
mod billing;
mod chaos;
mod clocks;
mod engagement;
mod generation;
mod publishing;
mod queue;
mod recurring;
mod review;
mod security;
mod seen;
mod structure;
