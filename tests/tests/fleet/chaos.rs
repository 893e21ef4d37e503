//! Everything goes wrong at once, briefly: what `bin/chaos` does for longer.

use std::time::Duration;

use fleet_tests::chaos::{self, Options, Times, accounts, publish};
use fleet_tests::harness::Care;

#[expect(clippy::print_stdout, reason = "shown when the test fails")]
fn say(line: &str) {
    println!("{line}");
}

#[tokio::test]
async fn a_run_through_every_kind_of_fault_loses_doubles_and_forgets_nothing() {
    let options = Options {
        seed: 20_261_122,
        jobs: 1_500,
        kills: 8,
        span: Duration::from_secs(40),
        workers: 3,
        times: Times::QUICK,
        care: Care::Quick,
    };
    let report = chaos::run(options, say).await.unwrap();
    say(&report.page());
    assert!(report.is_good(), "{}\n{}", report.line(), report.complaints().join("\n"));
    assert_eq!((report.kills(), report.kinds()), (8, Options::KINDS), "{}", report.line());
    assert!(report.jobs() >= 1_500, "{}", report.line());
}

#[tokio::test]
async fn workers_killed_between_the_steps_of_publishing_publish_nothing_twice() {
    let options = publish::Options { seed: 20_261_122, runs: 12, boundaries: 6, care: Care::Quick };
    let tally = publish::run(options, say).await.unwrap();
    say(&tally.page());
    assert!(tally.is_good(), "{}", tally.line());
    assert_eq!((tally.runs(), tally.boundaries()), (12, 6), "{}", tally.line());
}

#[tokio::test]
async fn workers_killed_around_refreshes_and_generations_lose_no_account_and_generate_nothing_twice()
 {
    let options = accounts::Options { seed: 20_261_122, kills: 10, care: Care::Quick };
    let tally = accounts::run(options, say).await.unwrap();
    say(&tally.page());
    assert!(tally.is_good(), "{}", tally.line());
    assert_eq!((tally.kills(), tally.boundaries()), (10, (5, 4)), "{}", tally.line());
}
