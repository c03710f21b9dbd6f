"""What the scenarios of the checklist share: the callers, the record of what was seen, and the making of things."""

import contextlib
import datetime
import json
import os
import threading
import time

import functions
from wire import Project, eventually, package_code, zipped

AVAILABLE_WITHIN_S = 60
ENDS_WITHIN_S = 30


class Bench:
    """Three projects with a token each, a public runtime, and what each item came to."""

    def __init__(self):
        url = os.environ["HOB_URL"]
        self.admin = Project(url, os.environ["HOB_ADMIN_TOKEN"])
        self.user = Project(url, os.environ["HOB_USER_TOKEN"])
        self.other = Project(url, os.environ["HOB_OTHER_TOKEN"])
        self.stranger = Project(url)
        self.base_image = os.environ["HOB_BASE_IMAGE"]
        self.runtime_id = None
        self.seen = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def item(self, number):
        """Whatever fails inside is the failure of that item and ends the scenario. An item met again must hold again."""
        try:
            yield
        except Exception as error:
            with self._lock:
                self.seen[number] = error
            raise
        with self._lock:
            self.seen.setdefault(number, None)

    def runtime(self, image, **more):
        made = self.admin.post("/v1/runtimes", {"image": image, **more}).expect(201).json()
        self.available(made["id"])
        return made["id"]

    def available(self, runtime_id):
        def look():
            runtime = self.admin.get(f"/v1/runtimes/{runtime_id}").expect(200).json()
            assert runtime["status"] != "error", runtime
            return runtime["status"] == "available"

        eventually("available runtime", AVAILABLE_WITHIN_S, look)

    def create(self, source, entry="main.main", runtime_id=None, suffix="py", **settings):
        """A package function of the user; its id."""
        package = zipped(source, suffix=suffix)
        fields = {"runtime_id": runtime_id or self.runtime_id, "code": package_code(package), "entry": entry}
        made = self.user.send_package("POST", "/v1/functions", package, fields | settings)
        return made.expect(201).json()["id"]

    def create_image(self, image, **settings):
        """An image function of the user; its id."""
        fields = {"code": json.dumps({"source": "image", "image": image}), **settings}
        return self.user.send_form("POST", "/v1/functions", fields).expect(201).json()["id"]

    def update(self, function_id, **settings):
        return self.user.send_form("PUT", f"/v1/functions/{function_id}", settings).expect(200).json()

    def execute(self, function_id, by=None, **more):
        caller = by or self.user
        answer = caller.post("/v1/executions", {"function_id": function_id, **more})
        return with_result(answer.expect(201).json())

    def execute_alias(self, alias):
        return with_result(self.user.post("/v1/executions", {"function_alias": alias}).expect(201).json())

    def succeed(self, function_id, **more):
        ran = self.execute(function_id, **more)
        assert ran["status"] == "success", ran
        return ran

    def fail(self, function_id, words, **more):
        ran = self.execute(function_id, **more)
        assert ran["status"] == "failed" and words in ran["result"]["output"], ran
        return ran

    def ended(self, execution_id):
        def look():
            ran = self.user.get(f"/v1/executions/{execution_id}").expect(200).json()
            return ran if ran["status"] != "running" else None

        return with_result(eventually("end of an execution", ENDS_WITHIN_S, look))

    def log(self, execution_id):
        return self.user.get(f"/v1/executions/{execution_id}/log").expect(200).text

    def workers(self, function_id, version=0):
        path = f"/v1/functions/{function_id}/workers?function_version={version}"
        return self.admin.get(path).expect(200).json()["workers"]

    def no_workers(self, function_id, version=0):
        eventually("end of the workers", 5, lambda: not self.workers(function_id, version))

    def ids(self, caller, collection, query="", key="id"):
        """What a list shows."""
        wrapper = {"versions": "function_versions", "aliases": "function_aliases"}
        name = collection.rsplit("/", 1)[-1]
        listed = caller.get(f"/v1/{collection}{query}").expect(200).json()[wrapper.get(name, name)]
        return [one[key] for one in listed]

    def refuse_all_projects(self, collection):
        refused = self.user.get(f"/v1/{collection}?all_projects=true").expect(403)
        assert "Operation not allowed" in refused.fault, refused.text

    def three_targets(self, source=functions.HELLO):
        """A function with a version and an alias of it: what webhooks and jobs are bound to."""
        function_id = self.create(source)
        self.user.post(f"/v1/functions/{function_id}/versions", {}).expect(201)
        alias = f"alias-{function_id}"
        body = {"name": alias, "function_id": function_id, "function_version": 1}
        self.user.post("/v1/aliases", body).expect(201)
        return function_id, alias


def with_result(execution):
    """The execution with its result as an object."""
    if execution["result"] is not None:
        execution["result"] = json.loads(execution["result"])
    return execution


def in_seconds(seconds):
    """A time as the API takes it."""
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def at_once(count, call):
    """So many calls at the same time; what each answered."""
    answers = [None] * count

    def one(n):
        try:
            answers[n] = call()
        except Exception as error:
            answers[n] = error

    threads = [threading.Thread(target=one, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers


def timed(call):
    """What it answers, and how many seconds it took."""
    began = time.monotonic()
    return call(), time.monotonic() - began
