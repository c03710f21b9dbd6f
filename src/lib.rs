//! Hob.
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
pub mod pool;
pub mod runtime;
pub mod source;
pub mod store;
pub mod task;
pub mod telemetry;
