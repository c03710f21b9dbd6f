//! What the program says about itself: completions, the manual, help that fits.

use crate::terminal::{program, run};
use std::process::Command;

fn hob() -> Command {
    program("http://127.0.0.1:1")
}

#[tokio::test]
async fn each_shell_gets_a_completion_that_knows_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(hob(), &["completion", shell], b"").await.ok();
        for word in ["doctor", "replay", "webhook", "--follow"] {
            let known = ran.out.contains(word) || ran.out.contains(word.trim_start_matches("--"));
            assert!(known, "{word} for {shell}");
        }
    }
}

/// The script is run by the shell itself where it is here.
#[tokio::test]
async fn the_completion_completes() {
    let script = run(hob(), &["completion", "bash"], b"").await.ok().out;
    let probe = format!("{script}\nCOMP_WORDS=(hob ru); COMP_CWORD=1; _hob hob ru hob; echo \"${{COMPREPLY[*]}}\"\n");
    let ran = run(Command::new("bash"), &["--norc", "-s"], probe.as_bytes())
        .await
        .ok();
    assert!(ran.out.contains("runs") && ran.out.contains("runtimes"), "{ran:#?}");
}

#[tokio::test]
async fn the_manual_is_one_page_or_a_page_for_each_command() {
    run(hob(), &["man"], b"").await.ok().says(".TH hob 1").says("doctor");
    let folder = tempfile::tempdir().expect("a folder");
    let pages = folder.path().join("man1");
    run(hob(), &["man", &pages.display().to_string()], b"")
        .await
        .ok()
        .tells("hob.1");
    for page in ["hob.1", "hob-invoke.1", "hob-runs-replay.1"] {
        let text = std::fs::read_to_string(pages.join(page)).expect(page);
        assert!(text.contains(".SH NAME"), "{page}");
    }
}

#[test]
fn the_unit_for_systemd_is_understood_and_closes_what_it_says() {
    let unit = crate::support::root().join("examples/server/hob.service");
    let text = std::fs::read_to_string(unit).expect("there");
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("hob.service");
    let here = text.replace("/usr/local/bin/hob", env!("CARGO_BIN_EXE_hob"));
    std::fs::write(&copy, here).expect("ours");
    let analyze = |arguments: &[&str]| {
        let mut command = std::process::Command::new("systemd-analyze");
        command.args(arguments).arg(&copy).output()
    };
    let Ok(verified) = analyze(&["verify"]) else {
        // Not by `eprintln!`, which nobody sees when a test passes.
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            b"\nnot tried: the unit for systemd, because systemd-analyze is not here\n",
        );
        return;
    };
    let said = String::from_utf8_lossy(&verified.stderr);
    let about_ours: Vec<_> = said.lines().filter(|line| line.contains("hob.service")).collect();
    assert_eq!(about_ours, Vec::<&str>::new());
    // In tenths; a unit without any of it has 96.
    let open = analyze(&["security", "--offline=true", "--threshold=20"]).expect("it was there before");
    assert!(open.status.success(), "{}", String::from_utf8_lossy(&open.stdout));
}
