//! Schedulers die around the ticks of a series: what `bin/chaos clock` does for longer.

use fleet_tests::chaos::clock::{self, Options};
use fleet_tests::harness::Care;

#[expect(clippy::print_stdout, reason = "shown when the test fails")]
fn say(line: &str) {
    println!("{line}");
}

#[tokio::test]
async fn sixty_ticks_of_a_second_under_dying_schedulers_are_all_there_once() {
    let options = Options { seed: 20_261_123, ticks: 70, series: 1, care: Care::Quick };
    let tally = clock::run(options, say).await.unwrap();
    say(&tally.page());
    assert!(tally.is_good(), "{}\n{}", tally.line(), tally.complaints().join("\n"));
    assert_eq!((tally.ticks(), tally.published()), (70, 70), "{}", tally.line());
    // A boundary that a busy machine does not reach in time is left out.
    assert!(tally.kills() >= 12 && tally.kinds() >= 9, "{}", tally.line());
}
