//! Prints `docs/kinds.md`: every kind of job, who may enqueue it, where and how it runs.

#![expect(clippy::print_stdout, reason = "prints a document")]

use jobs::{Caller, Code, Kind};

fn main() {
    println!("# Job kinds\n");
    println!(
        "Generated from the catalogue by `bin/generate`. Arguments and results: `openapi.json`.\n"
    );
    println!("| kind | what it does | who may enqueue it | queue | attempts | timeout |");
    println!("|---|---|---|---|---|---|");
    for kind in Kind::ALL {
        let spec = kind.spec();
        let caller = match spec.caller {
            Caller::Organization(scope) => format!("keys with `{}`, operators", scope.as_str()),
            Caller::Operator => "operators".to_owned(),
            Caller::Network => "networks, by webhook".to_owned(),
            Caller::Internal => "the fleet itself".to_owned(),
        };
        println!(
            "| `{kind}` | {} | {caller} | {} | {} | {} s |",
            spec.summary,
            spec.queue,
            spec.retry.max_attempts,
            spec.timeout.as_secs()
        );
    }
    println!("\n## Failure codes\n");
    println!("| code | HTTP status for a caller who waits | meaning |");
    println!("|---|---|---|");
    for code in Code::ALL {
        println!("| `{}` | {} | {} |", code.as_str(), code.http_status(), code.title());
    }
}
