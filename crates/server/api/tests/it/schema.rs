//! Holds an answer against the OpenAPI document: as much of JSON Schema as the document uses, and no more.

use serde_json::Value;

/// Whether an answer is one that the document describes; panics where it is not.
#[track_caller]
pub fn holds(document: &Value, method: &str, path: &str, status: u16, kind: &str, body: &Value) {
    let Some(responses) = responses(document, method, path) else {
        assert!(matches!(status, 404 | 405), "{method} {path} is not described and answered {status}");
        assert_eq!(kind, "application/problem+json", "{method} {path}");
        check(document, &document["components"]["schemas"]["Problem"], body, "problem").unwrap();
        return;
    };
    let described = responses.get(status.to_string()).or_else(|| responses.get("default"));
    let described = described.unwrap_or_else(|| panic!("{method} {path} does not describe {status}"));
    if status >= 400 {
        assert_eq!(kind, "application/problem+json", "{method} {path} {status}");
    }
    let Some(content) = described.get("content") else {
        assert!(body.is_null(), "{method} {path} {status} has a body that is not described: {body}");
        return;
    };
    let base = kind.split(';').next().unwrap_or_default();
    let content =
        content.get(base).unwrap_or_else(|| panic!("{method} {path} {status} does not describe {kind}"));
    if base.ends_with("json") {
        let checked = check(document, &content["schema"], body, "body");
        checked.unwrap_or_else(|cause| panic!("{method} {path} {status}: {cause}\n{body:#}"));
    }
}

fn responses<'a>(document: &'a Value, method: &str, path: &str) -> Option<&'a Value> {
    let path = path.split('?').next()?;
    let parts: Vec<&str> = path.split('/').collect();
    let fits = |template: &str| {
        let wanted: Vec<&str> = template.split('/').collect();
        wanted.len() == parts.len()
            && wanted
                .iter()
                .zip(&parts)
                .all(|(want, is)| want.starts_with('{') && !is.is_empty() || want == is)
    };
    let (_, item) = document["paths"].as_object()?.iter().find(|(template, _)| fits(template))?;
    item.get(method.to_lowercase())?.get("responses")
}

fn check(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.strip_prefix('#').ok_or("a reference to elsewhere")?;
        let schema = document.pointer(pointer).ok_or_else(|| format!("{reference} is not there"))?;
        return check(document, schema, value, at);
    }
    if let Some(all) = schema["allOf"].as_array() {
        all.iter().try_for_each(|schema| check(document, schema, value, at))?;
    }
    for word in ["oneOf", "anyOf"] {
        if let Some(some) = schema[word].as_array() {
            let tried: Vec<_> = some.iter().map(|schema| check(document, schema, value, at)).collect();
            let good = tried.iter().filter(|tried| tried.is_ok()).count();
            if good == 0 || word == "oneOf" && good > 1 {
                return Err(format!("{at}: {good} of {word} hold: {tried:?}"));
            }
        }
    }
    if let Some(known) = schema["enum"].as_array()
        && !known.contains(value)
    {
        return Err(format!("{at}: {value} is none of {known:?}"));
    }
    match &schema["type"] {
        Value::String(kind) => is_of(kind, value, at)?,
        Value::Array(kinds) => {
            let any = kinds.iter().any(|kind| is_of(kind.as_str().unwrap_or_default(), value, at).is_ok());
            if !any {
                return Err(format!("{at}: {value} is none of {kinds:?}"));
            }
        }
        _ => {}
    }
    if let Some(members) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !members.contains_key(name) {
                return Err(format!("{at}.{name} is missing"));
            }
        }
        for (name, value) in members {
            if let Some(schema) = schema["properties"].get(name) {
                check(document, schema, value, &format!("{at}.{name}"))?;
            }
        }
    }
    if let (Some(items), Some(schema)) = (value.as_array(), schema.get("items")) {
        for (n, item) in items.iter().enumerate() {
            check(document, schema, item, &format!("{at}[{n}]"))?;
        }
    }
    for (bound, holds) in [("minimum", i64::ge as fn(&i64, &i64) -> bool), ("maximum", i64::le)] {
        if let (Some(bound), Some(value)) = (schema[bound].as_i64(), value.as_i64())
            && !holds(&value, &bound)
        {
            return Err(format!("{at}: {value} is out of range"));
        }
    }
    Ok(())
}

fn is_of(kind: &str, value: &Value, at: &str) -> Result<(), String> {
    let is = match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    };
    if is { Ok(()) } else { Err(format!("{at}: {value} is no {kind}")) }
}

#[test]
fn a_wrong_answer_is_found() {
    let document = crate::face::document();
    let schema = &document["components"]["schemas"]["UserView"];
    let good = serde_json::json!({
        "id": "0190", "name": "bob", "role": "read-only", "created": "2026-11-21T00:00:00Z", "revision": 1,
    });
    check(document, schema, &good, "user").unwrap();
    for (name, value) in [("role", "king".into()), ("revision", "1".into()), ("name", Value::Null)] {
        let mut bad = good.clone();
        bad[name] = value;
        assert!(check(document, schema, &bad, "user").is_err(), "{name}");
    }
    let mut bad = good;
    bad.as_object_mut().unwrap().remove("created");
    assert!(check(document, schema, &bad, "user").is_err());
}
