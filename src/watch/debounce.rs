//! When to look at a folder, and when to reload. Pure: events and the time in, commands out.
//!
//! What an editor does to save a file (a copy, a rename, a new file) is one change: nobody looks before it is quiet, or
//! has been noisy for too long. Where the system tells of nothing, looking now and then finds the change all the same,
//! and is done more often from then on.

use std::time::Duration;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The system told of a change, somewhere.
    Stirred,
    /// A look is over; whether something differs from what was last seen.
    Looked {
        /// It differs.
        changed: bool,
    },
    /// What a change led to is over, well or not.
    Reloaded,
    /// Time went by.
    Ticked,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    /// Compare what is there with what was last seen, and say `Looked`.
    Look,
    /// Take what was just seen, and say `Reloaded` when that is over.
    Reload,
}

/// Its times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    /// So long nothing may stir before a look.
    pub(super) quiet: Duration,
    /// A look comes after this time however much stirs.
    pub(super) patience: Duration,
    /// Between looks without a reason, where the system tells of changes.
    pub(super) seldom: Duration,
    /// The same, where it has been found not to.
    pub(super) often: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting,
    /// Comparing; whether something had stirred before.
    Looking {
        told: bool,
    },
    Reloading,
}

/// The state. Times are since any fixed moment.
#[derive(Debug)]
pub(super) struct Debounce {
    options: Options,
    phase: Phase,
    /// The first and the last stir that no look has answered.
    stirs: Option<(Duration, Duration)>,
    last_look: Duration,
    deaf: bool,
}

impl Debounce {
    /// All has been seen at `now`.
    pub(super) fn new(options: Options, now: Duration) -> Self {
        Self {
            options,
            phase: Phase::Waiting,
            stirs: None,
            last_look: now,
            deaf: false,
        }
    }

    /// Takes an event and says what to do.
    pub(super) fn on(&mut self, event: Event, now: Duration) -> Option<Command> {
        match event {
            Event::Stirred => {
                let first = self.stirs.map_or(now, |(first, _)| first);
                self.stirs = Some((first, now));
                None
            }
            Event::Looked { changed } => self.looked(changed, now),
            Event::Reloaded => {
                self.phase = Phase::Waiting;
                None
            }
            Event::Ticked => self.ticked(now),
        }
    }

    /// When the next `Ticked` can bring something; none while somebody looks or reloads.
    pub(super) fn due(&self) -> Option<Duration> {
        if self.phase != Phase::Waiting {
            return None;
        }
        let options = &self.options;
        let calm = self
            .stirs
            .map(|(first, last)| (last + options.quiet).min(first + options.patience));
        let interval = if self.deaf { options.often } else { options.seldom };
        let routine = self.last_look + interval;
        Some(calm.map_or(routine, |calm| calm.min(routine)))
    }

    fn ticked(&mut self, now: Duration) -> Option<Command> {
        self.due().filter(|due| now >= *due)?;
        let told = self.stirs.take().is_some();
        self.phase = Phase::Looking { told };
        Some(Command::Look)
    }

    fn looked(&mut self, changed: bool, now: Duration) -> Option<Command> {
        let Phase::Looking { told } = self.phase else {
            return None;
        };
        self.last_look = now;
        self.phase = if changed { Phase::Reloading } else { Phase::Waiting };
        if changed {
            // What stirs while somebody looks is told of all the same.
            self.deaf = !told && self.stirs.is_none();
        }
        changed.then_some(Command::Reload)
    }
}

#[cfg(test)]
mod tests {
    use super::Command::{Look, Reload};
    use super::Event::{Looked, Reloaded, Stirred, Ticked};
    use super::*;

    const OPTIONS: Options = Options {
        quiet: Duration::from_millis(20),
        patience: Duration::from_millis(200),
        seldom: Duration::from_millis(2_000),
        often: Duration::from_millis(250),
    };
    const CHANGED: Event = Looked { changed: true };
    const SAME: Event = Looked { changed: false };

    /// After all of them but the last, each at its millisecond, the last one brings this.
    #[track_caller]
    fn check(given: &[(u64, Event)], expect: Option<Command>) {
        let mut debounce = Debounce::new(OPTIONS, Duration::ZERO);
        let mut last = None;
        for (at, event) in given {
            last = debounce.on(*event, Duration::from_millis(*at));
        }
        assert_eq!(last, expect, "after {given:?}");
    }

    fn then(given: &[(u64, Event)], more: &[(u64, Event)]) -> Vec<(u64, Event)> {
        [given, more].concat()
    }

    #[test]
    fn a_look_waits_until_it_is_quiet_but_not_for_ever() {
        check(&[(5, Stirred)], None);
        check(&[(5, Stirred), (24, Ticked)], None);
        check(&[(5, Stirred), (25, Ticked)], Some(Look));
        check(&[(5, Stirred), (15, Stirred), (25, Ticked)], None);
        let noisy: Vec<_> = (0..20).map(|n| (n * 10, Stirred)).collect();
        check(&then(&noisy, &[(199, Ticked)]), None);
        check(&then(&noisy, &[(200, Ticked)]), Some(Look));
    }

    #[test]
    fn what_is_seen_to_differ_is_reloaded_and_what_does_not_is_not() {
        let looking = [(0, Stirred), (20, Ticked)];
        check(&then(&looking, &[(22, CHANGED)]), Some(Reload));
        check(&then(&looking, &[(22, SAME)]), None);
        check(&then(&looking, &[(22, SAME), (50, Ticked)]), None);
    }

    #[test]
    fn what_stirs_meanwhile_is_looked_at_afterwards() {
        let reloading = [(0, Stirred), (20, Ticked), (22, CHANGED), (30, Stirred)];
        check(&then(&reloading, &[(60, Ticked)]), None);
        check(&then(&reloading, &[(80, Reloaded), (80, Ticked)]), Some(Look));
        let looking = [(0, Stirred), (20, Ticked), (21, Stirred), (22, SAME)];
        check(&then(&looking, &[(41, Ticked)]), Some(Look));
    }

    #[test]
    fn without_a_word_it_is_looked_now_and_then_and_more_often_once_that_has_found_something() {
        check(&[(1_999, Ticked)], None);
        check(&[(2_000, Ticked)], Some(Look));
        let deaf = [(2_000, Ticked), (2_001, CHANGED), (2_050, Reloaded)];
        check(&then(&deaf, &[(2_250, Ticked)]), None);
        check(&then(&deaf, &[(2_251, Ticked)]), Some(Look));
        let heard = [(2_060, Stirred), (2_080, Ticked), (2_081, CHANGED), (2_100, Reloaded)];
        check(&then(&then(&deaf, &heard), &[(2_600, Ticked)]), None);
    }

    /// Xorshift: enough for choices.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) % bound
        }
    }

    /// A folder whose content is a number, somebody who saves, a system that tells of most saves, and one reload at a
    /// time, which takes a while.
    #[derive(Default)]
    struct World {
        content: u64,
        seen: u64,
        served: u64,
        looks: u64,
        reloads: u64,
        reloading: Option<(u64, u64)>,
    }

    impl World {
        fn step(&mut self, debounce: &mut Debounce, now: u64, takes: u64) {
            let at = Duration::from_millis(now);
            if let Some((content, _)) = self.reloading.take_if(|(_, until)| *until <= now) {
                self.served = content;
                assert_eq!(debounce.on(Reloaded, at), None);
            }
            if debounce.on(Ticked, at) == Some(Look) {
                assert!(self.reloading.is_none(), "it looks while it reloads, at {now}");
                self.looks += 1;
                let changed = self.content != self.seen;
                self.seen = self.content;
                if debounce.on(Looked { changed }, at) == Some(Reload) {
                    self.reloads += 1;
                    self.reloading = Some((self.content, now + takes));
                }
            }
        }
    }

    #[test]
    fn random_saves_are_served_in_the_end_and_no_two_reloads_meet() {
        for seed in 1..=200 {
            let (mut dice, mut world) = (Dice(seed * 7919), World::default());
            let mut debounce = Debounce::new(OPTIONS, Duration::ZERO);
            let (busy, deaf, takes) = (1 + dice.below(40), dice.below(100), 1 + dice.below(300));
            for now in 0..5_000 {
                if dice.below(100) < busy {
                    world.content += dice.below(2);
                    if dice.below(100) >= deaf {
                        debounce.on(Stirred, Duration::from_millis(now));
                    }
                }
                world.step(&mut debounce, now, takes);
            }
            let end = 5_000 + 2_000 + 200 + 2 * takes;
            (5_000..end).for_each(|now| world.step(&mut debounce, now, takes));
            assert_eq!(world.served, world.content, "seed {seed}");
        }
    }

    #[test]
    fn of_a_thousand_saves_in_a_minute_none_waits_long() {
        let (mut world, mut saved) = (World::default(), vec![0]);
        let mut debounce = Debounce::new(OPTIONS, Duration::ZERO);
        for now in 0..60_000 {
            if now % 60 == 0 {
                world.content += 1;
                saved.push(now);
                debounce.on(Stirred, Duration::from_millis(now));
            }
            world.step(&mut debounce, now, 100);
            let oldest = saved.get(world.served as usize + 1).copied().unwrap_or(now);
            assert!(now - oldest <= 250, "what was saved at {oldest} is not served at {now}");
        }
        assert!(world.reloads >= 400 && world.reloads <= 1_000, "{}", world.reloads);
        assert!(world.looks < world.reloads + 40, "{} looks", world.looks);
    }
}
