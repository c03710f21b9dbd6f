//! Between the words of the wire and the words of the house: pure functions.
//!
//! Asks nobody anything; what a view needs is handed in.

use super::wire;
use crate::app::{EngineStatus, Settings};
use crate::builder::{ImageState, Pulling};
use crate::domain::{
    Alias, Callback, CallbackState, Concurrency, Convention, Cors, Cpu, Error, Execution, ExecutionState, Function,
    Input, Limits, Memory, Namespace, Network, Pointer, Revision, RevisionId, RevisionState, SecretChanges, SecretText,
    Step, Temperature, Timeout, Webhook,
};
use crate::pool;
use crate::runtime::Family;
use crate::store::Build;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::collections::BTreeMap;

/// What a deploy asks for, checked.
pub(super) fn settings(sent: wire::DeploySettings) -> Result<Settings, Error> {
    Ok(Settings {
        runtime: sent.runtime,
        runtime_image: None,
        base_image: sent.base_image,
        base_steps: steps(sent.base_steps)?,
        command: sent.command,
        arguments: sent.args,
        build_commands: sent.build_commands,
        entry: sent.entry,
        convention: sent.convention.as_deref().map(Convention::parse).transpose()?,
        env: sent.env,
        sealed_secrets: None,
        secrets: secret_changes(sent.secrets),
        memory: sent.memory_mib.map(Memory::from_mib).transpose()?,
        timeout: sent.timeout_ms.map(Timeout::from_millis).transpose()?,
        concurrency: sent.concurrency.map(Concurrency::new).transpose()?,
        min_workers: sent.min_workers,
        max_workers: sent.max_workers,
        network: sent.network.map(network_from),
        cpu: sent.cpu_millis.map(cpu).transpose()?,
        intake: None,
        cors: sent.cors.map(cors),
        preload: sent.preload,
        reload: sent.reload,
    })
}

/// A Dockerfile's instructions.
fn steps(sent: Option<Vec<String>>) -> Result<Option<Vec<Step>>, Error> {
    sent.map(|steps| steps.iter().map(|step| Step::parse(step)).collect())
        .transpose()
}

/// What is null goes.
fn secret_changes(sent: Option<wire::SecretSettings>) -> SecretChanges {
    let text = |value: Option<String>| value.map(SecretText::new);
    let sent = sent.unwrap_or_default().0.into_iter();
    sent.map(|(name, value)| (name, text(value))).collect()
}

/// No origin is no rule.
fn cors(origins: Vec<String>) -> Option<Cors> {
    (!origins.is_empty()).then(|| Cors {
        origins,
        ..Cors::default()
    })
}

/// Zero is no limit.
fn cpu(millis: u32) -> Result<Option<Cpu>, Error> {
    (millis > 0).then(|| Cpu::from_millis(millis)).transpose()
}

fn network_from(network: wire::Network) -> Network {
    match network {
        wire::Network::Outbound => Network::Outbound,
        wire::Network::None => Network::None,
    }
}

fn network(network: Network) -> wire::Network {
    match network {
        Network::Outbound => wire::Network::Outbound,
        Network::None => wire::Network::None,
    }
}

fn limits(limits: Limits) -> wire::LimitsView {
    wire::LimitsView {
        memory_mib: limits.memory.mib(),
        timeout_ms: limits.timeout.millis(),
        concurrency: limits.concurrency.get(),
        min_workers: limits.scale.min(),
        max_workers: limits.scale.max(),
        network: network(limits.network),
        cpu_millis: limits.cpu.map(Cpu::millis),
    }
}

fn deploy_state(state: RevisionState) -> (wire::DeployState, Option<String>) {
    match state {
        RevisionState::Pending => (wire::DeployState::Pending, None),
        RevisionState::Ready => (wire::DeployState::Ready, None),
        RevisionState::Failed(why) => (wire::DeployState::Failed, Some(why)),
    }
}

/// A revision, the images made of it, and the pull that it waits for.
pub(super) fn revision(revision: Revision, built: Option<Build>, pulling: Option<Pulling>) -> wire::RevisionView {
    let (made, worker_image) = built.map_or((None, None), |b| (b.image, b.worker_image));
    let image = revision.code.image().map(str::to_owned).or(made);
    let (state, error) = deploy_state(revision.state);
    wire::RevisionView {
        id: revision.id.to_string(),
        number: revision.number,
        state,
        error,
        runtime: revision.runtime.to_string(),
        entry: revision.entry,
        convention: revision.convention.as_str().to_owned(),
        code_sha256: revision.code.digest().map(ToString::to_string),
        base_image: revision.base.as_ref().map(|base| base.image.clone()),
        base_steps: revision
            .base
            .iter()
            .flat_map(|base| &base.steps)
            .map(Step::to_string)
            .collect(),
        build_commands: revision.build_commands,
        cors: revision.cors.map(|cors| cors.origins).unwrap_or_default(),
        command: revision.start.command().to_vec(),
        args: revision.start.arguments().to_vec(),
        notice: revision.notice,
        pull: pulling.map(pull),
        worker_image,
        env: revision.env,
        secrets: revision.secrets.into_keys().collect(),
        limits: limits(revision.limits),
        image,
        created_at_ms: revision.created_at.as_millis(),
    }
}

fn pull(pulling: Pulling) -> wire::PullView {
    wire::PullView {
        image: pulling.image,
        done_bytes: pulling.done_bytes,
        total_bytes: pulling.total_bytes,
    }
}

/// A function with its latest revision and the one that serves.
pub(super) fn function(
    function: &Function,
    current: Option<wire::RevisionView>,
    latest: wire::RevisionView,
    base_url: &str,
) -> wire::FunctionView {
    wire::FunctionView {
        id: function.id.to_string(),
        namespace: function.namespace.to_string(),
        name: function.name.to_string(),
        state: latest.state,
        current,
        latest,
        url: url(function, base_url),
        created_at_ms: function.created_at.as_millis(),
        updated_at_ms: function.updated_at.as_millis(),
    }
}

/// Where the ingress answers: a path in the default namespace, a host name in the others.
fn url(function: &Function, base_url: &str) -> String {
    let (base, name, namespace) = (base_url.trim_end_matches('/'), &function.name, &function.namespace);
    if namespace.as_str() == Namespace::DEFAULT {
        return format!("{base}/function/{name}");
    }
    let authority = base.split_once("://").map_or(base, |(_, rest)| rest);
    let port = authority
        .rsplit_once(':')
        .map(|(_, port)| port)
        .filter(|p| p.parse::<u16>().is_ok());
    let port = port.map_or(String::new(), |p| format!(":{p}"));
    format!("http://{name}.{namespace}.localhost{port}")
}

/// A state of a call.
pub(super) fn execution_state(state: ExecutionState) -> wire::ExecutionState {
    match state {
        ExecutionState::Queued => wire::ExecutionState::Queued,
        ExecutionState::Running => wire::ExecutionState::Running,
        ExecutionState::Succeeded => wire::ExecutionState::Succeeded,
        ExecutionState::Failed => wire::ExecutionState::Failed,
        ExecutionState::Error => wire::ExecutionState::Error,
        ExecutionState::Cancelled => wire::ExecutionState::Cancelled,
    }
}

/// A state of a call, as somebody asked for it.
pub(super) fn execution_state_from(state: wire::ExecutionState) -> ExecutionState {
    match state {
        wire::ExecutionState::Queued => ExecutionState::Queued,
        wire::ExecutionState::Running => ExecutionState::Running,
        wire::ExecutionState::Succeeded => ExecutionState::Succeeded,
        wire::ExecutionState::Failed => ExecutionState::Failed,
        wire::ExecutionState::Error => ExecutionState::Error,
        wire::ExecutionState::Cancelled => ExecutionState::Cancelled,
    }
}

fn temperature(temperature: Temperature) -> wire::Temperature {
    match temperature {
        Temperature::Warm => wire::Temperature::Warm,
        Temperature::Prewarmed => wire::Temperature::Prewarmed,
        Temperature::Cold => wire::Temperature::Cold,
    }
}

/// What an execution's ids are called.
#[derive(Debug, Clone, Default)]
pub(super) struct Named {
    /// The function's name; `None` when it is gone.
    pub(super) function: Option<String>,
    /// Whose it is; empty when it is gone.
    pub(super) namespace: String,
    /// The revision's number.
    pub(super) version: Option<u32>,
}

/// A call's record.
pub(super) fn execution(execution: Execution, named: Named) -> wire::ExecutionView {
    wire::ExecutionView {
        id: execution.id.to_string(),
        function: named.function.unwrap_or_else(|| execution.function.to_string()),
        namespace: named.namespace,
        version: named.version,
        selector: execution.selector.to_string(),
        description: execution.description,
        state: execution_state(execution.state),
        asynchronous: execution.asynchronous,
        created_at_ms: execution.created_at.as_millis(),
        started_at_ms: execution.started_at.map(|t| t.as_millis()),
        ended_at_ms: execution.ended_at.map(|t| t.as_millis()),
        status: execution.status,
        failure: execution.failure,
        message: execution.message,
        temperature: execution.temperature.map(temperature),
        queue_us: execution.timings.queue_us,
        load_us: execution.timings.load_us,
        run_us: execution.timings.run_us,
        total_us: execution.timings.total_us,
        callback: None,
    }
}

/// Where the end of a call is told.
pub(super) fn callback(callback: Callback) -> wire::CallbackView {
    wire::CallbackView {
        url: callback.url.shown(),
        state: match callback.state {
            CallbackState::Waiting => wire::CallbackState::Waiting,
            CallbackState::Due => wire::CallbackState::Due,
            CallbackState::Delivered => wire::CallbackState::Delivered,
            CallbackState::Failed => wire::CallbackState::Failed,
        },
        tries: callback.tries,
        due_at_ms: callback.due_at.map(|t| t.as_millis()),
        message: callback.message,
    }
}

/// What a call was made with.
pub(super) fn kept_request(input: Input) -> wire::KeptRequest {
    let (body, body_base64) = match String::from_utf8(input.body) {
        Ok(text) => (Some(text), None),
        Err(error) => (None, Some(BASE64.encode(error.as_bytes()))),
    };
    let header = |(name, value)| wire::HeaderView { name, value };
    wire::KeptRequest {
        method: input.method,
        path: input.path,
        query: input.query,
        headers: input.headers.into_iter().map(header).collect(),
        body,
        body_base64,
    }
}

/// An alias of the function of that name.
pub(super) fn alias(alias: Alias, function: String) -> wire::AliasView {
    wire::AliasView {
        name: alias.name.to_string(),
        namespace: alias.namespace.to_string(),
        function,
        version: pointer(alias.pointer),
        canary: alias.canary.map(|canary| wire::CanaryView {
            version: pointer(canary.pointer),
            percent: canary.share.percent(),
        }),
        description: alias.description,
        created_at_ms: alias.created_at.as_millis(),
        updated_at_ms: alias.updated_at.as_millis(),
    }
}

fn pointer(pointer: Pointer) -> Option<u32> {
    match pointer {
        Pointer::Latest => None,
        Pointer::Version(number) => Some(number.get()),
    }
}

/// A webhook of a function, without its secret.
pub(super) fn webhook(webhook: &Webhook, function: &Function, url: String) -> wire::WebhookView {
    wire::WebhookView {
        id: webhook.id.to_string(),
        url,
        namespace: function.namespace.to_string(),
        function: function.name.to_string(),
        selector: webhook.selector.to_string(),
        description: webhook.description.clone(),
        signature: webhook.signing.as_ref().map(|s| s.scheme.as_str().to_owned()),
        secret: None,
        created_at_ms: webhook.created_at.as_millis(),
        updated_at_ms: webhook.updated_at.as_millis(),
    }
}

/// How many records there are, by state.
pub(super) fn counts(counted: &[(ExecutionState, u64)]) -> wire::ExecutionCounts {
    let of = |state| counted.iter().filter(|(s, _)| *s == state).map(|(_, n)| n).sum();
    wire::ExecutionCounts {
        queued: of(ExecutionState::Queued),
        running: of(ExecutionState::Running),
        succeeded: of(ExecutionState::Succeeded),
        failed: of(ExecutionState::Failed),
        error: of(ExecutionState::Error),
        cancelled: of(ExecutionState::Cancelled),
    }
}

/// The engine.
pub(super) fn engine(status: EngineStatus) -> wire::EngineView {
    let (state, detail) = match status {
        EngineStatus::Up(info) => (wire::EngineState::Up, format!("{} {}", info.name, info.version)),
        EngineStatus::Down(why) => (wire::EngineState::Down, why),
        EngineStatus::Unknown => (
            wire::EngineState::Down,
            "nobody has asked it yet: look again".to_owned(),
        ),
    };
    wire::EngineView {
        state,
        detail: Some(detail),
    }
}

/// A worker; `names` are those of revisions that serve.
pub(super) fn worker(worker: &pool::WorkerView, names: &BTreeMap<RevisionId, (String, u32)>) -> wire::WorkerView {
    let served = worker.revision.and_then(|r| names.get(&r));
    let small = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    wire::WorkerView {
        id: worker.worker.to_string(),
        runtime: worker.class.runtime.to_string(),
        function: served.map(|(name, _)| name.clone()),
        revision: served.map(|(_, number)| *number),
        state: worker.state.to_owned(),
        slots: small(worker.slots),
        busy: small(worker.busy),
    }
}

/// A runtime; `state` tells of a version how its image stands.
pub(super) fn runtime(family: &Family, engine_up: bool, state: impl Fn(&str) -> ImageState) -> wire::RuntimeView {
    let manifest = &family.manifest;
    let mut versions: Vec<_> = manifest.version.iter().collect();
    versions.sort_by_key(|v| v.name != manifest.default_version);
    let mut conventions: Vec<_> = family.conventions.clone();
    conventions.sort_by_key(|c| *c != family.default_convention);
    wire::RuntimeView {
        family: manifest.name.clone(),
        title: manifest.name.clone(),
        versions: versions
            .iter()
            .map(|v| version(&v.name, &v.base, state(&v.name), engine_up))
            .collect(),
        conventions: conventions.iter().map(|c| c.as_str().to_owned()).collect(),
        default_entry: Some(manifest.default_entry.clone()).filter(|entry| !entry.is_empty()),
        detect: wire::DetectView {
            files: manifest.dependency_files.clone(),
            extensions: Some(manifest.extension.trim_start_matches('.').to_owned())
                .filter(|extension| !extension.is_empty())
                .into_iter()
                .collect(),
        },
    }
}

fn version(name: &str, base: &str, state: ImageState, engine_up: bool) -> wire::RuntimeVersionView {
    let (state, image) = match state {
        ImageState::Present(image) => ("present", image),
        ImageState::Building => ("building", base.to_owned()),
        ImageState::Failed(_) => ("failed", base.to_owned()),
        ImageState::Unbuilt => ("missing", base.to_owned()),
    };
    let state = if engine_up { state } else { "unknown" };
    wire::RuntimeVersionView {
        version: name.to_owned(),
        image,
        state: state.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ExecutionId, FunctionId, FunctionName, Namespace, Selector, Timestamp, Timings};

    fn a_function(namespace: &str) -> Function {
        Function {
            id: FunctionId::generate(),
            namespace: Namespace::parse(namespace).expect("a namespace"),
            name: FunctionName::parse("hello").expect("a name"),
            current: None,
            created_at: Timestamp::from_millis(1),
            updated_at: Timestamp::from_millis(2),
        }
    }

    #[test]
    fn settings_that_are_absent_stay_absent_and_bad_ones_are_refused() {
        let none = settings(wire::DeploySettings::default()).expect("nothing is wrong");
        assert!(none.memory.is_none() && none.convention.is_none() && none.preload.is_none());
        let bad = wire::DeploySettings {
            convention: Some("guess".to_owned()),
            ..Default::default()
        };
        assert!(matches!(settings(bad), Err(Error::Invalid(_))));
        let bad = wire::DeploySettings {
            memory_mib: Some(0),
            ..Default::default()
        };
        assert!(matches!(settings(bad), Err(Error::Invalid(_))));
        let lazy = wire::DeploySettings {
            preload: Some(false),
            ..Default::default()
        };
        assert_eq!(settings(lazy).expect("good").preload, Some(false));
    }

    #[test]
    fn no_processor_time_is_no_limit() {
        assert_eq!(cpu(0).expect("no limit"), None);
        assert_eq!(cpu(500).expect("a limit").map(Cpu::millis), Some(500));
        assert!(cpu(5).is_err());
    }

    #[test]
    fn the_address_is_a_path_or_a_host_name() {
        let base = "http://127.0.0.1:7070/";
        assert_eq!(
            url(&a_function("default"), base),
            "http://127.0.0.1:7070/function/hello"
        );
        assert_eq!(url(&a_function("team"), base), "http://hello.team.localhost:7070");
        assert_eq!(url(&a_function("team"), "http://[::1]"), "http://hello.team.localhost");
    }

    #[test]
    fn states_of_calls_go_there_and_back_under_their_names() {
        for state in ExecutionState::ALL {
            let sent = execution_state(state);
            assert_eq!(sent.as_str(), state.as_str());
            assert_eq!(sent.is_terminal(), state.is_terminal());
            assert_eq!(execution_state_from(sent), state);
        }
    }

    #[test]
    fn counts_of_states_nobody_is_in_are_zero() {
        let counted = counts(&[(ExecutionState::Running, 3)]);
        assert_eq!((counted.running, counted.queued), (3, 0));
    }

    #[test]
    fn an_execution_of_a_lost_function_shows_its_id() {
        let record = Execution {
            id: ExecutionId::generate(),
            function: FunctionId::generate(),
            revision: None,
            selector: Selector::Current,
            description: "d".to_owned(),
            state: ExecutionState::Queued,
            asynchronous: true,
            created_at: Timestamp::from_millis(5),
            started_at: None,
            ended_at: None,
            status: None,
            failure: None,
            message: None,
            temperature: Some(Temperature::Cold),
            timings: Timings {
                queue_us: 1,
                load_us: 2,
                run_us: 3,
                total_us: 4,
            },
        };
        let view = execution(record.clone(), Named::default());
        assert_eq!(view.function, record.function.to_string());
        assert_eq!((view.queue_us, view.load_us, view.run_us, view.total_us), (1, 2, 3, 4));
        assert_eq!(view.temperature, Some(wire::Temperature::Cold));
    }

    #[test]
    fn while_the_engine_is_away_nothing_is_known_of_images() {
        let away = version("1", "base", ImageState::Unbuilt, false);
        assert_eq!((away.state.as_str(), away.image.as_str()), ("unknown", "base"));
        let here = version("1", "base", ImageState::Present("made".to_owned()), true);
        assert_eq!((here.state.as_str(), here.image.as_str()), ("present", "made"));
    }
}
