"""Every command of the released command line against a running daemon, one class a resource.

HOB_URL names the daemon and HOB_BASE_IMAGE an image with python3. The last test fails when the client has a command
that no test here has used.
"""

import importlib.metadata
import json
import os
import pathlib
import subprocess
import tempfile
import unittest
import urllib.parse
import uuid
import zipfile

import functions
from client import Client, column
from wire import Project, eventually

URL = os.environ["HOB_URL"]
AVAILABLE_WITHIN_S = 60
ENDS_WITHIN_S = 30
USED = set()


class Counted(Client):
    """Remembers which commands were used."""

    def run(self, command):
        USED.update(name for name in COMMANDS if f"{command} ".startswith(f"{name} "))
        return super().run(command)


COMMANDS = {
    point.name.replace("_", " ")
    for point in importlib.metadata.entry_points(group="openstack.function_engine.v1")
}


def setUpModule():
    """The runtimes that are there from the start may still be made."""

    def look():
        runtimes = Project(URL).get("/v1/runtimes").expect(200).json()["runtimes"]
        return any(one["name"] == "python" and one["status"] == "available" for one in runtimes)

    eventually("available runtime", AVAILABLE_WITHIN_S, look)


class Case(unittest.TestCase):
    """A folder with a module and a package in it, and a client that works there."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.openstack = Counted(URL, cls.folder)
        (cls.folder / "hello.py").write_text(functions.HELLO)
        (cls.folder / "goodbye.py").write_text(functions.GOODBYE)
        for name, source in [("hello", functions.HELLO), ("goodbye", functions.GOODBYE)]:
            with zipfile.ZipFile(cls.folder / f"{name}.zip", "w") as package:
                package.writestr("main.py", source)

    def create(self, options="--runtime python --package hello.zip"):
        """A function under a name of its own; its id."""
        name = f"f-{uuid.uuid4().hex[:12]}"
        return self.openstack.json(f"function create --name {name} {options}")["id"]

    def execute(self, options, status="success"):
        ran = self.openstack.json(f"function execution create {options}")
        self.assertEqual(ran["status"], status, ran)
        return ran

    def log(self, execution_id):
        return self.openstack.ok(f"function execution log show {execution_id}").out

    def ended(self, execution_id):
        def look():
            ran = self.openstack.json(f"function execution show {execution_id}")
            return ran if ran["status"] != "running" else None

        return eventually("end of the execution", ENDS_WITHIN_S, look)

    def workers(self, function_id):
        return column(self.openstack.json(f"function worker list {function_id}"), "worker_name")

    def workers_become(self, function_id, count):
        eventually(f"{count} workers", ENDS_WITHIN_S, lambda: len(self.workers(function_id)) == count)

    def is_listed(self, resource, thing, key="id"):
        return thing in column(self.openstack.json(f"{resource} list"), key)


class Runtimes(Case):
    def test_a_runtime_is_created_listed_shown_with_its_pool_and_deleted(self):
        options = "--name mine --description 'of mine' --private --untrusted"
        made = self.openstack.json(f"runtime create hob/python {options}")
        path = made["id"]
        self.assertEqual((made["name"], made["is_public"], made["trusted"]), ("mine", False, False))
        shown = lambda: self.openstack.json(f"runtime show {path}")
        eventually("available runtime", AVAILABLE_WITHIN_S, lambda: shown()["status"] == "available")
        self.assertEqual(shown()["description"], "of mine")
        self.assertTrue(self.is_listed("runtime", path))
        pool = self.openstack.json(f"runtime pool show {path}")
        self.assertEqual((pool["name"], set(pool["capacity"])), (path, {"total", "available"}))
        self.openstack.ok(f"runtime delete {path}")
        self.openstack.run(f"runtime show {path}").fails(f"Runtime not found [id={path}] (HTTP 404)")

    def test_an_image_without_the_worker_is_refused_and_a_used_runtime_stays(self):
        self.openstack.run("runtime create no/such-image").fails("(HTTP 400)")
        runtime_id = self.openstack.json("runtime create hob/python")["id"]
        shown = lambda: self.openstack.json(f"runtime show {runtime_id}")
        eventually("available runtime", AVAILABLE_WITHIN_S, lambda: shown()["status"] == "available")
        function_id = self.create(f"--runtime {runtime_id} --package hello.zip")
        self.openstack.run(f"runtime delete {runtime_id}").fails("is still in use. (HTTP 403)")
        self.openstack.ok(f"function delete {function_id}")
        self.openstack.ok(f"runtime delete {runtime_id}")


class Functions(Case):
    def test_a_function_is_created_of_a_file_listed_shown_updated_and_deleted(self):
        options = "--runtime python --file hello.py --entry hello.main --cpu 150 --memory-size 67108864 --timeout 9"
        name = f"f-{uuid.uuid4().hex[:12]}"
        made = self.openstack.json(f"function create --name {name} {options}")
        self.assertEqual((made["name"], made["entry"]), (name, "hello.main"))
        self.assertEqual((made["cpu"], made["memory_size"], made["timeout"]), (150, 67108864, 9))
        self.assertTrue(self.is_listed("function", made["id"]))
        self.assertEqual(self.openstack.json(f"function show {name}")["id"], made["id"])
        self.execute(f"--function {name}")
        update = "--name renamed --description told --cpu 200 --memory-size 100663296 --timeout 11"
        self.openstack.ok(f"function update {name} {update}")
        shown = self.openstack.json(f"function show {made['id']}")
        told = [shown[key] for key in ("name", "description", "cpu", "memory_size", "timeout", "count")]
        self.assertEqual(told, ["renamed", "told", 200, 100663296, 11, 1])
        self.openstack.ok(f"function delete {made['id']}")
        self.assertFalse(self.is_listed("function", made["id"]))

    def test_new_code_serves_the_next_execution(self):
        function_id = self.create()
        first = self.execute(f"--function {function_id}")
        self.openstack.ok(f"function update {function_id} --package goodbye.zip --entry main.leave")
        second = self.execute(f"--function {function_id}")
        self.assertIn("Hello, World", self.log(first["id"]))
        self.assertIn("Goodbye, World", self.log(second["id"]))
        self.openstack.ok(f"function update {function_id} --file goodbye.py --entry goodbye.leave")
        third = self.execute(f"--function {function_id}")
        self.assertIn("Goodbye, World", self.log(third["id"]))

    def test_a_download_has_the_bytes_that_were_uploaded(self):
        function_id = self.create()
        sent = (self.folder / "hello.zip").read_bytes()
        self.openstack.ok(f"function download {function_id}")
        self.assertEqual((self.folder / f"{function_id}.zip").read_bytes(), sent)
        self.openstack.ok(f"function download {function_id} -o other.zip")
        self.assertEqual((self.folder / "other.zip").read_bytes(), sent)

    def test_workers_are_scaled_up_and_down_and_detached(self):
        function_id = self.create()
        self.assertEqual(self.workers(function_id), [])
        self.execute(f"--function {function_id}")
        self.workers_become(function_id, 1)
        self.openstack.ok(f"function scaleup {function_id} --count 2")
        self.workers_become(function_id, 3)
        self.assertEqual(len(set(self.workers(function_id))), 3)
        self.openstack.ok(f"function scaledown {function_id} --count 5")
        self.workers_become(function_id, 1)
        self.openstack.ok(f"function scaleup {function_id}")
        self.workers_become(function_id, 2)
        self.openstack.ok(f"function scaledown {function_id}")
        self.workers_become(function_id, 1)
        self.openstack.ok(f"function detach {function_id}")
        self.workers_become(function_id, 0)
        self.execute(f"--function {function_id}")

    def test_an_image_is_a_function_too(self):
        image = f"hob-test/clients-command-{uuid.uuid4().hex}"
        text = f'FROM {os.environ["HOB_BASE_IMAGE"]}\nENTRYPOINT ["python3", "-c", "{functions.IMAGE_HELLO}"]\n'
        build = ["docker", "build", "-q", "-t", image, "-"]
        subprocess.run(build, input=text, text=True, check=True, capture_output=True)
        self.addCleanup(subprocess.run, ["docker", "rmi", "-f", image], capture_output=True)
        function_id = self.create(f"--image {image} --timeout 30")
        ran = self.execute(f"--function {function_id} --input Qinling")
        self.assertEqual(list(json.loads(ran["result"])), ["duration"])
        self.assertIn("Hello, Qinling", self.log(ran["id"]))
        self.openstack.ok(f"function update {function_id} --timeout 20")

    def test_what_is_wrong_is_said_in_the_words_of_the_contract(self):
        create = "function create --runtime python --package hello.zip"
        for command, words in [
            (f"{create} --cpu 99", "cpu resource limitation not within the allowable range: 100 ~ 300(millicpu)."),
            (f"{create} --timeout 301", "timeout resource limitation not within the allowable range:"),
            (f"{create} --memory-size 1", "memory resource limitation not within the allowable range:"),
            ("function create --runtime python --container c --object o", "Swift object not supported."),
            ("function create --runtime nobody --package hello.zip", "No Runtime matching {'name': 'nobody'}."),
            ("function show nobody", "No Function matching {'name': 'nobody'}."),
            (f"function show {uuid.UUID(int=4)}", f"Function not found [id={uuid.UUID(int=4)}]"),
        ]:
            with self.subTest(command):
                self.openstack.run(command).fails(words)


class Executions(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.function_id = cls.create(cls)

    def test_inputs_of_each_kind_arrive(self):
        for option, words in [
            ("", "Hello, World"),
            ("--input '{\"name\": \"Qinling\"}'", "Hello, Qinling"),
            ("--input Bob", "Hello, Bob"),
            ("--input 6", "Hello, 6"),
        ]:
            with self.subTest(option):
                ran = self.execute(f"--function {self.function_id} {option}")
                log = self.log(ran["id"])
                self.assertEqual(log.splitlines()[0], f"Start execution: {ran['id']}")
                self.assertEqual(log.splitlines()[-1], f"Finished execution: {ran['id']}")
                self.assertIn(words, log)
                self.assertEqual(list(json.loads(ran["result"])), ["output", "duration"])

    def test_an_asynchronous_execution_runs_and_then_succeeds(self):
        ran = self.execute(f"--function {self.function_id} --async", status="running")
        self.assertIn(ran["sync"], (False, "False"))
        self.assertEqual(self.ended(ran["id"])["status"], "success")

    def test_a_function_that_fails_is_an_execution_that_failed(self):
        twice = "'{\"__function_input\": 1, \"name\": 2}'"
        ran = self.execute(f"--function {self.function_id} --input {twice}", "failed")
        self.assertIn("multiple values for argument 'name'", json.loads(ran["result"])["output"])
        (self.folder / "raises.py").write_text(functions.RAISES)
        function_id = self.create("--runtime python --file raises.py --entry raises.main")
        ran = self.execute(f"--function {function_id}", "failed")
        self.assertEqual(json.loads(ran["result"])["output"], "as asked")
        self.assertIn("Traceback", self.log(ran["id"]))

    def test_executions_are_filtered_shown_and_deleted_one_by_one_and_by_function(self):
        function_id = self.create()
        first, second = (self.execute(f"--function {function_id}")["id"] for _ in range(2))
        filters = f"--filter function_id={function_id} --filter status=eq:success"
        listed = self.openstack.json(f"function execution list {filters}")
        self.assertEqual(column(listed, "id"), [first, second])
        self.assertEqual(self.openstack.json(f"function execution show {first}")["function_id"], function_id)
        self.openstack.ok(f"function execution delete --execution {first}")
        self.openstack.run(f"function execution show {first}").fails(f"Execution not found [id={first}]")
        self.openstack.ok(f"function execution delete --function {function_id}")
        self.openstack.run(f"function execution show {second}").fails("(HTTP 404)")


class Versions(Case):
    def test_versions_are_frozen_listed_shown_executed_detached_and_deleted(self):
        function_id = self.create()
        first = self.openstack.json(f"function version create {function_id} --description first")
        self.assertEqual((first["version_number"], first["description"]), (1, "first"))
        self.openstack.run(f"function version create {function_id}").fails("not changed since the latest version 1.")
        self.openstack.ok(f"function update {function_id} --package goodbye.zip --entry main.leave")
        self.openstack.ok(f"function version create {function_id}")
        listed = self.openstack.json(f"function version list {function_id}")
        self.assertEqual(column(listed, "version_number"), [1, 2])
        for version, words in [(0, "Goodbye"), (1, "Hello"), (2, "Goodbye")]:
            ran = self.execute(f"--function {function_id} --function-version {version}")
            self.assertIn(words, self.log(ran["id"]))
        self.assertEqual(self.openstack.json(f"function version show {function_id} 1")["count"], 1)
        self.openstack.ok(f"function version detach {function_id} 1")
        self.openstack.ok(f"function version delete {function_id} 2")
        self.openstack.run(f"function version show {function_id} 2").fails("FunctionVersion not found")


class Aliases(Case):
    def test_an_alias_is_created_listed_shown_executed_moved_and_deleted(self):
        function_id, alias = self.create(), f"a-{uuid.uuid4().hex[:12]}"
        self.openstack.ok(f"function version create {function_id}")
        made = self.openstack.json(f"function alias create {alias} --function {function_id} --description told")
        self.assertEqual((made["name"], made["function_version"], made["description"]), (alias, 0, "told"))
        self.openstack.run(f"function alias create {alias} --function {function_id}").fails("Duplicate entry")
        self.assertTrue(self.is_listed("function alias", alias, "name"))
        ran = self.execute(f"--function-alias {alias}")
        self.assertEqual((ran["function_alias"], ran["function_id"]), (alias, function_id))
        self.openstack.ok(f"function alias update {alias} --function-version 1")
        self.assertEqual(self.openstack.json(f"function alias show {alias}")["function_version"], 1)
        self.assertEqual(self.execute(f"--function-alias {alias}")["function_version"], 1)
        self.openstack.run(f"function delete {function_id}").fails("still associated with function alias(es).")
        self.openstack.ok(f"function alias delete {alias}")
        self.openstack.run(f"function alias show {alias}").fails(f"FunctionAlias not found [name={alias}]")
        self.openstack.ok(f"function delete {function_id}")


class Webhooks(Case):
    def test_a_webhook_is_created_called_listed_updated_and_deleted(self):
        function_id = self.create()
        self.openstack.ok(f"function version create {function_id}")
        made = self.openstack.json(f"webhook create --function {function_id} --description told")
        self.assertTrue(self.is_listed("webhook", made["id"]))
        for path, body, kind, words in [
            ("?name=Query", None, None, "Hello, Query"),
            ("", "name=Form", "application/x-www-form-urlencoded", "Hello, Form"),
            ("", '{"name": "JSON"}', "application/json", "Hello, JSON"),
        ]:
            with self.subTest(words):
                self.assertIn(words, self.called(made["webhook_url"] + path, body, kind, made["id"]))
        self.openstack.ok(f"webhook update {made['id']} --function-version 1 --description other")
        shown = self.openstack.json(f"webhook show {made['id']}")
        told = (shown["function_id"], str(shown["function_version"]), shown["description"])
        self.assertEqual(told, (function_id, "1", "other"))
        self.openstack.ok(f"webhook delete {made['id']}")
        self.openstack.run(f"webhook show {made['id']}").fails(f"Webhook not found [id={made['id']}]")

    def called(self, address, body, kind, webhook_id):
        """The log of what a call of the webhook started."""
        split = urllib.parse.urlsplit(address)
        stranger = Project(f"http://{split.netloc}")
        target = split.path + (f"?{split.query}" if split.query else "")
        execution_id = stranger.call("POST", target, body, kind).expect(202).json()["execution_id"]
        ran = self.ended(execution_id)
        self.assertEqual((ran["status"], ran["description"]), ("success", f"Created by Webhook {webhook_id}"))
        return self.log(execution_id)


class Jobs(Case):
    def test_a_job_fires_every_second_until_its_count_is_used_up(self):
        function_id = self.create()
        pattern = "'* * * * * *'"
        options = f"--function {function_id} --pattern {pattern} --count 2 --name ticks"
        made = self.openstack.json(f"job create {options} --function-input '{{\"name\": \"Clock\"}}'")
        self.assertEqual((made["status"], made["name"]), ("running", "ticks"))
        self.assertTrue(self.is_listed("job", made["id"]))
        shown = lambda: self.openstack.json(f"job show {made['id']}")
        eventually("end of the job", ENDS_WITHIN_S, lambda: shown()["status"] == "done")
        listed = self.openstack.json(f"function execution list --filter 'description=has:{made['id']}'")
        self.assertEqual(len(listed), 2, listed)
        for execution_id in column(listed, "id"):
            self.assertEqual(self.ended(execution_id)["status"], "success")
            self.assertIn("Hello, Clock", self.log(execution_id))
        self.openstack.run(f"job update {made['id']} --name late").fails("Can not update a finished job.")
        self.openstack.ok(f"job delete {made['id']}")
        self.openstack.ok(f"function delete {function_id}")

    def test_a_job_is_paused_resumed_changed_and_cancelled(self):
        function_id = self.create()
        made = self.openstack.json(f"job create --function {function_id} --pattern '0 0 1 1 *'")
        update = lambda options: self.openstack.ok(f"job update {made['id']} {options}")
        update("--status paused --name waiting --function-input Bob")
        shown = self.openstack.json(f"job show {made['id']}")
        self.assertEqual((shown["status"], shown["name"], shown["function_input"]), ("paused", "waiting", "Bob"))
        self.openstack.run(f"function delete {function_id}").fails("still associated with running job(s).")
        update("--status running --pattern '0 0 2 1 *'")
        update("--next-execution-time 2090-01-01T00:00:00")
        self.assertEqual(self.openstack.json(f"job show {made['id']}")["next_execution_time"], "2090-01-01T00:00:00Z")
        self.openstack.run(f"job update {made['id']} --status done").fails("Invalid status.")
        update("--status cancelled")
        # A finished job goes with its function.
        self.openstack.ok(f"function delete {function_id}")
        self.openstack.run(f"job show {made['id']}").fails(f"Job not found [id={made['id']}]")

    def test_what_is_wrong_with_a_job_is_said(self):
        function_id = self.create()
        create = f"job create --function {function_id}"
        for options, words in [
            ("", "pattern or first_execution_time must be specified."),
            ("--pattern '61 * * * *'", "The specified pattern is not valid: 61 * * * *"),
            ("--first-execution-time 2020-01-01", "Execution time must be at least 1 minute in the future."),
            ("--first-execution-time 2090-01-01 --count 2", "pattern must be provided if count is greater than 1."),
        ]:
            with self.subTest(options):
                self.openstack.run(f"{create} {options}").fails(words)


CLOUD = ["--os-cloud", "local"]


class Ways(Case):
    def test_every_way_to_name_the_daemon_works(self):
        for options in [
            f"--os-auth-type none --qinling-url {URL}",
            f"--os-auth-type admin_token --os-endpoint {URL} --os-token anything",
        ]:
            with self.subTest(options):
                Client(URL, self.folder, options.split()).ok("runtime list").says("available")
        for environment in [
            {"OS_AUTH_TYPE": "none", "OS_ENDPOINT": URL},
            {"OS_AUTH_TYPE": "none", "QINLING_URL": URL},
            {"OS_AUTH_TYPE": "token_endpoint", "OS_URL": URL, "OS_TOKEN": "anything"},
        ]:
            with self.subTest(environment):
                Client(URL, self.folder, [], environment).ok("runtime list").says("available")

    def test_a_configured_cloud_works(self):
        for wording in [
            f"auth: {{endpoint: '{URL}'}}",
            f"qinling_url: '{URL}'",
            f"function_engine_endpoint_override: '{URL}'",
        ]:
            with self.subTest(wording):
                text = f"clouds:\n  local:\n    auth_type: none\n    {wording}\n"
                file = self.folder / "clouds.yaml"
                file.write_text(text)
                environment = {"OS_CLIENT_CONFIG_FILE": str(file)}
                Client(URL, self.folder, CLOUD, environment).ok("runtime list").says("available")


class Completeness(unittest.TestCase):
    def test_no_command_of_the_client_was_left_out(self):
        self.assertGreater(len(COMMANDS), 30)
        self.assertEqual(COMMANDS - USED, set())


def load_tests(loader, *_):
    """Completeness is last, because it looks back."""
    order = [Runtimes, Functions, Executions, Versions, Aliases, Webhooks, Jobs, Ways, Completeness]
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in order)


if __name__ == "__main__":
    unittest.main(verbosity=2)
