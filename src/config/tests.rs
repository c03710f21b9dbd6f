//! How layers fall on each other and what is refused, through the room's public face.

use super::*;
use std::time::Duration;

const HOME: (&str, &str) = ("HOME", "/home/ann");

fn with_environment(pairs: &[(&str, &str)]) -> Result<Config, Error> {
    let pairs = pairs.iter().copied().chain([HOME]);
    Config::load(&Environment::from_pairs(pairs), &Flags::default())
}

fn with_file(text: &str, pairs: &[(&str, &str)]) -> Result<Config, Error> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("my.toml");
    std::fs::write(&path, text).unwrap();
    let environment = Environment::from_pairs(pairs.iter().copied().chain([HOME]));
    let flags = Flags {
        config: Some(path),
        ..Flags::default()
    };
    Config::load(&environment, &flags)
}

fn check_refused(given: Result<Config, Error>, words: &[&str]) {
    let message = given.expect_err("it should be refused").to_string();
    for word in words {
        assert!(message.contains(word), "`{word}` is missing in: {message}");
    }
}

#[test]
fn the_defaults_alone_are_valid() {
    let config = with_environment(&[]).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:7070");
    assert_eq!(config.server.data_dir.to_str(), Some("/home/ann/.local/state/hob"));
    assert_eq!(config.server.body_limit, 64 * 1024 * 1024);
    assert_eq!(config.pool.memory_budget, None);
    assert_eq!(config.pool.deadline_grace, Duration::from_secs(1));
    assert_eq!(config.records.keep, Duration::from_secs(7 * 86_400));
    assert_eq!(config.records.durability, Durability::Full);
    assert!(config.access.token.is_none() && config.records.enabled && config.build.function_images);
}

#[test]
fn builds_reach_what_they_may_and_nothing_that_is_the_hosts() {
    let network = |name: &str| with_environment(&[("HOB_BUILD_NETWORK", name)]);
    assert_eq!(network("default").unwrap().build.network, None);
    assert_eq!(network("none").unwrap().build.network.as_deref(), Some("none"));
    assert_eq!(network("office_1").unwrap().build.network.as_deref(), Some("office_1"));
    for name in ["host", "container:x", "a b"] {
        check_refused(network(name), &["build.network", "default"]);
    }
}

#[test]
fn workers_join_networks_and_nothing_else_that_the_engine_takes() {
    let join = |names: &str| with_environment(&[("HOB_ENGINE_JOIN_NETWORKS", names)]);
    assert_eq!(
        join("auto, shop_default").unwrap().engine.join_networks,
        ["auto", "shop_default"]
    );
    assert!(
        with_file("[engine]\njoin_networks = []", &[])
            .unwrap()
            .engine
            .join_networks
            .is_empty()
    );
    for name in ["host", "container:x", "a/b", "-a"] {
        check_refused(join(name), &["engine.join_networks", "auto"]);
    }
}

#[test]
fn every_key_of_the_defaults_is_read() {
    let environment = Environment::from_pairs([HOME]);
    let layers = layers::Layers::read(&environment, &Flags::default()).unwrap();
    let mut reader = reader::Reader::new(&layers);
    settings::read(&mut reader, &environment).unwrap();
    let forgotten: Vec<_> = layers.keys().filter(|key| !reader.seen.contains(*key)).collect();
    assert!(
        forgotten.is_empty(),
        "in config.toml, but nobody reads them: {forgotten:?}"
    );
}

#[test]
fn every_key_of_the_defaults_has_a_comment() {
    let lines: Vec<&str> = DEFAULTS.lines().collect();
    for pair in lines
        .windows(2)
        .filter(|pair| pair[1].contains(" = ") && !pair[1].starts_with('#'))
    {
        assert!(pair[0].starts_with('#'), "no comment above: {}", pair[1]);
    }
}

#[test]
fn flags_beat_environment_beats_file_beats_defaults() {
    let file = "[server]\nlisten = '127.0.0.1:1'\n[pool]\nidle_seconds = 1\nqueue_bound = 1\n";
    let config = with_file(file, &[("HOB_POOL_IDLE_SECONDS", "2")]).unwrap();
    assert_eq!(config.server.listen.port(), 1);
    assert_eq!(config.pool.idle, Duration::from_secs(2));
    assert_eq!(config.pool.queue_bound, 1);
    assert_eq!(config.pool.start_concurrency, 2);

    let environment = Environment::from_pairs([("HOB_LISTEN", "127.0.0.1:2"), ("HOB_DATA_DIR", "/d")]);
    let flags = Flags {
        listen: Some("localhost:3".into()),
        offline: true,
        ..Flags::default()
    };
    let config = Config::load(&environment, &flags).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:3");
    assert_eq!(config.server.data_dir.to_str(), Some("/d"));
    assert_eq!((config.engine.offline, config.engine.pull), (true, Pull::Never));
}

#[test]
fn the_file_can_be_named_by_the_environment() {
    let missing = with_environment(&[("HOB_CONFIG", "/nowhere/my.toml")]);
    check_refused(missing, &["/nowhere/my.toml", "HOB_CONFIG"]);
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    check_refused(
        with_file("[pool]\nidle_secs = 1", &[]),
        &["`pool.idle_secs`", "my.toml", "`pool.idle_seconds`"],
    );
    check_refused(with_file("[pol]\nidle_seconds = 1", &[]), &["`[pol]`", "`[pool]`"]);
    check_refused(with_file("listen = 'x'", &[]), &["`listen`", "`server.listen`"]);
    check_refused(with_file("[server]\nidle_seconds = 1", &[]), &["`pool.idle_seconds`"]);
    check_refused(
        with_environment(&[("HOB_POOL_IDLE", "1")]),
        &["variable HOB_POOL_IDLE", "`HOB_POOL_IDLE_SECONDS`"],
    );
    check_refused(
        with_environment(&[("HOB_WEATHER", "1")]),
        &["HOB_WEATHER", "config.toml"],
    );
}

#[test]
fn variables_of_the_client_and_of_others_are_left_alone() {
    let others = [
        ("HOB_URL", "x"),
        ("HOB_OUTPUT", "json"),
        ("HOB_TEST_DOCKER", "1"),
        ("HOBBY_ROOM", "1"),
    ];
    assert!(with_environment(&others).is_ok());
}

#[test]
fn a_wrong_type_names_key_value_and_place() {
    check_refused(
        with_environment(&[("HOB_POOL_QUEUE_BOUND", "many")]),
        &["`pool.queue_bound`", "many", "HOB_POOL_QUEUE_BOUND", "whole number"],
    );
    check_refused(
        with_file("[engine]\noffline = 'yes'", &[]),
        &["`engine.offline`", "yes", "true or false"],
    );
    check_refused(
        with_file("[server]\nallowed_hosts = [1]", &[]),
        &["`server.allowed_hosts`", "texts"],
    );
    check_refused(with_file("[pool]\nidle_seconds = [", &[]), &["my.toml", "line 2"]);
}

#[test]
fn a_value_out_of_range_names_the_range() {
    check_refused(
        with_environment(&[("HOB_POOL_IDLE_SECONDS", "0")]),
        &[
            "`pool.idle_seconds` is 0",
            "HOB_POOL_IDLE_SECONDS",
            "1 to 86400 seconds",
        ],
    );
    check_refused(
        with_environment(&[("HOB_POOL_PREWARM", "-1")]),
        &["-1", "0 to 100 workers"],
    );
    check_refused(
        with_environment(&[("HOB_FUNCTION_MIN_WORKERS", "5")]),
        &["0 to 4", "function.max_workers"],
    );
    check_refused(
        with_environment(&[("HOB_FUNCTION_TIMEOUT_SECONDS", "901")]),
        &["1 to 900"],
    );
    check_refused(
        with_environment(&[("HOB_ENGINE_PULL", "always")]),
        &["\"missing\" or \"never\""],
    );
    check_refused(
        with_environment(&[("HOB_LISTEN", "7070")]),
        &["127.0.0.1:7070", "HOB_LISTEN"],
    );
}

#[test]
fn a_token_and_who_needs_one_are_read_together() {
    check_refused(
        with_environment(&[("HOB_ACCESS_INGRESS", "never")]),
        &["\"auto\" or \"token\" or \"open\"", "HOB_ACCESS_INGRESS"],
    );
    let open = [("HOB_LISTEN", "[::]:0"), ("HOB_ACCESS_TOKEN", "correct-horse")];
    assert_eq!(
        with_environment(&open).unwrap().access.token.as_deref(),
        Some("correct-horse")
    );
    let ingress = [("HOB_ACCESS_INGRESS", "token")];
    assert_eq!(with_environment(&ingress).unwrap().access.ingress, IngressAccess::Token);
}

#[test]
fn secrets_are_shown_in_no_message() {
    for refused in [
        with_environment(&[("HOB_ACCESS_TOKEN", "s3cr3t")]),
        with_file("[access]\ntoken = ['s3cr3t']", &[]),
        with_file("[access]\ntoken = 's3cr3t", &[]),
        with_environment(&[("HOB_BUILD_ENVIRONMENT", "{ A = 's3cr3t', B = 1 }")]),
    ] {
        let error = refused.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error:?}");
    }
    let pairs = [
        ("HOB_ACCESS_TOKEN", "s3cr3t-s3cr3t"),
        ("HOB_BUILD_ENVIRONMENT", "{ A = 's3cr3t' }"),
    ];
    let config = with_environment(&pairs).unwrap();
    assert_eq!(config.build.environment.iter().collect::<Vec<_>>(), [("A", "s3cr3t")]);
    assert!(!format!("{config:?}").contains("s3cr3t"));
}

#[test]
fn lists_and_tables_fit_into_a_variable() {
    let config = with_environment(&[("HOB_SERVER_ALLOWED_HOSTS", "Hob.lan, box")]).unwrap();
    assert_eq!(config.server.allowed_hosts, ["hob.lan", "box"]);
    let config = with_file("[server]\nallowed_origins = ['http://Localhost:3000/']", &[]).unwrap();
    assert_eq!(config.server.allowed_origins, ["http://localhost:3000"]);
}

#[test]
fn a_runtimes_own_number_of_prewarmed_workers_gives_way_to_a_setting() {
    let usual = with_environment(&[]).unwrap().pool.prewarm;
    assert_eq!([usual.for_runtime(None), usual.for_runtime(Some(3))], [1, 3]);
    let set = with_environment(&[("HOB_POOL_PREWARM", "0")]).unwrap().pool.prewarm;
    assert_eq!(set.for_runtime(Some(3)), 0);
}

#[test]
fn without_a_home_the_data_directory_must_be_said() {
    let nothing = Environment::default();
    check_refused(Config::load(&nothing, &Flags::default()), &["--data-dir"]);
    let flags = Flags {
        data_dir: Some("/d".into()),
        ..Flags::default()
    };
    assert!(Config::load(&nothing, &flags).is_ok());
}
