//! Values as people write and read them: sizes, spans, instants.

use std::time::SystemTime;

use hostler_model::Timestamp;
use hostler_model::hardware::{GIB, MIB, Mac};

const KIB: u64 = 1 << 10;
const TIB: u64 = 1 << 40;

/// A size in bytes, as people write it: `20GiB`, `512M`, `1.5TiB`, `1000000`.
///
/// Units are powers of 1,024, with or without the `i` and the `B`: storage that is asked for is counted so everywhere
/// else in Hostler.
///
/// # Errors
/// When it is no size, or not a whole number of bytes.
pub fn size(written: &str) -> Result<u64, String> {
    let text = written.trim();
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let wrong = || format!("\"{written}\" is not a size such as 20GiB or 512MiB");
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => KIB,
        "m" | "mb" | "mib" => MIB,
        "g" | "gb" | "gib" => GIB,
        "t" | "tb" | "tib" => TIB,
        _ => return Err(wrong()),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.len() > 6 || (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(wrong());
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| wrong())? };
    let scale = 10_u128.pow(u32::try_from(fraction.len()).map_err(|_| wrong())?);
    let part: u128 = if fraction.is_empty() { 0 } else { fraction.parse().map_err(|_| wrong())? };
    let scaled = whole
        .checked_mul(scale)
        .and_then(|scaled| scaled.checked_add(part)?.checked_mul(u128::from(factor)))
        .ok_or_else(wrong)?;
    if !scaled.is_multiple_of(scale) {
        return Err(format!("\"{written}\" is not a whole number of bytes"));
    }
    u64::try_from(scaled / scale).map_err(|_| wrong())
}

/// A size in MiB, as people write it. A number alone is in MiB: nobody means bytes of memory.
///
/// # Errors
/// When it is no size, or not a whole number of MiB.
pub fn mebibytes(written: &str) -> Result<u64, String> {
    if let Ok(number) = written.trim().parse() {
        return Ok(number);
    }
    let bytes = size(written)?;
    if bytes.is_multiple_of(MIB) {
        Ok(bytes / MIB)
    } else {
        Err(format!("\"{written}\" is not a whole number of MiB"))
    }
}

/// A size as people read it: exact where a unit divides it, else to one decimal.
pub fn shown_size(bytes: u64) -> String {
    let units = [(TIB, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")];
    if let Some((unit, name)) = units.iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit))
        && bytes / unit < 10_000
    {
        return format!("{}{name}", bytes / unit);
    }
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1}{name}", bytes as f64 / *unit as f64),
        None => format!("{bytes}B"),
    }
}

/// A size in MiB as people read it.
pub fn shown_mib(mib: u64) -> String {
    shown_size(mib.saturating_mul(MIB))
}

/// A MAC address that an adapter can have.
pub fn mac(written: &str) -> Result<Mac, String> {
    let mac: Mac = written.parse().map_err(|refusal: hostler_model::Refusal| refusal.to_string())?;
    mac.check().map(|()| mac).map_err(|refusal| refusal.to_string())
}

/// A span in seconds, as people write it: `90s`, `5m`, `12h`, `30d`, or seconds alone.
///
/// # Errors
/// When it is no span.
pub fn span_s(written: &str) -> Result<u32, String> {
    let text = written.trim();
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let factor: u32 = match unit.trim() {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => 0,
    };
    let seconds =
        number.parse::<u32>().ok().and_then(|number| number.checked_mul(factor)).filter(|_| factor > 0);
    seconds.ok_or_else(|| format!("\"{written}\" is not a span such as 90s, 5m, 12h or 30d"))
}

/// An instant, as people write it: RFC 3339, or a span from now on (`30d`).
///
/// # Errors
/// When it is neither.
pub fn instant(written: &str) -> Result<Timestamp, String> {
    if let Ok(at) = written.parse() {
        return Ok(at);
    }
    match span_s(written) {
        Ok(seconds) => Ok(now().plus(u64::from(seconds) * 1_000)),
        Err(_) => Err(format!(
            "\"{written}\" is neither a span such as 30d nor a time such as 2027-01-31T00:00:00Z"
        )),
    }
}

/// An instant that is past, as people write it: RFC 3339, or a span before now (`2h`).
///
/// # Errors
/// When it is neither.
pub fn past(written: &str) -> Result<Timestamp, String> {
    if let Ok(at) = written.parse() {
        return Ok(at);
    }
    match span_s(written) {
        Ok(seconds) => Ok(Timestamp(now().0 - i64::from(seconds) * 1_000)),
        Err(_) => {
            Err(format!("\"{written}\" is neither a span such as 2h nor a time such as 2026-11-21T08:00:00Z"))
        }
    }
}

/// The time of day.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// An instant as tables show it: `3 min ago`, `in 2 h`.
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    let (span, future) = if at > now { (at.since(now), true) } else { (now.since(at), false) };
    let seconds = span / 1_000;
    let words = match seconds {
        0..2 => return "now".to_owned(),
        2..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        172_800..63_072_000 => format!("{} d", seconds / 86_400),
        _ => format!("{} y", seconds / 31_536_000),
    };
    if future { format!("in {words}") } else { format!("{words} ago") }
}

/// A span as people read it.
pub fn lasted(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.1} s", ms as f64 / 1_000.0),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
        _ => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them_and_shown_as_they_read_them() {
        for (written, bytes) in
            [("20GiB", 20 * GIB), ("20G", 20 * GIB), ("1.5gib", 3 * GIB / 2), ("512", 512), (" 4 KiB ", 4096)]
        {
            assert_eq!(size(written).unwrap(), bytes, "{written}");
        }
        for wrong in ["", "GiB", "-1G", "1..5G", "1.2.3G", "0.0000001T", "1e9", "99999999999T", "20XB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        assert!(size("0.3B").is_err(), "no part of a byte");
        assert_eq!(mebibytes("1GiB").unwrap(), 1024);
        assert_eq!(mebibytes("512").unwrap(), 512);
        assert!(mebibytes("1000KiB").is_err());
        for (bytes, shown) in
            [(0, "0B"), (20 * GIB, "20GiB"), (GIB + MIB, "1025MiB"), (1_500_000_000, "1.4GiB"), (TIB, "1TiB")]
        {
            assert_eq!(shown_size(bytes), shown);
        }
    }

    #[test]
    fn spans_and_instants_are_read() {
        assert_eq!(span_s("90"), Ok(90));
        assert_eq!(span_s("12h"), Ok(43_200));
        assert!(span_s("12 years").is_err() && span_s("-1s").is_err() && span_s("9999999d").is_err());
        assert_eq!(instant("2027-01-31T00:00:00Z").unwrap().to_string(), "2027-01-31T00:00:00.000Z");
        assert!(instant("1d").unwrap() > now());
        assert!(instant("tomorrow").is_err());
        assert_eq!(now().since(past("2h").unwrap()) / 10_000, 720);
        assert!(past("yesterday").is_err() && past("2026-11-21T08:00:00Z").is_ok());
    }

    #[test]
    fn tables_show_how_long_ago_something_was() {
        let now = Timestamp(1_000_000_000_000);
        let ago = |seconds: i64| relative(Timestamp(now.0 - seconds * 1000), now);
        assert_eq!(ago(0), "now");
        assert_eq!(ago(90), "90 s ago");
        assert_eq!(ago(3 * 60), "3 min ago");
        assert_eq!(ago(-3 * 3600), "in 3 h");
        assert_eq!(ago(400 * 86_400), "400 d ago");
    }
}
