//! Lists and records as members tell them, shown as tables or passed on as JSON. Not proven: `hanse proof get` is.

use serde_json::Value;

use crate::{
    client::{Client, escape},
    exit::{Exit, Failure},
    out::{self, Out, shown},
};

/// Records shown at most: a member may name a next page for ever.
const ROWS_MAX: usize = 100_000;

/// Shows the list that a member answers for `path`.
///
/// # Errors
/// When nobody answers, or not with a list.
pub(crate) async fn list(client: &Client, path: &str, out: Out) -> Result<(), Failure> {
    let (_, rows) = fetch(client, path).await?;
    let answer = serde_json::json!({ "v": 1, "items": rows });
    out.answer(&answer, |_| table(&rows));
    Ok(())
}

/// Shows the record of the list at `path` whose `field` is `wanted`.
///
/// # Errors
/// When nobody answers, or the list has no such record.
pub(crate) async fn one_of(
    client: &Client,
    path: &str,
    field: &str,
    wanted: &str,
    out: Out,
) -> Result<(), Failure> {
    let (name, rows) = fetch(client, path).await?;
    let found = rows.into_iter().find(|row| row[field] == wanted);
    let found = found.ok_or_else(|| {
        let what = format!("there is no `{}` among the {name}", shown(wanted));
        Failure::new(Exit::Refused, what)
    })?;
    out.answer(&found, record);
    Ok(())
}

/// One page of a list, as the REST door gives it.
#[derive(serde::Deserialize)]
struct Page {
    items: Vec<Value>,
    next: Option<String>,
}

/// The name of the list, and its records from all pages.
async fn fetch(client: &Client, path: &str) -> Result<(String, Vec<Value>), Failure> {
    let name = path.trim_start_matches("/v1/").split(['?', '/']).next().unwrap_or(path).to_owned();
    let (mut rows, mut after) = (Vec::new(), None::<String>);
    loop {
        let separator = if path.contains('?') { '&' } else { '?' };
        let path = after.map_or_else(
            || path.to_owned(),
            |after| format!("{path}{separator}after={}", escape(&after)),
        );
        let page: Page = client.get_json(&path).await?;
        rows.extend(page.items);
        match page.next {
            Some(next) if rows.len() < ROWS_MAX => after = Some(next),
            _ => return Ok((name, rows)),
        }
    }
}

/// One column per field of the first record.
pub(crate) fn table(rows: &[Value]) -> String {
    let Some(Value::Object(first)) = rows.first() else {
        return rows.iter().map(cell).collect::<Vec<_>>().join("\n");
    };
    let headers: Vec<&str> = first.keys().map(String::as_str).collect();
    out::table(&headers, rows.iter().map(|row| headers.iter().map(|h| cell(&row[h])).collect()))
}

/// One line per field.
pub(crate) fn record(value: &Value) -> String {
    let Value::Object(fields) = value else {
        return cell(value);
    };
    let width = fields.keys().map(String::len).max().unwrap_or(0);
    let lines = fields
        .iter()
        .map(|(name, value)| format!("{:width$}  {}", shown(name), shown(&cell(value))));
    lines.collect::<Vec<_>>().join("\n")
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
