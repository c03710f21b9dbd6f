//! What the daemon was told: the defaults of `config.toml`, a file, the environment, the flags; later wins.
//!
//! The only room that reads the environment. Rooms do not import it: each has options of its own, and the daemon fills
//! them in. Reads nothing again while running.

mod environment;
mod error;
mod layers;
mod nearest;
mod reader;
mod settings;
mod traces;

pub use environment::Environment;
pub use error::{Error, Origin};
pub use layers::Flags;
pub use nearest::nearest;
pub use settings::{
    Access, Build, Callbacks, Config, Durability, Engine, Function, IngressAccess, Log, Pool, Prewarm, PrivateUrls,
    Proxies, Pull, Records, Runtimes, Seed, Server, Sources, Variables,
};

pub use traces::Traces;

/// The file with every key, its default, its unit and its reason.
pub const DEFAULTS: &str = include_str!("../../config.toml");

/// This process's environment, as it is now.
#[must_use]
pub fn environment() -> Environment {
    Environment::of_process()
}

impl Config {
    /// Puts the layers together and checks every value. The file is the flag's, or `HOB_CONFIG`'s, or none.
    ///
    /// # Errors
    /// Names the key, the value (unless it is secret), where it was set and what is accepted instead.
    pub fn load(environment: &Environment, flags: &Flags) -> Result<Self, Error> {
        let layers = layers::Layers::read(environment, flags)?;
        settings::read(&mut reader::Reader::new(&layers), environment)
    }
}

#[cfg(test)]
mod tests;
