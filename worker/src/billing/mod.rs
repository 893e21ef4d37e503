//! Billing: what Stripe told becomes what organizations may do.
//!
//! | file | what |
//! | --- | --- |
//! | `apply_billing.rs` | events become what is known of subscriptions |
//! | `follow.rs` | what is known becomes an organization's plan, periods and hold |
//! | `enforce_billing.rs` | what is scheduled is held, or goes on |
//!
//! What an organization on hold may not begin is refused where it begins, and publishing asks in the
//! transaction that commits its intent; nothing depends on how soon `billing.enforce` runs.
//!
//! **Invariant:** locks are taken in the order customer, schedules, content requests, organization.

mod apply_billing;
mod enforce_billing;
mod follow;

pub(crate) use apply_billing::apply_billing;
pub(crate) use enforce_billing::enforce_billing;
pub(crate) use follow::follow;
