//! Revisions: their SQL and their rows, and what building them left. The reconciler's work list is here too.

use super::annotations::{Annotation, Subject, attach};
use super::base::{read_base, write_base};
use super::cors::{read_cors, write_cors};
use super::secrets::{read_secrets, read_variables, unwritable, write_secrets, write_variables};
use super::{Error, Store, function, row};
use crate::domain::{
    Base, Code, Concurrency, Convention, Cors, Cpu, Digest, Function, FunctionId, FunctionName, Intake, Limits, Memory,
    Namespace, Network, Revision, RevisionId, RevisionState, RuntimeRef, Scale, Secrets, Start, Timeout, Timestamp,
    Variables,
};
use rusqlite::{Connection, Row, named_params};
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

const COLUMNS: &str =
    "id, function, number, family, version, entry, convention, code, image, runtime_image, base, build_commands,
    command, arguments, notice, env, secrets, inherited, memory_mib, timeout_ms, concurrency, min_workers, max_workers, network, cpu_millis, wait_ms, body_bytes, closed, secure_only, cors, state, failure,
    created_at_ms";

/// A revision to be: the store gives it its number, and it begins as pending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRevision {
    /// Its identity.
    pub id: RevisionId,
    /// What it runs on.
    pub runtime: RuntimeRef,
    /// Where the user's code begins.
    pub entry: String,
    /// How it is called.
    pub convention: Convention,
    /// What it is made of.
    pub code: Code,
    /// The image its workers run in place of the runtime's own.
    pub runtime_image: Option<String>,
    /// The image of the user's that the runtime's shim is put onto.
    pub base: Option<Base>,
    /// The user's own build commands.
    pub build_commands: Vec<String>,
    /// How the image that it is made of is started.
    pub start: Start,
    /// Environment variables of the user.
    pub env: BTreeMap<String, String>,
    /// Environment variables that nobody is shown.
    pub secrets: Secrets,
    /// What its namespace gives it.
    pub inherited: Variables,
    /// What it may use.
    pub limits: Limits,
    /// Which pages of other origins may call it.
    pub cors: Option<Cors>,
}

/// What building a revision left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// The image to carry elsewhere, where one was made.
    pub image: Option<String>,
    /// The image its workers run, where it needs one of its own.
    pub worker_image: Option<String>,
    /// What the build said.
    pub log: String,
}

impl Store {
    /// Writes a revision down, to be brought on by the reconciler.
    ///
    /// # Errors
    /// `NotFound` when the function is gone.
    pub async fn create_revision(
        &self,
        function: FunctionId,
        new: NewRevision,
        now: Timestamp,
    ) -> Result<Revision, Error> {
        self.write("create a revision", move |c| insert(c, function, new, now))
            .await
    }

    /// Writes a deploy down as one: the function, unless it is there, its next revision, and what a dialect attaches
    /// to the function.
    ///
    /// # Errors
    /// When the database cannot be written; neither is there then.
    pub async fn deploy(
        &self,
        namespace: &Namespace,
        name: &FunctionName,
        now: Timestamp,
        new: NewRevision,
        annotation: Option<Annotation>,
    ) -> Result<(Function, Revision), Error> {
        let (namespace, name) = (namespace.clone(), name.clone());
        self.write("deploy a function", move |c| {
            let function = function::find_or_create(c, &namespace, &name, now)?;
            let revision = insert(c, function.id, new, now)?;
            attach_to(c, function.id, annotation)?;
            Ok((function, revision))
        })
        .await
    }

    /// Writes a function down that must not be there yet, with its first revision and what a dialect attaches to it.
    ///
    /// # Errors
    /// `Duplicate` when the namespace has a function of that name; nothing is there then.
    pub async fn create_deployed(
        &self,
        function: Function,
        new: NewRevision,
        annotation: Option<Annotation>,
    ) -> Result<(Function, Revision), Error> {
        self.write("create a function", move |c| {
            function::insert(c, &function)?;
            let revision = insert(c, function.id, new, function.created_at)?;
            attach_to(c, function.id, annotation)?;
            Ok((function, revision))
        })
        .await
    }

    /// Writes the next revision of a function down, and what a dialect attaches to the function in place of what it had.
    ///
    /// # Errors
    /// `NotFound` when the function is gone.
    pub async fn redeploy(
        &self,
        id: FunctionId,
        now: Timestamp,
        new: NewRevision,
        annotation: Option<Annotation>,
    ) -> Result<(Function, Revision), Error> {
        self.write("deploy a function again", move |c| {
            let revision = insert(c, id, new, now)?;
            attach_to(c, id, annotation)?;
            let function = function::get(c, id)?.ok_or_else(|| Error::not_found("function", id))?;
            Ok((function, revision))
        })
        .await
    }

    /// The revision of that identity, if there is one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn revision(&self, id: RevisionId) -> Result<Option<Revision>, Error> {
        let sql = format!("select {COLUMNS} from revision where id = :id");
        self.read("read a revision", move |c| {
            row::maybe(c, &sql, named_params! {":id": id.as_bytes()}, read)
        })
        .await
    }

    /// A function's revisions. Order: by number, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_revisions(&self, function: FunctionId) -> Result<Vec<Revision>, Error> {
        self.read("list revisions", move |c| revisions_of(c, function)).await
    }

    /// A function with its revisions, as they were at one moment: what becomes ready meanwhile is ready in both or in
    /// neither. Order of the revisions: by number, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn function_with_revisions(&self, id: FunctionId) -> Result<Option<(Function, Vec<Revision>)>, Error> {
        self.read("read a function and its revisions", move |c| {
            let moment = c.unchecked_transaction()?;
            let Some(function) = function::get(&moment, id)? else {
                return Ok(None);
            };
            Ok(Some((function, revisions_of(&moment, id)?)))
        })
        .await
    }

    /// What the reconciler has to bring on. Order: oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn pending_revisions(&self) -> Result<Vec<Revision>, Error> {
        let sql = format!("select {COLUMNS} from revision where state = 'pending' order by id");
        self.read("list pending revisions", move |c| row::all(c, &sql, [], read))
            .await
    }

    /// Marks a revision able to serve, and lets it serve unless a newer one does.
    /// Returns the revision it replaced, for draining; `None` when it replaced none.
    ///
    /// # Errors
    /// `NotFound` when the revision is gone.
    pub async fn mark_ready(&self, id: RevisionId, now: Timestamp) -> Result<Option<RevisionId>, Error> {
        self.write("mark a revision ready", move |c| {
            set_ready(c, id)?;
            promote(c, id, now)
        })
        .await
    }

    /// Marks a revision that cannot serve, with the reason. `false` when it serves already, or is gone.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn mark_failed(&self, id: RevisionId, reason: String) -> Result<bool, Error> {
        self.write("mark a revision failed", move |c| {
            let sql = "update revision set state = 'failed', failure = :reason
                       where id = :id and state <> 'ready'";
            let params = named_params! {":id": id.as_bytes(), ":reason": reason};
            Ok(row::change(c, sql, params)? > 0)
        })
        .await
    }

    /// Removes a revision; `false` when there was none. Its number is not given again, and a function it served has no current one then.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn delete_revision(&self, id: RevisionId) -> Result<bool, Error> {
        self.write("delete a revision", move |c| {
            let sql = "delete from revision where id = :id";
            Ok(row::change(c, sql, named_params! {":id": id.as_bytes()})? > 0)
        })
        .await
    }

    /// Settles what a pending revision runs on, and what its user should know of it. `false` when it is not pending.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn settle_runtime(&self, id: RevisionId, runtime: RuntimeRef, notice: String) -> Result<bool, Error> {
        self.write("settle a revision's runtime", move |c| {
            let sql = "update revision set family = :family, version = :version, notice = :notice
                       where id = :id and state = 'pending'";
            let params = named_params! {
                ":id": id.as_bytes(), ":family": runtime.family, ":version": runtime.version, ":notice": notice,
            };
            Ok(row::change(c, sql, params)? > 0)
        })
        .await
    }

    /// Keeps what building a revision left, in place of what an earlier try left.
    ///
    /// # Errors
    /// `NotFound` when the revision is gone.
    pub async fn set_build(
        &self,
        revision: RevisionId,
        worker_image: Option<String>,
        log: String,
    ) -> Result<(), Error> {
        self.write("keep a build", move |c| {
            let sql = "insert into build (revision, worker_image, log) values (:revision, :image, :log)
                       on conflict do update set worker_image = excluded.worker_image, log = excluded.log";
            let params = named_params! {":revision": revision.as_bytes(), ":image": worker_image, ":log": log};
            row::change(c, sql, params)?;
            Ok(())
        })
        .await
    }

    /// Notes the image to carry elsewhere.
    ///
    /// # Errors
    /// `NotFound` when the revision is gone.
    pub async fn set_image(&self, revision: RevisionId, image: String) -> Result<(), Error> {
        self.write("keep an image's name", move |c| {
            let sql = "insert into build (revision, image, log) values (:revision, :image, '')
                       on conflict do update set image = excluded.image";
            row::change(
                c,
                sql,
                named_params! {":revision": revision.as_bytes(), ":image": image},
            )?;
            Ok(())
        })
        .await
    }

    /// The images that revisions refer to which serve or are about to: what cleaning must leave.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn live_images(&self) -> Result<HashSet<String>, Error> {
        let sql = "with live as (
                select revision.id from revision join function on function.id = revision.function
                where revision.state = 'pending' or function.current = revision.id
                   or exists (select 1 from version where version.revision = revision.id))
            select image as name from build join live on live.id = build.revision where image is not null
            union select worker_image from build join live on live.id = build.revision where worker_image is not null";
        let names = self.read("list images in use", move |c| row::all(c, sql, [], |r| r.get(0)));
        Ok(names.await?.into_iter().collect())
    }

    /// What building a revision left, if it was built.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn build(&self, revision: RevisionId) -> Result<Option<Build>, Error> {
        self.read("read a build", move |c| {
            let sql = "select image, worker_image, log from build where revision = :revision";
            let key = named_params! {":revision": revision.as_bytes()};
            row::maybe(c, sql, key, |r| {
                Ok(Build {
                    image: r.get("image")?,
                    worker_image: r.get("worker_image")?,
                    log: r.get("log")?,
                })
            })
        })
        .await
    }

    /// The code packages that revisions refer to: what [`super::Blobs::sweep`] must leave.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn live_digests(&self) -> Result<HashSet<Digest>, Error> {
        let sql = "select distinct code from revision where image is null";
        let digests = self.read("list code packages", move |c| row::all(c, sql, [], digest));
        Ok(digests.await?.into_iter().collect())
    }
}

fn revisions_of(connection: &Connection, function: FunctionId) -> rusqlite::Result<Vec<Revision>> {
    let sql = format!("select {COLUMNS} from revision where function = :function order by number desc");
    row::all(connection, &sql, named_params! {":function": function.as_bytes()}, read)
}

fn attach_to(c: &Connection, function: FunctionId, annotation: Option<Annotation>) -> rusqlite::Result<()> {
    annotation.map_or(Ok(()), |text| attach(c, Subject::Function(function), &text))
}

fn insert(connection: &Connection, function: FunctionId, new: NewRevision, now: Timestamp) -> Result<Revision, Error> {
    let revision = Revision {
        id: new.id,
        function,
        number: next_number(connection, function, now)?,
        runtime: new.runtime,
        entry: new.entry,
        convention: new.convention,
        code: new.code,
        runtime_image: new.runtime_image,
        base: new.base,
        build_commands: new.build_commands,
        start: new.start,
        notice: None,
        env: new.env,
        secrets: new.secrets,
        inherited: new.inherited,
        limits: new.limits,
        cors: new.cors,
        state: RevisionState::Pending,
        created_at: now,
    };
    write(connection, &revision)?;
    Ok(revision)
}

fn next_number(c: &Connection, function: FunctionId, now: Timestamp) -> Result<u32, Error> {
    let sql = "update function set last_number = last_number + 1, updated_at_ms = :now
               where id = :id returning last_number";
    let params = named_params! {":id": function.as_bytes(), ":now": now.as_millis()};
    row::maybe(c, sql, params, |r| r.get(0))?.ok_or_else(|| Error::not_found("function", function))
}

fn write(connection: &Connection, revision: &Revision) -> rusqlite::Result<()> {
    let sql = "insert into revision (id, function, number, family, version, entry, convention,
                   code, image, runtime_image, base, build_commands, command, arguments, env, secrets, inherited, memory_mib, timeout_ms,
                   concurrency, min_workers, max_workers, network, cpu_millis, wait_ms, body_bytes, closed, secure_only, cors, state, created_at_ms)
               values (:id, :function, :number, :family, :version, :entry, :convention,
                   :code, :image, :runtime_image, :base, :build_commands, :command, :arguments, :env, :secrets, :inherited, :memory, :timeout,
                   :concurrency, :min, :max, :network, :cpu, :wait, :body, :closed, :secure_only, :cors, 'pending', :created_at)";
    let env = serde_json::to_string(&revision.env).map_err(unwritable)?;
    let words = |words: &[String]| serde_json::to_string(words).map_err(unwritable);
    let limits = &revision.limits;
    let params = named_params! {
        ":id": revision.id.as_bytes(),
        ":function": revision.function.as_bytes(),
        ":number": revision.number,
        ":family": revision.runtime.family,
        ":version": revision.runtime.version,
        ":entry": revision.entry,
        ":convention": revision.convention.as_str(),
        ":code": revision.code.digest().map_or("", Digest::as_str),
        ":image": revision.code.image(),
        ":runtime_image": revision.runtime_image,
        ":base": revision.base.as_ref().map(write_base).transpose()?,
        ":build_commands": words(&revision.build_commands)?,
        ":command": words(revision.start.command())?,
        ":arguments": words(revision.start.arguments())?,
        ":env": env,
        ":secrets": write_secrets(&revision.secrets)?,
        ":inherited": write_variables(&revision.inherited)?,
        ":memory": limits.memory.mib(),
        ":timeout": limits.timeout.millis(),
        ":concurrency": limits.concurrency.get(),
        ":min": limits.scale.min(),
        ":max": limits.scale.max(),
        ":network": network_name(limits.network),
        ":cpu": limits.cpu.map(Cpu::millis),
        ":wait": limits.intake.wait.map(|wait| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)),
        ":body": limits.intake.body.map(|body| i64::try_from(body).unwrap_or(i64::MAX)),
        ":closed": limits.intake.closed,
        ":secure_only": limits.intake.secure_only,
        ":cors": revision.cors.as_ref().map(write_cors).transpose()?,
        ":created_at": revision.created_at.as_millis(),
    };
    row::change(connection, sql, params).map(drop)
}

fn set_ready(connection: &Connection, id: RevisionId) -> Result<(), Error> {
    let sql = "update revision set state = 'ready', failure = null where id = :id";
    if row::change(connection, sql, named_params! {":id": id.as_bytes()})? == 0 {
        return Err(Error::not_found("revision", id));
    }
    Ok(())
}

fn promote(c: &Connection, id: RevisionId, now: Timestamp) -> Result<Option<RevisionId>, Error> {
    let older = "select function.id, function.current from function
        join revision on revision.function = function.id
        left join revision as serving on serving.id = function.current
        where revision.id = :id and revision.number > coalesce(serving.number, 0)";
    let key = named_params! {":id": id.as_bytes()};
    let found = row::maybe(c, older, key, |r| {
        let function = row::id(r, "id", FunctionId::from_bytes)?;
        Ok((function, row::maybe_id(r, "current", RevisionId::from_bytes)?))
    })?;
    let Some((function, previous)) = found else {
        return Ok(None);
    };
    let sql = "update function set current = :current, updated_at_ms = :now where id = :id";
    let params = named_params! {":id": function.as_bytes(), ":current": id.as_bytes(), ":now": now.as_millis()};
    row::change(c, sql, params)?;
    Ok(previous)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Revision> {
    Ok(Revision {
        id: row::id(row, "id", RevisionId::from_bytes)?,
        function: row::id(row, "function", FunctionId::from_bytes)?,
        number: row.get("number")?,
        runtime: RuntimeRef {
            family: row.get("family")?,
            version: row.get("version")?,
        },
        entry: row.get("entry")?,
        convention: row::checked(row, "convention", |t: String| Convention::parse(&t))?,
        code: code(row)?,
        runtime_image: row.get("runtime_image")?,
        base: row::checked(row, "base", |t: Option<String>| t.as_deref().map(read_base).transpose())?,
        build_commands: row::checked(row, "build_commands", |t: String| serde_json::from_str(&t))?,
        start: start(row)?,
        notice: row.get("notice")?,
        env: row::checked(row, "env", |t: String| serde_json::from_str(&t))?,
        secrets: row::checked(row, "secrets", |t: String| read_secrets(&t))?,
        inherited: row::checked(row, "inherited", |t: String| read_variables(&t))?,
        limits: limits(row)?,
        cors: row::checked(row, "cors", |text: Option<String>| {
            text.as_deref().map(read_cors).transpose()
        })?,
        state: state(row)?,
        created_at: row::time(row, "created_at_ms")?,
    })
}

fn start(row: &Row<'_>) -> rusqlite::Result<Start> {
    let words = |column| row::checked(row, column, |t: String| serde_json::from_str(&t));
    Start::new(words("command")?, words("arguments")?).map_err(|e| row::bad(row, "command", e))
}

fn limits(row: &Row<'_>) -> rusqlite::Result<Limits> {
    let min = row.get("min_workers")?;
    Ok(Limits {
        memory: row::checked(row, "memory_mib", Memory::from_mib)?,
        timeout: row::checked(row, "timeout_ms", Timeout::from_millis)?,
        concurrency: row::checked(row, "concurrency", Concurrency::new)?,
        scale: row::checked(row, "max_workers", |max| Scale::new(min, max))?,
        network: row::checked(row, "network", |t: String| network(&t))?,
        cpu: row::checked(row, "cpu_millis", |millis: Option<u32>| {
            millis.map(Cpu::from_millis).transpose()
        })?,
        intake: intake(row)?,
    })
}

fn intake(row: &Row<'_>) -> rusqlite::Result<Intake> {
    let number = |column: &str| -> rusqlite::Result<Option<u64>> {
        let number: Option<i64> = row.get(column)?;
        Ok(number.map(|number| u64::try_from(number).unwrap_or_default()))
    };
    Ok(Intake {
        wait: number("wait_ms")?.map(Duration::from_millis),
        body: number("body_bytes")?,
        closed: row.get("closed")?,
        secure_only: row.get("secure_only")?,
    })
}

fn state(row: &Row<'_>) -> rusqlite::Result<RevisionState> {
    let failure: Option<String> = row.get("failure")?;
    row::checked(row, "state", |t: String| match t.as_str() {
        "pending" => Ok(RevisionState::Pending),
        "ready" => Ok(RevisionState::Ready),
        "failed" => Ok(RevisionState::Failed(failure.unwrap_or_default())),
        _ => Err(format!("no such state of a revision: {t}")),
    })
}

fn code(row: &Row<'_>) -> rusqlite::Result<Code> {
    match row.get("image")? {
        Some(image) => Ok(Code::Image(image)),
        None => digest(row).map(Code::Package),
    }
}

fn digest(row: &Row<'_>) -> rusqlite::Result<Digest> {
    row::checked(row, "code", |t: String| Digest::parse(&t))
}

fn network_name(network: Network) -> &'static str {
    match network {
        Network::Outbound => "outbound",
        Network::None => "none",
    }
}

fn network(text: &str) -> Result<Network, String> {
    match text {
        "outbound" => Ok(Network::Outbound),
        "none" => Ok(Network::None),
        _ => Err(format!("no such network: {text}")),
    }
}
