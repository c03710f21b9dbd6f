//! The multipart form of a deploy, written as it is sent. Writes only; reading is the daemon's.

use super::client::{Body, body_from, body_of};
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

/// The part `settings` alone.
pub(crate) fn settings_form(settings: &[u8]) -> Form {
    let boundary = format!("hob-{}", uuid::Uuid::new_v4().simple());
    let mut all = settings_part(&boundary, settings);
    all.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    Form {
        content_type: format!("multipart/form-data; boundary={boundary}"),
        length: all.len() as u64,
        body: body_of(all),
    }
}

/// The part `settings` and then the part `code`, which is `length` bytes of `code`.
pub(crate) fn form(settings: &[u8], file_name: &str, code: File, length: u64) -> Form {
    let boundary = format!("hob-{}", uuid::Uuid::new_v4().simple());
    let head = head(&boundary, settings, file_name);
    let tail = format!("\r\n--{boundary}--\r\n").into_bytes();
    let total = head.len() as u64 + length + tail.len() as u64;
    // A file that grows while it is sent must not break the form.
    let all = Cursor::new(head).chain(code.take(length)).chain(Cursor::new(tail));
    Form {
        content_type: format!("multipart/form-data; boundary={boundary}"),
        length: total,
        body: body_from(all),
    }
}

fn settings_part(boundary: &str, settings: &[u8]) -> Vec<u8> {
    let mut part = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"settings\"\r\n\
         content-type: application/json\r\n\r\n"
    )
    .into_bytes();
    part.extend_from_slice(settings);
    part
}

fn head(boundary: &str, settings: &[u8], file_name: &str) -> Vec<u8> {
    let mut head = settings_part(boundary, settings);
    let name = quoted(file_name);
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
        let text = String::from_utf8(head("B", b"{}", "m.zip")).expect("text");
        let expect = "--B\r\ncontent-disposition: form-data; name=\"settings\"\r\n\
            content-type: application/json\r\n\r\n{}\r\n--B\r\n\
            content-disposition: form-data; name=\"code\"; filename=\"m.zip\"\r\n\
            content-type: application/octet-stream\r\n\r\n";
        assert_eq!(text, expect);
    }
}
