//! The commands, one file a subject. Each asks the daemon and says the answer.

mod backup;
mod daemon;
mod deploy;
mod dev;
mod doctor;
mod env;
mod functions;
mod health;
mod images;
mod init;
mod invoke;
mod jobs;
mod logs;
mod papers;
mod project;
mod published;
mod replay;
mod run;
mod runs;
mod scale;
mod seed;
#[cfg(test)]
mod tests;
mod tokens;
mod webhooks;

pub use seed::seed;

use super::args::{Arguments, Command, RunsCommand};
use super::client::{Client, path, query};
use super::exit::Exit;
use super::failure::Failure;
use super::output::Output;
use std::time::Duration;

/// What every command works with.
struct Context<'a> {
    client: Client,
    /// What was named; else the daemon chooses.
    namespace: Option<String>,
    output: &'a mut Output,
}

impl Context<'_> {
    /// The path of a function and what is below it, with the namespace and further pairs.
    fn function_path(&self, name: &str, below: &[&str], pairs: &[(&str, Option<&str>)]) -> String {
        let mut segments = vec!["functions", name];
        segments.extend(below);
        let mut all = vec![("namespace", self.namespace.as_deref())];
        all.extend(pairs);
        query(path(&segments), &all)
    }
}

/// Runs one command (`serve` is not one of them: it is given to [`super::run`]).
pub(super) async fn run(arguments: Arguments, output: &mut Output) -> Result<Exit, Failure> {
    let Arguments { global, command } = arguments;
    let mut context = Context {
        client: Client::new(&global.url)?.with_token(global.token.as_deref())?,
        namespace: global.namespace.clone(),
        output,
    };
    let context = &mut context;
    match command {
        Command::Serve(_) => Err(Failure::usage("`serve` is started by the program itself")),
        Command::Init(args) => init::init(context, args),
        Command::Dev(args) => dev::dev(context, &global, args).await,
        Command::Env { name } => env::env(context, name.as_deref()).await,
        Command::Deploy(args) => deploy::deploy(context, *args).await,
        Command::Invoke(args) => invoke::invoke(context, *args).await,
        Command::List => functions::list(context).await,
        Command::Get { name } => functions::get(context, &name).await,
        Command::Rm { names } => functions::remove(context, &names).await,
        Command::Logs(args) => logs::logs(context, &args).await,
        Command::Export(args) => images::export(context, &args).await,
        Command::Df => images::disk(context).await,
        Command::Gc => images::clean(context).await,
        Command::Jobs(command) => jobs::jobs(context, command).await,
        Command::Runs(RunsCommand::List(args)) => runs::list(context, &args).await,
        Command::Runs(RunsCommand::Show(args)) => run::show(context, &args).await,
        Command::Runs(RunsCommand::Replay(args)) => replay::replay(context, &args).await,
        Command::Runs(RunsCommand::Cancel { id }) => runs::cancel(context, &id).await,
        Command::Token(command) => tokens::tokens(context, command).await,
        Command::Runs(RunsCommand::Rm { ids }) => runs::remove(context, &ids).await,
        Command::Versions(command) => published::versions(context, command).await,
        Command::Alias(command) => published::alias(context, command).await,
        Command::Webhook(command) => webhooks::webhook(context, command).await,
        Command::Scale(args) => scale::scale(context, args).await,
        Command::Detach { name, select } => scale::detach(context, &name, &select).await,
        Command::Rename { name, new } => scale::rename(context, &name, new).await,
        Command::Runtimes => daemon::runtimes(context).await,
        Command::Status => daemon::status(context).await,
        Command::Health { wait } => health::health(context, wait.map(|ms| Duration::from_millis(ms.into()))).await,
        Command::Stop { purge } => daemon::stop(context, purge).await,
        Command::Version => daemon::version(context),
        Command::Backup { file } => backup::backup(context, &file).await,
        Command::Restore { file, place } => backup::restore(context, &file, &place).await,
        Command::Doctor(args) => doctor::doctor(context, &args).await,
        Command::Completion { shell } => papers::completion(context, shell),
        Command::Man { directory } => papers::manual(context, directory.as_deref()),
    }
}
