//! The multipart form of a deploy, written as it is sent. Writes only; reading is the daemon's.

use super::client::{Body, body_from};
use std::fs::File;
use std::io::{Cursor, Read};

/// A form that is ready to be sent.
pub(crate) struct Form {
    /// The value of `content-type`.
    pub(crate) content_type: String,
    /// All of it. Unit: bytes.
    pub(crate) length: u64,
    /// The form itself.
    pub(crate) body: Body,
}

/// The part `settings` and then the part `code`, if there is one: a file's name, the file, and how much of it. Unit: bytes.
pub(crate) fn form(settings: &[u8], code: Option<(String, File, u64)>) -> Form {
    let boundary = format!("hob-{}", uuid::Uuid::new_v4().simple());
    let head = head(&boundary, settings, code.as_ref().map(|(name, ..)| name.as_str()));
    let tail = format!("\r\n--{boundary}--\r\n").into_bytes();
    let fixed = head.len() as u64 + tail.len() as u64;
    let (length, body) = match code {
        // A file that grows while it is sent must not break the form.
        Some((_, code, length)) => {
            let all = Cursor::new(head).chain(code.take(length)).chain(Cursor::new(tail));
            (fixed + length, body_from(all))
        }
        None => (fixed, body_from(Cursor::new(head).chain(Cursor::new(tail)))),
    };
    Form {
        content_type: format!("multipart/form-data; boundary={boundary}"),
        length,
        body,
    }
}

fn head(boundary: &str, settings: &[u8], file_name: Option<&str>) -> Vec<u8> {
    let mut head = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"settings\"\r\n\
         content-type: application/json\r\n\r\n"
    )
    .into_bytes();
    head.extend_from_slice(settings);
    let Some(name) = file_name.map(quoted) else {
        return head;
    };
    head.extend_from_slice(
        format!(
            "\r\n--{boundary}\r\ncontent-disposition: form-data; name=\"code\"; filename=\"{name}\"\r\n\
             content-type: application/octet-stream\r\n\r\n"
        )
        .as_bytes(),
    );
    head
}

/// What browsers do with the three characters that would end the name.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_cannot_end_its_header() {
        assert_eq!(quoted("a\"\r\nb"), "a%22%0D%0Ab");
    }

    #[test]
    fn the_parts_come_in_order_with_their_types() {
        let text = String::from_utf8(head("B", b"{}", Some("m.zip"))).expect("text");
        let expect = "--B\r\ncontent-disposition: form-data; name=\"settings\"\r\n\
            content-type: application/json\r\n\r\n{}\r\n--B\r\n\
            content-disposition: form-data; name=\"code\"; filename=\"m.zip\"\r\n\
            content-type: application/octet-stream\r\n\r\n";
        assert_eq!(text, expect);
        let alone = String::from_utf8(head("B", b"{}", None)).expect("text");
        assert!(expect.starts_with(&alone) && alone.ends_with("{}"), "{alone}");
    }
}
