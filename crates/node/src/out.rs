//! What reaches the user: data on stdout, everything else on stderr, colours only for a terminal that wants them.

use std::{
    fmt::Display,
    io::{IsTerminal as _, Write as _},
};

use serde::Serialize;

use crate::exit::Failure;

/// The form of data on stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object, also on failure.
    Json,
}

/// Where a verb puts its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    format: Format,
}

impl Out {
    pub(crate) fn new(format: Format) -> Self {
        Self { format }
    }

    pub(crate) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Prints `value` as one JSON line, or what `text` makes of it.
    pub(crate) fn answer<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) {
        match self.format {
            Format::Json => line(serde_json::to_string(value).expect("answers serialise")),
            Format::Text => {
                let text = text(value);
                if !text.is_empty() {
                    line(text);
                }
            }
        }
    }

    /// Reports why a verb failed: one object on stdout with `-o json`, words on stderr otherwise.
    pub(crate) fn failed(self, failure: &Failure) {
        if self.is_json() {
            let value = serde_json::json!({
                "v": 1,
                "code": failure.exit.code(),
                "reason": failure.reason(),
                "remedy": failure.remedy(),
            });
            return line(value);
        }
        let head = console::Style::new().for_stderr().red().bold().apply_to("error:");
        note(format_args!("{head} {}", shown(&failure.reason())));
        if let Some(remedy) = failure.remedy() {
            note(format_args!("to fix: {remedy}"));
        }
    }
}

/// One line of data. A reader that went away is no fault of ours.
pub(crate) fn line(text: impl Display) {
    let mut out = std::io::stdout().lock();
    let _gone = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Bytes of data as they are.
pub(crate) fn raw(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    let _gone = out.write_all(bytes).and_then(|()| out.flush());
}

/// One line beside the data.
pub(crate) fn note(text: impl Display) {
    let mut err = std::io::stderr().lock();
    let _gone = writeln!(err, "{text}").and_then(|()| err.flush());
}

/// Whether a progress display makes sense.
pub(crate) fn progress_wanted() -> bool {
    std::io::stderr().is_terminal()
}

/// Text from outside with control characters made visible, so that nothing foreign drives the terminal.
pub(crate) fn shown(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let plain = !c.is_control() && !is_format(c);
            let escaped: Vec<char> = if plain { vec![c] } else { c.escape_default().collect() };
            escaped
        })
        .collect()
}

/// Characters that reorder or hide others (Unicode categories Cf and line separators).
fn is_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A table without borders, upper-case headers.
pub(crate) fn table(headers: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_content_arrangement(comfy_table::ContentArrangement::Disabled);
    table.set_header(headers.iter().map(|h| h.to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| shown(cell)).collect::<Vec<_>>());
    }
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests;
