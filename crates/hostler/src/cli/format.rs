//! How answers are written: which formats there are, and lists and things in each of them.
//!
//! Tables are for people and may change from version to version. All others are for programs: what they hold is exact
//! (sizes in bytes, times as RFC 3339, whole ids), and members and columns are only added.

use std::io::IsTerminal;

use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::cli::failure::Failure;
use crate::cli::show::{self, Cell, harmless};

/// How answers are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people: sizes with units, times as they are said.
    #[default]
    Table,
    /// As a table, with more columns.
    Wide,
    /// As a table, with these columns.
    Columns(Vec<String>),
    /// For programs: everything, exact.
    Json,
    /// As JSON, one thing a line.
    Jsonl,
    /// As JSON, in another spelling.
    Yaml,
    /// Columns, exact, parted by commas.
    Csv,
    /// The names alone, one a line.
    Name,
    /// Each thing as this template says.
    Template(String),
}

/// The formats with what is said of each, as they are written.
pub const FORMATS: [(&str, &str); 9] = [
    ("table", "For people: sizes with units, times as they are said"),
    ("wide", "As a table, with more columns"),
    ("columns=", "As a table with these columns: columns=NAME,STATUS,spec.notes"),
    ("json", "For programs: everything, exact"),
    ("jsonl", "As JSON, one thing a line"),
    ("yaml", "As JSON, in another spelling"),
    ("csv", "All columns, or those of --columns: exact, with a first line of names"),
    ("name", "The names alone, one a line"),
    ("template=", "Each thing as a template says: template='{{name}} {{status}}'"),
];

impl Format {
    /// A format as it is written behind `-o`.
    ///
    /// # Errors
    /// When there is no such format.
    pub fn read(written: &str) -> Result<Self, String> {
        Ok(match written {
            "table" => Format::Table,
            "wide" => Format::Wide,
            "json" => Format::Json,
            "jsonl" => Format::Jsonl,
            "yaml" => Format::Yaml,
            "csv" => Format::Csv,
            "name" => Format::Name,
            other => match other.split_once('=') {
                Some(("columns", columns)) if !columns.trim_matches([',', ' ']).is_empty() => {
                    let names = columns.split(',').map(str::trim).filter(|name| !name.is_empty());
                    Format::Columns(names.map(str::to_owned).collect())
                }
                Some(("template", template)) => {
                    Environment::empty().template_from_str(template).map_err(|cause| {
                        format!("the template: {}", cause.detail().unwrap_or("it cannot be read"))
                    })?;
                    Format::Template(template.to_owned())
                }
                _ => {
                    let known: Vec<&str> = FORMATS.iter().map(|(name, _)| *name).collect();
                    return Err(format!("there is no such format; there are {}", known.join(", ")));
                }
            },
        })
    }

    /// Whether people read it.
    pub fn is_for_people(&self) -> bool {
        matches!(self, Format::Table | Format::Wide | Format::Columns(_))
    }
}

/// The columns of a list.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    /// Those that are shown where nothing is said.
    pub usual: &'static [&'static str],
    /// Those behind them in `-o wide`.
    pub wide: &'static [&'static str],
    /// The command that makes one, for who sees an empty list; empty where none does.
    pub first: &'static str,
}

/// No columns: a thing of which there is no list.
pub const NONE: Columns = Columns { usual: &[], wide: &[], first: "" };

impl Columns {
    fn all(&self) -> Vec<&'static str> {
        self.usual.iter().chain(self.wide).copied().collect()
    }
}

/// Things with their lines, ready to be written.
pub struct Listing<'a, T> {
    /// The things.
    pub items: &'a [T],
    /// What their lines consist of.
    pub columns: Columns,
    /// Their lines: a cell for each column, the usual ones first.
    pub rows: Vec<Vec<Cell>>,
}

/// A column that was asked for.
enum Chosen {
    /// One of the list's.
    Column(usize),
    /// A member of the things.
    Member(String),
}

impl<T: Serialize> Listing<'_, T> {
    /// As a format has it. `width` is the terminal's, for tables; `chosen` are the columns of `--columns`.
    ///
    /// # Errors
    /// When there is no such column, or the template fails.
    pub fn text(&self, format: &Format, chosen: &[String], width: Option<u16>) -> Result<String, Failure> {
        match format {
            Format::Json | Format::Yaml => return show::data(&self.items, format),
            Format::Jsonl => return lines(self.items),
            Format::Template(template) => return self.filled(template),
            Format::Name => return Ok(self.names()),
            Format::Table | Format::Wide | Format::Columns(_) | Format::Csv => {}
        }
        let chosen = match format {
            Format::Columns(names) => names,
            _ => chosen,
        };
        // Only members that are asked for by name are worth writing everything as JSON.
        let values = if chosen.is_empty() { Vec::new() } else { values(self.items)? };
        let columns: Vec<Chosen> = match (chosen, format) {
            ([], Format::Table) => (0..self.columns.usual.len()).map(Chosen::Column).collect(),
            ([], _) if self.columns.usual.is_empty() => {
                let remedy = "Say which with --columns, as members of -o json";
                return Err(Failure::usage("there is no list of this, and so there are no columns", remedy));
            }
            ([], _) => (0..self.columns.all().len()).map(Chosen::Column).collect(),
            (names, _) => {
                names.iter().map(|name| self.column(name, &values)).collect::<Result<_, Failure>>()?
            }
        };
        let headers: Vec<String> = columns
            .iter()
            .map(|column| match column {
                Chosen::Column(at) => self.columns.all().get(*at).copied().unwrap_or_default().to_owned(),
                Chosen::Member(path) if *format == Format::Csv => path.clone(),
                Chosen::Member(path) => path.to_uppercase(),
            })
            .collect();
        let rows = self.rows_of(&columns, &values);
        if *format == Format::Csv {
            return csv(&headers, &rows);
        }
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        Ok(show::table(&headers, &rows, width))
    }

    fn rows_of(&self, columns: &[Chosen], values: &[Value]) -> Vec<Vec<Cell>> {
        let one = |at: usize| {
            let row = self.rows.get(at);
            let cell = |column: &Chosen| match column {
                Chosen::Column(at) => row.and_then(|row| row.get(*at)).cloned().unwrap_or_default(),
                Chosen::Member(path) => {
                    let text = plain(values.get(at).and_then(|value| member(value, path)));
                    show::cell(&text).exact(text)
                }
            };
            columns.iter().map(cell).collect()
        };
        (0..self.items.len()).map(one).collect()
    }

    fn column(&self, name: &str, values: &[Value]) -> Result<Chosen, Failure> {
        let all = self.columns.all();
        if let Some(at) = all.iter().position(|column| small(column) == small(name)) {
            return Ok(Chosen::Column(at));
        }
        // What is empty is left out of JSON, so what lies deeper may be there although no thing has it at the moment.
        let first = name.split('.').next().unwrap_or(name);
        if values.is_empty() || values.iter().any(|value| value.get(first).is_some()) {
            return Ok(Chosen::Member(name.to_owned()));
        }
        Err(self.unknown(name))
    }

    fn unknown(&self, name: &str) -> Failure {
        let all = self.columns.all().join(", ");
        let or = "a member of -o json, as a path such as spec.notes";
        let remedy = if all.is_empty() { format!("Use {or}") } else { format!("Use one of: {all}; or {or}") };
        Failure::usage(format!("there is no column \"{name}\""), remedy)
    }

    /// What each thing is called.
    fn names(&self) -> String {
        let all = self.columns.all();
        let at = all.iter().position(|column| *column == "NAME").unwrap_or(0);
        let of_row = |row: &Vec<Cell>| row.get(at).map(|cell| cell.exact_text().to_owned());
        let mut text = String::new();
        for (n, item) in self.items.iter().enumerate() {
            let named = self.rows.get(n).and_then(of_row).or_else(|| {
                let value = serde_json::to_value(item).ok()?;
                let places = ["name", "spec.name", "id", "job"];
                places.iter().find_map(|place| Some(plain(Some(member(&value, place)?))))
            });
            text.push_str(&safe(&named.unwrap_or_default()));
            text.push('\n');
        }
        text
    }

    /// Each thing as a template says. It sees the members of `-o json`, and, where there is none of that name, the columns,
    /// exact, in small letters.
    fn filled(&self, template: &str) -> Result<String, Failure> {
        let failed = |cause: minijinja::Error| {
            let detail = cause.detail().map(str::to_owned).unwrap_or_else(|| cause.kind().to_string());
            Failure::usage(format!("the template: {detail}"), "Compare its names with those of -o json")
        };
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        let read = environment.template_from_str(template).map_err(failed)?;
        let headers = self.columns.all();
        let mut things = values(self.items)?;
        for (at, thing) in things.iter_mut().enumerate() {
            let Some(members) = thing.as_object_mut() else { continue };
            for (header, cell) in headers.iter().zip(self.rows.get(at).into_iter().flatten()) {
                members.entry(small(header)).or_insert_with(|| cell.value());
            }
        }
        for name in read.undeclared_variables(false) {
            let is_there = things.is_empty() || things.iter().any(|thing| thing.get(&name).is_some());
            if !is_there && !environment.globals().any(|(known, _)| known == name) {
                return Err(self.unknown(&name));
            }
        }
        let mut text = String::new();
        for thing in &things {
            let line = read.render(thing).map_err(failed)?;
            for line in line.split('\n') {
                text.push_str(&safe(line));
                text.push('\n');
            }
        }
        Ok(text)
    }
}

/// One thing a line, as JSON.
///
/// # Errors
/// When one cannot be written so: a defect.
pub fn lines<T: Serialize>(items: &[T]) -> Result<String, Failure> {
    let mut text = String::new();
    for item in items {
        text += &serde_json::to_string(item).map_err(|cause| Failure::Here(cause.to_string()))?;
        text.push('\n');
    }
    Ok(text)
}

fn values<T: Serialize>(items: &[T]) -> Result<Vec<Value>, Failure> {
    let all = items.iter().map(|item| match serde_json::to_value(item)? {
        Value::Object(members) => Ok(Value::Object(members)),
        other => Ok(Value::Object(Map::from_iter([("value".to_owned(), other)]))),
    });
    all.collect::<Result<_, serde_json::Error>>().map_err(|cause| Failure::Here(cause.to_string()))
}

/// A column's name as it is compared, and as templates have it.
fn small(name: &str) -> String {
    name.to_lowercase().replace([' ', '-'], "_")
}

fn member<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |at, name| match at {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        at => at.get(name),
    })
}

/// A value in a cell: texts as they are, nothing as nothing, what has parts as JSON.
fn plain(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn csv(headers: &[String], rows: &[Vec<Cell>]) -> Result<String, Failure> {
    let failed = |cause: csv::Error| Failure::Here(format!("csv: {cause}"));
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    writer
        .write_record(headers.iter().map(|header| header.to_lowercase().replace(' ', "_")))
        .map_err(failed)?;
    for row in rows {
        writer.write_record(row.iter().map(|cell| safe(cell.exact_text()))).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|cause| Failure::Here(format!("csv: {cause}")))?;
    String::from_utf8(bytes).map_err(|cause| Failure::Here(format!("csv: {cause}")))
}

/// Before the eyes of a person what comes from elsewhere does nothing to the screen; a program gets it as it is.
fn safe(text: &str) -> String {
    if std::io::stdout().is_terminal() { harmless(text) } else { text.to_owned() }
}
