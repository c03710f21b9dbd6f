"""The convention `context-event`: `function(context, event)`, and `init_context(context)` once before.

Source: the contract's sections 12.1, 12.5, 12.7 and 12.8. Does not do errors: they are the daemon's.
"""

import os
import sys
from datetime import datetime, timezone

from . import answers, awaiting, bodies, calls
from .failures import NotJson
from .logger import Logger, to_json
from .nuclio import Context, Event, ExceptionWithResponse, Platform, Response, TriggerInfo

DEFAULT_ENTRY = "main:handler"
CODE_FOLDERS = ()
LIBRARIES = (__file__.rpartition("/")[0] + "/libraries",)

_JSON = "application/json"
_LOG_LEVEL = "X-Nuclio-Log-Level"
_LOGS = "X-Nuclio-Logs"
_FILE = "x-nuclio-filestream-path"
_DELETE_FILE = "x-nuclio-filestream-delete-after-send"


def prepare(function, load):
    """Wraps the function, after `init_context` of its module has run."""
    about = load.get("function") or {}
    _set_environment(load.get("entry") or DEFAULT_ENTRY, about)
    logger = Logger(os.environ.pop("HOB_LOG_LEVEL", "debug"))
    context = Context(logger, Platform(namespace=about.get("namespace") or "default"), str(load["slot"]),
                      TriggerInfo("http", "http"))
    awaiting.expect(function)
    init_context = getattr(sys.modules.get(function.__module__), "init_context", None)
    if init_context is not None:
        awaiting.settled(init_context(context))

    def answer(invoke, body):
        event = _event(invoke, body)
        context.trigger = event.trigger
        logger.collect(event.headers.get(_LOG_LEVEL))
        try:
            result = awaiting.settled(function(context, event))
        except ExceptionWithResponse as error:
            result = error
        status, content_type, headers, content = _read(result)
        return _answer(status, content_type, headers, content, logger)

    return answer


def _set_environment(entry, about):
    name, version = about.get("name") or "", about.get("version")
    for key, value in (("NUCLIO_HANDLER", entry), ("NUCLIO_FUNCTION_HANDLER", entry), ("NUCLIO_FUNCTION_NAME", name),
                       ("NUCLIO_FUNCTION_VERSION", str(version) if version else "latest"),
                       ("NUCLIO_FUNCTION_DESCRIPTION", "")):
        os.environ.setdefault(key, value)


def _event(invoke, body):
    headers = calls.headers(invoke)
    content_type = headers.get("Content-Type", "")
    return Event(
        body=_body(body, content_type), content_type=content_type, trigger=TriggerInfo(*calls.trigger(invoke)),
        fields=calls.fields(invoke), headers=headers, _id=invoke.get("id"), method=invoke.get("method"),
        path=calls.path(invoke), size=len(body), timestamp=datetime.now(timezone.utc).replace(tzinfo=None),
        url="", shard_id=0, num_shards=0, _type="", type_version="", version="", topic="")


def _body(body, content_type):
    """Bytes, unless the type is JSON to the letter.

    Quirk: `application/json; charset=utf-8` stays bytes, and functions are written for that.
    """
    if content_type == _JSON:
        import json
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            pass
    return body


def _read(result):
    """(status, content type, headers, content) of what a function has returned."""
    if isinstance(result, str):
        return 200, "text/plain", {}, result
    if isinstance(result, (dict, list)):
        return 200, _JSON, {}, to_json(result)
    if isinstance(result, tuple) and len(result) == 2:
        return _read_pair(*result)
    if _is_response(result):
        return _read_response(result)
    if awaiting.is_stream(result):
        return _read_stream(result)
    return 200, "text/plain", {}, result


def _read_pair(status, content):
    """(status, body): upstream says bytes in here as the JSON text of their `repr`; they are sent as they are."""
    if isinstance(content, (str, bytes, bytearray)) or awaiting.is_stream(content):
        return status, "text/plain", {}, content
    return status, _JSON, {}, to_json(content)


def _is_response(value):
    """Ours, or another library's that looks like it."""
    return isinstance(value, Response) or all(
        hasattr(value, name) for name in ("status_code", "content_type", "headers", "body"))


def _read_response(response):
    """Upstream answers a list as its Python text; it is JSON here, as a dict is."""
    content, content_type = response.body, response.content_type or "text/plain"
    if isinstance(content, dict) or isinstance(content, list) and content_type in ("text/plain", _JSON):
        content, content_type = to_json(content), _JSON
    return response.status_code, content_type, response.headers or {}, content


def _read_stream(iterator):
    """A generator's first value is answered as if it were returned, the others follow as they are."""
    values = awaiting.each(iterator)
    for first in values:
        status, content_type, headers, content = _read(first)
        return status, content_type, headers, _chained(content, values)
    return 200, "text/plain", {}, b""


def _chained(first, values):
    yield first
    yield from values


def _answer(status, content_type, headers, content, logger):
    pairs = [(name, value) for name, value in headers.items() if isinstance(name, str) and isinstance(value, str)]
    named = {name.lower(): value for name, value in pairs}
    if _FILE in named:
        content = _file(named[_FILE], named.get(_DELETE_FILE, "").lower() == "true")
        if content is None:
            status, content, content_type = 404, b"", "text/plain"
    # Quirk: the response's own content type wins over one in its headers, even when nobody chose it.
    pairs = [pair for pair in pairs if pair[0].lower() not in ("content-type", _FILE, _DELETE_FILE)]
    pairs.insert(0, ("Content-Type", content_type))
    body = _to_bytes(content)
    logs = logger.collected()
    if logs is not None:
        pairs.append((_LOGS, logs))
    return answers.status(_status(status)), answers.header_list(pairs), body


def _status(value):
    if isinstance(value, bool) or not isinstance(value, int):
        raise NotJson("the answer's status is %r; it must be a whole number" % (value,))
    return int(value) or 200


def _to_bytes(content):
    if awaiting.is_stream(content):
        return bodies.stream(map(_piece, awaiting.each(content)))
    return _piece(content)


def _piece(content):
    if isinstance(content, (bytes, bytearray, memoryview)):
        return bytes(content)
    if _is_response(content):  # a generator may yield them; only the first one's status counts
        return _piece(content.body)
    return str(content).encode("utf-8", "replace")


def _file(path, delete):
    """A file of the container in pieces; None if it cannot be opened."""
    try:
        file = open(path, "rb")
    except OSError:
        return None
    return _file_pieces(file, path, delete)


def _file_pieces(file, path, delete):
    with file:
        while True:
            piece = file.read(64 * 1024)
            if not piece:
                break
            yield piece
    if delete:
        os.unlink(path)
