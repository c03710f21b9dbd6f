//! What is said of a pull: lines for people, few enough to read, and how far it is. Pure: layers and the time come in.

use crate::engine::{Layer, LayerState};
use std::collections::BTreeMap;
use std::time::Duration;

/// While layers take their time, a line comes this often.
const PATIENCE: Duration = Duration::from_secs(10);
const KIB: u64 = 1024;
const MIB: f64 = 1024.0 * 1024.0;

/// How far a pull is, all layers together. Units: bytes, as they are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulling {
    /// Of which image.
    pub image: String,
    /// What is here of the layers that were not here before.
    pub done_bytes: u64,
    /// Of layers whose size is known: it grows when others get their turn.
    pub total_bytes: u64,
}

/// A pull that is under way.
#[derive(Debug)]
pub(super) struct Pull {
    image: String,
    /// By the engine's name for it.
    layers: BTreeMap<String, Known>,
    /// When the last line was said, from the beginning on.
    said: Duration,
}

#[derive(Debug)]
struct Known {
    state: LayerState,
    done_bytes: u64,
    total_bytes: u64,
}

impl Pull {
    pub(super) fn of(image: &str) -> Self {
        Self {
            image: image.to_owned(),
            layers: BTreeMap::new(),
            said: Duration::ZERO,
        }
    }

    /// Takes in how a layer stands `after` so much time, and answers what is worth a line: its end, or that the pull goes
    /// on when nothing was said for a while.
    pub(super) fn on(&mut self, layer: Layer, after: Duration) -> Option<String> {
        let Layer { id, state } = layer;
        let known = self.layers.entry(id.clone()).or_insert(Known {
            state: LayerState::Waiting,
            done_bytes: 0,
            total_bytes: 0,
        });
        let is_news = known.state != state;
        known.take(state);
        let line = match (state, known.total_bytes) {
            (LayerState::AlreadyHere, _) if is_news => format!("{id}: already here"),
            (LayerState::Done, 0) if is_news => format!("{id}: pulled"),
            (LayerState::Done, size) if is_news => format!("{id}: pulled, {}", readable(size)),
            _ if after.saturating_sub(self.said) >= PATIENCE => self.so_far(),
            _ => return None,
        };
        self.said = after;
        Some(line)
    }

    pub(super) fn pulling(&self) -> Pulling {
        Pulling {
            image: self.image.clone(),
            done_bytes: self.layers.values().map(|known| known.done_bytes).sum(),
            total_bytes: self.layers.values().map(|known| known.total_bytes).sum(),
        }
    }

    /// The line of its good end.
    pub(super) fn ended(&self, after: Duration) -> String {
        let (image, seconds) = (&self.image, after.as_secs_f64());
        match self.pulling().done_bytes {
            0 => format!("Pulled {image} in {seconds:.1} s"),
            bytes => format!("Pulled {image}, {} in {seconds:.1} s", readable(bytes)),
        }
    }

    fn so_far(&self) -> String {
        let all = self.pulling();
        format!("{} of {} so far", readable(all.done_bytes), readable(all.total_bytes))
    }
}

impl Known {
    fn take(&mut self, state: LayerState) {
        self.state = state;
        match state {
            LayerState::Waiting | LayerState::AlreadyHere => {}
            LayerState::Coming {
                done_bytes,
                total_bytes,
            } => {
                self.done_bytes = done_bytes;
                self.total_bytes = total_bytes.unwrap_or_default().max(done_bytes);
            }
            LayerState::Fetched | LayerState::Done => self.done_bytes = self.total_bytes,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a number for people")]
fn readable(bytes: u64) -> String {
    match bytes as f64 / MIB {
        few if few < 1.0 => format!("{} KiB", bytes.div_ceil(KIB)),
        many => format!("{many:.1} MiB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LayerState::{AlreadyHere, Done, Fetched, Waiting};

    const SIZE: u64 = 3 << 20;

    fn coming(done_bytes: u64, total_bytes: impl Into<Option<u64>>) -> LayerState {
        LayerState::Coming {
            done_bytes,
            total_bytes: total_bytes.into(),
        }
    }

    /// Seconds, layers and their states go in; lines come out.
    fn check(given: &[(u64, &str, LayerState)], lines: &[&str], done_and_total: (u64, u64)) {
        let mut pull = Pull::of("i");
        let mut said = Vec::new();
        for (seconds, id, state) in given {
            let layer = Layer {
                id: (*id).to_owned(),
                state: *state,
            };
            said.extend(pull.on(layer, Duration::from_secs(*seconds)));
        }
        assert_eq!(said, lines, "{given:?}");
        let Pulling {
            done_bytes,
            total_bytes,
            ..
        } = pull.pulling();
        assert_eq!((done_bytes, total_bytes), done_and_total, "{given:?}");
    }

    #[test]
    fn each_layer_has_one_line_at_its_end() {
        check(&[(0, "a", Waiting), (1, "a", Waiting)], &[], (0, 0));
        let whole = [
            (0, "a", Waiting),
            (0, "b", AlreadyHere),
            (1, "a", coming(SIZE / 3, SIZE)),
            (2, "a", coming(SIZE, SIZE)),
            (2, "a", Fetched),
            (3, "a", Done),
            (3, "a", Done),
            (3, "b", AlreadyHere),
        ];
        check(&whole, &["b: already here", "a: pulled, 3.0 MiB"], (SIZE, SIZE));
        // What is small comes without a word about its size.
        check(&[(0, "a", Waiting), (1, "a", Done)], &["a: pulled"], (0, 0));
        let small = [(0, "a", coming(1, 2000)), (0, "a", Done)];
        check(&small, &["a: pulled, 2 KiB"], (2000, 2000));
    }

    #[test]
    fn layers_are_added_up_as_their_sizes_become_known() {
        let two = [
            (0, "a", coming(1, 10)),
            (0, "b", Waiting),
            (1, "c", AlreadyHere),
            (1, "b", coming(5, 90)),
        ];
        check(&two[..3], &["c: already here"], (1, 10));
        check(&two, &["c: already here"], (6, 100));
        check(&[(0, "a", coming(7, None))], &[], (7, 7));
        check(&[(0, "a", coming(7, 5))], &[], (7, 7));
        check(&[(0, "a", coming(7, 9)), (0, "a", Fetched)], &[], (9, 9));
    }

    #[test]
    fn a_slow_layer_is_told_of_now_and_then() {
        let slow = [
            (1, "a", coming(1 << 20, SIZE)),
            (9, "a", coming(1 << 20, SIZE)),
            (10, "a", coming(2 << 20, SIZE)),
            (11, "a", coming(2 << 20, SIZE)),
            (19, "a", coming(2 << 20, SIZE)),
            (20, "a", coming(SIZE, SIZE)),
        ];
        check(&slow[..2], &[], (1 << 20, SIZE));
        let lines = ["2.0 MiB of 3.0 MiB so far", "3.0 MiB of 3.0 MiB so far"];
        check(&slow, &lines, (SIZE, SIZE));
        // The end of a layer is a line too.
        let ended = [(5, "b", Done), (14, "a", coming(1, 2)), (15, "a", coming(2, 2))];
        check(&ended, &["b: pulled", "1 KiB of 1 KiB so far"], (2, 2));
    }

    #[test]
    fn the_end_says_how_much_came_and_how_long_it_took() {
        for (state, expect) in [
            (coming(SIZE, SIZE), "Pulled i, 3.0 MiB in 3.1 s"),
            (AlreadyHere, "Pulled i in 3.1 s"),
        ] {
            let mut pull = Pull::of("i");
            let id = "a".to_owned();
            pull.on(Layer { id, state }, Duration::ZERO);
            assert_eq!(pull.ended(Duration::from_millis(3140)), expect);
        }
    }
}
