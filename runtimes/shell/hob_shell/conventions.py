"""What a program is told of its call, and how its output becomes an answer. The same program fits all.

Source: the contract's section 12.11 for `context-event`. Upstream mixes standard error into the answer; here
it is the call's log, and its last lines are the message of a failure.
"""

import json
import os
from datetime import datetime, timezone

from hob_shim import answers, calls, event_context
from hob_shim.failures import NotJson

from . import process

_JSON_HEADERS = b'[["content-type","application/json"]]'
_ARGUMENTS = "X-Nuclio-Arguments"


def prepare_kwargs(command, _load):
    """The input as it came is standard input; standard output is JSON, or else a text."""
    command = command + _words(os.environ.pop("HOB_ARGUMENTS", ""))

    def answer(_invoke, body):
        output = process.run(command, os.environ, body)
        return 200, _JSON_HEADERS, _as_json(output if output.__class__ is bytes else _joined(output))

    return answer


def prepare_event_context(command, load):
    """The body in, the body out; of the call the environment tells what CGI programs are told."""
    command = command + _words(os.environ.pop("HOB_ARGUMENTS", ""))
    pairs = _response_headers()
    name = (load.get("function") or {}).get("name") or ""

    def answer(invoke, body):
        environment = dict(os.environ, SCRIPT_NAME=name, **_cgi(invoke))
        return event_context.finish(200, list(pairs), process.run(command, environment, body))

    return answer


def prepare_context_event(command, load):
    """The body in, the body out; of the event the environment tells, and the caller may choose arguments."""
    usual = os.environ.pop("HOB_ARGUMENTS", "")
    pairs = _response_headers()
    if not any(name.lower() == "content-type" for name, _ in pairs):
        pairs.append(("Content-Type", answers.TEXT))
    headers = answers.header_list(pairs)
    environment = dict(_of_function(load), **os.environ)

    def answer(invoke, body):
        sent = calls.headers(invoke)
        arguments = _words(sent.get(_ARGUMENTS, usual))
        return 200, headers, process.run(command + arguments, dict(environment, **_of_event(invoke, sent)), body)

    return answer


def _words(text):
    return text.split(" ") if text else []


def _response_headers():
    """`HOB_RESPONSE_HEADERS`: headers of every answer, a JSON object of strings."""
    text = os.environ.pop("HOB_RESPONSE_HEADERS", "") or "{}"
    try:
        headers = json.loads(text)
        pairs = [(str(name), str(value)) for name, value in headers.items()]
    except (ValueError, AttributeError):
        raise ValueError("HOB_RESPONSE_HEADERS is %r; it must be a JSON object" % text) from None
    answers.header_list(pairs)
    return pairs


def _joined(stream):
    return stream.first + b"".join(stream.rest)


def _as_json(output):
    """Output that is JSON as it is, any other as a JSON string without its last line ends; nothing is null."""
    try:
        text = output.decode()
    except UnicodeDecodeError:
        raise NotJson("the program's output is not UTF-8 text; encode it, e.g. with `base64`") from None
    if not text.strip():
        return b"null"
    try:
        json.loads(text, parse_constant=_refuse)
        return text.strip().encode()
    except (ValueError, RecursionError):
        return json.dumps(text.rstrip("\n"), ensure_ascii=False).encode()


def _refuse(constant):
    raise ValueError("%s is no JSON" % constant)


def _cgi(invoke):
    """The variables of CGI/1.1. Not the header `Proxy`: programs take HTTP_PROXY for a setting."""
    headers = calls.headers(invoke)
    told = {"HTTP_" + _variable(name): _clean(value) for name, value in headers.items() if name != "Proxy"}
    told.update(
        GATEWAY_INTERFACE="CGI/1.1", SERVER_PROTOCOL="HTTP/1.1", SERVER_SOFTWARE="hob",
        REQUEST_METHOD=_clean(invoke.get("method") or "GET"), PATH_INFO=_clean(calls.path(invoke)),
        QUERY_STRING=_clean(invoke.get("query") or ""),
        CONTENT_TYPE=told.pop("HTTP_CONTENT_TYPE", ""), CONTENT_LENGTH=told.pop("HTTP_CONTENT_LENGTH", ""))
    return told


def _variable(name):
    return "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in name.upper())


def _of_function(load):
    """As in other languages: what the user's environment says of these goes first."""
    about = load.get("function") or {}
    version = about.get("version")
    return {"NUCLIO_FUNCTION_NAME": about.get("name") or "", "NUCLIO_FUNCTION_HANDLER": load["entry"],
            "NUCLIO_FUNCTION_VERSION": str(version) if version else "latest", "NUCLIO_FUNCTION_DESCRIPTION": ""}


def _of_event(invoke, headers):
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event = {"ID": invoke.get("id") or "", "CONTENT_TYPE": headers.get("Content-Type", ""), "TIMESTAMP": now,
             "PATH": calls.path(invoke), "URL": "", "METHOD": invoke.get("method") or "", "SHARD_ID": "0",
             "NUM_SHARDS": "0", "TYPE": "", "TYPE_VERSION": "", "VERSION": ""}
    told = {"NUCLIO_EVENT_" + name: _clean(value) for name, value in event.items()}
    return dict(told, NUCLIO_TRIGGER_CLASS="sync", NUCLIO_TRIGGER_KIND=_clean(calls.trigger(invoke)[0]))


def _clean(text):
    """No variable can hold a NUL."""
    return text.replace("\0", "")


CONVENTIONS = {
    "kwargs": prepare_kwargs,
    "event-context": prepare_event_context,
    "context-event": prepare_context_event,
}
