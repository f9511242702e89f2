//! Sizes on the command line.

/// Reads `1000`, `10MB`, `64GiB` and the like.
///
/// # Errors
/// When the text is not a whole number with one of these units, or too large.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| "write it like 500MB or 64GiB".to_owned())?;
    let scale: u64 = match unit {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err("the unit is one of B, kB, MB, GB, TB, KiB, MiB, GiB and TiB".to_owned()),
    };
    number.checked_mul(scale).ok_or_else(|| "that is too large".to_owned())
}

#[cfg(test)]
mod tests;
