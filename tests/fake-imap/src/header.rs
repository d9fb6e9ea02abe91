//! The header of a message: where it ends, and its fields (RFC 5322 section 2.2).

/// Where the body begins: behind the first empty line.
pub(crate) fn header_end(message: &[u8]) -> usize {
    let mut at = 0;
    while at < message.len() {
        let line = message[at..].iter().position(|octet| *octet == b'\n');
        let next = line.map_or(message.len(), |length| at + length + 1);
        if matches!(&message[at..next], b"\r\n" | b"\n") {
            return next;
        }
        at = next;
    }
    message.len()
}

/// Fields of a header with their folded lines.
pub(crate) fn fields(header: &[u8]) -> impl Iterator<Item = (String, &[u8])> {
    let mut starts: Vec<usize> = Vec::new();
    let mut at = 0;
    while at < header.len() {
        if !matches!(header[at], b' ' | b'\t') {
            starts.push(at);
        }
        let line = header[at..].iter().position(|octet| *octet == b'\n');
        at = line.map_or(header.len(), |length| at + length + 1);
    }
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([header.len()]).collect();
    starts.into_iter().zip(ends).filter_map(|(start, end)| {
        let field = &header[start..end];
        let colon = field.iter().position(|octet| *octet == b':')?;
        Some((String::from_utf8_lossy(&field[..colon]).trim().to_owned(), field))
    })
}

/// Value of the first field of this name, unfolded.
pub(crate) fn header(message: &[u8], name: &str) -> Option<String> {
    let head = &message[..header_end(message)];
    let (_, field) = fields(head).find(|(found, _)| found.eq_ignore_ascii_case(name))?;
    let colon = field.iter().position(|octet| *octet == b':')?;
    let text = String::from_utf8_lossy(&field[colon + 1..]).replace(['\r', '\n'], "");
    Some(text.trim().to_owned())
}
