//! Virtual time: Unix milliseconds in UTC, written as `2026-03-17T09:30:00Z`.
//!
//! Time never comes from the host. It starts at the environment's clock and moves [`TICK_MS`] per call that commits a change.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// How far a call that commits a change moves virtual time, in milliseconds.
pub const TICK_MS: i64 = 60_000;

/// Room that the start of virtual time must leave before midnight, in hours. Judging executes a solution a second time a
/// little later on the same day, and an agent may take more calls than the solution without the date changing.
const ROOM_HOURS: i8 = 2;

/// Parses `YYYY-MM-DDTHH:MM:SSZ`, and nothing else.
pub fn parse(text: &str) -> Option<i64> {
    let ms = text.parse::<Timestamp>().ok()?.as_millisecond();
    (format(ms) == text).then_some(ms)
}

/// Writes `YYYY-MM-DDTHH:MM:SSZ`.
pub fn format(ms: i64) -> String {
    let time = civil(ms);
    // Every call is told the time; a format string would take longer than binding all the rest.
    let mut text = *b"0000-00-00T00:00:00Z";
    let year = time.year().unsigned_abs();
    let parts = [time.month(), time.day(), time.hour(), time.minute(), time.second()].map(i8::unsigned_abs);
    for (place, digits) in [(3, year % 10), (2, year / 10 % 10), (1, year / 100 % 10), (0, year / 1000)] {
        text[place] += digits as u8;
    }
    for (place, part) in [5, 8, 11, 14, 17].into_iter().zip(parts) {
        text[place] += part / 10;
        text[place + 1] += part % 10;
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// True where a start of virtual time leaves enough of its day.
pub fn leaves_room(start_ms: i64) -> bool {
    civil(start_ms).hour() < 24 - ROOM_HOURS
}

/// The time as a person would say it: `Tuesday, 17 March 2026, 09:30 UTC`.
pub fn spoken(ms: i64) -> String {
    civil(ms).strftime("%A, %-d %B %Y, %H:%M UTC").to_string()
}

fn civil(ms: i64) -> DateTime {
    let time = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    TimeZone::UTC.to_datetime(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_trip() {
        for text in ["1970-01-01T00:00:00Z", "2024-02-29T23:59:59Z", "2026-03-17T09:30:00Z", "0987-06-05T04:32:10Z"] {
            assert_eq!(format(parse(text).unwrap()), text);
            assert_eq!(civil(parse(text).unwrap()).strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), text);
        }
        assert_eq!(parse("2026-03-17T09:30:00Z"), Some(1_773_739_800_000));
        for bad in ["2026-02-29T00:00:00Z", "2026-03-17 09:30:00", "2026-03-17T24:00:00Z", "2026-03-17T09:30:00+00:00"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(spoken(1_773_739_800_000), "Tuesday, 17 March 2026, 09:30 UTC");
        assert!(leaves_room(1_773_739_800_000));
    }
}
