"""What the header of a call says, in forms that conventions share. Decides nothing about answers."""

_TRIGGER = "x-hob-trigger-"  # headers by which the daemon says what triggered the call
_KNOWN_NAMES = 1000  # header names kept in their canonical form
_canonical_names = {}


def headers(invoke):
    """The user's headers: canonical names (`Content-Type`) to values, the last of a name wins."""
    return {canonical(name): value for name, value in invoke.get("headers") or ()
            if not name.startswith(_TRIGGER)}


def trigger(invoke):
    """(kind, name) of what triggered the call."""
    kind = name = "http"
    for key, value in invoke.get("headers") or ():
        if key == "x-hob-trigger-kind":
            kind = value
        elif key == "x-hob-trigger-name":
            name = value
    return kind, name


def canonical(name):
    """A header's name with a capital at the beginning of each word."""
    found = _canonical_names.get(name)
    if found is None:
        found = "-".join([word.capitalize() for word in name.split("-")])
        if len(_canonical_names) < _KNOWN_NAMES:
            _canonical_names[name] = found
    return found


def path(invoke):
    """The path, decoded."""
    return _decoded(invoke.get("path") or "/")


def fields(invoke):
    """The parameters of the query, the last of a name wins."""
    found = {}
    for pair in (invoke.get("query") or "").split("&"):
        if pair:
            name, _, value = pair.partition("=")
            found[_plain(name)] = _plain(value)
    return found


def _plain(text):
    return _decoded(text.replace("+", " "))


def _decoded(text):
    """Without percent signs. `urllib.parse` does so too, for 5 ms at its import."""
    if "%" not in text:
        return text
    first, *rest = text.encode().split(b"%")
    return (first + b"".join(map(_escape, rest))).decode("utf-8", "replace")


def _escape(piece):
    """What follows a percent sign: two hexadecimal digits and more, or not an escape at all."""
    try:
        return bytes.fromhex(piece[:2].decode("ascii")) + piece[2:] if piece[:2].isalnum() else b"%" + piece
    except ValueError:
        return b"%" + piece
