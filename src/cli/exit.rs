//! Exit codes, and which answer of the daemon leads to which. Pure.

use crate::api::native::wire::code;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Ok = 0,
    /// The function failed; of `hob doctor`: something is broken.
    Function = 1,
    /// Asked for something that cannot be.
    Usage = 2,
    /// No such function, execution or file.
    NotFound = 3,
    /// Nobody answers at the daemon's address.
    Unreachable = 4,
    /// The daemon or its engine cannot do it now.
    Engine = 5,
    /// The code could not be built or loaded.
    Build = 6,
    /// It took too long.
    Timeout = 124,
    /// Ended by the user.
    Interrupted = 130,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The exit code of an answer: its HTTP status, its error code if it has one, and who it blames (`x-error-source`).
pub(crate) fn exit_for(status: u16, code: Option<&str>, source: Option<&str>) -> Exit {
    if status < 400 {
        return Exit::Ok;
    }
    match (code, source) {
        (Some(code), _) if by_code(code).is_some() => by_code(code).unwrap_or(Exit::Engine),
        (_, Some("function")) if status == 504 => Exit::Timeout,
        (_, Some("function")) => Exit::Function,
        _ => by_status(status),
    }
}

fn by_code(code: &str) -> Option<Exit> {
    Some(match code {
        code::TIMEOUT => Exit::Timeout,
        code::BUILD_FAILED | code::LOAD => Exit::Build,
        code::NOT_FOUND => Exit::NotFound,
        code::INVALID | code::CONFLICT | code::TOO_LARGE => Exit::Usage,
        code::RAISED | code::OUT_OF_MEMORY | code::EXIT | code::SIGNAL | code::NOT_JSON | code::BAD_INPUT => {
            Exit::Function
        }
        code::NOT_READY
        | code::BUSY
        | code::NO_CAPACITY
        | code::WORKER_DIED
        | code::ENGINE
        | code::DISK_FULL
        | code::INTERNAL => Exit::Engine,
        _ => return None,
    })
}

fn by_status(status: u16) -> Exit {
    match status {
        404 | 410 => Exit::NotFound,
        408 | 504 => Exit::Timeout,
        429 | 500.. => Exit::Engine,
        _ => Exit::Usage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_its_exit_code() {
        let function = Some("function");
        let platform = Some("platform");
        for (status, code, source, expect) in [
            (200, None, None, Exit::Ok),
            (202, None, None, Exit::Ok),
            (302, None, function, Exit::Ok),
            (500, Some("raised"), function, Exit::Function),
            (500, Some("out_of_memory"), function, Exit::Function),
            (500, Some("load"), function, Exit::Build),
            (422, Some("build_failed"), platform, Exit::Build),
            (404, None, function, Exit::Function),
            (418, None, function, Exit::Function),
            (504, None, function, Exit::Timeout),
            (504, Some("timeout"), function, Exit::Timeout),
            (504, None, platform, Exit::Timeout),
            (404, Some("not_found"), platform, Exit::NotFound),
            (404, None, None, Exit::NotFound),
            (400, Some("invalid"), platform, Exit::Usage),
            (409, Some("conflict"), None, Exit::Usage),
            (413, Some("too_large"), None, Exit::Usage),
            (405, None, None, Exit::Usage),
            (429, Some("busy"), platform, Exit::Engine),
            (503, Some("no_capacity"), platform, Exit::Engine),
            (503, Some("engine"), platform, Exit::Engine),
            (502, Some("worker_died"), platform, Exit::Engine),
            (507, Some("disk_full"), platform, Exit::Engine),
            (500, None, None, Exit::Engine),
            (500, Some("a_word_from_tomorrow"), function, Exit::Function),
            (400, Some("a_word_from_tomorrow"), None, Exit::Usage),
        ] {
            let got = exit_for(status, code, source);
            assert_eq!(got, expect, "{status} {code:?} {source:?}");
        }
    }

    #[test]
    fn the_numbers_are_those_of_the_design() {
        let all = [
            Exit::Ok,
            Exit::Function,
            Exit::Usage,
            Exit::NotFound,
            Exit::Unreachable,
            Exit::Engine,
            Exit::Build,
            Exit::Timeout,
            Exit::Interrupted,
        ];
        assert_eq!(all.map(|exit| exit as u8), [0, 1, 2, 3, 4, 5, 6, 124, 130]);
    }
}
