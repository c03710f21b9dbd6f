//! Hob: a function runtime for one machine.
//!
//! One daemon keeps its state in `SQLite`, turns uploaded code into warm containers and calls functions over HTTP.
//!
//! # The rooms, in reading order
//!
//! | room | what it is for |
//! |---|---|
//! | [`domain`] | names and rules; no I/O, no async, no serialisation |
//! | [`telemetry`], [`task`], [`config`] | what is logged and counted; what runs and for how long; settings |
//! | [`archive`], [`store`], [`engine`], [`runtime`], [`listener`], [`web`] | zip and tar; what survives; containers; language environments; addresses; HTTP to the outside |
//! | [`source`], [`builder`], [`pool`], [`traces`] | where code comes from; images; warm workers; calls told to a collector |
//! | [`invoker`] | the one way a function is called |
//! | [`app`] | use cases, shaped for no outside API |
//! | [`api`], [`ingress`] | the outside APIs; plain HTTP to a function |
//! | [`scheduler`], [`watch`] | fires jobs when they are due; says when code has changed on the disk |
//! | [`cli`], [`daemon`] | the command line; the composition root |
//!
//! # The import rule
//!
//! An arrow may only point down; rooms of one row never meet; `domain`, `telemetry` and `task` are open to all above
//! them. One arrow lies beside the table: the ingress uses `api/kit`. `tests/it/architecture.rs` holds all of it.
//!
//! ```text
//! main, cli, daemon
//! api/<dialect> | ingress | scheduler | watch
//! app
//! invoker                  -> pool, store, traces
//! source -> archive, web   builder -> archive, engine, runtime        pool -> engine           traces -> web
//! archive | store | engine | runtime | listener | web
//! config (for cli and daemon only)
//! task -> telemetry
//! domain
//! ```
//!
//! # Invariants
//!
//! 1. A deploy is a row, not a future: written down before it is started, finished by a reconciler after any crash.
//! 2. An accepted asynchronous execution is committed before it is acknowledged; every execution ends once.
//! 3. A worker serves one revision for its whole life; a slot is destroyed, never reused, after a timeout.
//! 4. A function that fails is a result; the platform failing is an error.
//! 5. Domain errors know nothing of HTTP.
//! 6. Whatever a user uploads is hostile: bounded before a byte is written or a process started.
//! 7. Everything we make in the engine carries our labels and our instance id; we never touch what does not.
//! 8. Nothing waits without a deadline; nothing queues without a bound.
//! 9. Bodies stream; nothing buffers a whole request or response unless its convention demands it.

pub mod api;
pub mod app;
pub mod archive;
pub mod builder;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod domain;
pub mod engine;
pub mod ingress;
pub mod invoker;
pub mod listener;
pub mod pool;
pub mod runtime;
pub mod scheduler;
pub mod source;
pub mod store;
pub mod task;
pub mod telemetry;
pub mod traces;
pub mod watch;
pub mod web;
