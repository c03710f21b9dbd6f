"""Plain HTTP to a Qinling API: one request a connection, and the few bodies the checklist sends.

Knows the wire and nothing of what is right: that is for those who call it. Standard library only.
"""

import hashlib
import http.client
import io
import json
import time
import urllib.parse
import uuid
import zipfile

# Longer than the longest function timeout the suites use.
REQUEST_TIMEOUT_S = 240
# How often a condition is looked at that only the daemon can bring about.
LOOK_EVERY_S = 0.2


class Answer:
    """What came back, and what was asked, so that a failure explains itself."""

    def __init__(self, asked, status, headers, body):
        self.asked, self.status, self.headers, self.body = asked, status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def expect(self, status):
        if self.status != status:
            raise AssertionError(f"{self.asked}: {self.status} instead of {status}: {self.text}")
        return self

    def json(self):
        return json.loads(self.body)

    @property
    def fault(self):
        return self.json()["faultstring"]


class Project:
    """A caller with a token of its own; without one, as a stranger calls."""

    def __init__(self, url, token=None):
        self.address = urllib.parse.urlsplit(url).netloc
        self.token = token

    def call(self, method, path, body=None, kind=None):
        headers = {"content-type": kind} if kind else {}
        if self.token:
            headers["x-auth-token"] = self.token
        connection = http.client.HTTPConnection(self.address, timeout=REQUEST_TIMEOUT_S)
        try:
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            return Answer(f"{method} {path}", reply.status, reply.headers, reply.read())
        finally:
            connection.close()

    def get(self, path):
        return self.call("GET", path)

    def delete(self, path):
        return self.call("DELETE", path)

    def post(self, path, body):
        return self.call("POST", path, json.dumps(body), "application/json")

    def put(self, path, body):
        return self.call("PUT", path, json.dumps(body), "application/json")

    def send_form(self, method, path, fields):
        return self.call(method, path, urllib.parse.urlencode(fields), "application/x-www-form-urlencoded")

    def send_package(self, method, path, package, fields):
        """A multipart form, with the package as the clients send it."""
        boundary = uuid.uuid4().hex
        parts = [
            f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in fields.items()
        ]
        head = 'content-disposition: form-data; name="package"; filename="p.zip"\r\ncontent-type: application/zip'
        parts.append(f"--{boundary}\r\n{head}\r\n\r\n".encode() + package + f"\r\n--{boundary}--\r\n".encode())
        return self.call(method, path, b"".join(parts), f"multipart/form-data; boundary={boundary}")


def zipped(source, module="main", suffix="py"):
    """A package of one module."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{module}.{suffix}", source)
    return packed.getvalue()


def package_code(package):
    """The `code` field of a package, with its checksum."""
    return json.dumps({"source": "package", "md5sum": hashlib.md5(package).hexdigest()})


def eventually(what, seconds, look):
    """The first true thing that `look` answers; an error when there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(LOOK_EVERY_S)
    raise AssertionError(f"no {what} within {seconds} s")
