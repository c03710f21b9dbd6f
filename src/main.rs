//! The program `hob`: the command line, and the daemon behind `hob serve`.

use hob::cli::{self, ServeArgs};
use hob::config::{self, Config, Flags};
use hob::daemon::Daemon;
use hob::telemetry;
use std::io::Write;
use std::process::ExitCode;

/// Exit code for settings that cannot work, as for wrong usage.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    cli::main(serve)
}

async fn serve(args: ServeArgs) -> ExitCode {
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(USAGE)
        }
    }
}

async fn run(args: ServeArgs) -> anyhow::Result<()> {
    let environment = config::environment();
    let flags = Flags {
        config: args.config,
        listen: args.listen,
        data_dir: args.data_dir,
        offline: args.offline,
    };
    let config = Config::load(&environment, &flags)?;
    let options = telemetry::Options {
        level: config.log.level.clone(),
        colour: !environment.no_color(),
    };
    telemetry::init(&options)?;
    let seeds = config.seed.directory.clone();
    let daemon = Daemon::build(config, &environment).await?;
    if let Some(directory) = seeds {
        cli::seed(&daemon, directory)?;
    }
    let shutdown = daemon.shutdown();
    let (mut terminate, mut interrupt) = signals()?;
    tokio::pin! { let running = daemon_running(daemon); }
    tokio::select! {
        () = &mut running => return Ok(()),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    shutdown.request();
    tokio::select! {
        () = running => Ok(()),
        // A second signal: whoever sends it does not want to wait.
        _ = terminate.recv() => Err(anyhow::anyhow!("stopped before everything was in order")),
        _ = interrupt.recv() => Err(anyhow::anyhow!("stopped before everything was in order")),
    }
}

async fn daemon_running(daemon: Daemon) {
    let mut stdout = std::io::stdout();
    // Whoever closed our output does not wait for the line.
    let _ = writeln!(stdout, "ready http://{}", daemon.address()).and_then(|()| stdout.flush());
    daemon.run().await;
}

fn signals() -> std::io::Result<(tokio::signal::unix::Signal, tokio::signal::unix::Signal)> {
    use tokio::signal::unix::{SignalKind, signal};
    Ok((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?))
}
