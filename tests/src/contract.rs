//! Requests and answers against a network's own OpenAPI 3.0 description.
//!
//! The descriptions are not part of this repository: they lie in the folder that `EZRE_CONTRACTS`
//! names, or in `../shared/contracts` beside the workspace.
//!
//! **Invariant:** what the description does not know is a complaint, never passed over; an absent
//! description is an error that says so.

mod form;

use anyhow::{Context, bail};
use jsonschema::{Draft, Validator};
use reqwest::Url;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// The folder of the contracts, whether it is there or not.
pub fn folder() -> PathBuf {
    std::env::var_os("EZRE_CONTRACTS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/contracts"),
        PathBuf::from,
    )
}

/// A network's description.
#[derive(Clone, Debug)]
pub struct Contract {
    paths: Value,
    /// Schemas as JSON Schema, so that references into them resolve.
    components: Value,
}

/// A request as it went over the wire.
#[derive(Clone, Debug)]
pub struct Sent<'a> {
    /// For example `POST`.
    pub method: &'a str,
    /// Path and query, for example `/2/users/1/tweets?max_results=5`.
    pub target: &'a str,
    /// The header `content-type`.
    pub content_type: Option<&'a str>,
    /// The body, empty when there is none.
    pub body: &'a [u8],
}

impl Contract {
    /// Reads a description by its path within the contracts, for example
    /// `x/openapi.trimmed.json`.
    ///
    /// # Errors
    /// When the file is absent (a test should then say that it is skipped) or is no description.
    pub fn load(file: &str) -> anyhow::Result<Self> {
        let path = folder().join(file);
        if !path.exists() {
            bail!("no {} (set EZRE_CONTRACTS to the folder of the contracts)", path.display());
        }
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let document = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        Ok(Self::new(&document))
    }

    /// Takes a description that is already read.
    pub fn new(document: &Value) -> Self {
        Contract {
            paths: json_schema(&document["paths"]),
            components: json_schema(&document["components"]),
        }
    }

    /// What the description has against a request; empty when it allows it.
    pub fn request(&self, sent: &Sent<'_>) -> Vec<String> {
        let Some(found) = self.operation(sent.method, sent.target) else {
            return vec![format!("no such operation: {} {}", sent.method, sent.target)];
        };
        let mut complaints = self.parameters(&found, sent.target);
        complaints.extend(self.body(&found, sent));
        complaints.iter().map(|what| format!("{} {}: {what}", sent.method, sent.target)).collect()
    }

    /// What the description has against an answer to a request; empty when it allows it.
    pub fn answer(&self, method: &str, target: &str, status: u16, body: &Value) -> Vec<String> {
        let Some(found) = self.operation(method, target) else {
            return vec![format!("no such operation: {method} {target}")];
        };
        let responses = &found.operation["responses"];
        let response = responses.get(status.to_string()).unwrap_or(&responses["default"]);
        let problem = status >= 400 && body.get("type").is_some();
        let kind = if problem { "application/problem+json" } else { "application/json" };
        let schema = &self.resolve(response)["content"][kind]["schema"];
        if schema.is_null() {
            return vec![format!("{method} {target}: no answer {status} of {kind}")];
        }
        let complaints = self.validate(schema, body);
        complaints.iter().map(|what| format!("{method} {target} {status}: {what}")).collect()
    }

    /// The OAuth scopes of which one set is needed for an operation.
    pub fn scopes(&self, method: &str, target: &str, scheme: &str) -> Option<Vec<String>> {
        let found = self.operation(method, target)?;
        let security = found.operation["security"].as_array()?;
        let scopes = security.iter().find_map(|way| way.get(scheme))?.as_array()?;
        Some(scopes.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// The operation for a method and a path, the most literal first.
    fn operation(&self, method: &str, target: &str) -> Option<Found<'_>> {
        let path = target.split('?').next().unwrap_or_default();
        let paths = self.paths.as_object()?.iter();
        let matching = paths.filter_map(|(template, item)| {
            let operation = item.get(method.to_ascii_lowercase())?;
            let values = path_values(template, path)?;
            Some(Found { item, operation, values })
        });
        matching.min_by_key(|found| found.values.len())
    }

    fn parameters(&self, found: &Found<'_>, target: &str) -> Vec<String> {
        let declared: Vec<&Value> = [&found.item["parameters"], &found.operation["parameters"]]
            .into_iter()
            .filter_map(Value::as_array)
            .flatten()
            .map(|parameter| self.resolve(parameter))
            .collect();
        let query: Vec<(String, String)> = Url::parse(&format!("http://x{target}"))
            .map(|url| url.query_pairs().into_owned().collect())
            .unwrap_or_default();
        let mut complaints = Vec::new();
        for (name, _) in &query {
            if !declared.iter().any(|p| p["in"] == "query" && p["name"] == **name) {
                complaints.push(format!("unknown query parameter {name}"));
            }
        }
        for parameter in declared {
            let name = parameter["name"].as_str().unwrap_or_default();
            let values: Vec<&str> = match parameter["in"].as_str() {
                Some("query") => {
                    query.iter().filter(|(n, _)| n == name).map(|(_, v)| &**v).collect()
                }
                Some("path") => {
                    found.values.iter().filter(|(n, _)| n == name).map(|(_, v)| &**v).collect()
                }
                _ => continue,
            };
            if values.is_empty() {
                if parameter["required"] == true {
                    complaints.push(format!("{name} is missing"));
                }
                continue;
            }
            let schema = self.resolve(&parameter["schema"]);
            let value = if schema["type"] == "array" {
                let items = self.resolve(&schema["items"]);
                let joined = parameter["explode"] == false;
                let parts = values.iter().flat_map(|v| match joined {
                    true => v.split(',').collect::<Vec<_>>(),
                    false => vec![*v],
                });
                parts.map(|part| typed(items, part)).collect()
            } else if let [value] = values[..] {
                typed(schema, value)
            } else {
                complaints.push(format!("{name} is given more than once"));
                continue;
            };
            let found = self.validate(schema, &value);
            complaints.extend(found.into_iter().map(|what| format!("{name}: {what}")));
        }
        complaints
    }

    fn body(&self, found: &Found<'_>, sent: &Sent<'_>) -> Vec<String> {
        let declared = self.resolve(&found.operation["requestBody"]);
        if sent.body.is_empty() {
            let missing = declared["required"] == true;
            return missing.then(|| "the body is missing".to_owned()).into_iter().collect();
        }
        let content_type = sent.content_type.unwrap_or_default();
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        let schema = &declared["content"][kind]["schema"];
        if schema.is_null() {
            return vec![format!("a body of {kind:?} is not described")];
        }
        let value = match kind {
            "application/json" => serde_json::from_slice(sent.body).map_err(|e| e.to_string()),
            "multipart/form-data" => self.form(content_type, sent.body, self.resolve(schema)),
            _ => Err(format!("a body of {kind} cannot be checked")),
        };
        match value {
            Ok(value) => self.validate(schema, &value),
            Err(complaint) => vec![complaint],
        }
    }

    /// A multipart form as an object; files as a text in their place.
    fn form(&self, content_type: &str, body: &[u8], schema: &Value) -> Result<Value, String> {
        let mut object = Map::new();
        for (name, text) in form::fields(content_type, body)? {
            let value = match text {
                Some(text) => typed(self.resolve(&schema["properties"][&name]), &text),
                None => Value::String("(file)".to_owned()),
            };
            if object.insert(name.clone(), value).is_some() {
                return Err(format!("{name} is given more than once"));
            }
        }
        Ok(Value::Object(object))
    }

    fn validate(&self, schema: &Value, value: &Value) -> Vec<String> {
        let schema = json!({ "allOf": [schema], "components": self.components });
        let options = jsonschema::options();
        let validator: Validator =
            match options.with_draft(Draft::Draft7).should_validate_formats(true).build(&schema) {
                Ok(validator) => validator,
                Err(error) => return vec![format!("the description has no valid schema: {error}")],
            };
        let errors = validator.iter_errors(value);
        errors.map(|error| format!("{} at {:?}", error, error.instance_path().as_str())).collect()
    }

    fn resolve<'a>(&'a self, mut value: &'a Value) -> &'a Value {
        while let Some(pointer) = value["$ref"].as_str() {
            let inside = pointer.strip_prefix("#/components").unwrap_or(pointer);
            value = self.components.pointer(inside).unwrap_or(&Value::Null);
        }
        value
    }
}

/// An operation, and the values that the path gives.
struct Found<'a> {
    item: &'a Value,
    operation: &'a Value,
    values: Vec<(String, String)>,
}

/// The values of a template's variables in a path that it matches.
fn path_values(template: &str, path: &str) -> Option<Vec<(String, String)>> {
    let (template, path): (Vec<&str>, Vec<&str>) =
        (template.split('/').collect(), path.split('/').collect());
    if template.len() != path.len() {
        return None;
    }
    let mut values = Vec::new();
    for (wanted, given) in template.into_iter().zip(path) {
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if !given.is_empty() => values.push((name.to_owned(), given.to_owned())),
            None if wanted == given => {}
            _ => return None,
        }
    }
    Some(values)
}

/// A text from a query or a form as the schema's type, where it can be read so.
fn typed(schema: &Value, text: &str) -> Value {
    let number = matches!(schema["type"].as_str(), Some("integer" | "number" | "boolean"));
    let parsed = number.then(|| serde_json::from_str(text).ok()).flatten();
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// OpenAPI 3.0's dialect as JSON Schema: `nullable` becomes a type or an alternative.
fn json_schema(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(json_schema).collect(),
        Value::Object(fields) => {
            let mut fields: Map<String, Value> =
                fields.iter().map(|(key, value)| (key.clone(), json_schema(value))).collect();
            if fields.get("nullable").is_some_and(Value::is_boolean)
                && fields.remove("nullable") == Some(Value::Bool(true))
            {
                return json!({ "anyOf": [fields, { "type": "null" }] });
            }
            Value::Object(fields)
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract() -> Contract {
        Contract::new(&json!({
            "paths": {
                "/2/posts": { "post": {
                    "requestBody": { "required": true, "content": {
                        "application/json": { "schema": { "$ref": "#/components/schemas/New" } },
                        "multipart/form-data": { "schema": { "$ref": "#/components/schemas/File" } },
                    } },
                    "responses": { "201": { "content": { "application/json": { "schema": {
                        "type": "object", "required": ["id"],
                    } } } } },
                } },
                "/2/posts/{id}": { "get": {
                    "parameters": [
                        { "name": "id", "in": "path", "required": true,
                          "schema": { "type": "string", "pattern": "^[0-9]+$" } },
                        { "name": "limit", "in": "query", "required": true,
                          "schema": { "type": "integer", "maximum": 100 } },
                        { "name": "fields", "in": "query", "explode": false,
                          "schema": { "type": "array", "items": { "enum": ["a", "b"] } } },
                    ],
                    "responses": {},
                } },
            },
            "components": { "schemas": {
                "New": {
                    "type": "object",
                    "properties": {
                        "text": { "type": "string" },
                        "note": { "type": "string", "nullable": true },
                    },
                    "additionalProperties": false,
                },
                "File": {
                    "type": "object",
                    "required": ["file", "index"],
                    "properties": { "file": { "type": "string" }, "index": { "type": "integer" } },
                    "additionalProperties": false,
                },
            } },
        }))
    }

    fn complaints(method: &str, target: &str, kind: &str, body: &str) -> usize {
        let sent = Sent { method, target, content_type: Some(kind), body: body.as_bytes() };
        contract().request(&sent).len()
    }

    #[test]
    fn a_request_as_described_is_allowed() {
        for (method, target, kind, body) in [
            ("GET", "/2/posts/1?limit=100&fields=a,b", "", ""),
            ("POST", "/2/posts", "application/json", r#"{"text":"a","note":null}"#),
            (
                "POST",
                "/2/posts",
                "multipart/form-data; boundary=b",
                "--b\r\nContent-Disposition: form-data; name=\"index\"\r\n\r\n0\r\n--b\r\n\
                 Content-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n\
                 \r\n\r\nx\r\n--b--\r\n",
            ),
        ] {
            assert_eq!(complaints(method, target, kind, body), 0, "{method} {target} {body}");
        }
    }

    #[test]
    fn whatever_else_is_complained_of() {
        for (method, target, kind, body) in [
            ("PUT", "/2/posts", "", ""),
            ("GET", "/2/posts/x?limit=1", "", ""),
            ("GET", "/2/posts/1", "", ""),
            ("GET", "/2/posts/1?limit=101", "", ""),
            ("GET", "/2/posts/1?limit=1&fields=a,c", "", ""),
            ("GET", "/2/posts/1?limit=1&other=1", "", ""),
            ("POST", "/2/posts", "application/json", ""),
            ("POST", "/2/posts", "application/json", r#"{"text":null}"#),
            ("POST", "/2/posts", "application/json", r#"{"other":1}"#),
            ("POST", "/2/posts", "text/plain", "a"),
            (
                "POST",
                "/2/posts",
                "multipart/form-data; boundary=b",
                "--b\r\nContent-Disposition: form-data; name=\"index\"\r\n\r\n0\r\n--b--\r\n",
            ),
        ] {
            assert_eq!(complaints(method, target, kind, body), 1, "{method} {target} {body}");
        }
    }

    #[test]
    fn an_answer_is_held_to_its_schema() {
        let contract = contract();
        assert!(contract.answer("POST", "/2/posts", 201, &json!({ "id": "1" })).is_empty());
        assert_eq!(contract.answer("POST", "/2/posts", 201, &json!({})).len(), 1);
        assert_eq!(contract.answer("POST", "/2/posts", 404, &json!({})).len(), 1);
    }
}
