"""The two Dockerfiles, with the images that scripts/setup makes and without a network, and a function's
image as a plain container with the limits of a worker. Needs a container engine and those images.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from worker import BUILD_IMAGE, KIT, PATIENCE, WORK, write  # noqa: E402  (needs the path above)

BASE = "hob-base/go"
RUNTIME, FUNCTION = "hob-test-go-runtime", "hob-test-go-function"
SANDBOX = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--pids-limit", "64",
           "-m", "96m", "--memory-swap", "96m"]
CODE = {"input/main.go": '''
    package fn

    import (
        "fmt"
        "net/http"
        "os"
    )

    func Handle(w http.ResponseWriter, r *http.Request) {
        if r.URL.Path == "/eat" {
            var all [][]byte
            for {
                all = append(all, make([]byte, 1<<20))
                for at := range all[len(all)-1] {
                    all[len(all)-1][at] = 1
                }
            }
        }
        fmt.Fprint(w, "user ", os.Getuid())
    }
''', "ca.crt": ""}


def docker(*words):
    done = subprocess.run(("docker",) + words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout.strip()


def here():
    try:
        docker("image", "inspect", BASE, BUILD_IMAGE)
        return True
    except (OSError, AssertionError):
        return False


@unittest.skipUnless(here(), "NOT TESTED: no engine answers, or %s and %s are not there (scripts/setup)" % (BASE, BUILD_IMAGE))
class Image(unittest.TestCase):
    def build(self, directory, dockerfile, tag, **arguments):
        words = [word for item in arguments.items() for word in ("--build-arg", "%s=%s" % item)]
        docker("build", "--network", "none", "-t", tag, "-f", os.path.join(directory, dockerfile), *words, directory)
        self.addCleanup(docker, "rmi", "-f", tag)

    def ask(self, port, path):
        try:
            with urllib.request.urlopen("http://127.0.0.1:%s%s" % (port, path), timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)["error"]["kind"]

    def first(self, port, name):
        """The first answer: asks again until the port is open, as long as the container runs."""
        while True:
            try:
                return self.ask(port, "/")
            except (urllib.error.URLError, ConnectionError):
                self.assertEqual(docker("inspect", "-f", "{{.State.Running}}", name), "true", docker("logs", name))

    def test_a_function_is_built_and_runs_within_a_workers_limits(self):
        self.build(KIT, "Dockerfile", RUNTIME, BUILDER=BUILD_IMAGE, BASE=BASE)
        context = tempfile.mkdtemp(dir=WORK)
        write(context, CODE)
        shutil.copy(os.path.join(KIT, "build.Dockerfile"), context)
        self.build(context, "build.Dockerfile", FUNCTION, BUILDER=BUILD_IMAGE, RUNTIME=RUNTIME)
        name = docker("run", "-d", "-e", "HOB_CODE=/tmp", "-p", "127.0.0.1::8080", *SANDBOX, FUNCTION)
        self.addCleanup(docker, "rm", "-f", name)
        port = docker("port", name, "8080").splitlines()[0].rpartition(":")[2]
        self.assertEqual(self.first(port, name), (200, "user 1000"))
        self.assertEqual(self.ask(port, "/eat"), (502, "out_of_memory"))
        self.assertEqual(self.ask(port, "/"), (200, "user 1000"))
        docker("stop", name)
        self.assertEqual(docker("inspect", "-f", "{{.State.ExitCode}}", name), "0")


if __name__ == "__main__":
    unittest.main()
