//! How often the scheduler does what: data, shown to operators, and no change needs a restart.

use anyhow::ensure;
use fleet_tests::harness::{Setup, Tenant, on};
use fleet_tests::wait::PATIENCE;

use crate::api::is_problem;

#[tokio::test]
async fn cadences_are_rows_and_a_step_without_one_keeps_the_scheduler_from_starting() {
    on(Setup::default().workers(1).schedulers(0), async |fleet| {
        let shown = fleet.operator().items("/v1/cadences").await?;
        let publish = shown.iter().find(|row| row["step"] == "publish").unwrap();
        ensure!(publish["everyMs"] == 250 && publish["purpose"].is_string(), "{publish}");
        let mend = shown.iter().find(|row| row["step"] == "mend").unwrap().clone();

        fleet.database.run("delete from cadences where step in ('mend', 'poll_again')").await?;
        let refused = fleet.spawn_scheduler()?;
        ensure!(!refused.end(PATIENCE).await?.success(), "it started");
        ensure!(refused.log().contains("no row for mend, poll_again"), "{}", refused.log());

        // Nothing is planned by a step that is done once a day.
        let back = format!(
            "insert into cadences values ('mend', interval '{} ms', 'p'), ('poll_again', '10 min', 'p');
             update cadences set every = '100 ms' where step = 'cadences';
             update cadences set every = '1 day' where step = 'publish'",
            mend["everyMs"]
        );
        fleet.database.run(&back).await?;
        let scheduler = fleet.start_scheduler().await?;
        let tenant = Tenant::new(fleet).await?;
        let planned = tenant.plan("Whenever you look", &tenant.account, 0).await;
        let planned = match planned {
            Ok(planned) => planned,
            Err(_) => tenant.plan("Whenever you look", &tenant.account, 1_500).await?,
        };
        let jobs = tenant.api.items("/v1/jobs?kind=post.publish").await?;
        ensure!(jobs.is_empty(), "{jobs:#?}");
        // A table that is not whole changes nothing.
        fleet.database.run("delete from cadences where step = 'poll_again'").await?;
        scheduler.line("the cadences stay as they were").await?;
        let quick = "insert into cadences values ('poll_again', '10 min', 'p');
                     update cadences set every = '100 ms' where step = 'publish'";
        fleet.database.run(quick).await?;
        scheduler.line("cadences.changed").await?;
        tenant.published(&planned).await?;
        let answer = tenant.api.get("/v1/cadences").await?;
        is_problem(&answer, 403, "forbidden", "")
    })
    .await;
}
