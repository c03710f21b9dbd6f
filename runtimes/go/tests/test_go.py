"""Plays the daemon over a real Unix socket against the shim as a plain process, with programs that the
build command has made. Never sleeps: it waits for frames, and each wait has a limit. Needs Linux.
"""

import json
import os
import struct
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import zoo  # noqa: E402  (needs the path above)
from worker import KIT, PATIENCE, Built, Worker, built, go, must  # noqa: E402
from played import BODY, CANCEL, CHUNK, INVOKE, LOAD, LOG, PING, PONG, SLOTS, alive  # noqa: E402


class GoTest(unittest.TestCase):
    code = ("kwargs", zoo.KWARGS)
    convention = "kwargs"

    def setUp(self):
        self.built = built(*self.code)
        self.worker = Worker(self.built.deps)
        self.addCleanup(self.worker.close)
        self.slot = self.worker.link("slot", 0)

    def loaded(self, entry="", **changes):
        changes.setdefault("convention", self.convention)
        answer = self.slot.load(self.built.code, entry=entry, **changes)
        self.assertTrue(answer["ok"], answer)
        return self.slot

    def refused(self, entry="", **changes):
        changes.setdefault("convention", self.convention)
        answer = self.slot.load(self.built.code, entry=entry, **changes)
        self.assertFalse(answer["ok"])
        self.assertEqual(answer["error"]["kind"], "load")
        return answer["error"]

    def dies(self, entry, body=b"", **changes):
        """How the supervisor reports the end of a slot that this function kills; a new one has come."""
        slot = self.loaded(entry)
        slot.start(body, **changes)
        with self.assertRaises((EOFError, ConnectionResetError)):
            slot.finish()
        report = self.worker.exited()
        self.slot = self.worker.link("slot", report["slot"])
        return report


class Hello(GoTest):
    def test_both_connections_say_who_they_are(self):
        hello = self.worker.control.hello
        self.assertEqual((hello["protocol"], hello["role"], hello["token"]), (1, "control", "secret"))
        self.assertEqual((hello["runtime"], hello["conventions"]), ("go", ["context-event", "event-context", "kwargs"]))
        self.assertIn("go" + hello["version"], must(go(["go", "version"], KIT)))
        self.assertEqual(self.slot.hello, {"protocol": 1, "role": "slot", "token": "secret", "slot": 0})

    def test_ping_is_answered(self):
        self.worker.control.send(PING, {})
        self.assertEqual(self.worker.control.expect(PONG)[0], {})

    def test_nothing_of_ours_is_in_the_environment_of_user_code(self):
        names = [each for each in self.loaded("Environment").result() if each.startswith("HOB_")]
        self.assertEqual(names, [])

    def test_children_of_user_code_inherit_no_descriptor_of_ours(self):
        # 0, 1 and 2, and the one that ls itself opens
        self.assertEqual(self.loaded("Descriptors").result(), "0 1 2 3 ")


class Kwargs(GoTest):
    def test_inputs_become_a_map(self):
        slot = self.loaded()
        for body, wanted in ((b"", {}), (b"null", {}), (b'{"a": 1, "b": [2]}', {"a": 1, "b": [2]}),
                             (b" 6 ", {"__function_input": "6"}), (b"Bob", {"__function_input": "Bob"}),
                             (b"{bad", {"__function_input": "{bad"})):
            self.assertEqual(slot.result(body), wanted, body)

    def test_other_json_and_other_bytes_are_bad_input(self):
        slot = self.loaded("Main")
        for body in (b"[1]", b'"x"', b"1.5", b"true", b"\xff\xfe"):
            error = slot.error(body)
            self.assertEqual((error["kind"], error["traceback"]), ("bad_input", ""), body)

    def test_structs_texts_and_nothing_may_be_taken(self):
        slot = self.loaded("Typed")
        self.assertEqual(slot.result({"name": "Bonn"}), "Bonn")
        self.assertEqual(slot.error(b"[]")["kind"], "bad_input")

    def test_a_text_is_taken_as_it_is(self):
        slot = self.loaded("Text")
        self.assertEqual(slot.result("Bob €".encode()), "Bob €")
        self.assertEqual(slot.result(b""), "")

    def test_nothing_is_answered_as_null(self):
        header, body = self.loaded("Nothing").call()
        self.assertEqual((header["status"], header["headers"], body),
                         (200, [["content-type", "application/json"]], b"null"))

    def test_what_json_cannot_say_is_not_json(self):
        slot = self.loaded("Strange")
        for what in ("nan", "channel"):
            self.assertEqual(slot.error({"what": what})["kind"], "not_json")
        self.assertEqual(slot.result({"what": "html"}), "<a & b> €")


class Failures(GoTest):
    def test_an_error_is_raised(self):
        error = self.loaded("Strange").error()
        self.assertEqual(error, {"kind": "raised", "type": "*errors.errorString", "message": "no such city", "traceback": ""})

    def test_a_panic_is_raised_with_the_users_frames_only(self):
        slot = self.loaded("Strange")
        error = slot.error({"what": "index"})
        self.assertEqual((error["kind"], error["type"]), ("raised", "runtime.boundsError"))
        self.assertIn("index out of range [3]", error["message"])
        frames = [line for line in error["traceback"].splitlines() if line.endswith("(...)")]
        self.assertEqual(frames, ["example.com/zoo.inner(...)", "example.com/zoo.Strange(...)"])
        self.assertIn("zoo.go:", error["traceback"])
        self.assertEqual(slot.error({"what": "panic"})["message"], "boom")
        self.assertEqual(slot.error({"what": "none"})["message"], "no such city")

    def test_odd_errors_are_answered(self):
        slot = self.loaded("Strange")
        self.assertEqual(slot.error({"what": "odd"})["message"], "(the error cannot be printed)")
        self.assertLessEqual(len(slot.error({"what": "long"})["message"]), 16 * 1024)

    def test_os_exit_ends_the_slot_and_a_new_one_comes(self):
        self.assertEqual(self.dies("Exit"), {"slot": 0, "cause": "exit", "code": 9, "signal": None})
        self.assertEqual(self.loaded("Text").result(b"again"), "again")

    def test_a_panic_in_the_background_leaves_its_stack_in_the_log(self):
        slot = self.slot
        self.assertEqual(self.dies("Crash")["code"], 2)
        self.assertIn("panic: in the background", slot.printed("stderr"))
        self.assertIn("zoo.Crash", slot.printed("stderr"))
        self.assertEqual(slot.printed("stdout"), "half a line")

    def test_signals_are_named(self):
        self.assertEqual(self.dies("Kill"), {"slot": 0, "cause": "signal", "code": None, "signal": "SIGKILL"})

    def test_a_signal_without_a_handler_ends_as_the_kernel_says(self):
        self.assertEqual(self.dies("Signal")["signal"], "SIGTERM")

    def test_an_endless_loop_ends_at_its_deadline(self):
        report = self.dies("Loop", timeout_ms=150)
        self.assertEqual((report["cause"], report["signal"]), ("timeout", "SIGALRM"))

    def test_a_function_that_takes_all_signals_ends_at_its_deadline(self):
        report = self.dies("Deaf", timeout_ms=150)
        self.assertEqual((report["cause"], report["signal"]), ("timeout", "SIGALRM"))

    def test_a_deadline_does_not_outlive_its_call(self):
        slot = self.loaded("Wait")
        slot.result({"ms": 0}, timeout_ms=2000)
        slot.result({"ms": 2500}, timeout_ms=14000)

    def test_cancel_kills_the_call_and_what_it_started(self):
        slot = self.loaded("ChildrenAndWait")
        slot.start()
        pids = [int(pid) for pid in slot.expect(LOG)[1].split()]
        self.worker.control.send(CANCEL, {"slot": 0})
        self.assertEqual(self.worker.exited()["cause"], "cancelled")
        self.assertEqual([alive(pid) for pid in pids], [False, False])
        self.worker.link("slot", 0)


class Loading(GoTest):
    def test_a_missing_function_offers_the_others(self):
        message = self.refused("Nowhere")["message"]
        self.assertIn("`Nowhere`", message)
        self.assertIn("Environment", message)

    def test_a_function_of_another_form_is_refused(self):
        self.assertIn("http.ResponseWriter", self.refused("Typed", convention="event-context")["message"])

    def test_another_convention_is_refused_by_name(self):
        for convention in ("http", "context-event"):
            slot = self.worker.link("slot", 1) if convention == "context-event" else self.slot
            answer = slot.load(self.built.code, convention=convention)
            self.assertIn("`%s`" % convention, answer["error"]["message"])
            self.assertIn("kwargs", answer["error"]["message"])
            self.worker.control.send(SLOTS, {"count": 2})

    def test_code_that_was_not_built_is_named(self):
        worker = Worker("/nowhere")
        self.addCleanup(worker.close)
        self.assertIn("built first", worker.link("slot", 0).load("/")["error"]["message"])

    def test_the_environment_is_there_at_init_and_tmp_is_home(self):
        slot = self.loaded("Started", env={"A": "ä"})
        self.assertEqual(slot.result(), {"a": "ä", "home": "/tmp", "tmp": "/tmp", "dir": self.built.code})

    def test_what_init_prints_comes_before_loaded(self):
        self.assertEqual(self.loaded("Main").printed(), "importing")

    def test_entries_may_name_package_file_and_case(self):
        self.worker.control.send(SLOTS, {"count": 5})
        for number, entry in enumerate(("zoo.Text", "zoo:Text", "zoo.go:Text", "./Text", "text")):
            slot = self.slot if number == 0 else self.worker.link("slot", number)
            self.assertTrue(slot.load(self.built.code, entry=entry)["ok"], entry)
            self.assertEqual(slot.result(b"x"), "x")

    def test_a_program_that_ends_while_it_starts_is_a_load_error(self):
        for name, line, wanted in (("exit", "func init() { os.Exit(3) }", "exit code 3"),
                                   ("panic", 'func init() { if len(os.Args) > 0 { panic("early") } }', "exit code 2")):
            code = built(name, {"a.go": 'package a\nimport "os"\n%s\nfunc Main() {}\n' % line})
            worker = Worker(code.deps)
            self.addCleanup(worker.close)
            error = worker.link("slot", 0).load(code.code)["error"]
            self.assertIn(wanted, error["message"])
            if name == "panic":
                self.assertIn("panic: early", error["traceback"])

    def test_a_deadline_while_starting_is_a_timeout(self):
        code = built("slow", {"a.go": "package a\nfunc init() { for { } }\nfunc Main() {}\n"})
        worker = Worker(code.deps)
        self.addCleanup(worker.close)
        with self.assertRaises((EOFError, ConnectionResetError)):
            worker.link("slot", 0).load(code.code, timeout_ms=150)
        self.assertEqual(worker.exited()["cause"], "timeout")


class Printing(GoTest):
    def test_both_streams_and_sub_processes_keep_their_order(self):
        slot = self.loaded("Print")
        slot.result()
        self.assertEqual(slot.printed("stdout"), "one €\ntwo\nthree")
        self.assertEqual(slot.printed("stderr"), "err\nerr2\n")

    def test_a_line_is_seen_while_the_call_runs(self):
        slot = self.loaded("Now")
        slot.start()
        self.assertEqual(slot.expect(LOG)[1], b"now\n")

    def test_a_hundred_megabytes_are_bounded(self):
        slot = self.loaded("Flood")
        slot.result({"lines": 100_000}, log_limit=10_000)
        kept = slot.printed().encode()
        header, text = slot.logs[-1]
        self.assertLessEqual(len(kept), 10_000)
        self.assertGreater(len(kept), 9_996)
        self.assertEqual((header["stream"], header["cut"]), ("stderr", 100_000_000 - len(kept)))
        self.assertIn(b"10000 bytes", text)

    def test_each_call_has_a_log_of_its_own(self):
        slot = self.loaded("Talk")
        for n in range(3):
            slot.result({"n": n})
            self.assertEqual(slot.printed(), "call %d\n" % n)

    def test_what_is_printed_between_calls_belongs_to_nobody(self):
        slot = self.loaded("Later")
        slot.result({})
        self.assertEqual(slot.printed(), "")
        slot.result({"wait": True})
        self.assertEqual(slot.printed(), "late\n")

    def test_threads_may_print_at_once(self):
        slot = self.loaded("Threads")
        slot.result()
        self.assertEqual(slot.printed().count("\n"), 1600)

    def test_a_closed_descriptor_does_no_harm(self):
        slot = self.loaded("Closed")
        for _ in range(2):
            self.assertEqual(slot.result(), 1)
            self.assertEqual(slot.printed(), "still\n")


class Bodies(GoTest):
    def stream(self, slot, body, **changes):
        slot.start(body[:CHUNK], stream=True, **changes)
        for at in range(CHUNK, len(body), CHUNK):
            slot.send(BODY, None, body[at:at + CHUNK])
        slot.send(BODY, {"end": True})
        return slot.finish()

    def test_large_bodies_stream_both_ways(self):
        text = "0123456789abcde€" * 200_000
        header, raw = self.stream(self.loaded("Text"), text.encode())
        self.assertTrue(header["stream"])
        self.assertEqual(json.loads(raw), text)

    def test_a_frame_of_two_mebibytes_is_the_largest(self):
        slot = self.loaded("Text")
        for _ in range(2):
            slot.start(b"", stream=True)
            slot.send(BODY, {"end": True}, b"x" * 2_000_000)
            self.assertEqual(len(slot.finish()[1]), 2_000_002)
            self.assertEqual(slot.result(b"small"), "small")

    def test_bodies_around_the_limit_of_one_frame(self):
        slot = self.loaded("Repeat")
        for n in (CHUNK - 3, CHUNK - 2, CHUNK - 1, 2 * CHUNK - 2, 2 * CHUNK - 1):
            self.assertEqual(len(slot.result({"n": n})), n)


class Http(Bodies):
    code = ("http", zoo.HTTP)
    convention = "event-context"

    test_large_bodies_stream_both_ways = None
    test_a_frame_of_two_mebibytes_is_the_largest = None
    test_bodies_around_the_limit_of_one_frame = None

    def test_the_function_gets_the_request_and_writes_the_answer(self):
        header, body = self.loaded("").call(b"hi", method="PUT", path="/a%20b/c", query="x=1&x=2", headers=[
            ["host", "example.com"], ["content-type", "text/plain"], ["x-a", "1"], ["x-a", "2"],
            ["x-hob-trigger-kind", "cron"], ["x-hob-trigger-name", "nightly"]])
        self.assertEqual((header["status"], header["headers"]),
                         (201, [["Content-Type", "application/json"], ["X-Two", "1"], ["X-Two", "2"]]))
        self.assertEqual(json.loads(body), {
            "method": "PUT", "path": "/a b/c", "query": {"x": ["1", "2"]}, "host": "example.com", "body": "hi", "length": 2,
            "header": {"Content-Type": ["text/plain"], "X-A": ["1", "2"]}, "uri": "/a%20b/c?x=1&x=2"})

    def test_the_type_of_a_body_is_found_as_everywhere_in_go(self):
        header, _ = self.loaded("handler.Sniff").call()
        self.assertEqual((header["status"], header["headers"]), (200, [["Content-Type", "text/html; charset=utf-8"]]))

    def test_an_answer_may_be_empty(self):
        header, body = self.loaded("Empty").call()
        self.assertEqual((header["status"], header["headers"], body), (200, [], b""))

    def test_a_panic_is_raised(self):
        slot = self.loaded("Boom")
        for _ in range(2):
            error = slot.error()
            self.assertEqual((error["kind"], error["message"]), ("raised", "assignment to entry in nil map"))
            self.assertIn("handler.go:", error["traceback"])

    def test_bodies_stream_through_a_copy(self):
        slot = self.loaded("Copy")
        body = os.urandom(3_000_000)
        header, raw = self.stream(slot, body, headers=[["content-length", "3000000"]])
        self.assertTrue(header["stream"])
        self.assertEqual(raw, body)
        self.assertEqual(slot.call(b"small")[1], b"small")

    def test_a_body_that_nobody_reads_is_no_harm(self):
        slot = self.loaded("Unread")
        self.assertEqual(self.stream(slot, b"x" * 1_000_000)[0]["status"], 204)
        self.assertEqual(slot.call(b"again")[0]["status"], 204)

    def test_what_is_flushed_is_seen_and_logs_come_before_the_end(self):
        slot = self.loaded("Flushing")
        header, body = slot.call()
        self.assertTrue(header["stream"])
        self.assertEqual(body, b"part 0;part 1;part 2;")
        self.assertEqual(slot.printed(), "at the end\n")

    def test_a_panic_in_half_an_answer_ends_the_slot(self):
        slot = self.slot
        self.assertEqual(self.dies("HalfBoom")["code"], 2)
        self.assertIn("too late", slot.printed("stderr"))

    def test_a_function_in_a_directory_is_named_by_it(self):
        self.worker.control.send(SLOTS, {"count": 3})
        for number, entry in enumerate(("deep/Hello", "deep.Hello", "deep/other.Hello")):
            slot = self.slot if number == 0 else self.worker.link("slot", number)
            self.assertTrue(slot.load(self.built.code, entry=entry, convention=self.convention)["ok"], entry)
            self.assertEqual(slot.call()[1], b"deep")

    def test_another_program_that_does_not_compile_is_told_to_who_names_it(self):
        error = self.refused("cmd")
        self.assertIn("`cmd`", error["message"])
        self.assertIn("github.com/surely/not/there", error["traceback"])


class Nuclio(GoTest):
    code = ("nuclio", zoo.NUCLIO)
    convention = "context-event"

    def test_event_context_and_response_have_what_the_sdk_names(self):
        header, body = self.loaded("main:Handler").call(
            b"body", path="/p%20q", query="n=5", headers=[["content-type", "a/b"], ["X-HEADER", "h"], ["x-hob-trigger-kind", "cron"],
                                                           ["x-hob-trigger-name", "nightly"]])
        self.assertEqual(header["status"], 202)
        self.assertEqual(sorted(header["headers"]), [["Content-Type", "application/x"], ["X-A", "b"], ["X-N", "5"]])
        self.assertEqual(body.decode(), "body|POST|/p q|a/b|h|5|cron|nightly|from init|f3|e1||<nil>")

    def test_answers_of_each_kind(self):
        slot = self.loaded("Answer")
        plain = [["Content-Type", "text/plain; charset=utf-8"]]
        for body, status, headers, wanted in (
                (b"nil", 200, plain, b""), (b"bytes", 200, plain, b"raw"), (b"pointer", 200, plain, b"p"), (b"", 200, plain, b"text"),
                (b"object", 200, [["Content-Type", "application/json"]], b'{"a":1}'), (b"value", 404, plain, b"Not Found"),
                (b"made", 418, plain, b"short and stout"), (b"wrapped", 409, plain, b"outer: inner")):
            header, raw = slot.call(body)
            self.assertEqual((header["status"], header["headers"], raw), (status, headers, wanted))

    def test_errors_and_panics_are_raised(self):
        slot = self.loaded("Answer")
        self.assertEqual((slot.error(b"error")["kind"], slot.error(b"error")["message"]), ("raised", "plain"))
        self.assertIn("main.Answer", slot.error(b"panic")["traceback"])

    def test_the_logger_writes_to_the_calls_standard_error(self):
        slot = self.loaded("Logging")
        header, _ = slot.call()
        lines = slot.printed("stderr").splitlines()
        self.assertEqual([line.split(" ", 2)[2] for line in lines],
                         [" " * 25 + "(D) quiet 1", " " * 25 + '(I) told € {"k":"v","n":2}', "child".rjust(24) + " (E) bad%!(EXTRA int=7)"])
        self.assertNotIn("x-nuclio-logs", dict(header["headers"]))

    def test_the_environment_says_from_which_level_on(self):
        slot = self.loaded("Logging", env={"HOB_LOG_LEVEL": "error"})
        slot.call()
        self.assertEqual(len(slot.printed("stderr").splitlines()), 1)

    def test_records_come_back_in_a_header_when_asked_for(self):
        slot = self.loaded("Logging", env={"HOB_LOG_LEVEL": "error"})
        header, _ = slot.call(headers=[["x-nuclio-log-level", "info"]])
        text = dict(header["headers"])["x-nuclio-logs"]
        self.assertTrue(text.isascii())
        records = json.loads(text)
        self.assertTrue(all(record.pop("time") > 1.6e12 for record in records))
        self.assertEqual(records, [{"level": "info", "name": "", "message": "told €", "k": "v", "n": 2},
                                   {"level": "error", "name": "child", "message": "bad%!(EXTRA int=7)"}])


class Plugin(GoTest):
    code = ("plugin", zoo.PLUGIN)
    convention = "context-event"

    def test_a_main_that_does_nothing_and_a_function_named_handler_do_no_harm(self):
        self.assertEqual(self.loaded("function:handler").call()[1],
                         b"a name that our own code must not take")


CORS = [["Access-Control-Allow-Origin", "*"], ["Access-Control-Allow-Headers", "Content-Type"]]


class Lambda(GoTest):
    code = ("lambda", zoo.LAMBDA)
    convention = "event-context"

    def test_the_function_gets_the_event_and_its_envelope_is_opened(self):
        header, body = self.loaded(".").call(b"hi", method="GET", path="/a", query="x=1&x=2", headers=[
            ["host", "h"], ["content-type", "text/plain"], ["x-a", "1"], ["x-a", "2"]])
        self.assertEqual((header["status"], header["headers"]), (201, [["Content-Type", "application/json"], *CORS]))
        event = json.loads(body)
        self.assertEqual((event["httpMethod"], event["path"], event["body"]), ("GET", "/a", "hi"))
        self.assertEqual(event["headers"], {"Content-Type": "text/plain", "X-A": "2"})
        self.assertEqual(event["queryStringParameters"], {"x": "2"})
        self.assertEqual((event["stageVariables"], event["requestContext"]["httpMethod"]), ({}, "GET"))
        self.assertNotIn("isBase64Encoded", event)
        self.assertEqual(self.slot.printed(), "called\n")
        self.assertTrue(json.loads(self.slot.call(b"abcd")[1])["isBase64Encoded"])

    def test_only_bytes_that_are_no_text_are_flagged_when_asked_for(self):
        slot = self.loaded(".", env={"HOB_IS_BASE64": "binary"})
        self.assertNotIn("isBase64Encoded", json.loads(slot.call(b"abcd")[1]))
        event = json.loads(slot.call(b"\xff")[1])
        self.assertEqual((event["body"], event["isBase64Encoded"]), ("/w==", True))

    def test_a_message_arrives_as_its_text_and_is_answered_for(self):
        slot = self.loaded("handlers/message")
        mqtt = [["scw_trigger_type", "mqtt"]]
        header, body = slot.call(b'{"a":1}', headers=mqtt)
        self.assertEqual((header["status"], body), (200, b"executed properly"))
        self.assertEqual(slot.printed(), '{"a":1}\n')
        self.assertEqual(slot.error(b"no", headers=mqtt)["message"], "refused")
        slot.call(b"where", headers=mqtt)
        is_binary, path = slot.printed().split()
        self.assertEqual((is_binary, os.access(path, os.X_OK)), ("true", True))

    def test_a_trigger_of_another_kind_is_refused(self):
        header, body = self.loaded(".").call(headers=[["SCW_TRIGGER_TYPE", "carrier-pigeon"]])
        self.assertEqual((header["status"], body),
                         (400, b"Trigger Type is not supported by Scaleway Functions Runtime\n"))
        for pair in (*CORS, ["Content-Type", "text/plain; charset=utf-8"], ["X-Content-Type-Options", "nosniff"]):
            self.assertIn(pair, header["headers"])

    def test_a_wrong_setting_is_named(self):
        self.assertIn("HOB_IS_BASE64", self.refused(".", env={"HOB_IS_BASE64": "maybe"})["message"])

    def test_errors_panics_and_ends(self):
        slot = self.loaded("")
        self.assertEqual((slot.error(path="/error")["kind"], slot.error(path="/error")["message"]), ("raised", "no such city"))
        error = slot.error(path="/panic")
        self.assertEqual((error["kind"], error["message"]), ("raised", "stop"))
        self.assertIn("main.Handler", error["traceback"])
        self.assertNotIn("net/http", error["traceback"])
        self.assertEqual(slot.call(path="/base64")[1], b"\xff")
        slot.start(path="/exit")
        with self.assertRaises((EOFError, ConnectionResetError)):
            slot.finish()
        self.assertEqual(self.worker.exited(), {"slot": 0, "cause": "exit", "code": 4, "signal": None})

    def test_a_deadline_ends_it(self):
        self.assertEqual(self.dies("", path="/loop", timeout_ms=150)["cause"], "timeout")

    def test_large_bodies_go_both_ways(self):
        body = b"0123456789" * 100_000
        slot = self.loaded("")
        slot.start(body[:CHUNK], stream=True)
        for at in range(CHUNK, len(body), CHUNK):
            slot.send(BODY, {"end": at + CHUNK >= len(body)}, body[at:at + CHUNK])
        self.assertEqual(json.loads(slot.finish()[1])["body"].encode(), body)

    def test_a_program_in_a_directory_is_named_by_it(self):
        self.assertEqual(self.loaded("handlers/world").call()[1], b"world")

    def test_two_slots_have_a_port_each(self):
        self.worker.control.send(SLOTS, {"count": 2})
        other = self.worker.link("slot", 1)
        self.loaded(".")
        self.assertTrue(other.load(self.built.code, convention=self.convention)["ok"])
        self.assertEqual(self.slot.call(b"a")[0]["status"], 201)
        self.assertEqual(other.call(b"b")[0]["status"], 201)

    def test_a_main_that_serves_nothing_is_a_load_error(self):
        code = built("idle", {"main.go": 'package main\nimport "os"\nfunc main() { os.Stderr.WriteString("bye"); os.Exit(5) }\n'})
        worker = Worker(code.deps)
        self.addCleanup(worker.close)
        error = worker.link("slot", 0).load(code.code, convention="event-context")["error"]
        self.assertIn("exit code 5", error["message"])
        self.assertEqual(error["traceback"], "bye")


class Slots(GoTest):
    def test_three_slots_work_at_once(self):
        self.worker.control.send(SLOTS, {"count": 3})
        slots = [self.slot] + [self.worker.link("slot", number) for number in (1, 2)]
        fifos = []
        for number, slot in enumerate(slots):
            fifos.append(os.path.join(self.worker.directory, "fifo%d" % number))
            os.mkfifo(fifos[-1])
            self.assertTrue(slot.load(self.built.code, entry="Meet")["ok"])
        for slot, fifo in zip(slots, fifos):
            slot.start({"fifo": fifo})
        for slot in slots:
            self.assertEqual(slot.expect(LOG)[1], b"in\n")
        for fifo in fifos:
            open(fifo, "w").close()
        self.assertEqual(len({slot.finish()[1] for slot in slots}), 3)

    def test_a_dying_slot_leaves_its_neighbours_alone(self):
        self.worker.control.send(SLOTS, {"count": 2})
        other = self.worker.link("slot", 1)
        self.assertTrue(other.load(self.built.code, entry="Text")["ok"])
        self.assertEqual(self.dies("Kill")["slot"], 0)
        self.assertEqual(other.result(b"ok"), "ok")

    def test_fewer_slots_are_ended_and_more_come_back(self):
        control = self.worker.control
        control.send(SLOTS, {"count": 2})
        second = self.worker.link("slot", 1)
        control.send(SLOTS, {"count": 1})
        self.assertEqual(self.worker.exited(), {"slot": 1, "cause": "cancelled", "code": None, "signal": "SIGKILL"})
        self.assertTrue(second.closed())
        control.send(SLOTS, {"count": 2})
        self.worker.link("slot", 1)

    def test_a_slot_whose_connection_is_closed_is_replaced(self):
        for entry in (None, "Text"):
            if entry:
                self.loaded(entry)
            self.slot.sock.close()
            report = self.worker.exited()
            self.assertEqual((report["cause"], report["code"]), ("exit", 0))
            self.slot = self.worker.link("slot", 0)


class Ends(GoTest):
    def test_the_end_of_the_control_connection_ends_everything(self):
        pids = self.loaded("Children").result()
        self.assertEqual(self.worker.end(), (0, ""))
        self.assertEqual([alive(pid) for pid in pids], [False, False, False])

    def test_sigterm_ends_everything(self):
        self.worker.process.terminate()
        self.assertEqual(self.worker.process.wait(PATIENCE), 0)
        self.assertTrue(self.slot.closed())

    def test_what_does_not_fit_ends_the_slot_with_a_message(self):
        wrong = (
            lambda slot: slot.send(INVOKE, {"id": "e", "timeout_ms": 1, "log_limit": 1}),
            lambda slot: slot.send(99, {}),
            lambda slot: slot.send(LOAD, {"path": "/"}),
            lambda slot: slot.sock.sendall(struct.pack(">IBI", 3 << 20, LOAD, 2)),
            lambda slot: slot.sock.sendall(struct.pack(">IBI", 4, LOAD, 9)),
            lambda slot: slot.sock.sendall(struct.pack(">IBI", 4, LOAD, 4) + b"nope"),
            lambda slot: slot.sock.sendall(struct.pack(">IBI", 4, LOAD, 4) + b"null"),
        )
        for act in wrong:
            act(self.slot)
            self.assertEqual(self.worker.exited()["code"], 70)
            self.slot = self.worker.link("slot", 0)
        self.assertEqual(self.worker.end()[1].count("protocol error"), len(wrong))

    def test_what_does_not_fit_ends_a_loaded_slot_too(self):
        wrong = (
            lambda slot: slot.load(self.built.code) and None,
            lambda slot: slot.send(99, {}),
            lambda slot: slot.send(INVOKE, {"id": "e"}),
            lambda slot: (slot.start(b"", stream=True), slot.send(INVOKE, {})),
        )
        for act in wrong:
            self.loaded("Text")
            try:
                act(self.slot)
            except EOFError:
                pass
            self.assertEqual(self.worker.exited()["code"], 70)
            self.slot = self.worker.link("slot", 0)
        self.assertEqual(self.worker.end()[1].count("protocol error"), len(wrong))

    def test_a_wrong_frame_on_the_control_connection_ends_the_worker(self):
        self.worker.control.send(INVOKE, {})
        _, stderr = self.worker.process.communicate(timeout=PATIENCE)
        self.assertEqual(self.worker.process.returncode, 70)
        self.assertIn(b"protocol error", stderr)


if __name__ == "__main__":
    unittest.main()
