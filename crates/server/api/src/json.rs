//! Bodies of requests: JSON read strictly. A member that stands twice, one that is not described, and text after the
//! end are refused, not passed over: a mistyped option must not be taken for its absence.

use std::collections::BTreeSet;
use std::fmt;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use hostler_model::{Code, Refusal};
use serde::de::{DeserializeOwned, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::problem::Problem;

/// The largest body of a request, in bytes: everything that has one is written by a person or a script; images travel
/// between agents.
pub(crate) const LARGEST_BODY: usize = 1024 * 1024;

/// The body of a request as JSON, not yet read as anything.
pub(crate) struct Body(pub(crate) Value);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind =
            request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
        // Nothing but JSON: a form of another site's page cannot send this type without being asked.
        let is_json = kind
            .split(';')
            .next()
            .is_some_and(|kind| matches!(kind.trim(), "application/json" | "application/merge-patch+json"));
        if !is_json && !kind.is_empty() {
            let cause = format!("its content type is {}, not application/json", shown(kind));
            return Err(Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, "request body", cause));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            Problem::of_status(rejection.status(), "request body", rejection.body_text().to_lowercase())
        })?;
        if bytes.is_empty() {
            return Ok(Self(Value::Null));
        }
        if !is_json {
            let cause = "its content type is missing; it is to be application/json";
            return Err(Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, "request body", cause));
        }
        read(&bytes).map(Self).map_err(|cause| Problem::malformed("request body", cause))
    }
}

impl Body {
    /// The body as what a route takes.
    pub(crate) fn typed<T: DeserializeOwned>(self) -> Result<T, Problem> {
        typed(self.0)
    }

    /// As [`Body::typed`], where no body at all is an empty object.
    pub(crate) fn typed_or_empty<T: DeserializeOwned>(self) -> Result<T, Problem> {
        typed(if self.0.is_null() { Value::Object(Map::new()) } else { self.0 })
    }
}

/// JSON as a type, with everything that the type does not know refused.
fn typed<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    if !value.is_object() {
        // A list would be read as the members of an object in their order.
        return Err(Problem::malformed("request body", "an object was expected"));
    }
    let mut unknown = Vec::new();
    let read: Result<T, _> = serde_ignored::deserialize(value, |path| unknown.push(path.to_string()));
    match (read, unknown.first()) {
        (Err(cause), _) => {
            let cause = cause.to_string();
            let of_name = cause.contains("name \"") || cause.starts_with("name");
            let code = if of_name { Code::NameInvalid } else { Code::ValueInvalid };
            Err(Refusal::new(code, "request body", shown(&cause))
                .remedy("Compare the request with /api/v1/openapi.json")
                .into())
        }
        (Ok(_), Some(path)) => {
            Err(Refusal::invalid("request body", format!("there is no member {}", shown(path)))
                .remedy("Compare the request with /api/v1/openapi.json")
                .into())
        }
        (Ok(read), None) => Ok(read),
    }
}

/// A text from outside as it may stand in an answer: cut, and without what does not show.
pub(crate) fn shown(text: &str) -> String {
    let cut: String = text.chars().take(300).flat_map(escaped).collect();
    if text.chars().nth(300).is_some() { cut + "…" } else { cut }
}

fn escaped(c: char) -> Vec<char> {
    match c {
        '"' | '\'' | '\\' => vec![c],
        c if c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric() => vec![c],
        c => c.escape_unicode().collect(),
    }
}

fn read(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let Strict(value) = serde_json::from_str(text).map_err(|cause| shown(&cause.to_string()))?;
    Ok(value)
}

/// A value in which no member stands twice. Depth is bounded by serde_json (128).
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Seed.deserialize(deserializer).map(Self)
    }
}

struct Seed;

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(Seed)? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        let mut seen = BTreeSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if !seen.insert(name.clone()) {
                return Err(serde::de::Error::custom(format!(
                    "the member \"{}\" stands twice",
                    shown(&name)
                )));
            }
            all.insert(name, members.next_value_seed(Seed)?);
        }
        Ok(Value::Object(all))
    }
}
