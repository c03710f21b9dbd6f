//! How a function stands: one of upstream's states, out of what the core says now. Pure.
//!
//! Source: the contract's sections 10.6 and 10.7. Nothing of this is stored: a state is what is true when somebody asks.

use super::note::Stage;
use crate::domain::RevisionState;

/// A state, by its name on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Building,
    Ready,
    Error,
    Unhealthy,
    ScaledToZero,
    Imported,
}

impl State {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Ready => "ready",
            Self::Error => "error",
            Self::Unhealthy => "unhealthy",
            Self::ScaledToZero => "scaledToZero",
            Self::Imported => "imported",
        }
    }

    /// Whether something is being made of it: until that is over it can be neither changed nor deleted.
    pub(super) fn is_provisioning(self) -> bool {
        self == Self::Building
    }
}

/// What there is to know.
#[derive(Debug, Clone)]
pub(super) struct Facts<'f> {
    pub(super) stage: &'f Stage,
    /// How the latest revision stands; `None`: the core has none.
    pub(super) latest: Option<&'f RevisionState>,
    pub(super) n_workers: usize,
    pub(super) engine_answers: bool,
}

/// A state, and what is said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) state: State,
    pub(super) message: Option<String>,
}

impl Standing {
    fn of(state: State) -> Self {
        Self { state, message: None }
    }
}

/// How a function stands.
pub(super) fn standing(facts: &Facts<'_>) -> Standing {
    match (facts.stage, facts.latest) {
        (Stage::Imported, _) => Standing::of(State::Imported),
        (Stage::Refused(why), _) => Standing {
            state: State::Error,
            message: Some(why.clone()),
        },
        (_, None) => Standing {
            state: State::Error,
            message: Some("The function has no code: deploy it again".to_owned()),
        },
        (_, Some(RevisionState::Pending)) => Standing::of(State::Building),
        (_, Some(RevisionState::Failed(why))) => Standing {
            state: State::Error,
            message: Some(why.clone()),
        },
        (_, Some(RevisionState::Ready)) if !facts.engine_answers => Standing {
            state: State::Unhealthy,
            message: Some("Function is not healthy".to_owned()),
        },
        (Stage::Parked, Some(RevisionState::Ready)) if facts.n_workers == 0 => Standing::of(State::ScaledToZero),
        (_, Some(RevisionState::Ready)) => Standing::of(State::Ready),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(stage: &Stage, latest: Option<RevisionState>, n_workers: usize, engine_answers: bool) -> &'static str {
        let facts = Facts {
            stage,
            latest: latest.as_ref(),
            n_workers,
            engine_answers,
        };
        standing(&facts).state.as_str()
    }

    #[test]
    fn a_state_is_what_is_true_now() {
        use RevisionState::{Failed, Pending, Ready};
        let refused = Stage::Refused("no".to_owned());
        let failed = || Some(Failed("it broke".to_owned()));
        for (stage, latest, n_workers, engine, expected) in [
            (&Stage::Deployed, Some(Pending), 0, true, "building"),
            (&Stage::Deployed, Some(Ready), 1, true, "ready"),
            (&Stage::Deployed, Some(Ready), 0, true, "ready"),
            (&Stage::Deployed, Some(Ready), 1, false, "unhealthy"),
            (&Stage::Deployed, failed(), 0, true, "error"),
            (&Stage::Deployed, None, 0, true, "error"),
            (&Stage::Parked, Some(Ready), 0, true, "scaledToZero"),
            (&Stage::Parked, Some(Ready), 1, true, "ready"),
            (&Stage::Imported, None, 0, true, "imported"),
            (&Stage::Imported, Some(Ready), 0, true, "imported"),
            (&refused, Some(Ready), 1, true, "error"),
        ] {
            assert_eq!(
                state(stage, latest.clone(), n_workers, engine),
                expected,
                "{stage:?} {latest:?}"
            );
        }
    }
}
