//! What can be typed. Reads words into values; does nothing with them.

use super::job_args::JobsCommand;
use super::token_args::TokenCommand;
use crate::domain::{Concurrency, Convention, Cpu, FunctionName, Memory, Namespace, Timeout, moment, notation};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use http::HeaderValue;
use std::path::PathBuf;
use std::time::Duration;

mod published;
pub(crate) use published::{
    AliasCommand, AliasSetArgs, ScaleArgs, SelectArgs, VersionsCommand, WebhookCommand, WebhookCreateArgs,
};

const AFTER: &str = "Exit codes: 0 ok, 1 the function failed, 2 usage, 3 not found, 4 daemon not
reachable, 5 engine problem, 6 build or load failed, 124 timeout, 130 interrupted.";

const PROJECT: &str = "A project is a file hob.toml; every key is optional:
  namespace, env                                   of all its functions
  [functions.NAME]  path or image (with command, args), runtime, entry, convention,
                    base_image, base_steps, build, env, memory (MiB), timeout,
                    concurrency, min, max, network, cpu, cors
  [functions.NAME.jobs.JOB]          cron (with tz), every or at; first_at, count, missed, overlap, data
  [functions.NAME.webhooks.WEBHOOK]  sign (github or stripe), version or alias
.env and .env.local beside it go over its variables. serverless.yml and function.yaml are read too.";

/// A function runtime for one machine.
#[derive(Debug, Parser)]
#[command(name = "hob", version, about, after_help = AFTER, max_term_width = 80)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Where the daemon is
    #[arg(
        long,
        global = true,
        env = "HOB_URL",
        default_value = "http://127.0.0.1:7070",
        hide_env_values = true
    )]
    pub(crate) url: String,
    /// The access token; better set as HOB_TOKEN, which other users cannot see
    #[arg(long, global = true, env = "HOB_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Whose functions [default: the token's, or `default`]
    #[arg(short, long, global = true, value_parser = namespace)]
    pub(crate) namespace: Option<String>,
    /// How data is printed
    #[arg(
        short,
        long,
        global = true,
        env = "HOB_OUTPUT",
        default_value = "text",
        hide_env_values = true
    )]
    pub(crate) output: Format,
    /// No colours
    #[arg(long, global = true, env = "NO_COLOR", hide = true)]
    pub(crate) no_color: Option<String>,
}

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the daemon in the foreground
    Serve(ServeArgs),
    /// Write a function to begin with, from a template
    Init(InitArgs),
    /// Deploy, and again whenever the code changes; shows what the functions print
    Dev(DevArgs),
    /// Show the variables of a project's function, and where each comes from
    Env {
        /// The function [default: the only one]
        name: Option<String>,
    },
    /// Make or change a function from a directory, an archive, one source file or an image; or only its settings
    #[command(after_help = PROJECT)]
    Deploy(Box<DeployArgs>),
    /// Call a function and print its answer
    Invoke(Box<InvokeArgs>),
    /// List functions
    List,
    /// Show one function
    Get {
        /// The function
        name: String,
    },
    /// Show what a function printed
    Logs(LogsArgs),
    /// Make an image of a function that runs anywhere, without Hob
    Export(ExportArgs),
    /// Show what images take on the disk
    Df,
    /// Remove images that nothing refers to
    Gc,
    /// Look at past and running calls
    #[command(subcommand)]
    Runs(RunsCommand),
    /// Freeze what serves under a number that stays callable
    #[command(subcommand)]
    Versions(VersionsCommand),
    /// Names for versions, which can be moved
    #[command(subcommand)]
    Alias(AliasCommand),
    /// Addresses by which the outside calls a function
    #[command(subcommand)]
    Webhook(WebhookCommand),
    /// Say how many workers a function keeps, until the next deploy
    Scale(ScaleArgs),
    /// Send a function's workers away
    Detach {
        /// The function
        name: String,
        #[command(flatten)]
        select: SelectArgs,
    },
    /// Give a function another name
    Rename {
        /// The function
        name: String,
        /// Its new name
        #[arg(value_parser = function_name)]
        new: String,
    },
    /// Call functions on a schedule
    #[command(subcommand)]
    Jobs(JobsCommand),
    /// Remove functions
    Rm {
        /// The functions
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Make and revoke access tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// List the languages there are
    Runtimes,
    /// Show how the daemon is
    Status,
    /// Say whether the daemon is ready for calls: exit code 0, else 5, or 4 when nobody answers
    Health {
        /// Wait so long until it is
        #[arg(long, value_name = "TIME", value_parser = millis)]
        wait: Option<u32>,
    },
    /// End the daemon when its running calls are done
    Stop {
        /// Also remove the images and networks it made
        #[arg(long)]
        purge: bool,
    },
    /// Write everything that the daemon keeps to one file, while it runs
    Backup {
        /// The file, which only its owner can read; - is standard output
        file: PathBuf,
    },
    /// Put a backup into a data directory that holds nothing yet; no daemon may run there
    Restore {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Look at everything that functions need on this machine, and say how to mend what is missing
    Doctor(PlaceArgs),
    /// Print a shell's completion of this command line: eval "$(hob completion bash)"
    Completion {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write one for each command into a directory
    Man {
        /// Where the pages go
        #[arg(value_name = "DIR")]
        directory: Option<PathBuf>,
    },
    /// Print the version
    Version,
}

/// The settings that `hob serve` would take, for what has to find its data.
#[derive(Debug, Clone, Args)]
pub(crate) struct PlaceArgs {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where state is kept
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

/// Options of `hob serve`; what is absent comes from the environment, the configuration file or the defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct ServeArgs {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<String>,
    /// Where state is kept
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Never pull an image; name at once what is missing
    #[arg(long)]
    pub offline: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    /// A directory, an archive (.zip, .tar, .tar.gz, .tgz) or one source file; the name of a function changes its
    /// settings only. Without: the project of hob.toml, serverless.yml or function.yaml here
    #[arg(
        value_name = "DIR|ARCHIVE|FILE|NAME",
        conflicts_with_all = ["image", "from"]
    )]
    pub(crate) source: Option<PathBuf>,
    /// Where the daemon finds an archive or one source file, over http or https
    #[arg(long, value_name = "URL", conflicts_with = "image")]
    pub(crate) from: Option<String>,
    /// With --from: what the file's sha256 must be, in hexadecimal
    #[arg(long, value_name = "HEX", requires = "from")]
    pub(crate) sha256: Option<String>,
    /// An image in place of code: a server on $PORT, or with --convention command a program run for each call
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<String>,
    /// The function's name [default: that of the directory, file or image]
    #[arg(long, value_parser = function_name)]
    pub(crate) name: Option<String>,
    /// Language, as in `hob runtimes`: FAMILY or FAMILY:VERSION, also FAMILY12 for FAMILY:1.2
    #[arg(long)]
    pub(crate) runtime: Option<String>,
    /// Where the code begins, as the runtime writes it
    #[arg(long)]
    pub(crate) entry: Option<String>,
    /// How the code is called: kwargs, event-context, context-event, http, command
    #[arg(long, value_parser = convention)]
    pub(crate) convention: Option<String>,
    /// Environment variable; may be repeated
    #[arg(short, long = "env", value_name = "K=V", value_parser = key_value)]
    pub(crate) env: Vec<(String, String)>,
    /// Environment variable that nobody is shown: K=V, K=@FILE, or K alone, taken from this environment; may be repeated
    #[arg(long = "secret", value_name = "K[=V|=@FILE]", value_parser = secret)]
    pub(crate) secret: Vec<SecretArg>,
    /// Remove a secret; may be repeated
    #[arg(long, value_name = "K")]
    pub(crate) remove_secret: Vec<String>,
    /// Memory of one worker
    #[arg(long, value_name = "MIB", value_parser = memory)]
    pub(crate) memory: Option<u32>,
    /// How long one call may take: 500ms, 30s, 1m30s
    #[arg(long, value_name = "TIME", value_parser = timeout)]
    pub(crate) timeout: Option<u32>,
    /// Calls at once in one worker
    #[arg(long, value_name = "N", value_parser = concurrency)]
    pub(crate) concurrency: Option<u16>,
    /// Workers kept even when idle
    #[arg(long, value_name = "N")]
    pub(crate) min: Option<u16>,
    /// Workers at most
    #[arg(long, value_name = "N")]
    pub(crate) max: Option<u16>,
    /// What it may reach
    #[arg(long)]
    pub(crate) network: Option<Reach>,
    /// Image of yours that the runtime is put onto in place of its own base; "" takes it back
    #[arg(long, value_name = "IMAGE")]
    pub(crate) base_image: Option<String>,
    /// Done to that image first, as root: "RUN COMMAND", "ENV NAME=VALUE" or "WORKDIR PATH"; may be repeated; "" takes all
    /// back
    #[arg(long = "base-step", value_name = "STEP")]
    pub(crate) base_step: Vec<String>,
    /// Command that a shell runs in the code before it is loaded; may be repeated; "" takes all back
    #[arg(long = "build", value_name = "COMMAND")]
    pub(crate) build: Vec<String>,
    /// Of an image: a word of what is started in place of its entry point; may be repeated; "" takes it back
    #[arg(long, value_name = "WORD")]
    pub(crate) command: Vec<String>,
    /// Of an image: an argument in place of its own; may be repeated; "" takes all back
    #[arg(long = "arg", value_name = "WORD", allow_hyphen_values = true)]
    pub(crate) arg: Vec<String>,
    /// Processor time of one worker in cores, as 0.5 or 2; none takes the limit away
    #[arg(long, value_name = "CORES|none", value_parser = cpu)]
    pub(crate) cpu: Option<u32>,
    /// Origin whose pages may call it from a browser, as http://localhost:3000, or * for any; may be repeated; "" takes all
    /// back
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) cors: Vec<String>,
    /// Do not wait until it is ready
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Of a project: only say what would change
    #[arg(long)]
    pub(crate) plan: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// LANGUAGE or LANGUAGE-TEMPLATE, as in `hob init --list`
    pub(crate) template: Option<String>,
    /// Where it is written [default: the template's name]
    #[arg(value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// List the templates
    #[arg(long)]
    pub(crate) list: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// Folders with a project file or with the code of one function [default: this one]
    #[arg(value_name = "DIR")]
    pub(crate) directories: Vec<PathBuf>,
}

/// What a function may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Reach {
    /// The outside, but no other worker.
    Outbound,
    /// Nothing.
    None,
}

#[derive(Debug, Args)]
pub(crate) struct InvokeArgs {
    /// The function
    pub(crate) name: String,
    /// The input: JSON, @FILE, or - for standard input
    #[arg(short, long, value_name = "JSON|@FILE|-", allow_negative_numbers = true)]
    pub(crate) data: Option<String>,
    /// One field of a JSON object: text (k=v), JSON (k:=v) or a file's text (k=@FILE); may be repeated
    #[arg(long, value_name = "K=V", conflicts_with = "data")]
    pub(crate) field: Vec<String>,
    /// A header; may be repeated
    #[arg(short = 'H', long, value_name = "K: V", value_parser = header)]
    pub(crate) header: Vec<(http::HeaderName, http::HeaderValue)>,
    /// The method the function sees [default: POST]
    #[arg(short = 'X', long)]
    pub(crate) method: Option<http::Method>,
    /// The path, with query, the function sees [default: /]
    #[arg(long)]
    pub(crate) path: Option<String>,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    /// Keep what the function is called with and what it answers
    #[arg(long)]
    pub(crate) keep: bool,
    /// What to remember of the call
    #[arg(long)]
    pub(crate) description: Option<String>,
    /// Accept the call, print its id, run it later
    #[arg(long = "async")]
    pub(crate) asynchronous: bool,
    /// With --async: make it again when it fails, so often
    #[arg(long, value_name = "N", requires = "asynchronous")]
    pub(crate) retries: Option<u32>,
    /// With --retries: the first wait; each next is twice as long [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = millis, requires = "retries")]
    pub(crate) backoff: Option<u32>,
    /// With --async: sent again under the same key, it is the same call
    #[arg(long, value_name = "KEY", requires = "asynchronous")]
    pub(crate) key: Option<HeaderValue>,
    /// With --async: tell this URL how it ended
    #[arg(long, value_name = "URL", requires = "asynchronous")]
    pub(crate) callback: Option<HeaderValue>,
    /// Say where the time went
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Show what the function printed
    #[arg(long)]
    pub(crate) logs: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The functions [default: all]
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Stay and print what comes
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Begin with the last so many calls
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) tail: u32,
    /// Only calls accepted since: 30m or 7d ago, or 2026-01-31T03:00 in UTC
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub(crate) since: Option<Since>,
    /// Only this call; with --follow until it has ended
    #[arg(long, value_name = "ID", conflicts_with_all = ["names", "since", "tail"])]
    pub(crate) run: Option<String>,
    /// What building a function's latest version said, in place of its calls
    #[arg(long, conflicts_with_all = ["tail", "since", "run"], requires = "names")]
    pub(crate) build: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The function
    pub(crate) name: String,
    /// The image's name [default: the function's name]
    #[arg(long, value_name = "NAME[:TAG]")]
    pub(crate) tag: Option<String>,
    /// Write the image to a file that `docker load` reads
    #[arg(long, value_name = "FILE.tar")]
    pub(crate) save: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// List calls, newest first
    List(RunsListArgs),
    /// Show one call: how it ended, where the time went, its input, its answer, what it printed
    Show(RunsShowArgs),
    /// Call again with the input of a call, and show what differs
    Replay(RunsReplayArgs),
    /// Remove the records of calls that have ended
    Rm {
        /// The calls' ids
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// End a call that waits or runs
    Cancel {
        /// The call's id
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RunsListArgs {
    /// Only calls of this function
    pub(crate) name: Option<String>,
    /// Only calls accepted since: 30m or 7d ago, or 2026-01-31T03:00 in UTC
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub(crate) since: Option<Since>,
    /// Only calls that were accepted to be made later
    #[arg(long = "async")]
    pub(crate) asynchronous: bool,
    /// Only calls that failed after their last try (`runs replay` makes them again)
    #[arg(long)]
    pub(crate) dead: bool,
    /// Only calls in this state
    #[arg(long, value_parser = ["queued", "running", "succeeded", "failed", "error", "cancelled"])]
    pub(crate) state: Option<String>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: u32,
    /// Pass so many over
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) offset: u32,
    /// The oldest first
    #[arg(long)]
    pub(crate) oldest: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunsShowArgs {
    /// The call's id
    pub(crate) id: String,
    /// Write its input, byte for byte, and nothing else
    #[arg(long, group = "part")]
    pub(crate) input: bool,
    /// Write its answer, byte for byte, and nothing else
    #[arg(long, group = "part")]
    pub(crate) answer: bool,
    /// Write what it printed, byte for byte, and nothing else
    #[arg(long, group = "part")]
    pub(crate) log: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunsReplayArgs {
    /// The call's id
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
}

/// A moment, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// So long ago. Unit: milliseconds.
    Ago(i64),
    /// At this time. Unit: UTC milliseconds.
    At(i64),
}

impl Since {
    /// The moment, when it is `now`. Unit: UTC milliseconds.
    pub(crate) fn at(self, now_ms: i64) -> i64 {
        match self {
            Self::Ago(ms) => now_ms.saturating_sub(ms),
            Self::At(ms) => ms,
        }
    }
}

fn since(text: &str) -> Result<Since, String> {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u16>().ok());
    let ago = days.map(|days| i64::from(days) * DAY);
    if let Some(ms) = ago.or_else(|| millis(text).ok().map(i64::from)) {
        return Ok(Since::Ago(ms));
    }
    let at = moment(text, "UTC")
        .map_err(|_| format!("`{text}` is no time: write how long ago (30m, 7d) or a moment (2026-01-31T03:00)"))?;
    Ok(Since::At(at.as_millis()))
}

fn namespace(text: &str) -> Result<String, String> {
    let checked = Namespace::parse(text).map_err(|error| error.to_string())?;
    Ok(checked.as_str().to_owned())
}

fn function_name(text: &str) -> Result<String, String> {
    let checked = FunctionName::parse(text).map_err(|error| error.to_string())?;
    Ok(checked.as_str().to_owned())
}

fn convention(text: &str) -> Result<String, String> {
    let checked = Convention::parse(text).map_err(|error| error.to_string())?;
    Ok(checked.as_str().to_owned())
}

fn memory(text: &str) -> Result<u32, String> {
    let mib = text.parse().map_err(|_| "give a number of MiB".to_owned())?;
    let checked = Memory::from_mib(mib).map_err(|error| error.to_string())?;
    Ok(checked.mib())
}

fn concurrency(text: &str) -> Result<u16, String> {
    let slots = text.parse().map_err(|_| "give a number of calls".to_owned())?;
    let checked = Concurrency::new(slots).map_err(|error| error.to_string())?;
    Ok(checked.get())
}

/// Unit of the answer: thousandths of a core; 0 is no limit.
fn cpu(text: &str) -> Result<u32, String> {
    if text == "none" {
        return Ok(0);
    }
    let cores: f64 = text.parse().map_err(|_| "give a number of cores, or none".to_owned())?;
    let millis = (cores * 1000.0).round().clamp(0.0, f64::from(u32::MAX));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the range of the type"
    )]
    let checked = Cpu::from_millis(millis as u32).map_err(|error| error.to_string())?;
    Ok(checked.millis())
}

/// Unit of the answer: milliseconds.
fn timeout(text: &str) -> Result<u32, String> {
    let checked = Timeout::from_millis(millis(text)?).map_err(|error| error.to_string())?;
    Ok(checked.millis())
}

/// Half of what times are rounded to.
const HALF: Duration = Duration::from_micros(500);

/// Reads `500ms`, `1.5s`, `5m`, `1h30m`; rounds to milliseconds.
pub(super) fn millis(text: &str) -> Result<u32, String> {
    let length = notation::duration(text);
    let rounded = length.and_then(|length| length.checked_add(HALF));
    let millis = rounded.and_then(|length| u32::try_from(length.as_millis()).ok());
    millis.ok_or_else(|| format!("`{text}` is not a time: write it with its unit, as 500ms, 30s, 5m or 1m30s"))
}

/// A secret as it was typed: its name, and where its value is.
#[derive(Clone)]
pub(crate) struct SecretArg {
    pub(crate) name: String,
    pub(crate) from: SecretFrom,
}

/// Where a secret's value is.
#[derive(Clone)]
pub(crate) enum SecretFrom {
    Text(String),
    File(PathBuf),
    Environment,
}

impl std::fmt::Debug for SecretArg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretArg({})", self.name)
    }
}

/// What is refused is not repeated: it may be the secret itself.
fn secret(text: &str) -> Result<SecretArg, String> {
    let (name, from) = match text.split_once('=') {
        None => (text, SecretFrom::Environment),
        Some((name, value)) => match value.strip_prefix('@') {
            Some(file) => (name, SecretFrom::File(file.into())),
            None => (name, SecretFrom::Text(value.to_owned())),
        },
    };
    if name.is_empty() {
        return Err("it has no name: write K=V, K=@FILE or K".to_owned());
    }
    let name = name.to_owned();
    Ok(SecretArg { name, from })
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not K=V")),
    }
}

fn header(text: &str) -> Result<(http::HeaderName, http::HeaderValue), String> {
    let wrong = || format!("`{text}` is not a header: write it as `name: value`");
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let name = name.trim().parse().map_err(|_| wrong())?;
    let value = value.trim().parse().map_err(|_| wrong())?;
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_arguments_fit_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_help_fits_the_terminal() {
        fn check(mut command: clap::Command, path: &str) {
            let help = command.render_long_help().to_string();
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{path}: {line}");
            }
            for inner in command.get_subcommands() {
                check(inner.clone(), &format!("{path} {}", inner.get_name()));
            }
        }
        let mut command = Arguments::command().term_width(80);
        command.build();
        check(command, "hob");
    }

    #[test]
    fn times_are_read_with_their_unit() {
        for (text, expect) in [
            ("500ms", Some(500)),
            ("30s", Some(30_000)),
            ("1.5s", Some(1_500)),
            ("5m", Some(300_000)),
            ("1h", Some(3_600_000)),
            ("1m30s", Some(90_000)),
            (".5s", Some(500)),
            ("1.6ms", Some(2)),
            ("499us", Some(0)),
            ("4294967295ms", Some(u32::MAX)),
            ("4294967296ms", None),
            ("30", None),
            ("s", None),
            ("", None),
            ("-3s", None),
            ("1e3s", None),
            ("infs", None),
            ("99999999h", None),
            ("3d", None),
            ("1.2.3s", None),
            ("30 s", None),
        ] {
            assert_eq!(millis(text).ok(), expect, "{text}");
        }
        assert!(timeout("0ms").is_err() && timeout("2h").is_err());
    }

    #[test]
    fn a_moment_is_so_long_ago_or_a_date() {
        for (text, expect) in [
            ("30m", Some(Since::Ago(1_800_000))),
            ("7d", Some(Since::Ago(604_800_000))),
            ("1970-01-01T00:00:01Z", Some(Since::At(1_000))),
            ("1970-01-01T00:01", Some(Since::At(60_000))),
            ("yesterday", None),
            ("7", None),
        ] {
            assert_eq!(since(text).ok(), expect, "{text}");
        }
        assert_eq!((Since::Ago(5).at(7), Since::At(5).at(7)), (2, 5));
    }

    #[test]
    fn key_and_value_are_split_at_the_first_sign() {
        let pair = |k: &str, v: &str| Some((k.to_owned(), v.to_owned()));
        assert_eq!(key_value("A=b=c").ok(), pair("A", "b=c"));
        assert_eq!(key_value("A=").ok(), pair("A", ""));
        assert_eq!(key_value("=b").ok(), None);
        assert_eq!(key_value("A").ok(), None);
    }

    #[test]
    fn headers_have_a_name_and_a_value() {
        let (name, value) = header("X-A: b: c").expect("valid");
        assert_eq!((name.as_str(), value.as_bytes()), ("x-a", &b"b: c"[..]));
        assert!(header("nothing").is_err() && header("a b: c").is_err());
    }

    #[test]
    fn what_can_be_typed_is_understood() {
        for line in [
            "hob serve --listen 127.0.0.1:0 --data-dir d --config c --offline",
            "hob deploy",
            "hob deploy --plan",
            "hob init",
            "hob init --list",
            "hob init any-hello dir",
            "hob dev",
            "hob dev a b",
            "hob env",
            "hob env f",
            "hob deploy . --name a --runtime x:1 --entry m.f --convention kwargs -e A=b -e C=d --memory 128 --timeout 30s --concurrency 2 --min 0 --max 3 --network none -n other --no-wait",
            "hob deploy --image r.example:5000/a/b:1 --cpu 0.5",
            "hob deploy --image a --convention command --cpu none",
            "hob invoke f -d {} -H a:b -X GET --path /x?y=z -v --logs",
            "hob invoke f -d - --async",
            "hob invoke f -d -5",
            "hob invoke f --async --retries 3 --backoff 500ms --key order-7",
            "hob invoke f --async --callback http://127.0.0.1:9000/done",
            "hob runs list --dead",
            "hob invoke f --field a=b --field c:=1 --field d=@e",
            "hob list -o json",
            "hob --url http://h:1 get f",
            "hob logs f -f --tail 3",
            "hob logs -f",
            "hob logs a b --since 10m --tail 100",
            "hob logs --run id -f",
            "hob logs f --build -f",
            "hob export f --tag a/b:1 --save x.tar",
            "hob df -o json",
            "hob gc",
            "hob deploy . --build make --build two",
            "hob deploy . --cors http://localhost:3000 --cors http://a",
            "hob deploy . --base-image own:1 --base-step make --base-step two",
            "hob deploy --image a --command serve --arg --port --arg 80",
            "hob runs list f --state failed --limit 3",
            "hob runs list --since 2h --async",
            "hob runs show id",
            "hob runs show id --answer",
            "hob runs replay id --version 2",
            "hob runs replay id --alias live -o json",
            "hob rm a b",
            "hob jobs create f --cron @daily --tz Europe/Paris --count 3 --missed once --overlap skip -d {}",
            "hob jobs create f --every 5m --name tick --first-at 2030-01-01T00:00",
            "hob jobs create f --at 2030-01-01T00:00:00Z -d @in.json",
            "hob jobs create f --every 5m --alias live",
            "hob jobs list f",
            "hob jobs next tick --count 3",
            "hob jobs rm a b",
            "hob stop --purge",
            "hob token create --role admin --name ci -n team",
            "hob deploy --from https://h/f.zip --sha256 00 --runtime x",
            "hob token list --token hob_x",
            "hob token revoke ci",
            "hob deploy --name f --memory 128",
            "hob invoke f --version 3 --keep --description d",
            "hob invoke f --alias live --async",
            "hob versions list f",
            "hob versions publish f --description d",
            "hob versions get f 3",
            "hob versions rm f 3",
            "hob alias list f",
            "hob alias set live f --version 2 --canary 3=10",
            "hob alias rm live",
            "hob webhook create f --alias live --sign github --secret-file -",
            "hob webhook rotate id",
            "hob webhook list -o json",
            "hob scale f --up 2 --version 1",
            "hob detach f",
            "hob rename f g",
            "hob runs list --oldest --offset 5",
            "hob runs rm a b",
            "hob --token secret list",
            "hob doctor -o json --data-dir d --config c",
            "hob backup f.tar",
            "hob restore f.tar --data-dir d",
            "hob completion zsh",
            "hob man",
            "hob man dir",
            "hob version",
        ] {
            assert!(parse(line).is_ok(), "{line}: {:?}", parse(line).err());
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for line in [
            "hob",
            "hob deploy . --image a",
            "hob deploy . --cpu 0.001",
            "hob deploy . --cpu NaN",
            "hob deploy . --memory 1",
            "hob deploy . --timeout 30",
            "hob deploy . --convention other",
            "hob deploy . --name a/b",
            "hob deploy . -e A",
            "hob logs f --build --tail 3",
            "hob logs --build",
            "hob logs f --run id",
            "hob export",
            "hob invoke f -d {} --field a=b",
            "hob runs list --state odd",
            "hob runs list --since soon",
            "hob runs show id --answer --log",
            "hob runs replay",
            "hob jobs create f",
            "hob jobs create f --every 5m --at 2030-01-01T00:00:00Z",
            "hob jobs create f --every 5",
            "hob jobs create f --every 5m --alias live --version 2",
            "hob jobs create f --cron @daily --missed twice",
            "hob rm",
            "hob invoke f --version 3 --alias live",
            "hob invoke f --version 0",
            "hob invoke f --retries 3",
            "hob invoke f --callback http://127.0.0.1:9000/done",
            "hob invoke f --async --backoff 1s",
            "hob alias set live f --canary 3",
            "hob webhook create f --sign other",
            "hob webhook create f --secret-file -",
            "hob scale f",
            "hob scale f --to 1 --up 1",
            "hob rename f a/b",
            "hob list -n a/b",
            "hob deploy . --from https://h/f.zip",
            "hob token create --role root",
            "hob token revoke",
            "hob list -o xml",
            "hob completion other",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
