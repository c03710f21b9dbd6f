//! Which tasks there are, and what happens when one fails and when the daemon stops.

/// A task the daemon runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskKind {
    /// Accepts connections on one address.
    Listener,
    /// Serves one connection.
    Connection,
    /// Starts serving the ports that functions own.
    Ports,
    /// Accepts connections on one function's own port.
    FunctionPort,
    /// Carries out what the pool's state machine commands.
    PoolLoop,
    /// Keeps network namespaces ready.
    NetworkHolders,
    /// One worker, until its container is removed.
    Worker,
    /// Finishes what was written down but not done.
    Reconciler,
    /// Runs accepted asynchronous executions.
    Dispatcher,
    /// Tells the ends of asynchronous calls to whoever asked for it.
    Callbacks,
    /// Tells one of them.
    Callback,
    /// Fires jobs that are due.
    Scheduler,
    /// Sends what was traced to the collector.
    Traces,
    /// Removes old records.
    Retention,
    /// Follows the engine's events.
    EngineWatch,
    /// Deploys what is to be there from the start.
    Seeds,
    /// Takes in what somebody deploys, apart from the request that brought it.
    Deploy,
    /// Builds one image.
    Build,
    /// Makes one accepted asynchronous call.
    Execution,
    /// Writes the record of a call whose caller went away.
    Record,
}

/// What to do when a task fails: panics, or ends with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Say so, and carry on without it: what it worked on has its own ending.
    Log,
    /// Start it again, later each time. Only `Supervisor::spawn_restarting` can; otherwise as `Log`.
    Restart,
    /// Stop the daemon: without this task it would only seem to work.
    ShutDown,
}

/// What to do with a task when the daemon stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnShutdown {
    /// It listens to `Shutdown` and ends on its own; wait for it.
    Wait,
    /// It may be cut off anywhere.
    Abort,
}

impl TaskKind {
    /// The name in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Connection => "connection",
            Self::Ports => "ports",
            Self::FunctionPort => "function port",
            Self::PoolLoop => "pool loop",
            Self::NetworkHolders => "network holders",
            Self::Worker => "worker",
            Self::Reconciler => "reconciler",
            Self::Dispatcher => "dispatcher",
            Self::Callbacks => "callbacks",
            Self::Callback => "callback",
            Self::Scheduler => "scheduler",
            Self::Traces => "traces",
            Self::Retention => "retention",
            Self::EngineWatch => "engine watch",
            Self::Seeds => "seeds",
            Self::Deploy => "deploy",
            Self::Build => "build",
            Self::Execution => "execution",
            Self::Record => "record",
        }
    }

    /// What happens when it fails.
    #[must_use]
    pub const fn on_failure(self) -> OnFailure {
        match self {
            Self::Listener | Self::PoolLoop => OnFailure::ShutDown,
            Self::NetworkHolders
            | Self::Ports
            | Self::Reconciler
            | Self::Dispatcher
            | Self::Callbacks
            | Self::Scheduler
            | Self::Traces
            | Self::Retention
            | Self::EngineWatch => OnFailure::Restart,
            Self::Connection
            | Self::FunctionPort
            | Self::Worker
            | Self::Seeds
            | Self::Deploy
            | Self::Build
            | Self::Execution
            | Self::Callback
            | Self::Record => OnFailure::Log,
        }
    }

    /// What happens to it when the daemon stops. A build or a callback is cut off: it is written down and done again after a start.
    #[must_use]
    pub const fn on_shutdown(self) -> OnShutdown {
        match self {
            Self::Listener
            | Self::Connection
            | Self::Ports
            | Self::FunctionPort
            | Self::PoolLoop
            | Self::NetworkHolders
            | Self::Reconciler
            | Self::Dispatcher
            | Self::Callbacks
            | Self::Scheduler
            | Self::Traces
            | Self::Worker
            | Self::Record => OnShutdown::Wait,
            Self::Retention
            | Self::EngineWatch
            | Self::Seeds
            | Self::Deploy
            | Self::Build
            | Self::Execution
            | Self::Callback => OnShutdown::Abort,
        }
    }
}
