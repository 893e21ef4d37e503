//! Waiting for the ends of jobs.

use std::time::Duration;

use bell::Waited;
use uuid::Uuid;

use crate::server::Tower;

const SOON: Duration = Duration::from_secs(10);
const BRIEFLY: Duration = Duration::from_millis(100);

#[tokio::test]
async fn the_end_of_a_job_is_told_to_all_who_wait_for_it() {
    let tower = Tower::shared();
    let (api, worker) = (tower.bell().await, tower.bell().await);
    let [job, other] = [Uuid::new_v4(), Uuid::new_v4()];
    let mut here = api.wait_end(job).await;
    let mut there = worker.wait_end(job).await;
    let mut also_here = api.wait_end(job).await;
    let mut elsewhere = api.wait_end(other).await;

    assert!(worker.ended(job));
    for wait in [&mut here, &mut there, &mut also_here] {
        assert_eq!(wait.wait(SOON).await, Waited::Ended);
        assert_eq!(wait.wait(BRIEFLY).await, Waited::Ended, "what was told stays told");
    }
    assert_eq!(elsewhere.wait(BRIEFLY).await, Waited::Timeout);
}

#[tokio::test]
async fn an_end_between_two_waits_is_not_missed() {
    let tower = Tower::shared();
    let bell = tower.bell().await;
    let job = Uuid::new_v4();
    let mut wait = bell.wait_end(job).await;
    assert_eq!(wait.wait(BRIEFLY).await, Waited::Timeout);
    bell.ended(job);
    let mut later = bell.wait_end(Uuid::new_v4()).await;
    assert_eq!(later.wait(BRIEFLY).await, Waited::Timeout);
    assert_eq!(wait.wait(SOON).await, Waited::Ended);
}

#[tokio::test]
async fn one_who_gives_up_does_not_deafen_another() {
    let tower = Tower::shared();
    let bell = tower.bell().await;
    let job = Uuid::new_v4();
    let given_up = bell.wait_end(job).await;
    let mut wait = bell.wait_end(job).await;
    drop(given_up);
    bell.ended(job);
    assert_eq!(wait.wait(SOON).await, Waited::Ended);
}

#[tokio::test]
async fn thousands_of_ends_at_once_are_all_told() {
    let tower = Tower::shared();
    let (api, worker) = (tower.bell().await, tower.bell().await);
    let jobs: Vec<Uuid> = (0..3000).map(|_| Uuid::new_v4()).collect();
    let mut waits = Vec::new();
    for job in &jobs {
        waits.push(api.wait_end(*job).await);
    }
    for job in &jobs {
        worker.ended(*job);
    }
    for wait in &mut waits {
        assert_eq!(wait.wait(SOON).await, Waited::Ended);
    }
}
