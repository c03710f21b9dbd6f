//! What is kept of a call beside its record: an input that comes in pieces, and the answer.
//!
//! Nothing is kept in part: what is larger than its bound leaves nothing behind, unless the caller asked for a cut.

use super::KeepResult;
use crate::domain::Input;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// An input whose body comes while the call runs.
#[derive(Debug)]
pub struct LateInput {
    head: Box<Input>,
    seen: Arc<Mutex<Seen>>,
}

/// What has gone by of a body.
#[derive(Debug)]
enum Seen {
    Part(Vec<u8>),
    Whole(Vec<u8>),
    Lost,
}

impl LateInput {
    /// Passes `body` on and keeps what goes by, at most `limit` bytes; `head` is the rest of the input.
    #[must_use]
    pub fn tee(
        head: Input,
        body: BoxStream<'static, io::Result<Bytes>>,
        limit: usize,
    ) -> (Self, BoxStream<'static, io::Result<Bytes>>) {
        let seen = Arc::new(Mutex::new(Seen::Part(Vec::new())));
        let late = Self {
            head: Box::new(head),
            seen: Arc::clone(&seen),
        };
        let with_end = body.map(Some).chain(futures_util::stream::iter([None]));
        let passing = with_end.filter_map(move |piece| {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            *seen = std::mem::replace(&mut *seen, Seen::Lost).after(piece.as_ref(), limit);
            std::future::ready(piece)
        });
        (late, passing.boxed())
    }

    /// The input, if all of it came and fits.
    pub(super) fn take(self) -> Option<Box<Input>> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *seen, Seen::Lost) {
            Seen::Whole(body) => Some(Box::new(Input { body, ..*self.head })),
            Seen::Part(_) | Seen::Lost => None,
        }
    }
}

impl Seen {
    /// `None` is the end.
    fn after(self, piece: Option<&io::Result<Bytes>>, limit: usize) -> Self {
        match (self, piece) {
            (Self::Part(bytes), None) => Self::Whole(bytes),
            (Self::Part(mut bytes), Some(Ok(piece))) if bytes.len() + piece.len() <= limit => {
                bytes.extend_from_slice(piece);
                Self::Part(bytes)
            }
            _ => Self::Lost,
        }
    }
}

/// An answer, as far as it is kept.
#[derive(Debug)]
pub(super) struct Kept {
    keep: KeepResult,
    bytes: Vec<u8>,
}

impl Kept {
    pub(super) fn new(keep: KeepResult) -> Self {
        Self {
            keep,
            bytes: Vec::new(),
        }
    }

    /// Takes in the next piece.
    pub(super) fn add(&mut self, piece: &[u8]) {
        match self.keep {
            KeepResult::No => {}
            KeepResult::Cut(limit) => {
                let room = limit.saturating_sub(self.bytes.len());
                self.bytes.extend_from_slice(&piece[..piece.len().min(room)]);
            }
            KeepResult::Within(limit) if self.bytes.len() + piece.len() <= limit => {
                self.bytes.extend_from_slice(piece);
            }
            KeepResult::Within(_) => *self = Self::new(KeepResult::No),
        }
    }

    /// What is kept.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        (self.keep != KeepResult::No).then(|| std::mem::take(&mut self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Input {
        Input {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: String::new(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    async fn teed(pieces: Vec<io::Result<Bytes>>, limit: usize, read: usize) -> (Vec<u8>, Option<Vec<u8>>) {
        let (late, passed) = LateInput::tee(head(), futures_util::stream::iter(pieces).boxed(), limit);
        let came: Vec<_> = passed.take(read).collect().await;
        let came = came.into_iter().filter_map(Result::ok).flatten().collect();
        (came, late.take().map(|input| input.body))
    }

    fn pieces() -> Vec<io::Result<Bytes>> {
        ["ab", "", "cd"].map(|t| Ok(Bytes::from(t))).into()
    }

    #[tokio::test]
    async fn an_input_is_passed_on_and_kept_when_all_of_it_came_and_fits() {
        assert_eq!(teed(pieces(), 4, 9).await, (b"abcd".to_vec(), Some(b"abcd".to_vec())));
        assert_eq!(teed(pieces(), 3, 9).await, (b"abcd".to_vec(), None));
        assert_eq!(teed(pieces(), 4, 2).await, (b"ab".to_vec(), None));
        assert_eq!(teed(Vec::new(), 4, 9).await, (Vec::new(), Some(Vec::new())));
        let broken = vec![Ok(Bytes::from("a")), Err(io::ErrorKind::Other.into())];
        assert_eq!(teed(broken, 4, 9).await, (b"a".to_vec(), None));
    }

    #[test]
    fn an_answer_is_kept_whole_or_not_at_all_unless_a_cut_was_asked_for() {
        for (keep, expect) in [
            (KeepResult::No, None),
            (KeepResult::Within(4), Some("abcd")),
            (KeepResult::Within(3), None),
            (KeepResult::Cut(3), Some("abc")),
            (KeepResult::Cut(9), Some("abcd")),
        ] {
            let mut kept = Kept::new(keep);
            kept.add(b"ab");
            kept.add(b"cd");
            assert_eq!(kept.take(), expect.map(|t| t.as_bytes().to_vec()), "{keep:?}");
        }
    }
}
