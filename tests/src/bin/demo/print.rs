//! Lines and tables.
//!
//! **Invariant:** the only place that writes to standard output.

use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::time::Instant;

/// How wide a line of the story may be.
const WIDTH: usize = 100;

/// Tells the story, line by line.
pub(crate) struct Teller {
    began: Instant,
    acts: Cell<u32>,
    is_terminal: bool,
}

impl Teller {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            acts: Cell::new(0),
            is_terminal: std::io::stdout().is_terminal(),
        }
    }

    /// One line as it is.
    pub(crate) fn line(&self, text: &str) {
        // Whoever closed standard output does not want to be told.
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    /// The title of the whole.
    pub(crate) fn title(&self, text: &str) {
        self.line(&format!("\n{}", self.bold(text)));
    }

    /// The title of the next act.
    pub(crate) fn act(&self, text: &str) {
        self.acts.set(self.acts.get() + 1);
        self.line(&format!("\n{}", self.bold(&format!("{}  {text}", self.acts.get()))));
    }

    /// Something that happened, with the time since the beginning.
    pub(crate) fn step(&self, text: &str) {
        let indented = text.len() - text.trim_start().len();
        let lines = fold(text.trim_start(), WIDTH - indented);
        let mut time = format!("{:>7.1} s  ", self.began.elapsed().as_secs_f64());
        for line in lines {
            self.line(&format!("{time}{:indented$}{line}", ""));
            time = " ".repeat(time.len());
        }
    }

    /// A table: columns as wide as their widest cell, but no wider than `widest`.
    pub(crate) fn table(&self, head: &[&str], rows: &[Vec<String>], widest: usize) {
        let columns = head.len();
        let length = |text: &str| text.chars().count();
        let width: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = rows.iter().map(|row| length(&row[column]));
                cells.chain([length(head[column])]).max().unwrap_or_default().min(widest)
            })
            .collect();
        let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
        let ruler: Vec<String> = width.iter().map(|&width| "-".repeat(width)).collect();
        for (at, row) in [&head, &ruler].into_iter().chain(rows).enumerate() {
            let folded: Vec<Vec<String>> =
                row.iter().zip(&width).map(|(cell, &width)| fold(cell, width)).collect();
            let height = folded.iter().map(Vec::len).max().unwrap_or(1);
            for line in 0..height {
                let cells = folded.iter().zip(&width).map(|(cell, &width)| {
                    format!("{:<width$}", cell.get(line).map_or("", String::as_str))
                });
                let text = cells.collect::<Vec<_>>().join("  ");
                let text = text.trim_end();
                self.line(&format!("  {}", if at == 0 { self.bold(text) } else { text.into() }));
            }
        }
    }

    fn bold(&self, text: &str) -> String {
        if self.is_terminal { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Breaks a text between words so that no line is wider than `width`; a longer word is cut.
fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        let last = lines.last().map_or(0, |line| line.chars().count());
        if last > 0 && last + 1 + word.len() > width {
            lines.push(String::new());
        }
        while word.len() > width.max(1) {
            let rest = word.split_off(width.max(1));
            if let Some(line) = lines.last_mut() {
                line.extend(word);
            }
            lines.push(String::new());
            word = rest;
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.extend(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn a_text_is_broken_between_words() {
        assert_eq!(fold("one two three", 7), ["one two", "three"]);
        assert_eq!(fold("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(fold("", 3), [""]);
    }
}
