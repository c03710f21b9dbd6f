//! The command line: arguments become commands, commands become requests to the native API.
//!
//! Knows the daemon only as an address, and how to start it only as a function it is given. Decides nothing about
//! functions: what is allowed, the daemon says.

mod args;
mod client;
mod commands;
mod diff;
mod doctor;
mod exit;
mod failure;
mod input;
mod job_args;
mod multipart;
mod output;
mod package;
mod progress;
mod project;
mod show;
mod table;
mod templates;
#[cfg(test)]
mod testing;
mod token_args;

pub use args::ServeArgs;
pub use commands::seed;

use args::{Arguments, Command};
use clap::Parser;
use exit::Exit;
use failure::Failure;
use output::Output;
use std::ffi::OsString;
use std::future::Future;
use std::process::ExitCode;

/// The program: runs the command of this process's arguments. `serve` is what `hob serve` does.
pub fn main<S, F>(serve: S) -> ExitCode
where
    S: FnOnce(ServeArgs) -> F,
    F: Future<Output = ExitCode>,
{
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::new(Exit::Usage, "internal", format!("cannot start: {error}"));
            return Output::plain().failed(&failure).into();
        }
    };
    let code = runtime.block_on(run(std::env::args_os(), serve));
    // A read of standard input that is still waiting must not hold the process.
    runtime.shutdown_background();
    code
}

/// Runs one command; `arguments` begins with the program's name. Needs a tokio runtime with time and I/O.
///
/// The answer is one of the exit codes of `hob help`; everything has been printed by then.
pub async fn run<S, F>(arguments: impl IntoIterator<Item = OsString>, serve: S) -> ExitCode
where
    S: FnOnce(ServeArgs) -> F,
    F: Future<Output = ExitCode>,
{
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error).into(),
    };
    if let Command::Serve(options) = arguments.command {
        return serve(options).await;
    }
    let mut output = Output::of_process(&arguments.global);
    if matches!(arguments.command, Command::Dev(_)) {
        // It clears up after an interrupt, and so waits for one itself.
        let done = commands::run(arguments, &mut output).await;
        return done.unwrap_or_else(|failure| output.failed(&failure)).into();
    }
    let exit = tokio::select! {
        done = commands::run(arguments, &mut output) => done.unwrap_or_else(|failure| output.failed(&failure)),
        _ = tokio::signal::ctrl_c() => Exit::Interrupted,
    };
    exit.into()
}

/// Help and the version are answers; the rest are mistakes.
fn usage(error: &clap::Error) -> Exit {
    let mut output = Output::plain();
    let text = error.render().to_string();
    if error.use_stderr() {
        output.note(text.trim_end());
        return Exit::Usage;
    }
    output
        .bytes(text.as_bytes())
        .map_or_else(|failure| failure.exit, |()| Exit::Ok)
}
