//! Work that runs beside other work: the one place where tasks start, the signal that ends them, turns, and the clock.
//!
//! Knows nothing of what the tasks do. What a task does when it fails, and at shutdown, is data: `TaskKind`.

mod clock;
mod kind;
mod own_wakes;
mod shutdown;
mod supervisor;
mod turns;

pub use clock::Clock;
pub use kind::{OnFailure, OnShutdown, TaskKind};
pub use own_wakes::OwnWakes;
pub use shutdown::Shutdown;
pub use supervisor::{Drained, Ending, Supervisor, Task};
pub use turns::Turns;
