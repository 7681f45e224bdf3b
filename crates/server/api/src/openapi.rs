//! The description of the interface: what the routes say of themselves, completed with what is the same for all of
//! them or is documented elsewhere once: rights from the table, settings from `model`, fields of filters, errors.

use hostler_model::access::{Right, Token, User};
use hostler_model::action::VmAction;
use hostler_model::agent::{Agent, Enrolment};
use hostler_model::host::Host;
use hostler_model::host_group::HostGroup;
use hostler_model::job::{Job, JobKind};
use hostler_model::library::{Item, Share};
use hostler_model::saved_view::SavedView;
use hostler_model::setting::SETTINGS;
use hostler_model::status::{HostStatus, VmStatus};
use hostler_model::template::Template;
use hostler_model::vm::Vm;
use hostler_model::{Code, Kind};
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;
use utoipa::{PartialSchema, ToSchema};

use crate::access::{COOKIE, CSRF};
use crate::fields;
use crate::listed::names_of;
use crate::problem::ProblemBody;
use crate::rights::{RouteError, Table};

const ABOUT: &str = "Hostler manages virtual machines. Each change becomes a job: it is answered with 202 and the job's \
number, and with `dry_run=true` with its plan. With `If-Match` it \
is made only to the version that was seen. Things are named in paths and bodies by id, by name, by `name@host` where \
names collide, or by the last six or more digits of an id. Errors are RFC 9457 problems with `code`, `object`, `cause` \
and `remedy`. Filters are terms joined by `,`: `field=value`, `!=`, `~` with a pattern, `<`, `<=`, `>`, `>=`; several \
values are joined by `|`.";

/// The document, completed.
pub(crate) fn complete(document: OpenApi, table: &Table) -> Result<Value, RouteError> {
    let mut document = serde_json::to_value(document)?;
    document["info"] = json!({
        "title": "Hostler",
        "description": ABOUT,
        "version": env!("CARGO_PKG_VERSION"),
        "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
    });
    document["servers"] = json!([{ "url": "/", "description": "This server" }]);
    document["tags"] = json!([]);
    schemas(&mut document)?;
    let mut tags = Vec::new();
    if let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) {
        for (path, item) in paths {
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                let Some(right) = table.right(path, &method.to_uppercase()) else {
                    return Err(RouteError::NoRight { method: method.clone(), path: path.clone() });
                };
                let tag = tag(path);
                one(operation, path, method, right, &tag);
                if !tags.contains(&tag) {
                    tags.push(tag);
                }
            }
        }
    }
    fields::describe(&mut document);
    document["tags"] = tags.into_iter().map(|name| json!({ "name": name })).collect();
    Ok(document)
}

/// The document as text: the same for the same routes, so that a difference is one of the interface.
pub(crate) fn text(document: &Value) -> Result<String, RouteError> {
    Ok(serde_json::to_string_pretty(document)? + "\n")
}

/// One operation.
fn one(operation: &mut Value, path: &str, method: &str, right: Right, tag: &str) {
    operation["tags"] = json!([tag]);
    operation["x-right"] = json!(right);
    if right == Right::Public {
        operation["security"] = json!([]);
    } else {
        operation["security"] = json!([{ "token": [] }, { "cookie": [] }]);
    }
    let mut parameters = operation.get("parameters").and_then(Value::as_array).cloned().unwrap_or_default();
    for name in in_braces(path) {
        let schema = if name == "no" {
            json!({ "type": "integer", "minimum": 0 })
        } else {
            json!({ "type": "string" })
        };
        let described = json!({
            "name": name, "in": "path", "required": true, "schema": schema, "description": in_path(name),
        });
        parameters.insert(0, described);
    }
    for parameter in &mut parameters {
        if let Some(fields) = fields_of(path)
            && matches!(parameter["name"].as_str(), Some("filter" | "sort"))
        {
            let said = parameter["description"].as_str().unwrap_or_default();
            parameter["description"] = json!(format!("{said} Fields: {}.", fields.join(", ")));
        }
    }
    let is_change = parameters.iter().any(|parameter| parameter["name"] == "dry_run");
    if is_change {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "schema": { "type": "string", "minLength": 1, "maxLength": 128 },
            "description": "Asked again with the same key within 24 hours, the answer is the same job. With another request \
                it is refused (422, `idempotency.key.reused`).",
        }));
    }
    // Of networks there is no object with a version.
    let has_version = !path.starts_with("/api/v1/networks/");
    let of_one = is_change && has_version && (path.contains('{') || path.ends_with("/me/password"));
    if of_one {
        parameters.push(json!({
            "name": "If-Match", "in": "header", "required": false, "schema": { "type": "string" },
            "description": "ETags of the versions of the thing that the change may be made to, as `\"<history>-<revision>\"`; \
                what stands behind a dot does not count. Such a change does not queue.",
        }));
    }
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    let by_etag = method == "get" && path.ends_with('}') || path.ends_with("/me");
    if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
        if of_one {
            responses.insert("412".to_owned(), json!({
                "description": "The thing has changed since (`revision.stale`); the header ETag holds its present version",
                "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
            }));
        }
        if by_etag {
            responses.insert(
                "304".to_owned(),
                json!({ "description": "Not modified since the ETag that was sent" }),
            );
        }
        responses.insert("default".to_owned(), json!({
            "description": "Why it was not done",
            "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
        }));
    }
}

/// What is said of a parameter in a path.
fn in_path(name: &str) -> String {
    match name {
        "job" => "The number of the job.".to_owned(),
        "no" => "The number of the disk.".to_owned(),
        "upload" => "The upload, as its beginning was answered.".to_owned(),
        "page" => "The page of the console, as in `vms`.".to_owned(),
        "name" => "The name of the view.".to_owned(),
        "group" => {
            "The path, as in `/All Hosts/Site A` (its `/` written `%2F`), the id, its last six or more digits, or the name \
             where only one group has it."
                .to_owned()
        }
        "network" => "Its name.".to_owned(),
        "enrolment" => "The id, or its last six or more digits.".to_owned(),
        _ => "The id, its last six or more digits, or the name.".to_owned(),
    }
}

fn in_braces(path: &str) -> Vec<&str> {
    // The last first: they are put in from the front.
    path.split('/').rev().filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect()
}

fn tag(path: &str) -> String {
    let below = path.strip_prefix("/api/v1/").unwrap_or("server");
    let noun = below.split('/').next().unwrap_or_default();
    match noun {
        "sign-in" | "sign-out" | "me" => "session",
        "openapi.json" | "settings" | "settings-reference" | "backup" => "server",
        noun => noun,
    }
    .to_owned()
}

/// The fields by which a list is filtered and sorted.
fn fields_of(path: &str) -> Option<Vec<&'static str>> {
    let noun = path.strip_prefix("/api/v1/")?;
    Some(match noun.strip_suffix("/window").unwrap_or(noun) {
        "vms" => names_of::<Vm>(),
        "hosts" => names_of::<Host>(),
        "host-groups" => names_of::<HostGroup>(),
        "agents" => names_of::<Agent>(),
        "enrolments" => names_of::<Enrolment>(),
        "library-shares" => names_of::<Share>(),
        "library-items" => names_of::<Item>(),
        "templates" => names_of::<Template>(),
        "users" => names_of::<User>(),
        "me/views" => names_of::<SavedView>(),
        "tokens" => names_of::<Token>(),
        "jobs" => names_of::<Job>(),
        _ => return None,
    })
}

fn schemas(document: &mut Value) -> Result<(), RouteError> {
    let mut more = Vec::new();
    ProblemBody::schemas(&mut more);
    more.push(("Problem".to_owned(), ProblemBody::schema()));
    let components = &mut document["components"];
    for (name, schema) in more {
        components["schemas"][name] = serde_json::to_value(schema)?;
    }
    for (name, words) in closed_words() {
        let schema = &mut components["schemas"][name];
        if schema.is_object() {
            *schema = json!({ "type": "string", "enum": words, "description": schema["description"] });
        }
    }
    components["securitySchemes"] = json!({
        "token": { "type": "http", "scheme": "bearer", "description": "A token of `POST /sign-in` or `POST /tokens`." },
        "cookie": {
            "type": "apiKey", "in": "cookie", "name": COOKIE,
            "description": format!("A browser's sign-in. Changes also need the header `{CSRF}`, and come from this server's own pages."),
        },
    });
    if let Some(settings) = components["schemas"]["Settings"]["properties"].as_object_mut() {
        settings_from_the_table(settings);
    }
    Ok(())
}

/// The words of the enums that `model` makes from tables: the derive sees the names of their variants only.
fn closed_words() -> Vec<(&'static str, Vec<&'static str>)> {
    let codes = Code::ALL.iter().chain([&Code::Unknown]).map(|code| code.text());
    let kinds = JobKind::ALL.iter().chain([&JobKind::Unknown]).map(|kind| kind.word());
    vec![
        ("Code", codes.collect()),
        ("JobKind", kinds.collect()),
        ("Kind", Kind::ALL.iter().map(|kind| kind.word()).collect()),
        ("HostStatus", HostStatus::ALL.iter().map(|status| status.word()).collect()),
        ("VmStatus", VmStatus::ALL.iter().map(|status| status.word()).collect()),
        ("VmAction", VmAction::ALL.iter().map(|action| action.word()).collect()),
    ]
}

/// Each setting as the one table documents it.
fn settings_from_the_table(properties: &mut Map<String, Value>) {
    for field in SETTINGS {
        if let Some(property) = properties.get_mut(field.name) {
            property["description"] = json!(format!("{} In {}.", field.help, field.unit));
            property["default"] = field.json(field.default);
            if field.is_mac() {
                let (least, most) = (field.shown(field.min), field.shown(field.max));
                property["description"] = json!(format!("{} A MAC address, {least} to {most}.", field.help));
                continue;
            }
            property["minimum"] = json!(field.min);
            property["maximum"] = json!(field.max);
        }
    }
}
