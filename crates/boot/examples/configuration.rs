//! Prints `docs/configuration.md`: every environment variable of the fleet.

#![expect(clippy::print_stdout, reason = "prints a document")]

fn main() {
    print!("{}", boot::reference_markdown());
}
