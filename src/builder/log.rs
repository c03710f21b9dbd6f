//! What a build says, while it runs: kept from the first line, and read by any number of people from where they are.
//! Beside it, how far a pull is: that is only true now, so nothing of it is kept.

use super::pull::Pulling;
use tokio::sync::watch;

/// Kept of what one build says. Unit: bytes.
const LIMIT: usize = 4 * 1024 * 1024;

/// The output of one build; clones share it.
#[derive(Debug, Clone, Default)]
pub struct BuildLog(watch::Sender<Text>);

#[derive(Debug, Clone, Default)]
struct Text {
    text: String,
    ended: bool,
    cut: bool,
    pulling: Option<Pulling>,
}

impl BuildLog {
    /// Adds a line. Beyond 4 MiB nothing more is kept, and a line says so.
    pub fn line(&self, line: &str) {
        self.0.send_modify(|log| {
            if log.text.len() + line.len() < LIMIT {
                log.text.push_str(line);
                log.text.push('\n');
            } else if !log.cut {
                log.text
                    .push_str("(what the build says further is not kept: it is more than 4 MiB)\n");
                log.cut = true;
            }
        });
    }

    /// How far the pull is that is under way now; `None`: there is none.
    #[must_use]
    pub fn pulling(&self) -> Option<Pulling> {
        self.0.borrow().pulling.clone()
    }

    /// Wakes nobody: who wants to see it looks again and again.
    pub(super) fn set_pulling(&self, pulling: Option<Pulling>) {
        self.0.send_if_modified(|log| {
            log.pulling = pulling;
            false
        });
    }

    /// Says that nothing more will come.
    pub fn end(&self) {
        self.0.send_modify(|log| log.ended = true);
    }

    /// Everything so far.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.borrow().text.clone()
    }

    /// What comes after the first `sent` bytes, once there is something; an empty text: nothing more will come.
    pub async fn after(&self, sent: usize) -> String {
        let mut log = self.0.subscribe();
        let news = log.wait_for(|log| log.ended || log.text.len() > sent).await;
        news.map(|log| log.text.get(sent..).unwrap_or_default().to_owned())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_gets_what_it_has_not_seen_and_then_the_end() {
        let log = BuildLog::default();
        log.line("one");
        assert_eq!(log.after(0).await, "one\n");
        let (reader, writer) = (log.clone(), log.clone());
        let (second, ()) = tokio::join!(reader.after(4), async move { writer.line("two") });
        assert_eq!(second, "two\n");
        log.end();
        assert_eq!(log.after(8).await, "");
        assert_eq!(log.text(), "one\ntwo\n");
    }

    #[test]
    fn a_flood_is_cut_once() {
        let log = BuildLog::default();
        let line = "x".repeat(LIMIT / 4);
        (0..8).for_each(|_| log.line(&line));
        assert!(log.text().len() < LIMIT + 100);
        assert_eq!(log.text().matches("not kept").count(), 1);
    }
}
