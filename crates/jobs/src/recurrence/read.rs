//! A pattern as somebody sent it: what is wrong is said at its field.

use serde_json::{Map, Value};

use super::{Invalid, Pattern};

impl Pattern {
    /// Reads a pattern from JSON. The decoder of an enum that is told apart by a field of its own does not
    /// say where it was when it stopped, so that is found out here: what is wrong is the field without which
    /// it stops no more, or stops because that field is missing.
    ///
    /// # Errors
    /// [`Invalid`]; its field is empty when the pattern as a whole is wrong.
    pub fn read(value: &Value) -> Result<Pattern, Invalid> {
        let said = match decode(value) {
            Ok(pattern) => return Ok(pattern),
            Err(said) => said,
        };
        let Value::Object(fields) = value else {
            return Err(Invalid::new("", format!("{said}: expected an object with a pattern")));
        };
        let named = ["missing field `", "unknown field `"]
            .iter()
            .find_map(|start| said.strip_prefix(start)?.split('`').next());
        if let Some(name) = named {
            return Err(Invalid::new(name, said.clone()));
        }
        // Without the pattern's name nothing can be read, so that comes last.
        let mut names: Vec<&str> = fields.keys().map(String::as_str).collect();
        names.sort_by_key(|name| *name == "pattern");
        let wrong = names.into_iter().find(|name| is_wrong(fields, name)).unwrap_or_default();
        Err(Invalid::new(wrong, explain(wrong, said)))
    }
}

fn decode(value: &Value) -> Result<Pattern, String> {
    serde_json::from_value(value.clone()).map_err(|error| error.to_string())
}

fn is_wrong(fields: &Map<String, Value>, name: &str) -> bool {
    let mut without = fields.clone();
    without.remove(name);
    match decode(&Value::Object(without)) {
        Ok(_) => true,
        Err(said) => said.starts_with(&format!("missing field `{name}`")),
    }
}

fn explain(field: &str, said: String) -> String {
    match field {
        "at" => format!("{said}: expected a time of day such as 09:00 or 09:00:30"),
        _ => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_wrong_is_said_at_its_field() {
        for (value, field, said) in [
            (json!({ "pattern": "daily", "at": "25:00" }), "at", "expected a time of day"),
            (json!({ "pattern": "daily", "at": 9 }), "at", "expected a time of day"),
            (json!({ "pattern": "daily" }), "at", "missing field"),
            (json!({ "pattern": "daily", "at": "09:00", "x": 1 }), "x", "unknown field"),
            (json!({ "pattern": "weekly", "at": "09:00", "days": ["noday"] }), "days", "noday"),
            (json!({ "pattern": "monthly", "at": "09:00", "on": { "kind": "x" } }), "on", "`x`"),
            (json!({ "pattern": "cron", "expression": 5 }), "expression", "a string"),
            (
                json!({ "pattern": "cron", "expression": "* * * * *", "seconds": 1 }),
                "seconds",
                "bool",
            ),
            (json!({ "pattern": "hourly" }), "pattern", "hourly"),
            (json!({ "at": "09:00" }), "pattern", "missing field"),
            (json!("daily"), "", "expected an object"),
        ] {
            let invalid = Pattern::read(&value).map(|_| ());
            let Err(invalid) = invalid else { panic!("{value} was read") };
            assert_eq!(invalid.field, field, "{value}: {}", invalid.message);
            assert!(invalid.message.contains(said), "{value}: {}", invalid.message);
        }
        let good = json!({ "pattern": "daily", "at": "09:00" });
        assert!(matches!(Pattern::read(&good), Ok(Pattern::Daily { .. })));
    }
}
