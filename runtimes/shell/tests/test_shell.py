"""Programs as functions: the daemon played over a real socket. Never sleeps; needs Linux, no container."""

import json
import os
import re
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "python", "tests"))
from worker import ShimTest  # noqa: E402  (needs the path above)
from played import BODY, CHUNK, INVOKE, LOG, REPLY, alive  # noqa: E402
import test_standalone  # noqa: E402

PARTS = [os.path.join(HERE, "..", "shim.py"), os.path.join(HERE, "..", "hob_shell"),
         os.path.join(HERE, "..", "..", "python", "hob_shim")]
TEXT = ["Content-Type", "text/plain; charset=utf-8"]


class ShellTest(ShimTest):
    PARTS = PARTS

    def script(self, source, convention="context-event", **changes):
        """The slot, with this script in it."""
        self.worker.write(source, "main.sh")
        answer = self.slot.load(self.worker.code, **dict({"entry": "main.sh", "convention": convention}, **changes))
        self.assertTrue(answer["ok"], answer)
        return self.slot

    def command(self, entry, convention="context-event"):
        answer = self.slot.load(self.worker.code, entry=entry, convention=convention)
        self.assertTrue(answer["ok"], answer)
        return self.slot

    def printed_by(self, slot, body=b"", **changes):
        header, raw = slot.call(body, **changes)
        self.assertNotIn("error", header)
        return raw.decode()


class Programs(ShellTest):
    def test_the_worker_says_what_it_is(self):
        hello = self.worker.control.hello
        self.assertEqual((hello["runtime"], hello["conventions"]),
                         ("shell", ["context-event", "event-context", "kwargs"]))

    def test_a_script_without_a_first_line_is_run_by_sh(self):
        self.assertEqual(self.printed_by(self.script("echo $0 | sed 's:.*/::'; cat"), b"body"), "main.sh\nbody")

    def test_a_first_line_chooses_who_runs_a_script(self):
        slot = self.script("#!/bin/bash\n[[ a == a ]] && echo $BASH_VERSION | cut -c1")
        self.assertRegex(self.printed_by(slot), r"^\d\n$")

    def test_a_first_line_may_have_an_argument(self):
        slot = self.script("#!/usr/bin/env python3\nimport sys\nprint(sys.stdin.read()[::-1])")
        self.assertEqual(self.printed_by(slot, b"abc"), "cba\n")

    def test_what_follows_a_colon_is_for_others(self):
        self.assertEqual(self.printed_by(self.script("echo here", entry="main.sh:handler")), "here\n")

    def test_the_extension_may_be_left_out_before_a_colon(self):
        self.assertEqual(self.printed_by(self.script("echo here", entry="main:handler")), "here\n")

    def test_an_empty_entry_is_main_sh(self):
        self.assertEqual(self.printed_by(self.script("echo here", entry="")), "here\n")

    def test_scripts_in_folders_run_at_the_top_of_the_code(self):
        self.worker.write("cat data", "bin/tool")
        self.worker.write("top", "data")
        self.assertEqual(self.printed_by(self.command("bin/tool")), "top")

    def test_a_command_of_the_image_is_a_function(self):
        self.assertEqual(self.printed_by(self.command("rev"), b"abc\n"), "cba\n")

    def test_a_command_may_have_arguments(self):
        self.assertEqual(self.printed_by(self.command("tr a-z A-Z"), b"abc"), "ABC")

    def test_a_binary_of_the_code_runs(self):
        os.symlink("/bin/cat", os.path.join(self.worker.code, "tool"))
        self.assertEqual(self.printed_by(self.command("tool"), b"x"), "x")

    def test_a_binary_that_is_not_executable_is_named(self):
        path = os.path.join(self.worker.code, "tool")
        with open("/bin/cat", "rb") as source, open(path, "wb") as target:
            target.write(source.read(1000))
        os.chmod(path, 0o644)
        self.assertIn("chmod +x", self.refused(entry="tool", convention="kwargs")["message"])

    def test_an_entry_that_is_nothing_names_what_there_is(self):
        self.worker.write("", "other.sh")
        message = self.refused(entry="surely-not-there", convention="kwargs")["message"]
        self.assertIn("surely-not-there", message)
        self.assertIn("other.sh", message)

    def test_an_interpreter_that_is_not_here_is_named(self):
        self.worker.write("#!/opt/nowhere/zsh -f\n", "main.sh")
        self.assertIn("/opt/nowhere/zsh", self.refused(entry="main.sh", convention="kwargs")["message"])

    def test_another_convention_is_refused_by_name(self):
        self.worker.write("", "main.sh")
        self.assertIn("`http`", self.refused(entry="main.sh", convention="http")["message"])


class Kwargs(ShellTest):
    def test_output_is_json_or_a_string(self):
        slot = self.script("cat", "kwargs")
        for body, result in ((b'{"a": [1]}\n', {"a": [1]}), (b"5", 5), (b'"x"', "x"), (b"null", None), (b"", None), (b" \n", None),
                             (b"plain text\n\n", "plain text"), (b"{bad", "{bad"), (b"NaN", "NaN"), ("ä\n€".encode(), "ä\n€"),
                             (b"1 2", "1 2")):
            header, raw = slot.call(body)
            self.assertEqual((header["status"], header["headers"]), (200, [["content-type", "application/json"]]), body)
            self.assertEqual(json.loads(raw), result, body)

    def test_what_is_no_text_is_not_json(self):
        error = self.script("printf '\\377'", "kwargs").error()
        self.assertEqual((error["kind"], error["traceback"]), ("not_json", ""))

    def test_long_output_is_json_too(self):
        slot = self.script("printf '\"'; head -c 300000 /dev/zero | tr '\\0' x; printf '\"'", "kwargs")
        self.assertEqual(slot.result(), "x" * 300_000)


class Conventions(ShellTest):
    def test_event_variables_and_the_function_are_in_the_environment(self):
        slot = self.script("env | grep -E '^(NUCLIO|MINE|HOB|PATH=|HOME)' | sort", env={"MINE": "a b"})
        told = dict(line.split("=", 1) for line in self.printed_by(
            slot, path="/p%20q", method="PUT", headers=[["content-type", "a/b"], ["x-hob-trigger-kind", "cron"]]).splitlines())
        self.assertRegex(told.pop("NUCLIO_EVENT_TIMESTAMP"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertTrue(told.pop("PATH"))
        self.assertEqual(told, {
            "MINE": "a b", "HOME": "/tmp", "NUCLIO_FUNCTION_NAME": "f", "NUCLIO_FUNCTION_HANDLER": "main.sh",
            "NUCLIO_FUNCTION_VERSION": "latest", "NUCLIO_FUNCTION_DESCRIPTION": "", "NUCLIO_EVENT_ID": "e1",
            "NUCLIO_EVENT_CONTENT_TYPE": "a/b", "NUCLIO_EVENT_PATH": "/p q", "NUCLIO_EVENT_URL": "", "NUCLIO_EVENT_METHOD": "PUT",
            "NUCLIO_EVENT_SHARD_ID": "0", "NUCLIO_EVENT_NUM_SHARDS": "0", "NUCLIO_EVENT_TYPE": "", "NUCLIO_EVENT_TYPE_VERSION": "",
            "NUCLIO_EVENT_VERSION": "", "NUCLIO_TRIGGER_CLASS": "sync", "NUCLIO_TRIGGER_KIND": "cron"})

    def test_arguments_come_from_the_caller_or_from_the_function(self):
        slot = self.script('for word; do echo "<$word>"; done', env={"HOB_ARGUMENTS": "usual ones"})
        self.assertEqual(self.printed_by(slot), "<usual>\n<ones>\n")
        self.assertEqual(self.printed_by(slot, headers=[["x-nuclio-arguments", "a $(b); c"]]), "<a>\n<$(b);>\n<c>\n")
        self.assertEqual(self.printed_by(slot, headers=[["x-nuclio-arguments", ""]]), "")

    def test_arguments_of_the_caller_are_no_shell_code(self):
        slot = self.command("echo -n")
        self.assertEqual(self.printed_by(slot, headers=[["x-nuclio-arguments", "a;id `id` $HOME"]]), "a;id `id` $HOME")

    def test_the_answer_is_text_unless_headers_are_chosen(self):
        slot = self.script("printf x")
        self.assertEqual(slot.call()[0]["headers"], [TEXT])

    def test_headers_of_every_answer_may_be_chosen(self):
        slot = self.script("printf x", env={"HOB_RESPONSE_HEADERS": '{"Content-Type": "a/b", "X-N": 5}'})
        self.assertEqual(slot.call()[0]["headers"], [["Content-Type", "a/b"], ["X-N", "5"]])

    def test_headers_that_make_no_sense_are_refused(self):
        self.worker.write("", "main.sh")
        error = self.refused(entry="main.sh", convention="context-event", env={"HOB_RESPONSE_HEADERS": "[]"})
        self.assertIn("HOB_RESPONSE_HEADERS", error["message"])

    def test_event_context_is_told_as_cgi_programs_are(self):
        slot = self.script('echo "$REQUEST_METHOD $PATH_INFO $QUERY_STRING $CONTENT_TYPE $HTTP_X_A $SCRIPT_NAME [$HTTP_PROXY]"; cat',
                           "event-context")
        header, raw = slot.call(b"body", path="/p", query="a=b", headers=[
            ["content-type", "x/y"], ["x-a", "1"], ["proxy", "evil"], ["host", "h"]])
        self.assertEqual(raw, b"POST /p a=b x/y 1 f []\nbody")
        self.assertIn(TEXT, header["headers"])
        self.assertIn(["Access-Control-Allow-Origin", "*"], header["headers"])


class Failures(ShellTest):
    def test_a_status_is_raised_with_the_last_lines_of_standard_error(self):
        slot = self.script("echo part; for n in $(seq 20); do echo line $n >&2; done; exit 3")
        error = slot.error()
        self.assertEqual((error["kind"], error["type"], error["traceback"]), ("raised", "exit status 3", ""))
        self.assertEqual(error["message"], "\n".join("line %d" % n for n in range(11, 21)))
        self.assertEqual(slot.printed("stderr").count("\n"), 20)
        self.assertEqual(slot.printed("stdout"), "")

    def test_a_silent_failure_says_how_it_ended(self):
        error = self.script("exit 7").error()
        self.assertIn("ended with exit status 7", error["message"])

    def test_a_program_that_is_killed_names_the_signal(self):
        error = self.script("kill -SEGV $$").error()
        self.assertEqual((error["kind"], error["type"]), ("raised", "SIGSEGV"))
        self.assertEqual(self.slot.error()["type"], "SIGSEGV")

    def test_a_program_that_runs_too_long_ends_with_its_slot(self):
        slot = self.script("echo $$ >&2; sleep 600")
        slot.start(timeout_ms=2000)
        pid = int(slot.expect(LOG)[1])
        self.assertEqual(self.worker.exited()["cause"], "timeout")
        self.assertFalse(alive(pid))

    def test_a_failure_after_much_output_ends_the_slot(self):
        slot = self.script("head -c 200000 /dev/zero; echo broke >&2; exit 1")
        slot.start()
        with self.assertRaises((EOFError, ConnectionResetError)):
            slot.finish()
        self.assertIn("broke", slot.printed("stderr"))
        self.assertEqual(self.worker.exited()["code"], 1)

    def test_a_program_that_vanishes_is_named(self):
        slot = self.script("#!/bin/sh\n")
        os.symlink("/bin/true", os.path.join(self.worker.code, "tool"))
        self.slot.sock.close()
        self.worker.exited()
        self.slot = slot = self.worker.link("slot", 0)
        self.command("tool")
        os.unlink(os.path.join(self.worker.code, "tool"))
        error = slot.error()
        self.assertEqual((error["kind"], error["type"]), ("raised", "FileNotFoundError"))
        self.assertIn("cannot be started", error["message"])


class Bodies(ShellTest):
    def stream(self, slot, pieces):
        slot.start(pieces[0], stream=True)
        for piece in pieces[1:]:
            slot.send(BODY, None, piece)
        slot.send(BODY, {"end": True})
        return slot.finish()

    def test_large_bodies_go_through(self):
        slot = self.script("cat")
        pieces = [bytes([n % 256]) * CHUNK for n in range(100)]
        header, body = self.stream(slot, pieces)
        self.assertTrue(header["stream"])
        self.assertEqual(body, b"".join(pieces))
        self.assertEqual(self.printed_by(slot, b"small"), "small")

    def test_a_program_sees_the_body_while_it_comes(self):
        slot = self.script("read line; echo got $line >&2; cat")
        slot.start(b"first\n", stream=True)
        self.assertEqual(slot.expect(LOG)[1], b"got first\n")
        slot.send(BODY, {"end": True}, b"last")
        self.assertEqual(slot.finish()[1], b"last")

    def test_a_program_need_not_read_its_input(self):
        slot = self.script("echo done")
        for _ in range(2):
            self.assertEqual(self.stream(slot, [b"x" * CHUNK] * 50)[1], b"done\n")

    def test_a_program_may_close_its_input_and_go_on(self):
        slot = self.script("exec <&-; echo go >&2; read x < fifo; echo done")
        os.mkfifo(os.path.join(self.worker.code, "fifo"))
        slot.start(b"x" * CHUNK, stream=True)
        self.assertEqual(slot.expect(LOG)[1], b"go\n")
        for _ in range(20):
            slot.send(BODY, None, b"x" * CHUNK)
        slot.send(BODY, {"end": True})
        with open(os.path.join(self.worker.code, "fifo"), "w") as fifo:
            fifo.write("now\n")
        self.assertEqual(slot.finish()[1], b"done\n")

    def test_a_failure_reads_the_rest_of_the_body_first(self):
        slot = self.script("exit 1")
        slot.start(b"x" * CHUNK, stream=True)
        for _ in range(50):
            slot.send(BODY, None, b"x" * CHUNK)
        slot.send(BODY, {"end": True})
        self.assertEqual(slot.finish()[0]["error"]["type"], "exit status 1")
        self.assertEqual(slot.error()["type"], "exit status 1")

    def test_a_frame_that_does_not_fit_a_body_ends_the_slot(self):
        slot = self.script("cat")
        slot.start(b"x", stream=True)
        slot.send(INVOKE, {"id": "e", "timeout_ms": 1, "log_limit": 1})
        self.assertEqual(self.worker.exited()["code"], 70)

    def test_long_output_begins_before_the_program_ends(self):
        slot = self.script("head -c 100000 /dev/zero; read x < fifo; echo end")
        os.mkfifo(os.path.join(self.worker.code, "fifo"))
        slot.start()
        header, first = slot.expect(REPLY)
        self.assertTrue(header["stream"] and first)
        with open(os.path.join(self.worker.code, "fifo"), "w") as fifo:
            fifo.write("now\n")
        rest, end = b"", False
        while not end:
            part, raw = slot.expect(BODY)
            rest, end = rest + raw, part.get("end")
        self.assertEqual(first + rest, b"\0" * 100_000 + b"end\n")

    def test_what_runs_on_in_the_background_holds_nothing_open(self):
        slot = self.script("sleep 600 & echo $!")
        pid = int(self.printed_by(slot))
        self.assertTrue(alive(pid))
        self.assertTrue(self.printed_by(slot))
        slot.sock.close()
        self.worker.exited()
        self.assertFalse(alive(pid))

    def test_no_call_leaves_a_zombie_or_a_descriptor(self):
        slot = self.script('ps -o stat= --ppid $PPID | grep -c Z; ls /proc/$PPID/fd | wc -l')
        first = self.printed_by(slot)
        self.assertTrue(re.match(r"0\n\d+\n$", first), first)
        for _ in range(20):
            self.assertEqual(self.printed_by(slot), first)

    def test_standard_error_is_seen_while_the_call_runs(self):
        slot = self.script("echo now >&2; sleep 600")
        slot.start()
        header, raw = slot.expect(LOG)
        self.assertEqual((header["stream"], raw), ("stderr", b"now\n"))


class Alone(test_standalone.StandaloneTest):
    PARTS = PARTS

    def test_an_image_of_a_program_serves_by_itself(self):
        self.start("cat; echo said >&2", "main.sh", HOB_CONVENTION="context-event")
        self.assertEqual(self.call(b"x" * 300_000)[2], b"x" * 300_000)
        self.assertEqual(self.ended(), (0, "", "said\n"))

    def test_a_failure_is_told(self):
        self.start("echo why >&2; exit 2", "main.sh", HOB_ENTRY="main.sh")
        status, error = self.fails()
        self.assertEqual((status, error["kind"], error["type"], error["message"]), (500, "raised", "exit status 2", "why"))


class Samples(ShellTest):
    def test_each_sample_runs(self):
        calls = (("hello", b"Ada", "Hello, Ada!"), ("cpu", b"100", {"below": 100, "primes": 25}), ("echo", b'{"a": [1]}', {"a": [1]}))
        for name, body, result in calls:
            self.assertTrue(self.slot.load(os.path.join(HERE, "..", "samples", name), entry="main.sh")["ok"])
            self.assertEqual(self.slot.result(body), result)
            self.slot.sock.close()
            self.worker.exited()
            self.slot = self.worker.link("slot", 0)


if __name__ == "__main__":
    unittest.main()
