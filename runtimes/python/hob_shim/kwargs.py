"""The convention `kwargs`: `function(**input, context={...})`; what it returns is answered as JSON.

Does not look at method, path and headers, and sets none but the content type.
"""

import json

from . import awaiting
from .failures import BadInput, NotJson

DEFAULT_ENTRY = "main.main"
CODE_FOLDERS = ()  # folders of the code that modules are found in, beside its top
LIBRARIES = ()  # folders of ours with modules that functions may import

_decoder = json.JSONDecoder()
_scan = _decoder.scan_once
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(", ", ": ")).encode
_encode_ascii = json.JSONEncoder(allow_nan=False).encode
_JSON_HEADERS = b'[["content-type","application/json"]]'
_POSITIONAL = "__function_input"


def prepare(function, _load):
    """Wraps the function.

    `context` is always passed and wins over an input of that name, and `os_session` in it is None:
    there is no identity service here. Source: the contract's sections 5.1 and 5.2.
    """
    awaiting.expect(function)

    def answer(_invoke, body):
        positional, keywords = _arguments(body)
        keywords["context"] = {"os_session": None}
        if positional:
            result = function(positional, **keywords)
        else:
            result = function(**keywords)
        return 200, _JSON_HEADERS, _to_json(result)

    return answer


def _arguments(body):
    """The positional argument (or None) and the keyword arguments that a body stands for."""
    if not body:
        return None, {}
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise BadInput("the input is not UTF-8; send a JSON object or plain text") from None
    try:
        value = _parse(text)
    except (ValueError, RecursionError):
        return text, {}
    if value.__class__ is dict:
        return value.pop(_POSITIONAL, None), value
    if value is None:
        return None, {}
    if value.__class__ is int:
        return text.strip(), {}  # as text: so it has always been
    raise BadInput(
        "the input is a JSON %s; this calling convention takes a JSON object (its keys become keyword"
        " arguments), an integer, or text that is not JSON" % _NAMES.get(value.__class__, "value")
    )


_NAMES = {list: "array", str: "string", float: "number with a fraction", bool: "boolean"}


def _parse(text):
    try:
        value, end = _scan(text, 0)
        if end == len(text):
            return value
    except StopIteration:
        pass
    return _decoder.decode(text)


def _to_json(result):
    try:
        return _encode(result).encode()
    except UnicodeEncodeError:  # half of a surrogate pair: JSON can say it, UTF-8 cannot
        return _encode_ascii(result).encode()
    except (TypeError, ValueError, RecursionError) as error:
        failure = error
    if awaiting.is_awaitable(result):  # seen late, so that the ordinary way is not made longer by it
        return _to_json(awaiting.wait(result))
    raise NotJson("the result is not JSON: %s; return only dict, list, str, int, float, bool and None"
                  % failure) from None
