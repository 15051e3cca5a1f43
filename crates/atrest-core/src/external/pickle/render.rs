//! Values to text.

use super::super::json_leaves::write_string;
use super::{Object, Value};

/// The text of a whole field's value, of at most `room` bytes where it is JSON.
pub(super) fn text(value: &Value, room: usize) -> Option<Vec<u8>> {
    Some(match value {
        Value::Text(text) => text.as_bytes().to_vec(),
        Value::Bytes(bytes) => bytes.to_vec(),
        Value::List(_) | Value::Dict(_) | Value::Tuple(_) => {
            let mut out = Vec::new();
            json(value, &mut out, room)?;
            out
        }
        Value::None | Value::Class(_) | Value::Mark => return None,
        other => scalar(other)?.into_bytes(),
    })
}

fn scalar(value: &Value) -> Option<String> {
    Some(match value {
        Value::Bool(yes) => yes.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Big(n) => n.to_string(),
        Value::Float(x) => float(*x),
        Value::Object(object) => self::object(object)?,
        _ => return None,
    })
}

/// The shortest digits that give the number back, as Python writes them.
fn float(x: f64) -> String {
    if x.is_nan() {
        return "NaN".to_owned();
    }
    if x.is_infinite() {
        return if x > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let text = format!("{x:?}");
    // Rust writes 1e20 and 1e-7, Python 1e+20 and 1e-07.
    match text.split_once('e') {
        None => text,
        Some((digits, exponent)) => {
            let (sign, exponent) = match exponent.strip_prefix('-') {
                Some(rest) => ('-', rest),
                None => ('+', exponent),
            };
            let digits = digits.strip_suffix(".0").unwrap_or(digits);
            format!("{digits}e{sign}{exponent:0>2}")
        }
    }
}

fn json(value: &Value, out: &mut Vec<u8>, room: usize) -> Option<()> {
    if out.len() > room {
        return None; // one value many times over
    }
    match value {
        Value::None => out.extend_from_slice(b"null"),
        Value::Text(text) => write_string(text.as_bytes(), out)?,
        Value::List(items) => array(items, out, room)?,
        Value::Tuple(items) => array(items, out, room)?,
        Value::Dict(pairs) => {
            out.push(b'{');
            for (i, (key, value)) in pairs.iter().enumerate() {
                if i > 0 {
                    out.extend_from_slice(b", ");
                }
                let Value::Text(key) = key else { return None };
                write_string(key.as_bytes(), out)?;
                out.extend_from_slice(b": ");
                json(value, out, room)?;
            }
            out.push(b'}');
        }
        Value::Bool(_) | Value::Int(_) | Value::Big(_) | Value::Float(_) => {
            out.extend_from_slice(scalar(value)?.as_bytes());
        }
        // JSON has no word for these.
        _ => return None,
    }
    Some(())
}

fn array(items: &[Value], out: &mut Vec<u8>, room: usize) -> Option<()> {
    out.push(b'[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        json(item, out, room)?;
    }
    out.push(b']');
    Some(())
}

fn object(object: &Object) -> Option<String> {
    let args = object.args.as_slice();
    match (&*object.class, args, &object.state) {
        ("datetime.date", [Value::Bytes(b)], None) => date(b),
        ("datetime.datetime", [Value::Bytes(b)], None) => datetime(b),
        ("datetime.datetime", [Value::Bytes(b), zone], None) => {
            Some(format!("{}{}", datetime(b)?, offset(zone)?))
        }
        ("datetime.time", [Value::Bytes(b)], None) => time(b),
        ("decimal.Decimal", [Value::Text(text)], None) => Some(text.to_string()),
        ("uuid.UUID", [], Some(Value::Dict(state))) => match state.as_slice() {
            [(Value::Text(name), number), ..] if &**name == "int" => uuid(number),
            _ => None,
        },
        _ => None,
    }
}

fn date(bytes: &[u8]) -> Option<String> {
    let [high, low, month, day]: [u8; 4] = bytes.try_into().ok()?;
    let year = u16::from_be_bytes([high, low]);
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

/// Ten bytes: a date and a time. The topmost bit of the month is the fold, which says
/// which of two equal wall clocks is meant; an offset says it too.
fn datetime(bytes: &[u8]) -> Option<String> {
    let (day, rest) = bytes.split_first_chunk::<4>()?;
    let mut day = *day;
    day[2] &= 0x7f;
    Some(format!("{} {}", date(&day)?, time(rest)?))
}

fn time(bytes: &[u8]) -> Option<String> {
    let [hour, minute, second, a, b, c]: [u8; 6] = bytes.try_into().ok()?;
    let micros = u32::from_be_bytes([0, a, b, c]);
    let hour = hour & 0x7f;
    Some(match micros {
        0 => format!("{hour:02}:{minute:02}:{second:02}"),
        _ => format!("{hour:02}:{minute:02}:{second:02}.{micros:06}"),
    })
}

/// A fixed offset from UTC; no other zone is known without a table of them.
fn offset(zone: &Value) -> Option<String> {
    let Value::Object(zone) = zone else {
        return None;
    };
    let (days, seconds) = match (&*zone.class, zone.args.as_slice()) {
        ("pytz._UTC", []) => (0, 0),
        ("datetime.timezone", [Value::Object(delta)]) if &*delta.class == "datetime.timedelta" => {
            match delta.args.as_slice() {
                [Value::Int(days), Value::Int(seconds), Value::Int(0)] => (*days, *seconds),
                _ => return None,
            }
        }
        _ => return None,
    };
    let total = days.checked_mul(86_400)?.checked_add(seconds)?;
    if total.abs() >= 86_400 || total % 60 != 0 {
        return None;
    }
    let sign = if total < 0 { '-' } else { '+' };
    let minutes = total.abs() / 60;
    Some(format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60))
}

fn uuid(number: &Value) -> Option<String> {
    let number = match number {
        Value::Int(n) => u128::try_from(*n).ok()?,
        Value::Big(n) => *n,
        _ => return None,
    };
    let hex = format!("{number:032x}");
    let part = |from: usize, to: usize| hex.get(from..to);
    Some(format!(
        "{}-{}-{}-{}-{}",
        part(0, 8)?,
        part(8, 12)?,
        part(12, 16)?,
        part(16, 20)?,
        part(20, 32)?
    ))
}
