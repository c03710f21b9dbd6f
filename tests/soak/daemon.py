"""A daemon of its own, and what can be seen of it from outside: memory, descriptors, containers, the size of its database.

Measures and asks; what is done to it is the business of soak.py and many.py.
"""

import http.client
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

BOUNDARY = "hob-soak-boundary"


class Daemon:
    """Runs from `with` to its end; what it made in the engine is removed then."""

    def __init__(self, **settings):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="hob-soak-"))
        self.settings = settings

    def __enter__(self):
        environment = dict(os.environ, HOB_LISTEN="127.0.0.1:0", HOB_DATA_DIR=str(self.home / "data"))
        environment.update(self.settings)
        self.log = open(self.home / "log", "wb")
        self.process = subprocess.Popen(
            [os.environ["HOB_BIN"], "serve"], env=environment, stdout=subprocess.PIPE, stderr=self.log
        )
        ready = self.process.stdout.readline().decode()
        if not ready.startswith("ready "):
            raise SystemExit(f"the daemon did not start:\n{(self.home / 'log').read_text()}")
        self.address = ready.split("http://")[1].strip()
        self.instance = self.json("GET", "/hob/v1/status")["instance"]
        return self

    def __exit__(self, *_):
        self.ask("POST", "/hob/v1/stop?purge=true")
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def ask(self, method, path, body=None, kind="application/json", headers=None, patience=60):
        """Answers status and body; an exchange that breaks is status 0."""
        connection = http.client.HTTPConnection(self.address, timeout=patience)
        try:
            connection.request(method, path, body, {"content-type": kind, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except OSError as error:
            return 0, str(error).encode()
        finally:
            connection.close()

    def json(self, method, path, body=None):
        status, answer = self.ask(method, path, None if body is None else json.dumps(body))
        if not 200 <= status < 300:
            raise SystemExit(f"{method} {path}: {status} {answer.decode(errors='replace')}")
        return json.loads(answer) if answer else None

    def deploy(self, name, code, settings=None, wait=50):
        settings = json.dumps({"runtime": "python", **(settings or {})})
        form = (
            f"--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"settings\"\r\n"
            f"content-type: application/json\r\n\r\n{settings}\r\n"
            f"--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"code\"; filename=\"main.py\"\r\n"
            f"content-type: application/octet-stream\r\n\r\n{code}\r\n--{BOUNDARY}--\r\n"
        )
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        return self.ask("PUT", f"/hob/v1/functions/{name}?wait={wait}", form, kind)

    def memory_mb(self):
        lines = (pathlib.Path("/proc") / str(self.process.pid) / "status").read_text().splitlines()
        resident = next(line for line in lines if line.startswith("VmRSS:"))
        return int(resident.split()[1]) / 1024

    def processor_seconds(self):
        fields = (pathlib.Path("/proc") / str(self.process.pid) / "stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        return len(list((pathlib.Path("/proc") / str(self.process.pid) / "fd").iterdir()))

    def containers(self):
        label = f"label=hob.instance={self.instance}"
        listed = subprocess.run(["docker", "ps", "-aq", "--filter", label], capture_output=True, text=True)
        return len(listed.stdout.split())

    def database_mb(self):
        return sum(file.stat().st_size for file in (self.home / "data").glob("hob.db*")) / 1e6
