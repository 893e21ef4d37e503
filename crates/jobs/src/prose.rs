//! Texts that people write, as arguments: how long they may be, and of which characters.
//!
//! **Invariant:** a text that passes can be stored, shown and handed to a model as it is.

use crate::Problem;

/// Refuses a text that is empty, longer than `most` characters, or has control characters other
/// than line breaks and tabs.
pub(crate) fn check(field: &str, text: &str, most: usize) -> Result<(), Problem> {
    let found = text.chars().count();
    if text.trim().is_empty() || found > most {
        let message = format!("expected 1 to {most} characters, found {found}");
        return Err(Problem::argument(field, message));
    }
    check_characters(field, text)
}

/// The same for a text that may be empty, which takes away what was there.
pub(crate) fn check_or_empty(field: &str, text: &str, most: usize) -> Result<(), Problem> {
    if text.trim().is_empty() { check_characters(field, text) } else { check(field, text, most) }
}

/// The same for a text of one line.
pub(crate) fn check_line(field: &str, text: &str, most: usize) -> Result<(), Problem> {
    check(field, text, most)?;
    match text.chars().find(|c| c.is_control()) {
        None => Ok(()),
        Some(c) => Err(control(field, c)),
    }
}

fn check_characters(field: &str, text: &str) -> Result<(), Problem> {
    match text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        None => Ok(()),
        Some(c) => Err(control(field, c)),
    }
}

fn control(field: &str, c: char) -> Problem {
    let code = u32::from(c);
    Problem::argument(field, format!("contains the control character U+{code:04X}: remove it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_refused_by_its_field_with_the_limit() {
        let said = |checked: Result<(), Problem>| {
            let problem = checked.expect_err("it is wrong");
            assert_eq!(problem.field.as_deref(), Some("args.brief"));
            problem.message
        };
        assert_eq!(said(check("brief", " \n", 5)), "expected 1 to 5 characters, found 2");
        assert_eq!(said(check("brief", "tea tea", 5)), "expected 1 to 5 characters, found 7");
        assert!(said(check("brief", "a\u{1b}[0m", 9)).contains("U+001B"));
        assert!(said(check_line("brief", "a\nb", 9)).contains("U+000A"));
        assert!(said(check_or_empty("brief", "\u{0}", 9)).contains("U+0000"));
        assert_eq!(check("brief", "Tee,\n\tgrün 茶", 20), Ok(()));
        assert_eq!(check_or_empty("brief", "", 9), Ok(()));
    }
}
