"""How a call becomes a call of the user's function. One entry of CONVENTIONS for each shape.

A convention is `prepare(function, about) -> answer`, called once after loading; `about` is the
`function` object of the load frame. `answer(invoke, body) -> (status, headers, body)` is called for
each call with the invoke frame's header and the whole body, `headers` as the bytes of a JSON list.
It raises BadInput or NotJson; anything else it lets through is the function's own exception.
"""

import json

from .failures import BadInput, NotJson

_decoder = json.JSONDecoder()
_scan = _decoder.scan_once
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(", ", ": ")).encode
_encode_ascii = json.JSONEncoder(allow_nan=False).encode
_JSON_HEADERS = b'[["content-type","application/json"]]'
_POSITIONAL = "__function_input"


def prepare_kwargs(function, _about):
    """`function(**input, context={...})`; what it returns is answered as JSON.

    `context` is always passed and wins over an input of that name, and `os_session` in it is None:
    there is no identity service here. Source: the contract's sections 5.1 and 5.2.
    """

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
        hint = "return only dict, list, str, int, float, bool and None"
        if hasattr(result, "__await__"):
            result.close() if hasattr(result, "close") else None
            hint = "the function is async, which is not awaited here: wrap it in asyncio.run(...)"
        raise NotJson("the result is not JSON: %s; %s" % (error, hint)) from None


# The other shapes (`event-context`, `context-event`, `http`) come here, each in a file of its own.
CONVENTIONS = {
    "kwargs": prepare_kwargs,
}
