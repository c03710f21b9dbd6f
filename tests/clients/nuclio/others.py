"""What other clients of the Nuclio dashboard send, replayed as the contract's section 15 recorded it: CVAT,
node-red-contrib-nuclio and MLRun. None of them can be installed here without what it stands on.
"""

import base64
import json
import os
import subprocess
import time
import unittest
import uuid
import urllib.request

from released import ask, call

MODEL = """import json

def init_context(context):
    context.user_data.model = len

def handler(context, event):
    found = [{"label": "cat", "size": context.user_data.model(event.body["image"])}]
    return context.Response(body=json.dumps(found), headers={}, content_type="application/json", status_code=200)
"""


# Stands for the `pip install` of CVAT's functions: it reaches a folder of the base's own Python.
INSTALL = """python3 -c "import os, shutil, site; to = site.getsitepackages()[0]; os.makedirs(to, exist_ok=True); \
shutil.copy('/opt/framework/framework.py', to)" """

# As CVAT's functions do: from what the base and the steps on it brought, into the folder of the code.
CATS = MODEL.replace("import json\n", "import json\nimport framework\n", 1) \
    .replace("model = len", "model = framework.load").replace('"cat"', 'open("/opt/nuclio/labels.txt").read().strip()')


def function(name, source, **spec):
    build = {"functionSourceCode": base64.b64encode(source.encode()).decode()}
    spec = dict({"runtime": "python", "handler": "main:handler", "build": build}, **spec)
    return {"metadata": {"name": name, "namespace": "nuclio"}, "spec": spec}


class Case(unittest.TestCase):
    def asked(self, method, path, status, body=None, headers=None):
        found, said, text = ask(method, path, body, headers)
        self.assertEqual(found, status, text)
        return said, json.loads(text) if text and said.get("content-type") == "application/json" else text

    def ready(self, name, headers=None):
        for _ in range(600):
            _, view = self.asked("GET", "/api/functions/" + name, 200, headers=headers)
            if view["status"]["state"] != "building":
                self.assertEqual(view["status"]["state"], "ready", view)
                return view
            time.sleep(0.1)
        self.fail("never ready")


class Cvat(Case):
    HEADERS = {"x-nuclio-project-name": "cvat", "x-nuclio-function-namespace": "nuclio",
               "x-nuclio-invoke-via": "domain-name", "X-Nuclio-Invoke-Timeout": "120s"}

    def base(self):
        """An image with a framework in it, in place of the one that CVAT's functions name: no registry is asked here."""
        name = "cvat-base-%s:1" % uuid.uuid4().hex
        lines = ["FROM " + os.environ["HOB_BASE_IMAGE"], "RUN mkdir /opt/framework && echo 'load = len' > /opt/framework/framework.py"]
        subprocess.run(["docker", "build", "-q", "-t", name, "-"], input="\n".join(lines), text=True, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(subprocess.run, ["docker", "rmi", name], stdout=subprocess.DEVNULL, check=True)
        return name

    def test_it_lists_its_models_and_calls_them_both_ways(self):
        ask("POST", "/api/projects", {"metadata": {"name": "cvat"}})
        sent = function("model", CATS, description="finds cats", eventTimeout="30s", triggers={
            "myHttpTrigger": {"numWorkers": 2, "kind": "http", "workerAvailabilityTimeoutMilliseconds": 10000,
                              "attributes": {"maxRequestBodySize": 33554432}}},
            platform={"attributes": {"restartPolicy": {"name": "always", "maximumRetryCount": 3}, "mountMode": "volume"}})
        sent["spec"]["build"].update(image="cvat/model", baseImage=self.base(), directives={"preCopy": [
            {"kind": "ENV", "value": "DEBIAN_FRONTEND=noninteractive"},
            {"kind": "WORKDIR", "value": "/opt/nuclio"},
            {"kind": "RUN", "value": INSTALL},
            {"kind": "RUN", "value": "echo cat > labels.txt"}]})
        sent["metadata"]["annotations"] = {"name": "Cats", "type": "detector", "spec": '[{"id": 0, "name": "cat"}]'}
        self.asked("POST", "/api/functions", 202, sent, {"x-nuclio-project-name": "cvat"})
        self.ready("model", self.HEADERS)
        _, models = self.asked("GET", "/api/functions", 200, headers=self.HEADERS)
        self.assertEqual(list(models), ["model"])
        model = models["model"]
        self.assertEqual(json.loads(model["metadata"]["annotations"]["spec"])[0]["name"], "cat")
        self.assertEqual(model["spec"]["description"], "finds cats")
        image = json.dumps({"image": "x" * 3_000_000}).encode()
        expected = [{"label": "cat", "size": 3_000_000}]
        headers = dict(self.HEADERS, **{"x-nuclio-function-name": "model", "x-nuclio-path": "/",
                                        "Content-Type": "application/json"})
        _, through = self.asked("POST", "/api/function_invocations", 200, json.loads(image), headers)
        self.assertEqual(through, expected)
        address = "http://localhost:%d" % model["status"]["httpPort"]
        request = urllib.request.Request(address, data=image, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            self.assertEqual(json.load(answer), expected)
        self.asked("DELETE", "/api/functions", 204, {"metadata": {"name": "model"}})


class NodeRed(Case):
    HEADERS = {"x-nuclio-project-name": "flows", "x-nuclio-function-namespace": "nuclio"}
    HASH = "nuclio.io/node-red-config-hash"

    def test_it_reconciles_deploys_and_reads_logs(self):
        status, _, _ = ask("POST", "/api/projects", {"metadata": {"name": "flows"}}, self.HEADERS)
        self.assertIn(status, (201, 409))
        said, _ = self.asked("GET", "/api/functions/flow", 404, headers=self.HEADERS)
        self.assertEqual(said["content-type"], "application/json")
        sent = function("flow", "def handler(context, event):\n    print('seen', event.path)\n    return 'flowed'\n")
        sent["metadata"]["annotations"] = {self.HASH: "1"}
        self.asked("POST", "/api/functions", 202, sent, self.HEADERS)
        view = self.ready("flow", self.HEADERS)
        self.assertEqual(call(view["status"]["internalInvocationUrls"][0], "/a"), "flowed")
        # The same configuration with another hash: nothing is built again.
        view.pop("status")
        view["metadata"]["annotations"].update({self.HASH: "2", "skip-build": "true"})
        view["spec"]["env"] = [{"name": "A", "value": "1"}]
        self.asked("PUT", "/api/functions/flow", 202, view, self.HEADERS)
        view = self.ready("flow", self.HEADERS)
        self.assertEqual(view["metadata"]["annotations"], {self.HASH: "2"})
        self.asked("PATCH", "/api/functions/flow", 202, {"desiredState": "ready"}, self.HEADERS)
        self.assertEqual(call(view["status"]["externalInvocationUrls"][0], "/b"), "flowed")
        _, replicas = self.asked("GET", "/api/functions/flow/replicas", 200, headers=self.HEADERS)
        path = "/api/functions/flow/logs/%s?follow=false&tailLines=1" % replicas["names"][0]
        _, log = self.asked("GET", path, 200, headers=self.HEADERS)
        self.assertEqual(log, "seen /b\n")
        self.asked("DELETE", "/api/functions", 204, {"metadata": {"name": "flow"}}, self.HEADERS)


class MlRun(Case):
    HEADERS = {"X-Nuclio-Project-Name": "runs"}

    def test_it_keeps_projects_and_gateways_in_step(self):
        _, versions = self.asked("GET", "/api/versions", 200)
        self.assertRegex(versions["dashboard"]["label"], r"^\d+\.\d+\.\d+")
        project = {"metadata": {"name": "runs"}, "spec": {"description": "d"}}
        self.asked("PUT", "/api/projects", 204, project)
        self.asked("POST", "/api/functions", 202, function("served", MODEL), self.HEADERS)
        self.ready("served", self.HEADERS)
        upstream = {"kind": "nucliofunction", "nucliofunction": {"name": "served"}, "percentage": 0, "port": 0}
        gateway = {"metadata": {"name": "gw", "labels": {}, "annotations": {}},
                   "spec": {"name": "gw", "description": "", "path": "/", "authenticationMode": "none",
                            "upstreams": [upstream]}}
        _, made = self.asked("POST", "/api/api_gateways/", 201, gateway, self.HEADERS)
        self.assertIn(made["status"].get("state"), (None, "", "ready", "waitingForProvisioning"))
        self.asked("PUT", "/api/api_gateways/gw", 204, gateway, self.HEADERS)
        _, listed = self.asked("GET", "/api/api_gateways/", 200, headers=self.HEADERS)
        self.assertEqual(listed["gw"]["spec"]["authenticationMode"], "none")
        host = made["spec"]["host"]
        headers = {"Host": host, "Content-Type": "application/json"}
        _, answer = self.asked("POST", "/", 200, {"image": "abc"}, headers)
        self.assertEqual(answer, [{"label": "cat", "size": 3}])
        delete = {"metadata": {"name": "runs"}}
        for strategy, status in (("check", 412), ("restricted", 412)):
            self.asked("DELETE", "/api/projects", status, delete, {"x-nuclio-delete-project-strategy": strategy})
        along = dict(self.HEADERS, **{"X-Nuclio-Delete-Function-With-API-Gateways": "true"})
        self.asked("DELETE", "/api/functions/", 204, {"metadata": {"name": "served"}}, along)
        self.asked("DELETE", "/api/projects", 204, delete, {"x-nuclio-delete-project-strategy": "cascading"})
        self.asked("DELETE", "/api/projects", 404, delete, {"x-nuclio-delete-project-strategy": "cascading"})


if __name__ == "__main__":
    unittest.main(verbosity=2)
