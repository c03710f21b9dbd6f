//! What can be typed after `hob jobs`. Reads words into values; does nothing with them.

use super::args::{SelectArgs, millis};
use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// Make a job and print its id
    Create(Box<JobsCreateArgs>),
    /// List jobs
    List {
        /// Only jobs of this function
        function: Option<String>,
    },
    /// Show one job
    Show {
        /// The job's id, or its name where only one has it
        job: String,
    },
    /// Show when a job is due next, in UTC and in its time zone
    Next {
        /// The job's id, or its name where only one has it
        job: String,
        /// How many times
        #[arg(long, value_name = "N", default_value_t = 5)]
        count: u32,
    },
    /// Fire a job now, apart from its schedule
    Fire {
        /// The job's id, or its name where only one has it
        job: String,
    },
    /// Stop a job from firing until it is resumed
    Pause {
        /// The job's id, or its name where only one has it
        job: String,
    },
    /// Let a paused or mended job fire again
    Resume {
        /// The job's id, or its name where only one has it
        job: String,
    },
    /// End a job for good, but keep it to be looked at
    Cancel {
        /// The job's id, or its name where only one has it
        job: String,
    },
    /// Remove jobs; the calls they made stay
    Rm {
        /// Their ids, or their names where only one has it
        #[arg(required = true)]
        jobs: Vec<String>,
    },
}

#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("when").required(true).args(["cron", "every", "at"]),
    override_usage = "hob jobs create [OPTIONS] FUNCTION --cron PATTERN|--every TIME|--at TIME"
)]
pub(crate) struct JobsCreateArgs {
    /// The function to call
    pub(crate) function: String,
    /// What to call the job
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// A cron pattern: five fields, six with seconds first, or a word such as @hourly
    #[arg(long, value_name = "PATTERN")]
    pub(crate) cron: Option<String>,
    /// An interval: 500ms, 30s, 5m, 1h30m
    #[arg(long, value_name = "TIME", value_parser = millis)]
    pub(crate) every: Option<u32>,
    /// One moment: 2026-01-31T03:00:00Z, or 2026-01-31T03:00 in the time zone
    #[arg(long, value_name = "MOMENT")]
    pub(crate) at: Option<String>,
    /// The time zone of the pattern and of moments without an offset [default: UTC]
    #[arg(long, value_name = "AREA/CITY")]
    pub(crate) tz: Option<String>,
    /// Not due before this moment
    #[arg(long, value_name = "MOMENT", conflicts_with = "at")]
    pub(crate) first_at: Option<String>,
    /// How often it fires [default: without end]
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u32>,
    /// What to do about times that pass while the daemon is away [default: skip; with --at: once]
    #[arg(long)]
    pub(crate) missed: Option<MissedChoice>,
    /// What to do when it is due and its last call still runs [default: allow]
    #[arg(long)]
    pub(crate) overlap: Option<OverlapChoice>,
    /// The input: JSON, @FILE, or - for standard input
    #[arg(short, long, value_name = "JSON|@FILE|-", allow_negative_numbers = true)]
    pub(crate) data: Option<String>,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
}

/// What to do about times that pass while the daemon is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MissedChoice {
    /// Nothing.
    Skip,
    /// Fire once, however many there were.
    Once,
}

/// What to do when a job is due and its last call still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OverlapChoice {
    /// Fire all the same.
    Allow,
    /// Leave this time out.
    Skip,
}
