//! `docs/reference/rest.md`: the OpenAPI document as a page that people read, committed, and compared at each run.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::face::document;
use crate::rights::committed;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/reference/rest.md");
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

#[test]
fn the_page_of_routes_is_what_the_document_says() {
    let mut text = String::from(
        "# Routes\n\nMade from [openapi.json](../openapi.json); do not write here. `UPDATE=1 cargo test -p hostler-api --test it` \
         writes this page anew, as does `cargo xtask docs`. How it is meant is told in [REST](../rest.md).\n\nA right is one of \
         `public` (everybody), `own` (whoever is signed in, for their own account), `see`, `change` and `administer`; who holds \
         which is told in [rights](../rights.md). Every route may answer with a `Problem`, whose codes are in [Error \
         codes](errors.md). Every change takes the header `Idempotency-Key`, and the parameters `dry_run` and `wait`. `fields` takes only a part of \
         each thing: see [Fields](../rest.md#fields).\n",
    );
    let mut nouns: BTreeMap<&str, Vec<(&str, &str, &Value)>> = BTreeMap::new();
    for (path, item) in document()["paths"].as_object().unwrap() {
        for method in METHODS.iter().filter(|method| item[*method].is_object()) {
            let noun = item[*method]["tags"][0].as_str().unwrap();
            nouns.entry(noun).or_default().push((path, method, &item[*method]));
        }
    }
    for (noun, operations) in &nouns {
        let _ = write!(text, "\n## {noun}\n");
        for (path, method, operation) in operations {
            route(&mut text, path, method, operation);
        }
    }
    text += "\n## Types\n\nA member with a question mark may be absent.\n";
    for (name, schema) in document()["components"]["schemas"].as_object().unwrap() {
        kind(&mut text, name, schema);
    }
    assert!(text.len() > 20_000 && nouns.len() > 10, "{}", text.len());
    committed(FILE, &text);
}

fn route(text: &mut String, path: &str, method: &str, operation: &Value) {
    let (summary, right) = (said(&operation["summary"]), said(&operation["x-right"]));
    let _ = write!(text, "\n### {} `{path}`\n\n{summary} Right: `{right}`.\n", method.to_uppercase());
    // What all changes take is told once, above.
    let common = ["Idempotency-Key", "dry_run", "wait"];
    let own = operation["parameters"].as_array().into_iter().flatten();
    let own: Vec<&Value> =
        own.filter(|parameter| !common.contains(&parameter["name"].as_str().unwrap_or_default())).collect();
    if !own.is_empty() {
        text.push_str("\n| parameter | in | what it says |\n| --- | --- | --- |\n");
        for parameter in own {
            let (name, place) = (said(&parameter["name"]), said(&parameter["in"]));
            let mut told = said(&parameter["description"]);
            // What it means is told once, above.
            if name == "fields"
                && let Some((_, fields)) = told.split_once(" Fields: ")
            {
                told = format!("Only these of each thing, joined by `,`: {fields}");
            }
            let _ = writeln!(text, "| `{name}` | {place} | {told} |");
        }
    }
    if let Some(content) = operation["requestBody"]["content"].as_object() {
        for (media, body) in content {
            let _ = writeln!(text, "\nBody (`{media}`): {}.", called(&body["schema"]));
        }
    }
    let responses = operation["responses"].as_object().unwrap();
    let answers: Vec<String> = responses
        .iter()
        .filter(|(status, _)| *status != "default")
        .map(|(status, answer)| {
            // The part that `fields` asks for is told with that parameter.
            let content = answer["content"].as_object().into_iter().flatten();
            let content = content.filter(|(media, _)| !media.contains("fields"));
            let kinds: Vec<String> = content
                .map(|(media, body)| match media.as_str() {
                    "application/json" | "application/problem+json" => called(&body["schema"]),
                    other => format!("`{other}`"),
                })
                .collect();
            match kinds.is_empty() {
                true => format!("{status}: {}", said(&answer["description"])),
                false => format!("{status}: {}", kinds.join(" or ")),
            }
        })
        .collect();
    let _ = writeln!(text, "\nAnswers: {}.", answers.join("; ").trim_end_matches('.'));
}

fn kind(text: &mut String, name: &str, schema: &Value) {
    let _ = write!(text, "\n### {name}\n");
    let told = said(&schema["description"]);
    if !told.is_empty() {
        let _ = write!(text, "\n{told}\n");
    }
    let mut rows = String::new();
    let mut others = Vec::new();
    members(&mut rows, &mut others, schema);
    if !rows.is_empty() {
        let _ = write!(text, "\n| member | type | what it says |\n| --- | --- | --- |\n{rows}");
    }
    if rows.is_empty() && others.is_empty() {
        others.push(called(schema));
    }
    if !others.is_empty() {
        let _ = write!(text, "\n{}.\n", others.join("; "));
    }
}

/// The members of an object as rows of a table; what else it is made of in words.
fn members(rows: &mut String, others: &mut Vec<String>, schema: &Value) {
    for part in schema["allOf"].as_array().into_iter().flatten() {
        match part["$ref"].is_string() {
            true => others.push(format!("With all members of {}", called(part))),
            false => members(rows, others, part),
        }
    }
    if let Some(kinds) = schema["oneOf"].as_array() {
        for kind in kinds {
            let mut own = String::new();
            members(&mut own, &mut Vec::new(), kind);
            match own.is_empty() {
                true => others.push(format!("Or {}", called(kind))),
                false => {
                    let _ = write!(rows, "| *either* | | {} |\n{own}", said(&kind["description"]));
                }
            }
        }
    }
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let may = if required.contains(&name.as_str()) { "" } else { "?" };
        let mut told = said(&member["description"]);
        let (least, most) = (&member["minimum"], &member["maximum"]);
        if let (Some(least), Some(most)) = (least.as_u64(), most.as_u64()) {
            let _ = write!(told, " From {least} to {most}.");
        }
        let _ = writeln!(rows, "| `{name}`{may} | {} | {} |", called(member), told.trim());
    }
}

/// What a schema is called, with a link where it is told.
fn called(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        let place = name.to_lowercase().replace(|c: char| !c.is_alphanumeric() && c != '_' && c != '-', "");
        return format!("[{name}](#{place})");
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<String> = words.iter().map(|word| format!("`{}`", said(word))).collect();
        return words.join(", ");
    }
    for word in ["oneOf", "anyOf", "allOf"] {
        if let Some(kinds) = schema[word].as_array() {
            let kinds: Vec<String> = kinds.iter().filter(|kind| kind["type"] != "null").map(called).collect();
            return kinds.join(" or ");
        }
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").map(said).unwrap_or_default(),
        kind => said(kind),
    };
    match kind.as_str() {
        "array" => format!("list of {}", called(&schema["items"])),
        "string" => match schema["format"].as_str() {
            Some(format) => format!("text ({format})"),
            None => "text".to_owned(),
        },
        "integer" | "number" => "number".to_owned(),
        "boolean" => "true or false".to_owned(),
        "object" if schema["properties"].is_object() => match named(schema) {
            Some(name) => called(&json!({ "$ref": name })),
            None => {
                let names = schema["properties"].as_object().into_iter().flatten();
                let names: Vec<String> = names.map(|(name, _)| format!("`{name}`")).collect();
                format!("object of {}", names.join(", "))
            }
        },
        "object" => "object".to_owned(),
        _ => "anything".to_owned(),
    }
}

/// The type that a schema repeats.
fn named(schema: &Value) -> Option<&'static str> {
    let all = document()["components"]["schemas"].as_object()?;
    all.iter().find(|(_, known)| known["properties"] == schema["properties"]).map(|(name, _)| name.as_str())
}

/// A text that stands in a table.
fn said(value: &Value) -> String {
    let text = value.as_str().map(str::to_owned).unwrap_or_default();
    text.replace("\n\n", " ").replace('\n', " ").replace('|', "\\|").replace('<', "&lt;")
}
