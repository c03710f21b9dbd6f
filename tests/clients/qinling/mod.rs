//! The released `OpenStack` client of the Qinling API, and the acceptance checklist of its contract.
//!
//! `commands.py` and `library.py` drive the client against a daemon without tokens, `checklist.py` plain HTTP with
//! three callers. The tests in there have names of their own; here are only the daemons they run against.

use crate::helpers::{Daemon, Home, assert_nothing_left, hob};
use crate::python::Environment;
use tokio::sync::Mutex;
use tokio::task::block_in_place;

/// Both want the whole machine. The other modules run meanwhile, so what is measured here allows for them.
static MACHINE: Mutex<()> = Mutex::const_new(());

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_client_and_its_library_work() {
    let _alone = MACHINE.lock().await;
    let environment = block_in_place(|| Environment::of("qinling"));
    let daemon = Daemon::start(&Home::new()).await;
    for script in ["commands.py", "library.py"] {
        block_in_place(|| environment.run(script, &daemon, &[]));
    }
    purge(daemon, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_item_of_the_acceptance_checklist_holds() {
    let _alone = MACHINE.lock().await;
    let environment = block_in_place(|| Environment::of("qinling"));
    let daemon = Daemon::start(&Home::new()).await;
    let admin = token(&daemon, "", "operators", "admin");
    let user = token(&daemon, &admin, "users", "user");
    let other = token(&daemon, &admin, "others", "user");
    let tokens = [
        ("HOB_ADMIN_TOKEN", admin.as_str()),
        ("HOB_USER_TOKEN", &user),
        ("HOB_OTHER_TOKEN", &other),
    ];
    block_in_place(|| environment.run("checklist.py", &daemon, &tokens));
    purge(daemon, &admin).await;
}

/// Stops it; nothing of it is left.
async fn purge(mut daemon: Daemon, token: &str) {
    run(&daemon, token, &["stop", "--purge"]);
    assert!(daemon.ended().await.success(), "{}", daemon.log());
    assert!(!daemon.log().contains("could not be removed"), "{}", daemon.log());
    assert_nothing_left(&daemon.instance);
}

/// Makes a token of a role in a namespace, by somebody who has one already, or for the first by nobody.
fn token(daemon: &Daemon, by: &str, namespace: &str, role: &str) -> String {
    let create = ["token", "create", "--role", role, "--namespace", namespace];
    run(daemon, by, &create).trim().to_owned()
}

/// What a command of ours prints.
fn run(daemon: &Daemon, token: &str, arguments: &[&str]) -> String {
    let mut command = hob();
    command
        .args(arguments)
        .env("HOB_URL", format!("http://{}", daemon.address));
    if !token.is_empty() {
        command.env("HOB_TOKEN", token);
    }
    let output = block_in_place(|| command.output()).expect("it runs");
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}
