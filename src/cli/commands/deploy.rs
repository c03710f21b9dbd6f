//! `deploy`: packs, sends, waits until the function is ready or has failed. Of projects, `project` knows more.

use super::Context;
use super::project::{self, Manner};
use crate::api::native::wire::{CodeSource, DeploySettings, DeployState, FunctionView, Network, SecretSettings, code};
use crate::cli::args::{DeployArgs, Reach, SecretArg, SecretFrom};
use crate::cli::client::{Call, watched};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::multipart;
use crate::cli::package::Package;
use crate::domain::FunctionName;
use http::{HeaderValue, Method};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How long the daemon holds the answer. Unit: seconds.
const HELD: &str = "30";
/// Where what is said is shown: what takes longer is watched. Unit: seconds.
const SHORTLY_HELD: &str = "1";
const UPLOAD: Duration = Duration::from_secs(15 * 60);
const BUILD: Duration = Duration::from_secs(20 * 60);
const STEP: Duration = Duration::from_millis(300);

pub(super) async fn deploy(context: &mut Context<'_>, args: DeployArgs) -> Result<Exit, Failure> {
    if let Some(file) = project_file(&args)? {
        let how = Manner {
            no_wait: args.no_wait,
            ..Manner::default()
        };
        return project::deploy(context, &file, args.plan, how).await;
    }
    if args.plan {
        return Err(Failure::usage("--plan is for a project").hint("write a hob.toml; `hob init` makes one"));
    }
    if let Some(image) = &args.image {
        return deploy_image(context, image, &args).await;
    }
    if let Some(url) = &args.from {
        let name = args.name.clone().map_or_else(|| name_of_url(url), Ok)?;
        return put(context, &name, &settings(&args)?, None, args.no_wait).await;
    }
    let Some(path) = source(&args) else {
        return change(context, &args).await;
    };
    let packing = tokio::task::spawn_blocking(move || Package::open(&path));
    let package = packing
        .await
        .map_err(|error| Failure::usage(format!("packing broke off: {error}")))??;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => package.function_name()?,
    };
    let mut settings = settings(&args)?;
    if settings.runtime.is_none() && is_new(context, &name).await? {
        settings.runtime = Some(detected(context, &package).await?);
    }
    put(context, &name, &settings, Some(package), args.no_wait).await
}

/// The project file that is meant: the one here when nothing is named, or that of a directory without further words.
fn project_file(args: &DeployArgs) -> Result<Option<PathBuf>, Failure> {
    if settings(args)? != DeploySettings::default() || args.name.is_some() {
        return Ok(None);
    }
    let place = args.source.clone().unwrap_or_else(|| PathBuf::from("."));
    match crate::cli::project::find(&place) {
        None if args.source.is_none() => Err(Failure::usage("there is no project file here, and no code is named")
            .hint("`hob deploy DIR` deploys a directory, `hob init TEMPLATE` makes a project")),
        found => Ok(found),
    }
}

async fn deploy_image(context: &mut Context<'_>, image: &str, args: &DeployArgs) -> Result<Exit, Failure> {
    let name = args.name.clone().map_or_else(|| name_of_image(image), Ok)?;
    put(context, &name, &settings(args)?, None, args.no_wait).await
}

/// The last part of the image's name, without tag and digest.
fn name_of_image(image: &str) -> Result<String, Failure> {
    let last = image.rsplit('/').next().unwrap_or_default();
    let name = last.split([':', '@']).next().unwrap_or_default();
    FunctionName::parse(name)
        .map(|name| name.as_str().to_owned())
        .map_err(|error| Failure::usage(error.to_string()).hint("give another with --name"))
}

/// The last part of the path, without its ending; what follows the path may be a secret.
fn name_of_url(url: &str) -> Result<String, Failure> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    let name = last.split('.').next().unwrap_or_default();
    FunctionName::parse(name)
        .map(|name| name.as_str().to_owned())
        .map_err(|error| Failure::usage(error.to_string()).hint("give another with --name"))
}

/// Where the code is; `None` when only settings change: no code is named, or something that is not there and is the
/// name of a function.
fn source(args: &DeployArgs) -> Option<PathBuf> {
    let path = args.source.clone()?;
    let may_be_a_name = args.name.is_none() && path.to_str().is_some_and(|t| FunctionName::parse(t).is_ok());
    (path.exists() || !may_be_a_name).then_some(path)
}

/// Changes the settings of a function that is there, and keeps its code.
async fn change(context: &mut Context<'_>, args: &DeployArgs) -> Result<Exit, Failure> {
    let named = args.source.as_ref().map(|path| path.display().to_string());
    let Some(name) = args.name.clone().or(named) else {
        return Err(Failure::usage("settings are given and no function is named")
            .hint("`hob deploy NAME` with them changes one; for a project, write them into its file"));
    };
    let settings = settings(args)?;
    if is_new(context, &name).await? {
        let message = format!("there is no file or directory `{name}` here, and no function of that name");
        return Err(Failure::new(Exit::NotFound, code::NOT_FOUND, message)
            .hint("name the code of a new function: `hob deploy DIR`"));
    }
    if settings == DeploySettings::default() {
        return Err(Failure::usage(format!(
            "`{name}` is no file or directory here, and no setting is given"
        ))
        .hint("name its code, or say what changes: --memory, --timeout, --env, …"));
    }
    put(context, &name, &settings, None, args.no_wait).await
}

/// Sends a deploy, watches what is built, and says how the function stands then.
async fn put(
    context: &mut Context<'_>,
    name: &str,
    settings: &DeploySettings,
    package: Option<Package>,
    no_wait: bool,
) -> Result<Exit, Failure> {
    let function = bring(context, name, settings, package, no_wait).await?;
    say(context, &function)
}

/// Sends a deploy and waits for its end, unless that is not wanted; what is pulled and built meanwhile is shown.
pub(super) async fn bring(
    context: &mut Context<'_>,
    name: &str,
    settings: &DeploySettings,
    package: Option<Package>,
    no_wait: bool,
) -> Result<FunctionView, Failure> {
    let hold = match (no_wait, context.output.follows()) {
        (true, _) => "0",
        (false, true) => SHORTLY_HELD,
        (false, false) => HELD,
    };
    let function = send(context, name, settings, package, hold).await?;
    if no_wait {
        return Ok(function);
    }
    watch_build(context, &function).await?;
    settled(context, function).await
}

fn settings(args: &DeployArgs) -> Result<DeploySettings, Failure> {
    Ok(DeploySettings {
        runtime: args.runtime.clone(),
        image: args.image.clone(),
        entry: args.entry.clone(),
        convention: args.convention.clone(),
        base_image: args.base_image.clone(),
        base_steps: unless_taken_back(&args.base_step),
        build_commands: unless_taken_back(&args.build),
        command: words(&args.command),
        args: words(&args.arg),
        env: (!args.env.is_empty()).then(|| args.env.iter().cloned().collect()),
        secrets: secrets(args)?,
        memory_mib: args.memory,
        timeout_ms: args.timeout,
        concurrency: args.concurrency,
        min_workers: args.min,
        max_workers: args.max,
        network: args.network.map(|reach| match reach {
            Reach::Outbound => Network::Outbound,
            Reach::None => Network::None,
        }),
        cpu_millis: args.cpu,
        cors: unless_taken_back(&args.cors),
        // The daemon's own default: one worker is loaded ahead.
        preload: None,
        reload: None,
        source: args.from.clone().map(|url| CodeSource {
            url: Some(url),
            sha256: args.sha256.clone(),
            ..CodeSource::default()
        }),
    })
}

/// Secrets that are set or removed; `None` when none is named.
fn secrets(args: &DeployArgs) -> Result<Option<SecretSettings>, Failure> {
    let set = args
        .secret
        .iter()
        .map(|secret| Ok((secret.name.clone(), Some(value_of(secret)?))));
    let removed = args.remove_secret.iter().map(|name| Ok((name.clone(), None)));
    let all: BTreeMap<_, _> = removed.chain(set).collect::<Result<_, Failure>>()?;
    Ok((!all.is_empty()).then_some(SecretSettings(all)))
}

/// A secret's value, from where it is said to be. A file's last line break is not part of it.
fn value_of(secret: &SecretArg) -> Result<String, Failure> {
    let name = &secret.name;
    match &secret.from {
        SecretFrom::Text(text) => Ok(text.clone()),
        SecretFrom::File(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| {
                Failure::usage(format!("the secret {name} cannot be read from {}: {e}", path.display()))
            })?;
            Ok(text.strip_suffix('\n').map_or(text.clone(), str::to_owned))
        }
        SecretFrom::Environment => {
            let environment = crate::config::environment();
            let value = environment.text(name).map(str::to_owned);
            value.ok_or_else(|| {
                Failure::usage(format!("{name} is not set in this environment"))
                    .hint(format!("set it, or write --secret {name}=VALUE or {name}=@FILE"))
            })
        }
    }
}

/// None said: as before. One that is empty: none any more.
fn unless_taken_back(given: &[String]) -> Option<Vec<String>> {
    let said = given.iter().filter(|command| !command.trim().is_empty());
    (!given.is_empty()).then(|| said.cloned().collect())
}

/// None said: as before. A single one that is empty: the image's own again.
fn words(said: &[String]) -> Option<Vec<String>> {
    match said {
        [] => None,
        [word] if word.is_empty() => Some(Vec::new()),
        words => Some(words.to_vec()),
    }
}

/// An existing function keeps its runtime; only a new one has to be told.
async fn is_new(context: &Context<'_>, name: &str) -> Result<bool, Failure> {
    let path = context.function_path(name, &[], &[]);
    let answer = context.client.send(Call::new(Method::GET, path)).await?;
    if answer.status() == 404 {
        return Ok(true);
    }
    answer.checked().await.map(|_| false)
}

pub(super) async fn detected(context: &mut Context<'_>, package: &Package) -> Result<String, Failure> {
    let list = context.client.get("/runtimes".to_owned()).await?;
    let family = package.detect(&list)?.family.clone();
    let note = format!("runtime {family}, told by the files (--runtime chooses another)");
    context.output.note(&note);
    Ok(family)
}

async fn send(
    context: &Context<'_>,
    name: &str,
    settings: &DeploySettings,
    package: Option<Package>,
    hold: &str,
) -> Result<FunctionView, Failure> {
    let path = context.function_path(name, &[], &[("wait", Some(hold))]);
    let settings =
        serde_json::to_vec(settings).map_err(|error| Failure::usage(format!("cannot write the settings: {error}")))?;
    let form = match package {
        Some(package) => multipart::form(&settings, &package.file_name, package.file, package.length),
        None => multipart::settings_form(&settings),
    };
    let content_type = HeaderValue::from_str(&form.content_type)
        .map_err(|error| Failure::usage(format!("cannot write the form: {error}")))?;
    let bar = context.output.bar("sent", Some(form.length));
    let call = Call::new(Method::PUT, path)
        .header(http::header::CONTENT_TYPE, content_type)
        .body(watched(form.body, bar), Some(form.length))
        .patience(UPLOAD);
    context.client.ask(call).await?.document().await
}

/// Shows what is said of the function's images as long as it goes on, and on a terminal how far a pull is.
async fn watch_build(context: &mut Context<'_>, function: &FunctionView) -> Result<(), Failure> {
    if function.state != DeployState::Pending || !context.output.follows() {
        return Ok(());
    }
    let path = context.function_path(&function.name, &["build"], &[("follow", Some("true"))]);
    let mut answer = context.client.ask(Call::new(Method::GET, path)).await?;
    let bar = context.output.bar(&format!("waiting for {}", function.name), None);
    // A line that has begun is not drawn over.
    let mut is_whole = true;
    loop {
        tokio::select! {
            piece = answer.piece() => {
                let Some(piece) = piece? else { return Ok(()) };
                bar.clear();
                context.output.note_bytes(&piece);
                is_whole = piece.ends_with(b"\n");
            }
            () = tokio::time::sleep(STEP), if is_whole && !bar.is_hidden() => {
                let path = context.function_path(&function.name, &[], &[]);
                let now: FunctionView = context.client.get(path).await?;
                match now.latest.pull {
                    Some(pull) => bar.show("pulled", pull.done_bytes, Some(pull.total_bytes)),
                    None => bar.at(0),
                }
            }
        }
    }
}

/// Waits until a function that is there serves.
pub(super) async fn await_ready(context: &Context<'_>, name: &str) -> Result<(), Failure> {
    let path = context.function_path(name, &[], &[]);
    let function = settled(context, context.client.get(path).await?).await?;
    match function.state {
        DeployState::Failed => Err(failed(&function)),
        _ => Ok(()),
    }
}

/// Asks again until the function is ready or has failed.
async fn settled(context: &Context<'_>, first: FunctionView) -> Result<FunctionView, Failure> {
    let name = first.name.clone();
    let asking = async {
        let mut function = first;
        let bar = context.output.bar(&format!("waiting for {}", function.name), None);
        while function.state == DeployState::Pending {
            tokio::time::sleep(STEP).await;
            bar.at(0);
            let path = context.function_path(&function.name, &[], &[]);
            function = context.client.get(path).await?;
        }
        Ok(function)
    };
    tokio::time::timeout(BUILD, asking).await.unwrap_or_else(|_| {
        let message = format!("`{name}` is still not ready after {} s", BUILD.as_secs());
        Err(Failure::new(Exit::Timeout, code::TIMEOUT, message)
            .hint(format!("it goes on; look again with `hob get {name}`")))
    })
}

fn say(context: &mut Context<'_>, function: &FunctionView) -> Result<Exit, Failure> {
    let (name, number) = (&function.name, function.latest.number);
    if function.state == DeployState::Failed {
        return Err(failed(function));
    }
    context.output.value(function, |_| match function.state {
        DeployState::Pending => format!("{name} version {number} is being made"),
        _ => format!("{name} version {number} is ready at {}", function.url),
    })?;
    if let Some(notice) = &function.latest.notice {
        context.output.note(&format!("note: {notice}"));
    }
    let next = match function.state {
        DeployState::Pending => format!("see when it is ready with `hob get {name}`"),
        _ => format!("call it with `hob invoke {name}`"),
    };
    context.output.note(&next);
    Ok(Exit::Ok)
}

pub(super) fn failed(function: &FunctionView) -> Failure {
    let (name, latest) = (&function.name, &function.latest);
    let why = latest.error.as_deref().unwrap_or("no reason was given");
    let message = format!("{name} version {} failed: {why}", latest.number);
    let mend = match latest.code_sha256 {
        Some(_) => "mend the code",
        None => "mend the image, or its name,",
    };
    let hint = match &function.current {
        Some(current) => format!("version {} goes on serving; {mend} and deploy again", current.number),
        None => format!("{mend} and deploy again"),
    };
    Failure::new(Exit::Build, code::BUILD_FAILED, message).hint(hint)
}
