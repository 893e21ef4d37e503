use super::*;

const BOUND: Duration = Duration::from_secs(60);

fn flow() -> Arc<Flow> {
    Flow::new(["publish", "poll"], BOUND, || async { Ok(Vec::new()) })
}

fn head(queue: &'static str, job: &str, due_for: u64) -> Head {
    Head { queue, job_id: job.to_owned(), due_for: Duration::from_secs(due_for) }
}

fn named(stuck: &[Stuck]) -> Vec<(&'static str, &str)> {
    stuck.iter().map(|stuck| (stuck.queue, stuck.job_id.as_str())).collect()
}

#[test]
fn a_job_that_stays_the_next_one_for_the_bound_is_stuck() {
    let (flow, start) = (flow(), Instant::now());
    let at = |secs| start + Duration::from_secs(secs);
    assert!(flow.judge(&[], start).is_empty());
    assert!(flow.judge(&[head("publish", "a", 5)], at(5)).is_empty());
    assert!(flow.judge(&[head("publish", "a", 64)], at(64)).is_empty());
    let stuck = flow.judge(&[head("publish", "a", 65)], at(65));
    assert_eq!(named(&stuck), [("publish", "a")]);
    assert_eq!((stuck[0].oldest_due_secs, stuck[0].stuck_secs), (65.0, 60.0));
    assert!(flow.judge(&[], at(70)).is_empty(), "it was taken");
}

#[test]
fn a_backlog_that_is_worked_off_is_late_and_not_stuck() {
    let (flow, start) = (flow(), Instant::now());
    flow.judge(&[], start);
    for look in 0..100 {
        let job = look.to_string();
        let now = start + Duration::from_secs(look * 10);
        assert!(flow.judge(&[head("publish", &job, 500)], now).is_empty(), "look {look}");
    }
}

#[test]
fn work_that_was_late_before_the_first_look_counts_as_stuck_until_it_moves() {
    let (flow, start) = (flow(), Instant::now() + Duration::from_secs(1_000));
    let heads = [head("publish", "a", 61), head("poll", "b", 300)];
    assert_eq!(named(&flow.judge(&heads, start)), [("poll", "b"), ("publish", "a")]);
    let moved = [head("publish", "c", 61), head("poll", "b", 301)];
    let stuck = flow.judge(&moved, start + Duration::from_secs(1));
    assert_eq!(named(&stuck), [("poll", "b")]);
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_said_to() {
    let flow = Flow::new(["publish"], BOUND, || async { Err("no route to it".to_owned()) });
    let failing = flow.check().await.expect_err("nothing was seen");
    assert_eq!((failing.reason.as_str(), failing.queues.len()), ("no route to it", 0));
}

#[tokio::test(start_paused = true)]
async fn a_look_that_hangs_is_given_up() {
    let flow = Flow::new(["publish"], BOUND, std::future::pending);
    let began = tokio::time::Instant::now();
    let failing = flow.check().await.expect_err("nothing was seen");
    assert_eq!(failing.reason, "the database does not answer");
    assert!(began.elapsed() < Duration::from_secs(5), "before the check itself is given up");
}
