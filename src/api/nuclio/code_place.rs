//! The place that a configuration names for its code: a URL, a path of the daemon's machine, an archive of a repository.
//!
//! Source: the contract's section 11.1. Repositories are fetched as archives, over HTTP: no tool of theirs is needed.

use super::config::Config;
use super::fault::Fault;
use crate::app::{App, Upload};
use crate::source::SourceSpec;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};
use std::path::PathBuf;

/// Where code is, and what of it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    spot: Spot,
    /// Below this folder, with or without slashes at its ends.
    pub(super) work_dir: String,
    /// An archive of a repository has one folder that holds everything.
    pub(super) has_top_folder: bool,
    /// It must be an archive, whatever it is called.
    pub(super) is_archive: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Spot {
    Url {
        url: String,
        headers: Vec<(String, String)>,
    },
    Path(String),
}

const NO_PATH: &str = "Function path must be provided when specified runtime isn't shell";
const NO_URL: &str = "Must provide valid URL when code entry type is github or archive";

impl Place {
    /// Reads `build.path`, the type of the code and its attributes.
    ///
    /// # Errors
    /// 500, as upstream, for what is missing.
    pub(super) fn of(config: &Config) -> Result<Self, Fault> {
        let path = config.build_text("path").trim();
        let attributes = Attributes::of(config);
        let work_dir = attributes.work_dir()?;
        let plain = |spot| Self {
            spot,
            work_dir: work_dir.clone(),
            has_top_folder: false,
            is_archive: false,
        };
        match config.build_text("codeEntryType") {
            "archive" => Ok(Self {
                is_archive: true,
                ..plain(attributes.url(must_be_url(path)?.to_owned())?)
            }),
            "github" => Ok(Self {
                has_top_folder: true,
                is_archive: true,
                ..plain(attributes.url(attributes.github(must_be_url(path)?)?)?)
            }),
            "git" => Ok(Self {
                has_top_folder: true,
                is_archive: true,
                ..plain(attributes.repository(path)?)
            }),
            "s3" => Err(Fault::refused(
                "Code of entry type s3 needs an account of that service: put the archive behind a URL and use entry type archive",
            )),
            "image" | "sourceCode" | "" if is_url(path) => Ok(plain(attributes.url(path.to_owned())?)),
            _ if path.is_empty() => Err(Fault::refused(NO_PATH)),
            _ => Ok(plain(Spot::Path(path.to_owned()))),
        }
    }

    /// Fetches it.
    ///
    /// # Errors
    /// 500, as upstream, when it cannot be had.
    pub(super) async fn fetch(&self, app: &App) -> Result<Upload, Fault> {
        let spec = match &self.spot {
            Spot::Url { url, headers } => SourceSpec::Url {
                url: url.clone(),
                sha256: None,
                headers: headers.clone(),
            },
            Spot::Path(path) => SourceSpec::Directory(PathBuf::from(path)),
        };
        let failed = |error| {
            let fault = Fault::from(error);
            let what = match &self.spot {
                Spot::Url { .. } => "Failed to download file".to_owned(),
                Spot::Path(path) => format!("Function path doesn't exist: {path}"),
            };
            Fault::refused(format!("{what}. {}", fault.message))
        };
        app.fetch(spec).await.map_err(failed)
    }
}

fn is_url(path: &str) -> bool {
    path.starts_with("http://") || path.starts_with("https://")
}

fn must_be_url(path: &str) -> Result<&str, Fault> {
    is_url(path).then_some(path).ok_or_else(|| Fault::refused(NO_URL))
}

/// `build.codeEntryAttributes`.
struct Attributes<'c>(Option<&'c Map<String, Value>>);

impl<'c> Attributes<'c> {
    fn of(config: &'c Config) -> Self {
        let build = config.spec.get("build");
        Self(
            build
                .and_then(|b| b.get("codeEntryAttributes"))
                .and_then(Value::as_object),
        )
    }

    fn text(&self, key: &str) -> Option<&'c str> {
        let value = self.0?.get(key)?.as_str()?;
        (!value.is_empty()).then_some(value)
    }

    fn work_dir(&self) -> Result<String, Fault> {
        match self.0.and_then(|a| a.get("workDir")) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(Fault::bad("Work directory is expected to be string")),
        }
    }

    fn url(&self, url: String) -> Result<Spot, Fault> {
        let headers = self.0.and_then(|a| a.get("headers")).and_then(Value::as_object);
        let mut pairs = Vec::new();
        for (name, value) in headers.into_iter().flatten() {
            let value = value
                .as_str()
                .ok_or_else(|| Fault::refused(format!("The given field - '{name}' is not of type string")))?;
            if !value.is_empty() {
                pairs.push((name.clone(), value.to_owned()));
            }
        }
        Ok(Spot::Url { url, headers: pairs })
    }

    fn github(&self, repository: &str) -> Result<String, Fault> {
        let branch = self
            .text("branch")
            .ok_or_else(|| Fault::refused("If code entry type is GitHub, branch must be provided"))?;
        let (host, path) = host_and_path(repository).ok_or_else(|| Fault::refused(NO_URL))?;
        Ok(match host.as_str() {
            "github.com" => format!("https://api.github.com/repos/{path}/zipball/{branch}"),
            _ => archive_of(repository, &host, &path, branch),
        })
    }

    fn repository(&self, url: &str) -> Result<Spot, Fault> {
        if self.0.is_none() {
            return Err(Fault::refused(
                "Git code entry attributes must exist when cloning function from git",
            ));
        }
        let missing = || {
            Fault::refused(format!(
                "Repository {url} has no archives over HTTP: name it as https://HOST/PATH"
            ))
        };
        let (host, path) = host_and_path(url).ok_or_else(missing)?;
        let named = ["reference", "tag", "branch"]
            .into_iter()
            .find_map(|key| self.text(key));
        let wanted = named.ok_or_else(|| Fault::refused("Must provide one of: branch, tag or reference"))?;
        let wanted = ["refs/heads/", "refs/tags/"]
            .iter()
            .find_map(|p| wanted.strip_prefix(p))
            .unwrap_or(wanted);
        let credentials = self.text("username").zip(self.text("password"));
        let basic = credentials.map(|(user, password)| BASE64.encode(format!("{user}:{password}")));
        let headers = basic.map(|basic| ("Authorization".to_owned(), format!("Basic {basic}")));
        Ok(Spot::Url {
            url: archive_of(url, &host, &path, wanted),
            headers: headers.into_iter().collect(),
        })
    }
}

/// `github.com` and `org/repo` of `https://github.com/org/repo.git`.
fn host_and_path(url: &str) -> Option<(String, String)> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let (host, path) = rest.split_once('/')?;
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    (!path.is_empty()).then(|| (host.to_owned(), path.to_owned()))
}

/// Where the services that people use have archives of a repository.
fn archive_of(url: &str, host: &str, path: &str, wanted: &str) -> String {
    let scheme = if url.starts_with("http://") { "http" } else { "https" };
    let name = path.rsplit('/').next().unwrap_or(path);
    match host {
        "github.com" => format!("https://codeload.github.com/{path}/zip/{wanted}"),
        host if host.contains("gitlab") => format!("{scheme}://{host}/{path}/-/archive/{wanted}/{name}-{wanted}.zip"),
        "bitbucket.org" => format!("https://bitbucket.org/{path}/get/{wanted}.zip"),
        host => format!("{scheme}://{host}/{path}/archive/{wanted}.zip"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::Origin;
    use super::*;
    use serde_json::json;

    fn place(build: Value) -> Result<Place, String> {
        let config = Config::read(&json!({"spec": {"build": build}}), Origin::Json).expect("of the shape");
        Place::of(&config).map_err(|fault| fault.message)
    }

    fn url(build: Value) -> String {
        match place(build).expect("a place").spot {
            Spot::Url { url, .. } => url,
            Spot::Path(path) => panic!("{path} is no URL"),
        }
    }

    #[test]
    fn an_archive_of_the_released_client_has_no_headers_at_all() {
        let sent = json!({"codeEntryType": "archive", "path": "http://h/x.zip",
                          "codeEntryAttributes": {"headers": null, "workDir": ""}});
        let place = place(sent).expect("a place");
        assert!(place.is_archive && !place.has_top_folder && place.work_dir.is_empty());
        assert_eq!(
            place.spot,
            Spot::Url {
                url: "http://h/x.zip".to_owned(),
                headers: Vec::new()
            }
        );
    }

    #[test]
    fn repositories_are_archives() {
        let github = json!({"codeEntryType": "github", "path": "https://github.com/nuclio/nuclio",
            "codeEntryAttributes": {"headers": {"Authorization": ""}, "workDir": "/hack", "branch": "master"}});
        assert_eq!(url(github), "https://api.github.com/repos/nuclio/nuclio/zipball/master");
        for (path, wanted) in [
            ("https://github.com/o/r.git", "https://codeload.github.com/o/r/zip/v1"),
            (
                "https://gitlab.com/g/s/r",
                "https://gitlab.com/g/s/r/-/archive/v1/r-v1.zip",
            ),
            ("http://gitea.lan:3000/o/r", "http://gitea.lan:3000/o/r/archive/v1.zip"),
        ] {
            let attributes = json!({"reference": "refs/tags/v1"});
            let sent = json!({"codeEntryType": "git", "path": path, "codeEntryAttributes": attributes});
            assert_eq!(url(sent), wanted);
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        for (build, said) in [
            (json!({"codeEntryType": "archive", "path": "/x.zip"}), NO_URL),
            (
                json!({"codeEntryType": "github", "path": "https://github.com/o/r"}),
                "If code entry type is GitHub, branch must be provided",
            ),
            (
                json!({"codeEntryType": "git", "path": "https://h/o/r"}),
                "Git code entry attributes must exist when cloning function from git",
            ),
            (
                json!({"path": "/x", "codeEntryAttributes": {"workDir": 5}}),
                "Work directory is expected to be string",
            ),
            (
                json!({"codeEntryType": "archive", "path": "http://h/x", "codeEntryAttributes": {"headers": {"a": 1}}}),
                "The given field - 'a' is not of type string",
            ),
        ] {
            assert_eq!(place(build), Err(said.to_owned()));
        }
    }
}
