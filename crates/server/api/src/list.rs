//! Lists: filtered, sorted, a page at a time. A cursor remembers what the last line was sorted by, not how many lines
//! came before it: what is made or removed between two pages moves nothing else to another page.
//!
//! Filter: terms joined by `,` (all must hold); a term is `field op value`, op one of `=`, `!=`, `~` (pattern with `*`
//! and `?`), `!~`, `<`, `<=`, `>`, `>=`; several values are joined by `|`; a value with `,` or `|` is put in `"…"`.
//! Texts are compared without regard to capitals.

use std::collections::BinaryHeap;
use std::str::Chars;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hostler_model::view::Page;
use hostler_model::{Key, Refusal};
use hostler_server::Picture;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use crate::json::shown;
use crate::listed::{Cell, Field, Is, Listed};
use crate::names::noun;
use crate::order;
use crate::problem::Problem;

/// How many lines a page has where nothing is said.
const USUAL_LIMIT: u32 = 100;
/// How many lines a page has at most: more is another request.
const LARGEST_LIMIT: u32 = 1_000;
/// How many terms a filter has at most.
const MOST_TERMS: usize = 32;

/// Which part of a list.
#[derive(Clone, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// How many at most, 1 to 1,000; 100 when absent.
    #[param(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<u32>,
    /// Where to go on: `next` of the page before.
    pub(crate) cursor: Option<String>,
    /// Only what all of these terms hold for, as in `status=running|paused,name~web*`.
    pub(crate) filter: Option<String>,
    /// By which fields, as in `host,-memory_mib`; by name when absent.
    pub(crate) sort: Option<String>,
}

/// The limit that was asked for: `least` where none at all is an answer, too.
pub(crate) fn limit(asked: Option<u32>, least: u32) -> Result<usize, Refusal> {
    let limit = asked.unwrap_or(USUAL_LIMIT);
    if (least..=LARGEST_LIMIT).contains(&limit) {
        return Ok(limit as usize);
    }
    Err(Refusal::invalid("limit", format!("{limit} is not between {least} and {LARGEST_LIMIT}")))
}

/// A page of a kind of thing, each line shown by `view`.
pub(crate) fn page<T: Listed, V>(
    picture: &Picture,
    query: &ListQuery,
    lets_through: impl Fn(&T) -> bool,
    view: impl Fn(u64, &T) -> V,
) -> Result<Page<V>, Problem> {
    let limit = limit(query.limit, 1)?;
    let filter = Filter::<T>::read(query.filter.as_deref().unwrap_or_default())?;
    let sort = Sort::<T>::read(query.sort.as_deref().unwrap_or_default())?;
    let after = query.cursor.as_deref().map(|cursor| Place::read(cursor, &sort.text)).transpose()?;
    let after = after.map(|after| after.key(&sort)).transpose()?;
    // The first ones so far, and one more that tells whether there is a next page; the last of them on top.
    let mut first: BinaryHeap<(Vec<u8>, Key)> = BinaryHeap::with_capacity(limit + 2);
    let (mut total, mut place) = (0, Vec::new());
    for (key, thing) in T::all(picture) {
        if !lets_through(thing) || !filter.holds(picture, thing) {
            continue;
        }
        total += 1;
        place.clear();
        sort.put_key(picture, thing, &mut place);
        let line = (place.as_slice(), key);
        let is_before = |other: &(Vec<u8>, Key)| line < (other.0.as_slice(), other.1);
        if after.as_ref().is_some_and(|after| line <= (after.0.as_slice(), after.1))
            || first.len() > limit && !first.peek().is_some_and(is_before)
        {
            continue;
        }
        if first.len() > limit {
            first.pop();
        }
        first.push((place.clone(), key));
    }
    let mut lines = first.into_sorted_vec();
    let more = lines.len() > limit;
    lines.truncate(limit);
    let thing = |key: Key| {
        let stored = picture.get(key)?;
        Some((stored.revision.0, &**T::of(&stored.object)?))
    };
    let next = match lines.last().and_then(|(_, key)| thing(*key)) {
        Some((_, last)) if more => Some(sort.place(picture, last).write()?),
        _ => None,
    };
    let items =
        lines.iter().filter_map(|(_, key)| thing(*key)).map(|(revision, thing)| view(revision, thing));
    Ok(Page { items: items.collect(), next, total: Some(total) })
}

/// Where a line stands in a sorted list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Of which order it is a place.
    sort: String,
    by: Vec<Cell<'static>>,
    id: String,
}

impl Place {
    /// The place as a list is sorted by it.
    fn key<T: Listed>(&self, sort: &Sort<T>) -> Result<(Vec<u8>, Key), Refusal> {
        let id = Key::read(T::KIND, &self.id).filter(|_| self.by.len() == sort.by.len());
        let id = id.ok_or_else(not_ours)?;
        let cells = self.by.iter().cloned().zip(sort.by.iter().map(|(_, down)| *down));
        Ok((order::key(cells), id))
    }

    fn write(&self) -> Result<String, Problem> {
        let text = serde_json::to_vec(self).map_err(|cause| Problem::internal("cursor", cause))?;
        Ok(URL_SAFE_NO_PAD.encode(text))
    }

    fn read(written: &str, sort: &str) -> Result<Self, Refusal> {
        let bytes = URL_SAFE_NO_PAD.decode(written).map_err(|_| not_ours())?;
        let place: Self = serde_json::from_slice(&bytes).map_err(|_| not_ours())?;
        if place.sort != sort {
            return Err(no_cursor("it belongs to a list that is sorted otherwise"));
        }
        Ok(place)
    }
}

fn not_ours() -> Refusal {
    no_cursor("it is not one that this server gave")
}

fn no_cursor(cause: &str) -> Refusal {
    Refusal::invalid("cursor", cause).remedy("Begin again without a cursor")
}

/// By what a list is sorted.
pub(crate) struct Sort<T: 'static> {
    by: Vec<(&'static Field<T>, bool)>,
    text: String,
}

impl<T: Listed> Sort<T> {
    pub(crate) fn read(written: &str) -> Result<Self, Refusal> {
        let mut by = Vec::new();
        for word in written.split(',').map(str::trim).filter(|word| !word.is_empty()).take(MOST_TERMS) {
            let (name, down) = word.strip_prefix('-').map_or((word, false), |name| (name, true));
            by.push((field::<T>("sort", name)?, down));
        }
        if by.is_empty()
            && let Some(first) = T::FIELDS.first()
        {
            by.push((first, T::NEWEST_FIRST));
        }
        let words = by.iter().map(|(field, down)| format!("{}{}", if *down { "-" } else { "" }, field.name));
        let text = words.collect::<Vec<_>>().join(",");
        Ok(Self { by, text })
    }

    /// The sort order in words, each field named.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Where something stands, as bytes that sort as it does.
    pub(crate) fn key(&self, picture: &Picture, thing: &T) -> Vec<u8> {
        let mut key = Vec::with_capacity(32);
        self.put_key(picture, thing, &mut key);
        key
    }

    fn put_key(&self, picture: &Picture, thing: &T, key: &mut Vec<u8>) {
        order::put_key(key, self.by.iter().map(|(field, down)| ((field.get)(picture, thing), *down)));
    }

    fn place(&self, picture: &Picture, thing: &T) -> Place {
        let by = self.by.iter().map(|(field, _)| (field.get)(picture, thing).owned()).collect();
        Place { sort: self.text.clone(), by, id: thing.id_text() }
    }
}

/// The field with this name.
fn field<T: Listed>(object: &str, name: &str) -> Result<&'static Field<T>, Refusal> {
    T::FIELDS.iter().find(|field| field.name == name).ok_or_else(|| {
        let known: Vec<&str> = T::FIELDS.iter().map(|field| field.name).collect();
        let cause = format!("a {} has no field \"{}\" to {object} by", noun(T::KIND), shown(name));
        Refusal::invalid(object, cause).remedy(format!("Use one of: {}", known.join(", ")))
    })
}

/// What a list is filtered by.
pub(crate) struct Filter<T: 'static>(Vec<Term<T>>);

struct Term<T: 'static> {
    field: &'static Field<T>,
    op: Op,
    values: Vec<Cell<'static>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Op {
    Is,
    IsNot,
    Like,
    NotLike,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// Longer ones first: `<=` begins with `<`.
const OPS: [(&str, Op); 8] = [
    ("!=", Op::IsNot),
    ("!~", Op::NotLike),
    ("<=", Op::AtMost),
    (">=", Op::AtLeast),
    ("=", Op::Is),
    ("~", Op::Like),
    ("<", Op::Less),
    (">", Op::More),
];

impl<T: Listed> Filter<T> {
    pub(crate) fn read(written: &str) -> Result<Self, Refusal> {
        let mut terms = Vec::new();
        for term in split(written, ',')? {
            if term.trim().is_empty() {
                continue;
            }
            if terms.len() == MOST_TERMS {
                return Err(Refusal::invalid("filter", format!("it has more than {MOST_TERMS} terms")));
            }
            terms.push(Self::term(term.trim())?);
        }
        Ok(Self(terms))
    }

    fn term(term: &str) -> Result<Term<T>, Refusal> {
        let at = term.find(['=', '!', '~', '<', '>']);
        let found = at.and_then(|at| {
            let (name, rest) = term.split_at(at);
            OPS.iter().find_map(|(sign, op)| Some((name, *op, rest.strip_prefix(sign)?)))
        });
        let Some((name, op, value)) = found else {
            let cause = format!("\"{}\" is not a field, a comparison and a value", shown(term));
            return Err(Refusal::invalid("filter", cause).remedy("Write it as in status=running,name~web*"));
        };
        let field = field::<T>("filter", name.trim())?;
        let values: Result<Vec<Cell<'static>>, Refusal> = split(value, '|')?
            .into_iter()
            .map(|value| cell(field, op, value.trim().trim_matches('"')))
            .collect();
        Ok(Term { field, op, values: values? })
    }

    /// The terms on one field, and the others.
    pub(crate) fn apart(self, name: &str) -> (Self, Self) {
        let (on, others) = self.0.into_iter().partition(|term| term.field.name == name);
        (Self(on), Self(others))
    }

    /// What a field has to be, where a term says so by `=`.
    pub(crate) fn wanted(&self, name: &str) -> Option<&[Cell<'static>]> {
        let mut terms = self.0.iter().filter(|term| term.field.name == name && term.op == Op::Is);
        terms.next().map(|term| term.values.as_slice())
    }

    pub(crate) fn holds(&self, picture: &Picture, thing: &T) -> bool {
        self.0.iter().all(|term| {
            let cell = (term.field.get)(picture, thing);
            let any = |holds: fn(&Cell<'_>, &Cell<'_>) -> bool| {
                let one = |cell: &Cell<'_>| term.values.iter().any(|value| holds(cell, value));
                match &cell {
                    Cell::Many(all) => all.iter().any(one),
                    cell => one(cell),
                }
            };
            match term.op {
                Op::Is => any(|cell, value| cell == value),
                Op::IsNot => !any(|cell, value| cell == value),
                Op::Like => any(like),
                Op::NotLike => !any(like),
                Op::Less => any(|cell, value| known(cell) && cell < value),
                Op::AtMost => any(|cell, value| known(cell) && cell <= value),
                Op::More => any(|cell, value| known(cell) && cell > value),
                Op::AtLeast => any(|cell, value| known(cell) && cell >= value),
            }
        })
    }
}

fn known(cell: &Cell<'_>) -> bool {
    *cell != Cell::None
}

/// A value as what its field holds.
fn cell<T>(field: &Field<T>, op: Op, value: &str) -> Result<Cell<'static>, Refusal> {
    let refused = |what: &str| {
        Refusal::invalid("filter", format!("{} is {what}, not \"{}\"", field.name, shown(value)))
    };
    if value.is_empty() {
        return Ok(if matches!(field.is, Is::Text | Is::Texts) { Cell::text("") } else { Cell::None });
    }
    let pattern = matches!(op, Op::Like | Op::NotLike);
    match field.is {
        Is::Text | Is::Texts => Ok(Cell::text(value.to_owned())),
        _ if pattern => Err(Refusal::invalid("filter", format!("{} is no text to compare by ~", field.name))),
        Is::Number => value.parse().map(Cell::Number).map_err(|_| refused("a number")),
        Is::Flag => value.parse().map(Cell::Flag).map_err(|_| refused("true or false")),
        Is::Time => Ok(Cell::text(value.to_owned())),
        Is::Word(words) => {
            if words().contains(&value) {
                return Ok(Cell::text(value.to_owned()));
            }
            Err(refused("one of its words").remedy(format!("Use one of: {}", words().join(", "))))
        }
    }
}

/// Splits at a sign that stands outside of `"…"`.
fn split(text: &str, sign: char) -> Result<Vec<&str>, Refusal> {
    let mut parts = Vec::new();
    let (mut begin, mut quoted) = (0, false);
    for (at, c) in text.char_indices() {
        if c == '"' {
            quoted = !quoted;
        } else if c == sign && !quoted {
            parts.push(&text[begin..at]);
            begin = at + c.len_utf8();
        }
    }
    if quoted {
        return Err(Refusal::invalid("filter", "a \" is not closed"));
    }
    parts.push(&text[begin..]);
    Ok(parts)
}

/// Whether a text fits a pattern. Never more work than one length times the other.
fn like(cell: &Cell<'_>, pattern: &Cell<'_>) -> bool {
    let (Cell::Text(text), Cell::Text(pattern)) = (cell, pattern) else { return false };
    let (mut text, mut pattern) = (text.chars(), pattern.chars());
    // What follows the last star, and from where on it was not looked for yet.
    let mut star: Option<(Chars<'_>, Chars<'_>)> = None;
    loop {
        let (mut next_text, mut next_pattern) = (text.clone(), pattern.clone());
        match (next_text.next(), next_pattern.next()) {
            (_, Some('*')) => {
                star = Some((next_pattern.clone(), text.clone()));
                pattern = next_pattern;
            }
            (None, None) => return true,
            (Some(c), Some(wanted)) if wanted == '?' || wanted == c => {
                (text, pattern) = (next_text, next_pattern);
            }
            (None, Some(_)) => return false,
            (Some(_), _) => {
                let Some((behind, from)) = &mut star else { return false };
                from.next();
                (text, pattern) = (from.clone(), behind.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_model::vm::Vm;

    #[test]
    fn a_pattern_fits_what_it_means() {
        let fits = |text: &str, pattern: &str| like(&Cell::text(text), &Cell::text(pattern));
        assert!(fits("web-1", "web*"));
        assert!(fits("Web-1", "wEb-?"));
        assert!(fits("a", "*"));
        assert!(fits("", "*"));
        assert!(fits("xaybz", "*a*b*"));
        assert!(!fits("web-1", "web"));
        assert!(!fits("db", "web*"));
        assert!(!fits(&"a".repeat(5_000), &("*a".repeat(500) + "b")));
    }

    #[test]
    fn an_unknown_field_is_refused_with_the_known_ones() {
        let refusal = Filter::<Vm>::read("stauts=running").err().unwrap();
        assert!(refusal.cause.contains("stauts"));
        assert!(refusal.remedy.contains("status"), "{}", refusal.remedy);
        assert_eq!(refusal.code.http_status(), 422);
        assert!(Sort::<Vm>::read("-nmae").is_err());
    }

    #[test]
    fn a_value_that_its_field_cannot_have_is_refused() {
        for filter in ["status=runing", "cpus=many", "cpus~1*", "name", "=x", "name=\"open", "cpus"] {
            assert!(Filter::<Vm>::read(filter).is_err(), "{filter}");
        }
        for filter in ["", "status=running|paused,name~web*", "tags=prod,memory_mib>=512", "name=\"a,b|c\""] {
            assert!(Filter::<Vm>::read(filter).is_ok(), "{filter}");
        }
    }

    #[test]
    fn a_cursor_of_another_order_or_of_nobody_is_refused() {
        let place = Place { sort: "name".into(), by: vec![Cell::text("a")], id: "1".into() };
        let written = place.write().unwrap();
        assert_eq!(Place::read(&written, "name").unwrap(), place);
        assert!(Place::read(&written, "-name").is_err());
        assert!(Place::read("nonsense", "name").is_err());
        assert!(Place::read("", "name").is_err());
    }
}
