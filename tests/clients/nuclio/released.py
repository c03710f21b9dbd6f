"""The released Python client of the Nuclio dashboard, unmodified: deploys, lists, deletes, its command line; and what
it returns is called.

HOB_URL names a daemon that may fetch from addresses of this machine.
"""

import http.server
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.error
import urllib.request
import zipfile

from nuclio.config import ConfigSpec
from nuclio.deploy import (DeployError, delete_func, deploy_code, deploy_file, deploy_zip, get_function_status,
                           list_functions)
from nuclio.triggers import CronTrigger

URL = os.environ["HOB_URL"]
HELLO = "def handler(context, event):\n    return 'hi ' + event.path\n"
SOURCES = {
    "hello.py": (HELLO, "/x", b"", "hi /x"),
    "hello.js": ("exports.handler = (context, event) => context.callback('js ' + event.path);\n", "/y", b"", "js /y"),
    "rev.sh": ("tac\n", "/", b"a\nb\n", "b\na\n"),
    "g.go": ('package main\n\nimport "github.com/nuclio/nuclio-sdk-go"\n\n'
             "func Handler(context *nuclio.Context, event nuclio.Event) (interface{}, error) {\n"
             '\treturn "go " + string(event.GetBody()), nil\n}\n', "/", b"on", "go on"),
}


def call(address, path="/", body=b""):
    """Calls a function at the address that the client returned."""
    address = address[0] if isinstance(address, tuple) else address
    with urllib.request.urlopen("http://%s%s" % (address, path), data=body, timeout=60) as answer:
        return answer.read().decode()


def ask(method, path, body=None, headers=None):
    """Asks the API itself; (status, headers, body)."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(URL + path, data=data, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, lower(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, lower(error.headers), error.read().decode()


def lower(headers):
    return {name.lower(): value for name, value in headers.items()}


class Released(unittest.TestCase):
    def deploy(self, file, **more):
        source, path, body, expected = SOURCES[file]
        with tempfile.TemporaryDirectory() as folder:
            place = os.path.join(folder, file)
            with open(place, "w", encoding="utf-8") as out:
                out.write(source)
            name = "file-" + file.replace(".", "-")
            address = deploy_file(place, dashboard_url=URL, name=name, project="files", **more)
        self.assertEqual(call(address, path, body), expected)
        delete_func(name, URL)

    def test_code_with_environment_workers_port_and_cron(self):
        spec = ConfigSpec(env={"A": "1"})
        spec.with_http(workers=2, port=31999)
        spec.add_trigger("c1", CronTrigger(interval="30s", body="x", headers={"a": "b"}))
        address = deploy_code(HELLO, dashboard_url=URL, name="hello_py", project="proj1", spec=spec)
        self.assertEqual(address[0] if isinstance(address, tuple) else address, "localhost:31999")
        self.assertEqual(call(address, "/a"), "hi /a")
        self.assertIn("hello-py", str(list(list_functions(URL))))
        self.assertEqual(get_function_status(URL + "/api", "hello-py")["state"], "ready")
        again = deploy_code(HELLO.replace("hi ", "again "), dashboard_url=URL, name="hello_py", project="proj1", spec=spec)
        self.assertEqual(call(again, "/a"), "again /a")
        delete_func("hello-py", URL)
        self.assertEqual(ask("GET", "/api/functions/hello-py")[0], 404)

    def test_code_that_cannot_be_loaded_is_a_deploy_error(self):
        with self.assertRaises(DeployError):
            deploy_code("def handler(:\n", dashboard_url=URL, name="broken", project="proj1")
        delete_func("broken", URL)

    def test_a_python_file(self):
        self.deploy("hello.py")

    def test_a_node_file(self):
        self.deploy("hello.js")

    def test_a_shell_file(self):
        self.deploy("rev.sh")

    def test_a_go_file(self):
        self.deploy("g.go", handler="Handler")

    def test_a_zip_behind_a_url_with_its_own_configuration(self):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as out:
            out.writestr("function.yaml", "spec:\n  runtime: python\n  handler: app:run\n")
            out.writestr("app.py", "def run(context, event):\n    return 'zipped'\n")

        class Serve(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(archive.getvalue())))
                self.end_headers()
                self.wfile.write(archive.getvalue())

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Serve)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            source = "http://127.0.0.1:%d/x.zip" % server.server_port
            address = deploy_zip(source, name="zipped", project="files", dashboard_url=URL)
        finally:
            server.shutdown()
        self.assertEqual(call(address), "zipped")
        delete_func("zipped", URL)

    def test_its_command_line(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "cli.py"), "w", encoding="utf-8") as out:
                out.write(HELLO)
            environment = dict(os.environ, NUCLIO_DASHBOARD_URL=URL, TMPDIR=folder)
            run = lambda *words: subprocess.run(
                [sys.executable, "-W", "ignore", "-m", "nuclio", *words], cwd=folder, env=environment,
                capture_output=True, text=True, check=False)
            done = run("deploy", "cli.py", "-n", "clifn", "-p", "proj1", "-e", "X=1")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(ask("POST", "/api/function_invocations", {}, {"x-nuclio-function-name": "clifn"})[2], "hi /")
            done = run("del", "clifn")
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(ask("GET", "/api/functions/clifn")[0], 404)


if __name__ == "__main__":
    unittest.main(verbosity=2)
