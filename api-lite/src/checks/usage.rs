//! What plans allow, where the count already says no. The worker counts exactly.
//!
//! **Invariant:** nothing is reserved here.

use super::{Subject, said};
use crate::problem::{Problem, Result};
use jobs::{Metric, Problem as JobProblem};
use store::usage;

impl Subject<'_, '_> {
    /// Refuses when the organization has used and reserved all that its plan allows.
    pub(super) async fn allowance(&mut self, metric: Metric) -> Result<()> {
        let id = self.organization.ok_or_else(Problem::broken)?;
        if !self.rows.usage.contains_key(&id) {
            let usage = usage::present(self.rows.conn().await?, id).await?;
            self.rows.usage.insert(id, usage);
        }
        let mut present = self.rows.usage.get(&id).into_iter().flatten();
        let refusal = present.find(|usage| usage.metric == metric).and_then(usage::Usage::refusal);
        refusal.map_or(Ok(()), |problem| Err(said(problem)))
    }
}

/// Refuses a plan that nobody could have.
pub(super) async fn check_plan(its: Subject<'_, '_>, plan: &str) -> Result<()> {
    let plans = usage::plans(its.rows.conn().await?).await?;
    if plans.iter().any(|known| known == plan) {
        return Ok(());
    }
    let message = format!("unknown plan {plan:?}: expected one of {}", plans.join(", "));
    Err(said(JobProblem::argument("plan", message)))
}
