"""The build command on code in the forms that users have it. No network: GOPROXY is off."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from worker import KIT, WORK, Built, Worker, built, go, must, tools, write  # noqa: E402  (needs the path above)

HANDLE = 'func Handle(w http.ResponseWriter, r *http.Request) { w.Write([]byte("%s")) }\n'
LIBRARY = {"vendor/example.org/lib/lib.go": 'package lib\n\nfunc Word() string { return "vendored" }\n',
           "vendor/modules.txt": "# example.org/lib v1.2.3\n## explicit; go 1.19\nexample.org/lib\n"}
MOD = "module example.com/fn\n\ngo 1.19\n"


class Build(unittest.TestCase):
    def answer(self, files, entry="", convention="event-context"):
        """What the built function answers."""
        code = Built(files).must()
        worker = Worker(code.deps)
        self.addCleanup(worker.close)
        slot = worker.link("slot", 0)
        loaded = slot.load(code.code, entry=entry, convention=convention)
        self.assertTrue(loaded["ok"], loaded)
        return slot.call()[1].decode()

    def refused(self, files):
        code = Built(files)
        self.assertEqual(code.exit, 1, code.said)
        return code.said

    def test_a_lone_file_needs_no_go_mod(self):
        self.assertEqual(self.answer({"main.go": 'package handler\n\nimport "net/http"\n\n' + HANDLE % "lone"}), "lone")

    def test_a_go_mod_without_dependencies(self):
        self.assertEqual(self.answer({"go.mod": MOD, "a.go": 'package fn\n\nimport "net/http"\n\n' + HANDLE % "mod"}), "mod")

    def test_an_older_go_mod(self):
        self.assertEqual(self.answer({"go.mod": "module fn\n", "a.go": 'package fn\n\nimport "net/http"\n\n' + HANDLE % "old"}), "old")

    def test_vendored_modules_are_used(self):
        files = dict(LIBRARY, **{"go.mod": MOD + "\nrequire example.org/lib v1.2.3\n", "a.go": '''
            package fn

            import (
                "net/http"

                "example.org/lib"
            )

            func Handle(w http.ResponseWriter, r *http.Request) { w.Write([]byte(lib.Word())) }
            '''})
        self.assertEqual(self.answer(files), "vendored")

    def test_a_stand_in_joins_vendored_modules(self):
        sdk = "github.com/nuclio/nuclio-sdk-go"
        files = dict(LIBRARY, **{"go.mod": MOD + "\nrequire (\n\texample.org/lib v1.2.3\n\t%s v0.1.0\n)\n" % sdk, "a.go": '''
            package fn

            import (
                "example.org/lib"
                "github.com/nuclio/nuclio-sdk-go"
            )

            func Handler(c *nuclio.Context, e nuclio.Event) (interface{}, error) { return lib.Word(), nil }
            '''})
        files["vendor/modules.txt"] += "# %s v0.1.0\n## explicit\n" % sdk
        self.assertEqual(self.answer(files, convention="context-event"), "vendored")

    def test_a_vendored_sdk_wins_over_the_stand_in(self):
        tools()
        files = {"go.mod": MOD + "\nrequire (\n\tgithub.com/nuclio/logger v0.0.1\n\tgithub.com/nuclio/nuclio-sdk-go v0.1.0\n)\n",
                 "vendor/modules.txt": "# github.com/nuclio/logger v0.0.1\n## explicit\ngithub.com/nuclio/logger\n"
                                       "# github.com/nuclio/nuclio-sdk-go v0.1.0\n## explicit\ngithub.com/nuclio/nuclio-sdk-go\n",
                 "vendor/github.com/nuclio/nuclio-sdk-go/more.go": 'package nuclio\n\nconst Original = "original"\n',
                 "a.go": '''
            package main

            import "github.com/nuclio/nuclio-sdk-go"

            func Handler(c *nuclio.Context, e nuclio.Event) (interface{}, error) { return nuclio.Original, nil }
            '''}
        modules = os.path.join(KIT, "modules")
        for directory, _, names in os.walk(os.path.join(modules, "github.com", "nuclio")):
            for name in names:
                if name.endswith(".go"):
                    path = os.path.join(directory, name)
                    with open(path) as file:
                        files[os.path.join("vendor", os.path.relpath(path, modules))] = file.read()
        self.assertEqual(self.answer(files, convention="context-event"), "original")

    def test_modules_in_directories_are_programs_of_their_own(self):
        web = 'package main\n\nimport "github.com/scaleway/scaleway-functions-go/lambda"\n\n' \
              'func main() { lambda.Start(func() (string, error) { return "%s", nil }) }\n'
        files = {"handlers/hello/go.mod": "module hello\n\ngo 1.19\n", "handlers/hello/main.go": web % "hello",
                 "handlers/other/main.go": web % "other"}
        self.assertEqual(self.answer(files, entry="handlers/hello"), "hello")

    def test_files_for_other_systems_and_tests_are_left_out(self):
        files = {"a.go": 'package fn\n\nimport "net/http"\n\n' + HANDLE % "ours", "a_windows.go": "package fn\n\nfunc X() { nowhere() }\n",
                 "tool.go": "//go:build ignore\n\npackage main\n\nfunc main() { nowhere() }\n",
                 "a_test.go": "package fn\n\nfunc X() { nowhere() }\n", "testdata/b.go": "not go at all"}
        self.assertEqual(self.answer(files), "ours")

    def test_internal_packages_and_generic_functions_do_no_harm(self):
        files = {"go.mod": MOD, "a.go": 'package fn\n\nimport "net/http"\n\nfunc Generic[T any](t T) T { return t }\n\n' + HANDLE % "top",
                 "deep/internal/x/x.go": "package x\n\nfunc Main() {}\n", "internal/y/y.go": "package y\n\nfunc Main() {}\n"}
        self.assertEqual(self.answer(files), "top")

    def test_the_compilers_words_are_shown(self):
        said = self.refused({"main.go": "package main\n\nfunc Main() { nowhere() }\n"})
        self.assertIn("main.go:3", said)
        self.assertIn("undefined: nowhere", said)

    def test_code_without_anything_to_call_is_refused(self):
        self.assertIn("nothing to call", self.refused({"a.txt": "hello"}))
        self.assertIn("nothing to call", self.refused({"a.go": "package fn\n\nfunc quiet() {}\n"}))

    def test_a_module_that_cannot_be_fetched_is_named(self):
        said = self.refused({"a.go": 'package fn\n\nimport "example.org/far"\n\nfunc Main() { far.Away() }\n'})
        self.assertIn("example.org/far", said)

    def test_fetching_what_is_not_there_warns_only(self):
        tools()
        place = os.path.join(WORK, "fetch")
        write(place, {"go.mod": MOD + "\nrequire example.org/far v1.0.0\n"})
        code, said = go([os.path.join(WORK, "build"), "fetch", place, KIT], place)
        self.assertEqual(code, 0, said)
        self.assertIn("go mod vendor", said)


class Samples(unittest.TestCase):
    def test_each_sample_runs(self):
        calls = (("hello", "kwargs", b'{"name": "Ada"}', b'"Hello, Ada!"'), ("cpu", "kwargs", b'{"n": 100}', b'{"below":100,"primes":25}'),
                 ("echo", "kwargs", b'{"a": [1]}', b'{"a":[1]}'), ("echo", "event-context", b"as it is", b"as it is"),
                 ("echo", "context-event", b"as it is", b"as it is"))
        for name, convention, body, wanted in calls:
            code = built("sample-" + name, directory=os.path.join(KIT, "samples", name))
            worker = Worker(code.deps)
            self.addCleanup(worker.close)
            slot = worker.link("slot", 0)
            self.assertTrue(slot.load(code.code, entry=".", convention=convention)["ok"])
            self.assertEqual(slot.call(body)[1], wanted)


class Code(unittest.TestCase):
    def test_it_is_formatted_and_vetted_and_its_own_tests_pass(self):
        # Templates are programs of one file each that lie in one folder: each is vetted alone.
        done = must(go(["sh", "-c", "set -e; gofmt -l .; house=$(go list ./... | grep -v /samples/templates$); "
                        "go vet $house; for file in samples/templates/*.go; do go vet $file; done; go test $house"], KIT))
        self.assertNotIn(".go\n", done)


if __name__ == "__main__":
    unittest.main()
