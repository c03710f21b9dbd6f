//! A line that shows how far something is, on a terminal only; it is gone when the work is done.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The line is drawn this often at most.
const BETWEEN: Duration = Duration::from_millis(100);
/// What takes less time shows nothing.
const PATIENCE: Duration = Duration::from_millis(400);
const WIDTH: u64 = 30;
const MIB: f64 = 1024.0 * 1024.0;

/// A bar; clones are the same. It is removed with the last of them.
#[derive(Clone)]
pub(crate) struct Bar(Option<Arc<Line>>);

struct Line {
    what: String,
    total: Option<u64>,
    begun: Instant,
    /// When it was drawn last; `None` when it is not to be seen.
    drawn: Mutex<Option<Instant>>,
}

impl Bar {
    /// One that is never seen.
    pub(crate) fn hidden() -> Self {
        Self(None)
    }

    /// `total` where it is known. Unit: bytes.
    pub(crate) fn new(what: &str, total: Option<u64>) -> Self {
        Self(Some(Arc::new(Line {
            what: what.to_owned(),
            total,
            begun: Instant::now(),
            drawn: Mutex::new(None),
        })))
    }

    /// So many bytes are done.
    pub(crate) fn at(&self, done: u64) {
        let Some(line) = &self.0 else { return };
        self.show(&line.what, done, line.total);
    }

    /// So many bytes of something else are done, for as long as this is what is told.
    pub(crate) fn show(&self, what: &str, done: u64, total: Option<u64>) {
        let Some(line) = &self.0 else { return };
        let now = Instant::now();
        let mut drawn = line.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let young = now.duration_since(line.begun) < PATIENCE;
        if young || drawn.is_some_and(|at| now.duration_since(at) < BETWEEN) {
            return;
        }
        *drawn = Some(now);
        draw(&text(what, done, total, now.duration_since(line.begun)));
    }

    /// Makes room for a line of something else; it is back with the next news.
    pub(crate) fn clear(&self) {
        let Some(line) = &self.0 else { return };
        let mut drawn = line.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if drawn.take().is_some() {
            draw("");
        }
    }

    /// Whether nobody will ever see it.
    pub(crate) fn is_hidden(&self) -> bool {
        self.0.is_none()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let drawn = self.drawn.get_mut().unwrap_or_else(PoisonError::into_inner);
        if drawn.is_some() {
            draw("");
        }
    }
}

/// Over what the line showed before; nobody is told when standard error cannot be written.
fn draw(text: &str) {
    let mut err = std::io::stderr();
    let _ = write!(err, "\r\x1b[2K{text}").and_then(|()| err.flush());
}

/// `sent [#####-----] 3.1 of 6.0 MiB, 4 s`; without a total, what was done so far; without anything, the time.
fn text(what: &str, done: u64, total: Option<u64>, time: Duration) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a number for people")]
    let mib = |bytes: u64| bytes as f64 / MIB;
    let seconds = time.as_secs();
    match total.filter(|total| *total > 0) {
        Some(total) => {
            let filled = (done.min(total) * WIDTH / total) as usize;
            let bar = "#".repeat(filled) + &"-".repeat(WIDTH as usize - filled);
            format!("{what} [{bar}] {:.1} of {:.1} MiB, {seconds} s", mib(done), mib(total))
        }
        None if done > 0 => format!("{what} {:.1} MiB, {seconds} s", mib(done)),
        None => format!("{what} {seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_what_is_known_and_fits_the_terminal() {
        let mib = 1024 * 1024;
        for (done, total, expect) in [
            (0, None, "sent 2 s"),
            (3 * mib, None, "sent 3.0 MiB, 2 s"),
            (
                mib,
                Some(2 * mib),
                "sent [###############---------------] 1.0 of 2.0 MiB, 2 s",
            ),
            (
                9 * mib,
                Some(2 * mib),
                "sent [##############################] 9.0 of 2.0 MiB, 2 s",
            ),
            (0, Some(0), "sent 2 s"),
        ] {
            let line = text("sent", done, total, Duration::from_secs(2));
            assert_eq!(line, expect);
            assert!(line.len() <= 80);
        }
    }

    #[test]
    fn what_is_done_at_once_shows_nothing() {
        let bar = Bar::new("sent", Some(5));
        bar.at(5);
        let line = bar.0.as_ref().expect("a line");
        assert!(line.drawn.lock().expect("no panic").is_none());
        Bar::hidden().at(5);
    }
}
