//! Pages of lists: how many entries, and where the next page begins.

use super::super::error::{ApiError, Code};

/// Entries of a page where the request doesn't say.
const LIMIT: usize = 100;

/// Entries of a page at most: a thousand tasks are some 500 KiB.
pub(super) const LIMIT_MAX: usize = 1_000;

/// The number of entries asked for.
pub(super) fn limit(asked: Option<usize>) -> Result<usize, ApiError> {
    match asked {
        None => Ok(LIMIT),
        Some(limit) if (1..=LIMIT_MAX).contains(&limit) => Ok(limit),
        Some(_) => Err(ApiError::new(Code::InvalidUrl, format!("limit must be from 1 to {LIMIT_MAX}"))),
    }
}

/// A place in a list as a cursor. It says nothing to clients, so that we may change what it says.
pub(super) fn cursor(place: &str) -> String {
    place.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The place that a cursor stands for, read by `parse`.
pub(super) fn place<T>(cursor: Option<&str>, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, ApiError> {
    let Some(cursor) = cursor else { return Ok(None) };
    let text = decoded(cursor).and_then(|text| parse(&text));
    text.map(Some).ok_or_else(|| {
        ApiError::new(Code::InvalidUrl, "cursor must be the next_cursor of an earlier page of the same list")
    })
}

fn decoded(cursor: &str) -> Option<String> {
    if !cursor.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let (pairs, []) = cursor.as_bytes().as_chunks::<2>() else { return None };
    let bytes = pairs.iter().map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    String::from_utf8(bytes.collect::<Option<Vec<u8>>>()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back() {
        let place = |cursor: &str| super::place(Some(cursor), |text| Some(text.to_owned()));
        assert_eq!(place(&cursor("online_shop/12")).unwrap().unwrap(), "online_shop/12");
        for bad in ["x", "0", "zz", "ff", "+1", "ü"] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }
}
