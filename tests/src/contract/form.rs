//! Reading a multipart form, as far as a description speaks of it.
//!
//! **Invariant:** a part without a name, or a form without an end, is an error.

/// The fields of a multipart form by name; `None` stands for a file's bytes.
pub(super) fn fields(
    content_type: &str,
    body: &[u8],
) -> Result<Vec<(String, Option<String>)>, String> {
    let boundary = content_type
        .split_once("boundary=")
        .map(|(_, boundary)| format!("\r\n--{}", boundary.trim_matches('"')))
        .ok_or("the form has no boundary")?;
    let whole = [b"\r\n", body].concat();
    let parts = split(&whole, boundary.as_bytes());
    let Some((last, parts)) = parts.split_last() else {
        return Err("the form has no parts".to_owned());
    };
    if !last.starts_with(b"--") {
        return Err("the form does not end".to_owned());
    }
    let mut fields = Vec::new();
    for part in &parts[1..] {
        let halves = split(part, b"\r\n\r\n");
        let head = String::from_utf8_lossy(halves.first().copied().unwrap_or_default());
        let quoted = |key: &str| {
            let (_, rest) = head.split_once(&format!("{key}=\""))?;
            Some(rest.split('"').next().unwrap_or_default().to_owned())
        };
        let name = quoted("; name").ok_or_else(|| format!("a part without a name: {head}"))?;
        let text = &part[head.len().min(part.len())..];
        let text = String::from_utf8_lossy(text.strip_prefix(b"\r\n\r\n").unwrap_or(text));
        fields.push((name, quoted("; filename").is_none().then(|| text.into_owned())));
    }
    Ok(fields)
}

fn split<'a>(bytes: &'a [u8], at: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = bytes;
    while let Some(found) = rest.windows(at.len()).position(|window| window == at) {
        parts.push(&rest[..found]);
        rest = &rest[found + at.len()..];
    }
    parts.push(rest);
    parts
}
