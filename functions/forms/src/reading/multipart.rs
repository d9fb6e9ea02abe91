//! Forms with a file in them: `multipart/form-data` (RFC 7578).

use bytes::Bytes;
use futures::stream;
use multer::Multipart;
use zeroize::Zeroizing;

use crate::refusals::{Code, Refusal};
use crate::request::Request;

/// Bytes that are handed to the reader at once, so that it never holds a second copy of the whole.
const PIECE_BYTES: usize = 64 << 10;
/// The most parts of a form; ours have two.
const PARTS_MAX: usize = 20;
/// The most bytes of a part that is no file; ours hold a word.
const WORD_MAX_BYTES: usize = 1 << 10;

/// What such a form held.
#[derive(Default)]
pub struct Parts {
    /// Names and values of what is no file.
    pub fields: Vec<(String, String)>,
    /// The content of the first file; `None` where none was chosen.
    pub file: Option<Zeroizing<Vec<u8>>>,
}

/// Reads such a form.
pub async fn read(request: &Request, body: &[u8]) -> Result<Parts, Refusal> {
    let kind = request.header("content-type").unwrap_or_default();
    let boundary = multer::parse_boundary(kind).map_err(|_| Refusal::of(Code::MediaType))?;
    let pieces = body.chunks(PIECE_BYTES);
    let pieces = pieces.map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece)));
    let mut form = Multipart::new(stream::iter(pieces), boundary);
    let mut parts = Parts::default();
    for _ in 0..PARTS_MAX {
        let Some(mut part) = form.next_field().await.map_err(broken)? else { return Ok(parts) };
        let name = part.name().unwrap_or_default().to_owned();
        let is_file = part.file_name().is_some();
        // Room for the whole from the start: growing would leave copies of passwords behind.
        let room = if is_file { body.len() } else { WORD_MAX_BYTES };
        let mut content = Zeroizing::new(Vec::with_capacity(room));
        while let Some(piece) = part.chunk().await.map_err(broken)? {
            if content.len() + piece.len() > room {
                return Err(Refusal::of(Code::TooLong));
            }
            content.extend_from_slice(&piece);
        }
        if !is_file {
            parts.fields.push((name, String::from_utf8_lossy(&content).into_owned()));
        } else if !content.is_empty() && parts.file.is_none() {
            parts.file = Some(content);
        }
    }
    Err(Refusal::of(Code::TooMany))
}

fn broken(error: multer::Error) -> Refusal {
    Refusal::because(Code::Unreadable, format!("The form cannot be read: {error}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(kind: &str, body: &str) -> Result<Parts, Code> {
        let mut headers = http::HeaderMap::new();
        headers.insert("content-type", kind.parse().unwrap());
        let request = Request {
            method: http::Method::POST,
            path: "/".into(),
            query: vec![],
            headers,
            origin: String::new(),
            secure: false,
        };
        futures::executor::block_on(read(&request, body.as_bytes())).map_err(|it| it.code)
    }

    const KIND: &str = "multipart/form-data; boundary=XX";

    fn part(head: &str, body: &str) -> String {
        format!("--XX\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n")
    }

    #[test]
    fn a_file_and_a_word() {
        let large = "a;\"b\r\n--X\"\r\n".repeat(20_000);
        let body = part("name=\"file\"; filename=\"ä.csv\"", &large)
            + &part("name=\"action\"", "add")
            + "--XX--\r\n";
        let read = parts(KIND, &body).unwrap();
        assert_eq!(read.fields, [("action".to_owned(), "add".to_owned())]);
        assert_eq!(read.file.unwrap().as_slice(), large.as_bytes());
    }

    #[test]
    fn no_file_was_chosen() {
        let body = part("name=\"file\"; filename=\"\"", "") + "--XX--\r\n";
        assert!(parts(KIND, &body).unwrap().file.is_none());
    }

    #[test]
    fn what_is_no_such_form() {
        let word = part("name=\"a\"", &"x".repeat(WORD_MAX_BYTES + 1)) + "--XX--\r\n";
        let many = part("name=\"a\"", "x").repeat(PARTS_MAX + 1) + "--XX--\r\n";
        for (kind, body, code) in [
            ("multipart/form-data", "", Code::MediaType),
            ("text/csv", "a;b", Code::MediaType),
            (KIND, "", Code::Unreadable),
            (KIND, "--XX\r\nnonsense", Code::Unreadable),
            (KIND, &part("name=\"file\"; filename=\"x\"", "cut off"), Code::Unreadable),
            (KIND, &word, Code::TooLong),
            (KIND, &many, Code::TooMany),
        ] {
            assert_eq!(parts(kind, body).err(), Some(code), "{kind} {body:.60}");
        }
    }
}
