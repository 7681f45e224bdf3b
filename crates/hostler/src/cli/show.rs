//! What is written to standard output: tables for people, JSON and YAML for programs.

use std::io::{IsTerminal, Write};

use comfy_table::{Attribute, CellAlignment, Color, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::format::Format;

/// How wide a text in a column is at most where it can be of any length, in characters.
const BRIEF: usize = 48;

/// What a cell's text means, for its colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Under way, or worth a look.
    Notable,
    /// Something is wrong.
    Bad,
    /// Of little interest.
    Faint,
}

/// A cell of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    /// What programs get, where that is not the text.
    exact: Option<String>,
    tone: Tone,
    right: bool,
}

/// A cell with this text.
pub fn cell(text: impl ToString) -> Cell {
    Cell { text: harmless(&text.to_string()), ..Cell::default() }
}

/// What came from elsewhere, so that it can neither move the cursor, colour the screen, nor show a line in another order
/// than it is written.
pub fn harmless(text: &str) -> String {
    let turns = |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if c.is_control() || turns(c) { ' ' } else { c }).collect()
}

/// A long text as it may stand in a column: cut.
pub fn brief(text: &str) -> String {
    match text.char_indices().nth(BRIEF) {
        Some(_) => text.chars().take(BRIEF - 1).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

/// A cell with a number, or nothing.
pub fn number(text: impl ToString) -> Cell {
    Cell { right: true, ..cell(text) }
}

impl Cell {
    /// The same with a tone.
    #[must_use]
    pub fn tone(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }

    /// The same with what programs get in its place.
    #[must_use]
    pub fn exact(self, exact: impl ToString) -> Self {
        Self { exact: Some(exact.to_string()), ..self }
    }

    /// What programs get.
    pub fn exact_text(&self) -> &str {
        self.exact.as_deref().unwrap_or(&self.text)
    }

    /// What programs get, as a number where it is one.
    pub fn value(&self) -> serde_json::Value {
        let text = self.exact_text();
        match text.parse::<serde_json::Number>() {
            Ok(number) if self.right => number.into(),
            _ => text.into(),
        }
    }
}

/// A list as a table without borders. `width` is the terminal's, for what is written to one; elsewhere nothing is ever
/// broken, and nothing coloured.
pub fn table(headers: &[&str], rows: &[Vec<Cell>], width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(match width {
        Some(_) => ContentArrangement::Dynamic,
        None => ContentArrangement::Disabled,
    });
    match width {
        Some(width) => table.set_width(width).enforce_styling(),
        None => table.force_no_tty(),
    };
    let columns = headers.len();
    table.set_header(headers.iter().map(|header| {
        let header = comfy_table::Cell::new(header);
        if width.is_some() { header.add_attribute(Attribute::Bold) } else { header }
    }));
    for row in rows {
        table.add_row(row.iter().map(|cell| {
            let mut shown = comfy_table::Cell::new(&cell.text);
            if cell.right {
                shown = shown.set_alignment(CellAlignment::Right);
            }
            match (width, cell.tone) {
                (None, _) | (_, Tone::Plain) => shown,
                (_, Tone::Good) => shown.fg(Color::Green),
                (_, Tone::Notable) => shown.fg(Color::Yellow),
                (_, Tone::Bad) => shown.fg(Color::Red),
                (_, Tone::Faint) => shown.add_attribute(Attribute::Dim),
            }
        }));
    }
    for at in 0..columns {
        if let Some(column) = table.column_mut(at) {
            column.set_padding((0, if at + 1 == columns { 0 } else { 2 }));
        }
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// One thing as lines of name and value. What has no value is left out; further lines of a value stand below its first.
pub fn sheet(lines: &[(&str, Cell)], width: Option<u16>) -> String {
    let longest = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, cell) in lines.iter().filter(|(_, cell)| !cell.text.is_empty()) {
        let value = match width {
            Some(_) => styled(cell),
            None => cell.text.clone(),
        };
        let value = value.replace('\n', &format!("\n{:indent$}", "", indent = longest + 3));
        text.push_str(&format!("{name}:{:pad$}{value}\n", "", pad = longest - name.len() + 2));
    }
    text
}

fn styled(cell: &Cell) -> String {
    let text = console::style(&cell.text).force_styling(true);
    match cell.tone {
        Tone::Plain => cell.text.clone(),
        Tone::Good => text.green().to_string(),
        Tone::Notable => text.yellow().to_string(),
        Tone::Bad => text.red().to_string(),
        Tone::Faint => text.dim().to_string(),
    }
}

/// A value as JSON or YAML.
///
/// # Errors
/// When it cannot be written so: a defect.
pub fn data(value: &impl Serialize, format: &Format) -> Result<String, Failure> {
    match format {
        Format::Yaml => serde_saphyr::to_string(value).map_err(|cause| Failure::Here(cause.to_string())),
        _ => serde_json::to_string_pretty(value)
            .map(|text| text + "\n")
            .map_err(|cause| Failure::Here(cause.to_string())),
    }
}

/// The width of the terminal, where standard output is one (and nobody asked for no colours).
pub fn terminal_width() -> Option<u16> {
    if !std::io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
    {
        return None;
    }
    console::Term::stdout().size_checked().map(|(_, width)| width)
}

/// Writes to standard output. A reader that has gone away (`| head`) is no error.
///
/// # Errors
/// When it cannot be written for another reason.
pub fn out(bytes: impl AsRef<[u8]>) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes.as_ref()).and_then(|()| stdout.flush()) {
        Err(cause) if cause.kind() == std::io::ErrorKind::BrokenPipe => Err(Failure::Said(0)),
        Err(cause) => Err(Failure::Here(format!("standard output: {cause}"))),
        Ok(()) => Ok(()),
    }
}

/// Writes a line to standard error.
pub fn note(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr(), "{}", line.as_ref());
}
