//! Sequence sets (RFC 3501 section 9, `sequence-set`).

/// Ranges of a set, `*` replaced by the largest number in use; `None` where the grammar is broken.
pub(crate) fn parse(text: &str, largest: u32) -> Option<Vec<(u32, u32)>> {
    let number = |text: &str| -> Option<u32> {
        if text == "*" {
            return Some(largest);
        }
        let ok = text.bytes().all(|octet| octet.is_ascii_digit());
        text.parse().ok().filter(|value| ok && *value > 0)
    };
    text.split(',')
        .map(|part| match part.split_once(':') {
            None => number(part).map(|value| (value, value)),
            Some((low, high)) => {
                let (low, high) = (number(low)?, number(high)?);
                Some((low.min(high), low.max(high)))
            }
        })
        .collect()
}

/// Whether `value` lies in one of the ranges.
pub(crate) fn contains(ranges: &[(u32, u32)], value: u32) -> bool {
    ranges.iter().any(|(low, high)| (*low..=*high).contains(&value))
}

/// Numbers as a set, runs shortened to `a:b`.
pub(crate) fn print(values: &[u32]) -> String {
    let mut parts: Vec<(u32, u32)> = Vec::new();
    for value in values {
        match parts.last_mut() {
            Some((_, high)) if high.checked_add(1) == Some(*value) => *high = *value,
            _ => parts.push((*value, *value)),
        }
    }
    let text = |(low, high): &(u32, u32)| {
        if low == high { low.to_string() } else { format!("{low}:{high}") }
    };
    parts.iter().map(text).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_sets() {
        assert_eq!(parse("1:3,7,*", 9), Some(vec![(1, 3), (7, 7), (9, 9)]));
        assert_eq!(parse("5:*", 3), Some(vec![(3, 5)]));
        assert_eq!(parse("0", 3), None);
        assert_eq!(parse("1,,2", 3), None);
        assert_eq!(print(&[1, 2, 3, 7, 9, 10]), "1:3,7,9:10");
    }
}
