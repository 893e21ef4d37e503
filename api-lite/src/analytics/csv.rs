//! Rows as CSV (RFC 4180).
//!
//! **Invariant:** no cell is a formula to a spreadsheet: texts that begin as one are prefixed.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};

/// One cell.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    /// Text that somebody wrote.
    Text(String),
    /// What we made: a number, a moment, an id; nothing where it is not known.
    Plain(Option<String>),
}

impl Cell {
    pub(crate) fn plain(value: impl ToString) -> Self {
        Cell::Plain(Some(value.to_string()))
    }

    pub(crate) fn moment(at: DateTime<Utc>) -> Self {
        Cell::plain(at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }

    pub(crate) fn date(date: NaiveDate) -> Self {
        Cell::plain(date)
    }

    fn write(&self, into: &mut String) {
        let text = match self {
            Cell::Plain(None) => return,
            Cell::Plain(Some(text)) => return into.push_str(text),
            Cell::Text(text) => text,
        };
        let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
        if formula || text.contains(['"', ',', '\n', '\r']) {
            into.push('"');
            into.push_str(if formula { "'" } else { "" });
            into.push_str(&text.replace('"', "\"\""));
            into.push('"');
        } else {
            into.push_str(text);
        }
    }
}

/// The answer: a line of names, and a line for each row.
pub(crate) fn csv(names: &[&str], rows: impl IntoIterator<Item = Vec<Cell>>) -> Response {
    let content_type = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
    ([(header::CONTENT_TYPE, content_type)], text(names, rows)).into_response()
}

fn text(names: &[&str], rows: impl IntoIterator<Item = Vec<Cell>>) -> String {
    let mut text = names.join(",");
    text.push_str("\r\n");
    for row in rows {
        debug_assert_eq!(row.len(), names.len());
        for (nth, cell) in row.iter().enumerate() {
            if nth > 0 {
                text.push(',');
            }
            cell.write(&mut text);
        }
        text.push_str("\r\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        let told = |written: &str| Cell::Text(written.to_owned());
        let rows = [
            vec![told("plain"), Cell::plain(-3), Cell::Plain(None)],
            vec![told("a \"b\", c\nd"), Cell::plain(0.25), Cell::plain(7)],
            vec![told("=1+1"), Cell::plain(1), Cell::plain(2)],
            vec![told("@x"), Cell::plain(1), Cell::plain(2)],
        ];
        assert_eq!(
            text(&["name", "one", "two"], rows),
            "name,one,two\r\nplain,-3,\r\n\"a \"\"b\"\", c\nd\",0.25,7\r\n\"'=1+1\",1,2\r\n\"'@x\",1,2\r\n"
        );
    }
}
