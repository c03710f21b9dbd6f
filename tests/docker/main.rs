//! With a real Docker engine.
mod engine;
