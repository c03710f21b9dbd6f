"""The convention `event-context`: `function(event, context)`, AWS-Lambda-like.

What it returns is an answer with status, headers and body (an *envelope*), or the body itself.
Source: the contract's sections 3.3 to 3.5 and 3.7, with the recommended single rule for envelopes.
Does not do errors: they are the daemon's.
"""

import binascii
import json
import os

from . import answers, awaiting, bodies, calls
from .failures import NotJson

DEFAULT_ENTRY = "handler.handle"
CODE_FOLDERS = ("package",)
LIBRARIES = ()

_MEMORY_MIB = 128  # said when nobody chose
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_parse = json.JSONDecoder().decode
_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
_encode_sorted = json.JSONEncoder(allow_nan=False, separators=(",", ":"), sort_keys=True).encode
_CORS = (("Access-Control-Allow-Origin", "*"), ("Access-Control-Allow-Headers", "Content-Type"))
_CONTENT_TYPE = "content-type"
# The header that says what triggered a call, spelled as functions see it; without it: HTTP.
_TRIGGER_TYPE = "Scw_trigger_type"
_NO_SUCH_TRIGGER = b"Trigger Type is not supported by Scaleway Functions Runtime\n"


def prepare(function, load):
    """Wraps the function."""
    about = load.get("function") or {}
    context = {"memoryLimitInMb": about.get("memory_mib") or _MEMORY_MIB, "functionName": about.get("name") or "",
               "functionVersion": ""}  # Quirk: it has never been anything else upstream.
    only_binary = _only_binary_is_base64()
    awaiting.expect(function)

    def answer(invoke, body):
        event = _event(invoke, body, only_binary)
        trigger = event["headers"].get(_TRIGGER_TYPE)
        if not trigger:
            return _respond(awaiting.settled(function(event, dict(context))))
        if trigger != "mqtt":
            return finish(400, [("X-Content-Type-Options", "nosniff")], _NO_SUCH_TRIGGER)
        # A message: nobody waits for what the function makes of it.
        awaiting.settled(function(event["body"], dict(context)))
        return finish(200, [], b"executed properly")

    return answer


def _only_binary_is_base64():
    """`HOB_IS_BASE64=binary`: `isBase64Encoded` is true for what is not text, and for nothing else."""
    value = os.environ.pop("HOB_IS_BASE64", "decodable")
    if value not in ("binary", "decodable"):
        raise ValueError("HOB_IS_BASE64 is %r; it must be `binary` or `decodable`" % value)
    return value == "binary"


def _event(invoke, body, only_binary):
    method = invoke.get("method") or "GET"
    event = {
        "resource": "",
        "path": calls.path(invoke),
        "httpMethod": method,
        "headers": calls.headers(invoke),
        "multiValueHeaders": None,
        "queryStringParameters": calls.fields(invoke),
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": {},
        "requestContext": {"accountId": "", "resourceId": "", "stage": "", "requestId": "", "resourcePath": "",
                           "authorizer": None, "httpMethod": method, "apiId": ""},
    }
    event["headers"].pop("Host", None)
    event["body"], is_base64 = _body(body, only_binary)
    if is_base64:
        event["isBase64Encoded"] = True
    return event


def _body(body, only_binary):
    """The body as text, and whether `isBase64Encoded` is said of it.

    Quirk: upstream says so of any text that happens to be base64, an empty one too, and puts a replacement
    character for each byte that is not UTF-8. The first is kept, for functions that were written with it; the
    second only loses data, so such bodies arrive as base64.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return binascii.b2a_base64(body, newline=False).decode(), True
    return text, not only_binary and _is_base64(body)


def _is_base64(body):
    """Whether a strict decoder takes it; it skips line ends only."""
    packed = body.replace(b"\n", b"").replace(b"\r", b"")
    digits = packed.rstrip(b"=")
    return (len(packed) % 4 == 0 and len(packed) - len(digits) <= 2
            and not digits.translate(None, _BASE64))


def _respond(result):
    if isinstance(result, str):
        envelope = _envelope_in(result)
        return _open(envelope) if envelope else finish(200, [], result.encode("utf-8", "replace"))
    if isinstance(result, dict) and ("body" in result or _has_status(result)):
        return _open(result)
    if isinstance(result, (bytes, bytearray, memoryview)):
        return finish(200, [], bytes(result))
    if awaiting.is_stream(result):
        return finish(200, [], _stream(result))
    return finish(200, [], _to_json(result, "result") + b"\n")


def _envelope_in(text):
    """The object that a text is, if it is an envelope: some functions encode it themselves."""
    if '"statusCode"' not in text or text.lstrip()[:1] != "{":
        return None
    try:
        value = _parse(text)
    except (ValueError, RecursionError):
        return None
    return value if _has_status(value) else None


def _has_status(value):
    """Whether it has a status that is a number, or the text of one."""
    code = value.get("statusCode")
    return code.__class__ is int or isinstance(code, str) and code.isdecimal()


def _open(envelope):
    code = envelope.get("statusCode") or 200
    if isinstance(code, str) and code.isdecimal():
        code = int(code)
    return finish(answers.status(code or 200), _header_pairs(envelope.get("headers")), _content(envelope))


def _header_pairs(headers):
    if headers is None:
        return []
    if not isinstance(headers, dict):
        raise NotJson("the answer's `headers` are of type %s; they must be a dict" % type(headers).__name__)
    pairs = []
    for name, value in headers.items():
        for each in value if isinstance(value, (list, tuple)) else (value,):
            pairs.append((str(name), _header_text(name, each)))
    return pairs


def _header_text(name, value):
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    raise NotJson("the answer's header `%s` is of type %s; it must be a text, a number or a list of them"
                  % (name, type(value).__name__))


def _content(envelope):
    body = envelope.get("body", "")
    if envelope.get("isBase64Encoded") is True:
        return _decoded(body)
    if isinstance(body, str):
        return body.encode("utf-8", "replace")
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    return _stream(body) if awaiting.is_stream(body) else _to_json(body, "body")


def _decoded(body):
    if not isinstance(body, (str, bytes)):
        raise NotJson("`isBase64Encoded` is true and the body is of type %s; it must be base64 text"
                      % type(body).__name__)
    data = body.encode("utf-8", "replace") if isinstance(body, str) else body
    if not _is_base64(data):
        raise NotJson("`isBase64Encoded` is true and the body is not base64; encode it, or leave the flag out")
    return binascii.a2b_base64(data)


def _stream(iterator):
    return bodies.stream(map(_piece, awaiting.each(iterator)))


def _piece(value):
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError("a streamed body has a piece of type %s; yield str or bytes" % type(value).__name__)


def _to_json(value, what):
    try:
        try:
            return _encode_sorted(value).encode()
        except TypeError:  # keys of different types have no order
            return _encode(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise NotJson("the %s is not JSON: %s; return a dict with `statusCode` and `body`, or only dict, list, str,"
                      " int, float, bool and None" % (what, error)) from None


def finish(status, pairs, body):
    """An answer with the headers that are there unless the function has said otherwise."""
    said = {name.lower() for name, _ in pairs}
    pairs.extend(pair for pair in _CORS if pair[0].lower() not in said)
    head = body if body.__class__ is bytes else body.first
    if head and _CONTENT_TYPE not in said:
        pairs.append(("Content-Type", answers.sniff(head)))
    return status, answers.header_list(pairs), body
