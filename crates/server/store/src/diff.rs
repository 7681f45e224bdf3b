//! What changed between two bodies of one object, property by property.

use hostler_model::Key;
use serde_json::{Map, Value};

use crate::types::PropertyChange;

/// Where a fact stood in its agent's reports, and when it was taken, say nothing about the object.
const NOISE: [&str; 2] = ["observed.order", "observed.at"];

/// The properties of `key` that differ between `before` and `after`, sorted by path. Objects are compared name by
/// name, everything else, lists too, as a whole. Null stands for an object that is not there.
pub(crate) fn properties(key: Key, before: &Value, after: &Value) -> Vec<PropertyChange> {
    let mut changes = Vec::new();
    walk(key, String::new(), before, after, &mut changes);
    changes
}

fn walk(key: Key, path: String, before: &Value, after: &Value, changes: &mut Vec<PropertyChange>) {
    if before == after || NOISE.contains(&path.as_str()) {
        return;
    }
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => walk_names(key, &path, old, new, changes),
        _ => {
            changes.push(PropertyChange { key, property: path, before: before.clone(), after: after.clone() })
        }
    }
}

fn walk_names(
    key: Key,
    path: &str,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    changes: &mut Vec<PropertyChange>,
) {
    let mut names: Vec<&String> =
        old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))).collect();
    names.sort();
    for name in names {
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let value = |of: &Map<String, Value>| of.get(name).cloned().unwrap_or(Value::Null);
        walk(key, below, &value(old), &value(new), changes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_model::JobId;
    use serde_json::json;

    fn paths(before: Value, after: Value) -> Vec<String> {
        properties(Key::Job(JobId(1)), &before, &after).into_iter().map(|change| change.property).collect()
    }

    #[test]
    fn each_property_that_differs_is_named_by_its_path() {
        let before = json!({"spec": {"name": "web", "memory_mib": 512, "tags": ["a"]}, "host": "h"});
        let after =
            json!({"spec": {"name": "web", "memory_mib": 1024, "tags": ["a", "b"]}, "origin": "found"});
        assert_eq!(paths(before, after), ["host", "origin", "spec.memory_mib", "spec.tags"]);
    }

    #[test]
    fn the_order_and_the_time_of_a_fact_are_no_change() {
        let before = json!({"observed": {"order": {"seq": 1}, "at": "1", "seen": {"power": "off"}}});
        let after = json!({"observed": {"order": {"seq": 2}, "at": "2", "seen": {"power": "running"}}});
        assert_eq!(paths(before, after), ["observed.seen.power"]);
    }

    #[test]
    fn an_object_that_is_made_or_gone_is_one_change() {
        assert_eq!(paths(Value::Null, json!({"a": 1})), [""]);
        assert_eq!(paths(json!({"a": 1}), Value::Null), [""]);
    }
}
