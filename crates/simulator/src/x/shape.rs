//! Shapes of bodies and parameters: small schemas, checked with the place of the first error.
//!
//! **Invariant:** a shape accepts what X's description accepts and nothing else; the tests compare
//! the two verdict by verdict.

use chrono::DateTime;
use serde_json::{Map, Value};

use super::problem::Problem;

/// What a value must look like.
pub(super) enum Shape {
    /// Any JSON object.
    Anything,
    /// A string of so many characters.
    Text { min: usize, max: usize },
    /// Decimal digits, 1 to 19.
    Id,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A moment by RFC 3339.
    Moment,
    /// True or false.
    Flag,
    /// A whole number.
    Whole { min: i64, max: i64 },
    /// Any number.
    Number,
    /// A list; in a query, divided by commas.
    List { min: usize, max: usize, unique: bool, item: &'static Shape },
    /// An object; `closed` when it may have no other fields.
    Record { fields: &'static [Field], closed: bool },
}

/// A string without bounds.
pub(super) const TEXT: Shape = Shape::Text { min: 0, max: usize::MAX };

/// One field of an object, or one parameter of a query.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) required: bool,
    pub(super) shape: Shape,
}

/// A field that must be there.
pub(super) const fn needs(name: &'static str, shape: Shape) -> Field {
    Field { name, required: true, shape }
}

/// A field that may be there.
pub(super) const fn may(name: &'static str, shape: Shape) -> Field {
    Field { name, required: false, shape }
}

impl Shape {
    /// Checks a value that stands at `place`.
    pub(super) fn check(&self, place: &str, value: &Value) -> Result<(), Problem> {
        match self.complaint(value) {
            None => self.check_inside(place, value),
            Some(message) => {
                let shown = match value {
                    Value::String(text) => text.chars().take(200).collect(),
                    other => other.to_string().chars().take(200).collect::<String>(),
                };
                Err(Problem::invalid(place, &shown, format!("The `{place}` {message}")))
            }
        }
    }

    /// What is wrong with the value itself, leaving out what it contains.
    fn complaint(&self, value: &Value) -> Option<String> {
        let wrong = |expected: &str| Some(format!("must be {expected}"));
        match (self, value) {
            (Shape::Anything, Value::Object(_)) => None,
            (Shape::Anything, _) => wrong("an object"),
            (Shape::Text { min, max }, Value::String(text)) => {
                let length = text.chars().count();
                let fits = (*min..=*max).contains(&length);
                if fits { None } else { wrong(&format!("a string of {min} to {max} characters")) }
            }
            (Shape::Text { .. }, _) => wrong("a string"),
            (Shape::Id, Value::String(text)) if is_id(text) => None,
            (Shape::Id, _) => wrong("a string that matches ^[0-9]{1,19}$"),
            (Shape::Word(words), Value::String(text)) if words.contains(&text.as_str()) => None,
            (Shape::Word(words), _) => wrong(&format!("one of [{}]", words.join(","))),
            (Shape::Moment, Value::String(text)) if DateTime::parse_from_rfc3339(text).is_ok() => {
                None
            }
            (Shape::Moment, _) => wrong("a date and time by RFC 3339"),
            (Shape::Flag, Value::Bool(_)) => None,
            (Shape::Flag, _) => wrong("true or false"),
            (Shape::Whole { min, max }, value) => match whole(value) {
                Some(number) if (*min..=*max).contains(&number) => None,
                _ => wrong(&format!("a whole number from {min} to {max}")),
            },
            (Shape::Number, Value::Number(_)) => None,
            (Shape::Number, _) => wrong("a number"),
            (Shape::List { min, max, unique, .. }, Value::Array(items)) => {
                let twice = |(at, item): (usize, &Value)| items[..at].contains(item);
                if !(*min..=*max).contains(&items.len()) {
                    wrong(&format!("a list of {min} to {max} items"))
                } else if *unique && items.iter().enumerate().any(twice) {
                    wrong("a list without repetitions")
                } else {
                    None
                }
            }
            (Shape::List { .. }, _) => wrong("a list"),
            (Shape::Record { .. }, Value::Object(_)) => None,
            (Shape::Record { .. }, _) => wrong("an object"),
        }
    }

    fn check_inside(&self, place: &str, value: &Value) -> Result<(), Problem> {
        match (self, value) {
            (Shape::List { item, .. }, Value::Array(items)) => items
                .iter()
                .enumerate()
                .try_for_each(|(at, value)| item.check(&format!("{place}[{at}]"), value)),
            (Shape::Record { fields, closed }, Value::Object(object)) => {
                check_fields(fields, *closed, place, object)
            }
            _ => Ok(()),
        }
    }
}

/// Checks an object's fields; `place` is empty for a whole body or query.
pub(super) fn check_fields(
    fields: &[Field],
    closed: bool,
    place: &str,
    object: &Map<String, Value>,
) -> Result<(), Problem> {
    let inside = |name: &str| match place {
        "" => name.to_owned(),
        place => format!("{place}.{name}"),
    };
    for (name, value) in object {
        match fields.iter().find(|field| field.name == name) {
            Some(field) => field.shape.check(&inside(name), value)?,
            None if closed => {
                let place = inside(name);
                let known: Vec<&str> = fields.iter().map(|field| field.name).collect();
                let message = format!("The `{place}` is not one of [{}]", known.join(","));
                return Err(Problem::invalid(&place, "", message));
            }
            None => {}
        }
    }
    for field in fields.iter().filter(|field| field.required) {
        if !object.contains_key(field.name) {
            let place = inside(field.name);
            return Err(Problem::invalid(&place, "", format!("The `{place}` can not be empty")));
        }
    }
    Ok(())
}

/// Reads a query into an object as its fields say, and checks it.
pub(super) fn check_query(
    fields: &[Field],
    query: &[(String, String)],
) -> Result<Map<String, Value>, Problem> {
    let mut object = Map::new();
    for (name, value) in query {
        let shape = fields.iter().find(|field| field.name == name).map(|field| &field.shape);
        let value = match shape {
            Some(Shape::Whole { .. }) => {
                value.parse::<i64>().map_or_else(|_| Value::from(value.as_str()), Value::from)
            }
            Some(Shape::List { .. }) => value.split(',').map(Value::from).collect(),
            _ => Value::from(value.as_str()),
        };
        if object.insert(name.clone(), value).is_some() {
            return Err(Problem::invalid(name, "", format!("The `{name}` is given twice")));
        }
    }
    check_fields(fields, true, "", &object)?;
    Ok(object)
}

/// Whether it is an id: decimal digits, 1 to 19.
pub(super) fn is_id(text: &str) -> bool {
    (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A JSON number without a fraction, `5.0` included, as JSON Schema counts them.
pub(super) fn whole(value: &Value) -> Option<i64> {
    let number = value.as_number()?;
    if let Some(number) = number.as_i64() {
        return Some(number);
    }
    let number = number.as_f64().filter(|number| number.fract() == 0.0)?;
    // The bounds of all shapes lie far below 2^53, where this is exact.
    (number.abs() < 9e15).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PARAMETERS: &[Field] = &[
        may("max_results", Shape::Whole { min: 5, max: 100 }),
        needs("ids", Shape::List { min: 1, max: 2, unique: false, item: &Shape::Id }),
        may("since", Shape::Moment),
    ];

    fn parameter(query: &[(&str, &str)]) -> Option<String> {
        let query: Vec<_> = query.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        let problem = check_query(PARAMETERS, &query).err()?;
        Some(problem.as_partial()["parameter"].as_str().expect("a parameter").to_owned())
    }

    #[test]
    fn a_query_is_checked_with_the_name_of_what_is_wrong() {
        assert_eq!(parameter(&[("ids", "1,2"), ("max_results", "5")]), None);
        assert_eq!(parameter(&[("ids", "1"), ("max_results", "4")]), Some("max_results".into()));
        assert_eq!(parameter(&[("ids", "1"), ("max_results", "x")]), Some("max_results".into()));
        assert_eq!(parameter(&[("ids", "1,a")]), Some("ids[1]".into()));
        assert_eq!(parameter(&[("ids", "1,2,3")]), Some("ids".into()));
        assert_eq!(parameter(&[("ids", "1"), ("ids", "2")]), Some("ids".into()));
        assert_eq!(parameter(&[("ids", "1"), ("limit", "2")]), Some("limit".into()));
        assert_eq!(parameter(&[("ids", "1"), ("since", "yesterday")]), Some("since".into()));
        assert_eq!(parameter(&[]), Some("ids".into()));
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        assert_eq!(whole(&json!(5.0)), Some(5));
        assert_eq!(whole(&json!(5.5)), None);
        assert_eq!(whole(&json!("5")), None);
    }
}
