"""What a function of the convention `context-event` is given and may import: events, responses, the
context. Names and defaults as functions written for it expect them. Source: the contract's sections
12.7 and 12.8. How an answer is made of what the function returns is `context_event`'s.
"""

import json
import os

from .logger import to_json


class TriggerInfo:
    """What caused an event."""

    def __init__(self, kind="", name=""):
        self.kind = kind
        self.name = name


class Event:
    """One call, or one that a function makes itself and hands to `platform.call_function`."""

    def __init__(self, body=None, content_type=None, trigger=None, fields=None, headers=None, _id=None, method=None,
                 path=None, size=None, timestamp=None, url=None, shard_id=None, num_shards=None, _type=None,
                 type_version=None, version=None, last_in_batch=None, offset=None, topic=None):
        self.body = body
        self.content_type = content_type
        self.trigger = trigger or TriggerInfo()
        self.fields = fields or {}
        self.headers = headers or {}
        self.id = _id
        self.method = method
        self.path = path or "/"
        self.size = size
        self.timestamp = timestamp or 0
        self.url = url
        self.shard_id = shard_id
        self.num_shards = num_shards
        self.type = _type
        self.type_version = type_version
        self.version = version
        self.last_in_batch = last_in_batch or False
        self.offset = offset or 0
        self.topic = topic

    def get_header(self, name):
        """A header's value, however its name is written; None if there is none."""
        wanted = name.lower()
        for key, value in self.headers.items():
            if key.lower() == wanted:
                return value
        return None

    def to_json(self):
        """The event as a JSON object; a body of bytes as base64."""
        shown = dict(vars(self), trigger=vars(self.trigger))
        if isinstance(self.body, bytes):
            import base64
            shown["body"] = base64.b64encode(self.body).decode()
        return json.dumps(shown, default=str)

    __repr__ = to_json


class Response:
    """An answer with everything that can be said of one."""

    def __init__(self, headers=None, body=None, content_type=None, status_code=200, event_id=None):
        self.headers = headers or {}
        self.body = body
        self.content_type = content_type or "text/plain"
        self.status_code = status_code
        self.event_id = event_id

    def __repr__(self):
        return to_json(vars(self))


class ExceptionWithResponse(IOError):
    """Raised by a function that wants to be answered with a status of its own."""

    def __init__(self, status_code, body=None, content_type=None):
        super().__init__(status_code, body)
        self.status_code = status_code
        self.body = body
        self.content_type = content_type or "text/plain"
        self.headers = {}


class Platform:
    """Calls to other functions. There are no streams here, so nothing is drained or acknowledged."""

    def __init__(self, kind="local", namespace="default"):
        self.kind = kind
        self.namespace = namespace

    def call_function(self, function_name, event, node=None, timeout=None, service_name_override=None):
        """Calls a function by name over HTTP and waits for its answer, at most `timeout` seconds."""
        import http.client
        host = service_name_override or self._service(function_name)
        body, headers = event.body, dict(event.headers)
        headers["Content-Type"] = event.content_type or "text/plain"
        if isinstance(body, dict):
            body, headers["Content-Type"] = json.dumps(body), "application/json"
        headers.setdefault("X-Nuclio-Target", function_name)
        headers.pop("Content-Length", None)
        connection = http.client.HTTPConnection(host, timeout=timeout)
        try:
            connection.request(event.method or ("GET" if body is None else "POST"), event.path, body, headers)
            return _response_of(connection.getresponse())
        finally:
            connection.close()

    def _service(self, function_name):
        """Where a function is reached; `NUCLIO_SERVICE` in the environment is another pattern for it."""
        pattern = os.environ.get("NUCLIO_SERVICE", "nuclio-{namespace}-{function}:8080")
        return pattern.format(namespace=self.namespace, function=function_name)

    def set_termination_callback(self, callback):
        """Says that it will not be called: a worker is ended at once, when it has no call to answer."""
        _warn("termination")

    def set_drain_callback(self, callback):
        """Says that it will not be called: only streams are drained."""
        _warn("drain")

    async def explicit_ack(self, qualified_offset):
        raise NotImplementedError("explicit_ack is for streams, and no trigger here is one; leave the call out")


def _warn(kind):
    import sys
    sys.stderr.write("[hob: the %s callback will not be called here; tidy up at the end of each call]\n" % kind)


def _response_of(answer):
    headers = {name.lower(): value for name, value in answer.getheaders()}
    content_type = headers.get("content-type", "text/plain")
    body = answer.read()
    if content_type == "application/json":
        body = json.loads(body)
    return Response(headers, body, content_type, answer.status)


class Context:
    """What every call of one worker shares."""

    Response = Response

    def __init__(self, logger=None, platform=None, worker_id=None, trigger=None):
        self.logger = logger
        self.platform = platform or Platform()
        self.worker_id = worker_id
        self.user_data = _UserData()
        self.trigger = trigger or TriggerInfo()

    @property
    def trigger_name(self):
        return self.trigger.name


class _UserData:
    """A place for what functions want to keep between calls."""
