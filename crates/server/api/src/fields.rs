//! `fields=`: of each thing that a route answers only what is asked for. Which fields there are is what the description
//! of the interface says of the answer, so a route that answers a described thing, or a list of them, has `fields` without
//! doing anything for it.
//!
//! A field is a member of the thing, as a path (`spec.hardware.cpus`), or the last name of such a path where the thing
//! keeps it one level down (`name`, `cpus`, `memory_mib`): the words that filters use. The answer holds each under the
//! name that was asked, null where the thing does not have it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use hostler_model::Refusal;
use serde_json::{Map, Value, json};

use crate::json::shown;
use crate::problem::Problem;

/// The content type of what is only a part: the schema of `application/json` is that of the whole.
pub(crate) const PART: &str = "application/vnd.hostler.fields+json";
/// The parameter.
const NAME: &str = "fields";
/// How many fields are asked for at most.
const MOST: usize = 64;
/// How many levels of a thing have fields.
const DEEPEST: usize = 4;
/// Below which members a field is found by its last name, the first before the others.
const SHORT_BELOW: [&str; 4] = ["spec", "spec.hardware", "facts", "seen"];

/// The fields of what each route answers, by path.
#[derive(Default)]
pub(crate) struct Fields(BTreeMap<String, Arc<Known>>);

/// What is known of the answer of a route.
struct Known {
    shape: Shape,
    /// Paths to members.
    members: BTreeSet<String>,
    /// Paths to members below which is what the description leaves open.
    open: BTreeSet<String>,
}

/// Where the things stand in an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// It is one.
    One,
    /// It is a list of them.
    List,
    /// It is a page of a list.
    Page,
}

/// What was asked for of an answer: each name with the path that it means.
pub(crate) struct Part {
    shape: Shape,
    fields: Vec<(String, String)>,
}

impl Fields {
    /// Those of the routes that a description describes.
    pub(crate) fn of(document: &Value) -> Self {
        let paths = document["paths"].as_object().into_iter().flatten();
        let known =
            paths.filter_map(|(path, item)| Some((path.clone(), Arc::new(Known::of(document, item)?))));
        Self(known.collect())
    }

    /// What is asked for of the answer to a request, which is then passed on without saying so.
    pub(crate) fn asked(&self, path: &str, request: &mut Request) -> Result<Option<Part>, Problem> {
        let query = request.uri().query().unwrap_or_default();
        if !query.contains(NAME) || !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Ok(None);
        }
        let Some(known) = self.0.get(path) else { return Ok(None) };
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query)
            .map_err(|cause| Problem::malformed("query", shown(&cause.to_string())))?;
        let (asked, rest): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(name, _)| name == NAME);
        let Some((_, written)) = asked.first() else { return Ok(None) };
        if asked.len() > 1 {
            return Err(Problem::malformed(NAME, "it stands twice; join the names by \",\""));
        }
        let part = known.part(written)?;
        *request.uri_mut() = without(request.uri(), &rest)?;
        Ok(Some(part))
    }
}

/// The same address with another query.
fn without(uri: &Uri, rest: &[(String, String)]) -> Result<Uri, Problem> {
    let failed = |cause: String| Problem::malformed("query", shown(&cause));
    let query = serde_urlencoded::to_string(rest).map_err(|cause| failed(cause.to_string()))?;
    let mut parts = uri.clone().into_parts();
    let path = PathAndQuery::try_from(format!("{}?{query}", uri.path()));
    parts.path_and_query = Some(path.map_err(|cause| failed(cause.to_string()))?);
    Uri::from_parts(parts).map_err(|cause| failed(cause.to_string()))
}

impl Known {
    /// What the description says of the answer of a path to `GET`; none where that is no thing with members.
    fn of(document: &Value, item: &Value) -> Option<Self> {
        let answer = item.pointer("/get/responses/200/content/application~1json/schema")?;
        let answer = followed(document, answer);
        let items = followed(document, &answer["properties"]["items"]);
        let (shape, thing) = match () {
            () if answer["type"] == "array" => (Shape::List, &answer["items"]),
            () if items["type"] == "array" && answer["properties"]["next"].is_object() => {
                (Shape::Page, &items["items"])
            }
            () => (Shape::One, answer),
        };
        let mut known = Self { shape, members: BTreeSet::new(), open: BTreeSet::new() };
        known.gather(document, thing, "", 0);
        (!known.members.is_empty()).then_some(known)
    }

    fn gather(&mut self, document: &Value, schema: &Value, below: &str, depth: usize) {
        let schema = followed(document, schema);
        for word in ["allOf", "oneOf", "anyOf"] {
            for part in schema[word].as_array().into_iter().flatten() {
                self.gather(document, part, below, depth);
            }
        }
        let properties = schema["properties"].as_object();
        let kinds = schema["type"].as_array().map_or(std::slice::from_ref(&schema["type"]), Vec::as_slice);
        let is_open = kinds.contains(&json!("object")) && properties.is_none();
        if depth == DEEPEST || is_open {
            if !below.is_empty() && (is_open || properties.is_some()) {
                self.open.insert(below.to_owned());
            }
            return;
        }
        for (name, schema) in properties.into_iter().flatten() {
            let path = if below.is_empty() { name.clone() } else { format!("{below}.{name}") };
            self.gather(document, schema, &path, depth + 1);
            self.members.insert(path);
        }
    }

    /// The fields that are written, joined by `,`.
    fn part(&self, written: &str) -> Result<Part, Problem> {
        let names: Vec<&str> = written.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        if names.is_empty() || names.len() > MOST {
            let cause = format!("it names {} fields; 1 to {MOST} can be asked for", names.len());
            return Err(Refusal::invalid(NAME, cause).remedy(self.remedy()).into());
        }
        let fields = names.into_iter().map(|name| match self.path(name) {
            Some(path) => Ok((name.to_owned(), path)),
            None => Err(Refusal::invalid(NAME, format!("there is no field \"{}\"", shown(name)))
                .remedy(self.remedy())),
        });
        Ok(Part { shape: self.shape, fields: fields.collect::<Result<_, _>>()? })
    }

    /// The path that a name means.
    fn path(&self, name: &str) -> Option<String> {
        let is_open = |path: &str| {
            let above = path.match_indices('.').map(|(at, _)| &path[..at]);
            above.into_iter().any(|above| self.open.contains(above))
        };
        if self.members.contains(name) || is_open(name) {
            return Some(name.to_owned());
        }
        let mut longer = SHORT_BELOW.iter().map(|below| format!("{below}.{name}"));
        longer.find(|path| self.members.contains(path))
    }

    /// The names that lead to a member in one word.
    fn names(&self) -> BTreeSet<&str> {
        let last = |path: &'_ str| path.rfind('.').map_or(0, |at| at + 1);
        let is_short = |path: &str| {
            let above = path.rsplit_once('.').map(|(above, _)| above);
            above.is_none_or(|above| SHORT_BELOW.contains(&above))
        };
        self.members.iter().filter(|path| is_short(path)).map(|path| &path[last(path)..]).collect()
    }

    fn remedy(&self) -> String {
        let names: Vec<&str> = self.names().into_iter().collect();
        let mut remedy = format!("Use some of: {}", names.join(", "));
        // One that shows how what lies deeper is written.
        if let Some(path) = self.members.iter().find(|path| path.contains('.')) {
            remedy += &format!("; or a path such as {path}");
        }
        remedy
    }
}

impl Part {
    /// That part of an answer. An answer that is none (a refusal, *not modified*) stays as it is.
    pub(crate) async fn of(self, response: Response) -> Response {
        if response.status() != StatusCode::OK {
            return response;
        }
        let (mut parts, body) = response.into_parts();
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PART));
        let picked = match to_bytes(body, usize::MAX).await {
            // To HEAD there is none.
            Ok(bytes) if bytes.is_empty() => Ok(Vec::new()),
            Ok(bytes) => self.pick(&bytes).map_err(|cause| Problem::internal("answer", cause)),
            Err(cause) => Err(Problem::internal("answer", cause)),
        };
        match picked {
            Ok(bytes) => Response::from_parts(parts, Body::from(bytes)),
            Err(problem) => problem.into_response(),
        }
    }

    fn pick(&self, answer: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
        let mut answer: Value = serde_json::from_slice(answer)?;
        let things = match self.shape {
            Shape::One => {
                self.cut(&mut answer);
                None
            }
            Shape::List => answer.as_array_mut(),
            Shape::Page => answer.get_mut("items").and_then(Value::as_array_mut),
        };
        things.into_iter().flatten().for_each(|thing| self.cut(thing));
        serde_json::to_vec(&answer)
    }

    fn cut(&self, thing: &mut Value) {
        let kept: Map<String, Value> = self
            .fields
            .iter()
            .map(|(name, path)| {
                let value = path.split('.').try_fold(&*thing, |at, name| at.get(name));
                (name.clone(), value.cloned().unwrap_or_default())
            })
            .collect();
        *thing = Value::Object(kept);
    }
}

/// What a reference leads to.
fn followed<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let mut schema = schema;
    // No reference of ours is longer than this, and none goes round.
    for _ in 0..8 {
        let Some(reference) = schema["$ref"].as_str().and_then(|text| text.strip_prefix('#')) else { break };
        schema = document.pointer(reference).unwrap_or(&Value::Null);
    }
    schema
}

/// Describes the parameter, and its answers, where it can be used.
pub(crate) fn describe(document: &mut Value) {
    for (path, known) in Fields::of(document).0 {
        let Some(operation) = document["paths"][&path].get_mut("get") else { continue };
        let names: Vec<&str> = known.names().into_iter().collect();
        let parameter = json!({
            "name": NAME, "in": "query", "required": false, "schema": { "type": "string" },
            "description": format!(
                "Of each thing only these fields, joined by `,`: members, as paths where they lie deeper \
                 (`spec.hardware.cpus`). The answer is then `{PART}`, with each under the name that was asked. Fields: {}.",
                names.join(", ")
            ),
        });
        match operation["parameters"].as_array_mut() {
            Some(parameters) => parameters.push(parameter),
            None => operation["parameters"] = json!([parameter]),
        }
        let thing = json!({ "type": "object" });
        let schema = match known.shape {
            Shape::One => thing,
            Shape::List => json!({ "type": "array", "items": thing }),
            Shape::Page => json!({
                "type": "object", "required": ["items"],
                "properties": {
                    "items": { "type": "array", "items": thing },
                    "next": { "type": ["string", "null"] },
                    "total": { "type": ["integer", "null"], "minimum": 0 },
                },
            }),
        };
        operation["responses"]["200"]["content"][PART] = json!({ "schema": schema });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Fields {
        Fields::of(&serde_json::from_str(&crate::document().unwrap()).unwrap())
    }

    #[test]
    fn every_route_that_answers_things_has_fields_and_no_other() {
        let fields = fields();
        for path in ["vms", "vms/{vm}", "jobs", "hosts", "server", "me", "me/views", "jobs/{job}/changes"] {
            assert!(fields.0.contains_key(&format!("/api/v1/{path}")), "{path}");
        }
        for path in ["openapi.json", "feed", "vms/{vm}/screenshot", "vms/window"] {
            assert!(!fields.0.contains_key(&format!("/api/v1/{path}")), "{path}");
        }
        assert!(fields.0.len() >= 25, "{}", fields.0.len());
    }

    #[test]
    fn a_field_is_a_path_or_a_word_of_the_filters() {
        let fields = fields();
        let vm = &fields.0["/api/v1/vms"];
        for (name, path) in [
            ("id", "id"),
            ("name", "spec.name"),
            ("status", "status"),
            ("cpus", "spec.hardware.cpus"),
            ("spec.hardware.cpus", "spec.hardware.cpus"),
            ("host_name", "host_name"),
        ] {
            assert_eq!(vm.path(name).as_deref(), Some(path), "{name}");
        }
        assert_eq!(vm.path("nmae"), None);
        assert_eq!(vm.path("spec.nmae"), None);
        let history = &fields.0["/api/v1/vms/{vm}/history"];
        assert_eq!(history.path("body.spec.name").as_deref(), Some("body.spec.name"));
    }
}
