"""The released Python library of the API against a running daemon, as a program would use it.

HOB_URL names the daemon. With a session, as the contract advises, and without one.
"""

import json
import os
import tempfile
import unittest
import uuid

from keystoneauth1 import noauth, session
from qinlingclient import client

import functions
from wire import package_code, zipped

URL = os.environ["HOB_URL"]


class Library(unittest.TestCase):
    def setUp(self):
        own = session.Session(auth=noauth.NoAuth(endpoint=URL))
        self.client = client.Client("1", URL, session=own, service_type="function-engine")
        self.package = zipped(functions.HELLO)
        runtimes = self.client.runtimes.list()
        self.runtime = next(runtime.id for runtime in runtimes if runtime.name == "python")

    def create(self, **more):
        with tempfile.NamedTemporaryFile(suffix=".zip") as file:
            file.write(self.package)
            file.flush()
            with open(file.name, "rb") as package:
                code = json.loads(package_code(self.package))
                return self.client.functions.create(code=code, runtime=self.runtime, package=package, **more)

    def test_a_function_is_made_run_read_and_removed(self):
        made = self.create(name=f"f-{uuid.uuid4().hex[:12]}", entry="main.main", timeout=7)
        self.assertEqual((made.timeout, made.count, made.latest_version), (7, 0, 0))
        ran = self.client.function_executions.create(function_id=made.id, input='{"name": "Library"}')
        self.assertEqual((ran.status, ran.sync), ("success", True))
        self.assertIn("Hello, Library", self.client.function_executions.get_log(ran.id))
        self.assertEqual(self.client.functions.get(made.id).count, 1)
        self.assertIn(made.id, [one.id for one in self.client.functions.list()])
        loaded = self.client.functions.get(made.id, download=True)
        self.assertEqual(b"".join(loaded.iter_content(1024)), self.package)
        self.client.functions.delete(made.id)
        self.assertNotIn(made.id, [one.id for one in self.client.functions.list()])

    def test_versions_aliases_webhooks_and_jobs_are_objects_with_their_fields(self):
        made = self.create()
        version = self.client.function_versions.create(made.id, description="first")
        self.assertEqual((version.version_number, version.function_id), (1, made.id))
        name = f"a-{uuid.uuid4().hex[:12]}"
        alias = self.client.function_aliases.create(name, made.id, function_version=1)
        self.assertEqual((alias.name, alias.function_version), (name, 1))
        webhook = self.client.webhooks.create(None, function_alias=name)
        self.assertTrue(webhook.webhook_url.endswith(f"/v1/webhooks/{webhook.id}/invoke"))
        job = self.client.jobs.create(function_alias=name, pattern="0 0 1 1 *")
        self.assertEqual((job.function_alias, job.status), (name, "running"))
        self.client.jobs.delete(job.id)
        self.client.webhooks.delete(webhook.id)
        self.client.function_aliases.delete(name)
        self.client.functions.delete(made.id)

    def test_without_a_session_it_lists_and_runs_too(self):
        made = self.create()
        plain = client.Client("1", URL, token="anything")
        self.assertIn(made.id, [one.id for one in plain.functions.list()])
        self.assertEqual(plain.function_executions.create(function_id=made.id).status, "success")
        plain.functions.delete(made.id)

    def test_what_is_not_there_is_an_error_with_the_daemons_words(self):
        missing = str(uuid.UUID(int=4))
        with self.assertRaisesRegex(Exception, f"Function not found .id={missing}"):
            self.client.functions.get(missing)


if __name__ == "__main__":
    unittest.main(verbosity=2)
