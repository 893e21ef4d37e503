//! The OpenAPI document: what the routes say of themselves, and what the catalogue says of the
//! kinds.
//!
//! `POST /v1/jobs` takes a union discriminated by `kind`, and a job is shown as one, so that a
//! client generated from the document is fully typed. A new kind changes this file's output, not
//! this file.
//!
//! **Invariant:** every kind of the catalogue is in the document, and nothing internal can be sent.

use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

use crate::routes;
use jobs::{Caller, Kind, Spec};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Ezre Comms",
        description = "Every write is a job: `POST /v1/jobs` enqueues it, `Prefer: wait=N` waits for its result. Reads are plain `GET`s with keyset cursors. Every error is problem details (RFC 9457).",
    ),
    servers((url = "/", description = "Where this document was fetched from")),
    tags(
        (name = "jobs", description = "The one door for writes"),
        (name = "organizations", description = "Tenants"),
        (name = "keys", description = "API keys"),
        (name = "connections", description = "Connected accounts"),
        (name = "files", description = "Files"),
        (name = "uploads", description = "How files come in"),
        (name = "content", description = "Requests, versions, attachments"),
        (name = "schedules", description = "When and where content goes out"),
        (name = "posts", description = "What went out"),
        (name = "analytics", description = "What people did with it"),
        (name = "events", description = "What people must know"),
        (name = "operations", description = "How the fleet stands"),
    ),
    components(schemas(jobs::Scope, jobs::Queue, jobs::Code, jobs::Wait)),
)]
struct Base;

/// The whole document.
pub(crate) fn document() -> Value {
    let mut api = Base::openapi();
    api.info.license = None;
    api.merge(routes::documented());
    let components = api.components.get_or_insert_default();
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description = Some(
        "An API key of an organization (`ezre_…`), or the operators' token. An operator acts for \
         all organizations, or for the one that the header `Ezre-Organization` names."
            .to_owned(),
    );
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let mut document = serde_json::to_value(&api).expect("the document has string keys");
    let schemas = &mut document["components"]["schemas"];
    add_kinds(schemas);
    describe_jobs(schemas);
    describe_enqueueing(&mut document["paths"]["/v1/jobs"]["post"]);
    let upload = &mut document["paths"][routes::uploads::CONTENT]["put"]["requestBody"]["content"];
    // Bytes, which no schema describes.
    upload["application/octet-stream"] = json!({});
    for (_, operations) in entries(&mut document["paths"]) {
        for (_, operation) in entries(operations) {
            complete(operation);
        }
    }
    document
}

fn entries(value: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    value.as_object_mut().into_iter().flat_map(Map::iter_mut)
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The schemas of each kind: arguments, result, the job to send, the job as it is shown.
fn add_kinds(schemas: &mut Value) {
    let base = schemas["Job"].take();
    schemas["JobBase"] = base;
    let (mut sent, mut shown) = (Vec::new(), Vec::new());
    for kind in Kind::ALL.iter().copied() {
        let name = kind.args_name();
        let mut referenced = Vec::new();
        kind.referenced_schemas(&mut referenced);
        for (name, schema) in referenced {
            schemas[name] = json!(schema);
        }
        schemas[format!("{name}Args")] = json!(kind.args_schema());
        schemas[format!("{name}Result")] = json!(kind.output_schema());
        schemas[format!("{name}Job")] = shown_job(kind);
        shown.push((kind, format!("{name}Job")));
        if kind.spec().caller.is_open() {
            schemas[format!("Enqueue{name}")] = new_job(kind);
            sent.push((kind, format!("Enqueue{name}")));
        }
    }
    schemas["NewJob"] = union(&sent, "A job to be enqueued, by its kind.");
    schemas["Job"] = union(&shown, "A job, by its kind.");
}

/// What the row of a job keeps as plain JSON.
fn describe_jobs(schemas: &mut Value) {
    schemas["JobError"] = json!({
        "type": "object",
        "description": "What went wrong in an attempt.",
        "properties": {
            "code": reference("Code"),
            "message": { "type": "string", "description": "What went wrong, for people." },
            "field": { "type": "string", "description": "The argument that is wrong." },
            "at": { "type": "string", "format": "date-time", "description": "When." },
            "attempt": { "type": "integer", "description": "Which attempt it was, from 1." },
        },
        "required": ["code", "message"],
    });
    let row = &mut schemas["JobView"]["properties"];
    row["state"]["enum"] = json!(routes::jobs::STATES);
    row["errors"]["type"] = json!("array");
    row["errors"]["items"] = reference("JobError");
    row["waiting"]["oneOf"] = json!([reference("Wait"), { "type": "null" }]);
    let wait = &mut schemas["Wait"]["properties"];
    wait["until"] = json!({
        "type": "string", "format": "date-time",
        "description": "When it comes back, where that is known.",
    });
    wait["ahead"] = json!({
        "type": "integer", "minimum": 0, "maximum": 100,
        "description": "How many others of its organization go first, or wait for the same key before \
                        it, counted up to 100. Told by `getJob` alone.",
    });
    // Where a type has a parameter, utoipa repeats the whole schema of what stands for it.
    for (name, schema) in entries(schemas) {
        if let Some(row) = name.strip_prefix("Items_") {
            schema["properties"]["items"]["items"] = reference(row);
        }
    }
}

fn union(members: &[(Kind, String)], description: &str) -> Value {
    let mapping: Map<String, Value> = members
        .iter()
        .map(|(kind, name)| (kind.to_string(), json!(format!("#/components/schemas/{name}"))))
        .collect();
    json!({
        "description": description,
        "oneOf": members.iter().map(|(_, name)| reference(name)).collect::<Vec<_>>(),
        "discriminator": { "propertyName": "kind", "mapping": mapping },
    })
}

fn new_job(kind: Kind) -> Value {
    let spec = kind.spec();
    let (who, organization) = match spec.caller {
        Caller::Organization(scope) => (format!("Needs the scope `{}`.", scope.as_str()), true),
        Caller::Operator => ("For operators.".to_owned(), false),
        Caller::Network | Caller::Internal => ("Enqueued by the fleet itself.".to_owned(), false),
    };
    let mut properties = json!({
        "kind": { "type": "string", "const": kind.as_str() },
        "args": reference(&format!("{}Args", kind.args_name())),
        "actor": {
            "type": "string", "minLength": 1, "maxLength": 200,
            "description": "The person behind it: the frontend's own opaque text.",
        },
        "runAt": {
            "type": "string", "format": "date-time",
            "description": "Not before this moment; at once when absent.",
        },
        "maxAttempts": {
            "type": "integer", "minimum": 1, "maximum": 100,
            "default": spec.retry.max_attempts,
            "description": "Attempts that may fail.",
        },
        "priority": {
            "type": "integer", "minimum": i16::MIN, "maximum": i16::MAX, "default": 0,
            "description": "Lower goes first within an organization.",
        },
    });
    if organization {
        properties["organizationId"] = json!({
            "type": "string", "format": "uuid",
            "description": "For which organization; for operators alone.",
        });
    }
    json!({
        "type": "object",
        "description": format!("{} {who} {}", spec.summary, circumstances(&spec)),
        "properties": properties,
        "required": ["kind", "args"],
        "additionalProperties": false,
    })
}

fn circumstances(spec: &Spec) -> String {
    let mut said = format!(
        "Runs on the queue `{}`, at most {} times, each time for at most {} seconds.",
        spec.queue,
        spec.retry.max_attempts,
        spec.timeout.as_secs()
    );
    if !spec.secrets.is_empty() {
        let names: Vec<String> = spec.secrets.iter().map(|name| format!("`{name}`")).collect();
        said.push_str(&format!(" {} travels and rests sealed.", names.join(", ")));
    }
    said
}

fn shown_job(kind: Kind) -> Value {
    let name = kind.args_name();
    // Secret arguments are shown as a word that need not fit their schema.
    let args = if kind.spec().secrets.is_empty() {
        reference(&format!("{name}Args"))
    } else {
        json!({ "type": "object", "description": "Secret arguments are shown as `[sealed]`." })
    };
    json!({
        "description": kind.spec().summary,
        "allOf": [
            reference("JobBase"),
            {
                "type": "object",
                "properties": {
                    "kind": { "type": "string", "const": kind.as_str() },
                    "args": args,
                    "result": { "oneOf": [reference(&format!("{name}Result")), { "type": "null" }] },
                },
                "required": ["kind", "args"],
            },
        ],
    })
}

/// What utoipa's macros cannot say: one job or many.
fn describe_enqueueing(operation: &mut Value) {
    let one_or_many = |name: &str| {
        let many = json!({
            "type": "array", "items": reference(name), "minItems": 1, "maxItems": crate::enqueue::BATCH,
        });
        json!({ "oneOf": [reference(name), many] })
    };
    operation["requestBody"] = json!({
        "required": true,
        "content": { "application/json": { "schema": one_or_many("NewJob") } },
    });
    for status in ["200", "202"] {
        operation["responses"][status]["content"]["application/json"]["schema"] =
            one_or_many("Job");
    }
}

/// What holds for every operation: who may call, and how it may fail.
fn complete(operation: &mut Value) {
    let open = operation["operationId"] == "finishConnecting";
    operation["security"] = if open { json!([]) } else { json!([{ "bearer": [] }]) };
    let mut failure = |status: &str, description: &str, headers: Value| {
        let mut response = json!({
            "description": description,
            "content": { "application/problem+json": { "schema": reference("Problem") } },
        });
        if headers.is_object() {
            response["headers"] = headers;
        }
        if operation["responses"].get(status).is_none() {
            operation["responses"][status] = response;
        }
    };
    let number =
        |description: &str| json!({ "description": description, "schema": { "type": "integer" } });
    failure("401", "No key, or one that is unknown or was revoked", Value::Null);
    failure("403", "The key lacks a scope, which is named", Value::Null);
    failure(
        "429",
        "The key's requests a minute are used up",
        json!({
            "Retry-After": number("Seconds until one request is allowed"),
            "RateLimit-Limit": number("Requests a minute"),
            "RateLimit-Remaining": number("Requests that are left"),
            "RateLimit-Reset": number("Seconds until all are available again"),
        }),
    );
    failure(
        "503",
        "Something that the API needs is away",
        json!({ "Retry-After": number("Seconds until it makes sense to try again") }),
    );
    failure("default", "Another problem", Value::Null);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `$ref` in the document.
    fn references(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(target)) = fields.get("$ref") {
                    into.push(target.clone());
                }
                fields.values().for_each(|value| references(value, into));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, into)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 100);
        for target in found {
            let pointer = target.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{target}");
        }
    }

    #[test]
    fn every_kind_is_documented_and_nothing_internal_can_be_sent() {
        let document = document();
        let schemas = &document["components"]["schemas"];
        for kind in Kind::ALL {
            let sent = schemas["NewJob"]["discriminator"]["mapping"].get(kind.as_str());
            assert_eq!(sent.is_some(), kind.spec().caller.is_open(), "{kind}");
            assert!(schemas["Job"]["discriminator"]["mapping"].get(kind.as_str()).is_some());
        }
        assert!(!schemas["CreateKeyArgs"].to_string().contains("secretHash"));
    }

    #[test]
    fn every_operation_has_an_id_a_summary_and_a_way_to_fail() {
        let mut document = document();
        let mut ids = std::collections::BTreeSet::new();
        for (path, operations) in entries(&mut document["paths"]) {
            let known = ["/v1/", "/oauth/", "/webhooks/"];
            assert!(known.iter().any(|start| path.starts_with(start)), "{path}");
            for (method, operation) in entries(operations) {
                let id = operation["operationId"].as_str().expect("an id").to_owned();
                assert!(ids.insert(id), "{method} {path}");
                assert!(operation["summary"].is_string(), "{method} {path}");
                assert!(operation["responses"]["default"].is_object(), "{method} {path}");
            }
        }
        assert!(ids.len() > 25);
    }
}
