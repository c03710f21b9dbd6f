"""The convention `context-event`, over the wire."""

import http.server
import json
import os
import threading
import unittest

from worker import ShimTest

TEXT = ["Content-Type", "text/plain"]
JSON = ["Content-Type", "application/json"]


class ContextEventTest(ShimTest):
    def handler(self, source, **changes):
        return self.loaded(source, **dict({"entry": "main:handler", "convention": "context-event"}, **changes))

    def literal(self):
        return self.handler("""
            import nuclio_sdk
            def handler(context, event):
                return eval(event.body, {"R": context.Response, "nuclio_sdk": nuclio_sdk})
            """)

    def called(self, slot, body=b"", **changes):
        header, raw = slot.call(body, **changes)
        self.assertNotIn("error", header, body)
        return header["status"], header["headers"], raw


class Events(ContextEventTest):
    def test_an_event_says_everything_of_its_call(self):
        slot = self.handler("""
            import datetime
            def handler(context, event):
                age = datetime.datetime.utcnow() - event.timestamp
                return {"id": event.id, "path": event.path, "method": event.method, "fields": event.fields,
                        "headers": event.headers, "size": event.size, "url": event.url, "type": event.content_type,
                        "trigger": [event.trigger.kind, event.trigger.name, context.trigger_name], "near": abs(age.seconds) < 60,
                        "shard": [event.shard_id, event.num_shards, event.offset, event.last_in_batch],
                        "get": [event.get_header("x-A"), event.get_header("none")], "worker": context.worker_id,
                        "platform": [context.platform.kind, context.platform.namespace]}
            """)
        body = json.loads(slot.call(b"abc", path="/p", query="a=1&a=2", method="PUT", headers=[
            ["host", "h:1"], ["content-type", "text/x"], ["x-a", "b"]])[1])
        self.assertEqual(body, {
            "id": "e1", "path": "/p", "method": "PUT", "fields": {"a": "2"}, "size": 3, "url": "", "type": "text/x",
            "headers": {"Host": "h:1", "Content-Type": "text/x", "X-A": "b"}, "trigger": ["http", "http", "http"],
            "near": True, "shard": [0, 0, 0, False], "get": ["b", None], "worker": "0", "platform": ["local", "n"]})

    def test_the_daemon_says_what_triggered_the_call(self):
        slot = self.handler("def handler(context, event):\n    return [event.trigger.kind, event.trigger.name,"
                            " context.trigger.kind, sorted(event.headers)]")
        header, raw = slot.call(headers=[["x-hob-trigger-kind", "cron"], ["x-hob-trigger-name", "nightly"]])
        self.assertEqual(json.loads(raw), ["cron", "nightly", "cron", []])

    def test_bodies_are_bytes_unless_the_type_is_json_to_the_letter(self):
        slot = self.handler("def handler(context, event): return repr(event.body)")
        for kind, body, seen in (
            ("application/json", b'{"a": [1]}', "{'a': [1]}"), ("application/json", b"5", "5"),
            ("application/json", b"{bad", "b'{bad'"), ("application/json; charset=utf-8", b"{}", "b'{}'"),
            ("text/plain", b"5", "b'5'"), ("", b"", "b''"),
        ):
            self.assertEqual(slot.call(body, headers=[["content-type", kind]])[1].decode(), seen, kind)

    def test_the_environment_names_the_function(self):
        slot = self.handler("import os\ndef handler(context, event):\n"
                            "    return [os.environ['NUCLIO_FUNCTION_' + k] for k in ('NAME', 'HANDLER', 'DESCRIPTION')]",
                            env={"NUCLIO_FUNCTION_DESCRIPTION": "mine"})
        self.assertEqual(json.loads(slot.call()[1]), ["f", "main:handler", "mine"])

    def test_modules_with_dashes_and_sub_modules_are_legal(self):
        self.worker.write("def handler(context, event): return 'dashed'", "hello-py.py")
        self.assertTrue(self.slot.load(self.worker.code, entry="hello-py:handler", convention="context-event")["ok"])
        self.assertEqual(self.slot.call()[1], b"dashed")

    def test_a_file_name_before_the_colon_is_the_module(self):
        slot = self.handler("def handler(context, event): return 'x'", entry="main.py:handler")
        self.assertEqual(slot.call()[1], b"x")


class Answers(ContextEventTest):
    def test_what_is_returned_becomes_an_answer(self):
        slot = self.literal()
        for expression, status, kind, body in (
            ("'text ä'", 200, TEXT, "text ä".encode()), ("b'\\xff'", 200, TEXT, b"\xff"),
            ("{'a': 1, 'b': [2]}", 200, JSON, b'{"a": 1, "b": [2]}'), ("[1, 'a']", 200, JSON, b'[1, "a"]'), ("[]", 200, JSON, b"[]"),
            ("(201, 'text')", 201, TEXT, b"text"), ("(202, {'a': 1})", 202, JSON, b'{"a": 1}'), ("(200, None)", 200, JSON, b"null"),
            ("(200, b'raw')", 200, TEXT, b"raw"), ("(0, 'x')", 200, TEXT, b"x"),
            ("None", 200, TEXT, b"None"), ("5", 200, TEXT, b"5"), ("1.5", 200, TEXT, b"1.5"), ("True", 200, TEXT, b"True"),
            ("(1, 2, 3)", 200, TEXT, b"(1, 2, 3)"), ("{7}", 200, TEXT, b"{7}"),
            ("{'a': {1}, 'n': float('nan')}", 200, JSON, b'{"a": "{1}", "n": "nan"}'),
            ("R(body='x')", 200, TEXT, b"x"), ("R(body=b'x', status_code=404, content_type='a/b')", 404, ["Content-Type", "a/b"], b"x"),
            ("R(body={'a': 1}, content_type='x/y')", 200, JSON, b'{"a": 1}'), ("R()", 200, TEXT, b"None"),
            ("R(body=[1, 2])", 200, JSON, b"[1, 2]"), ("R(body=7, status_code=0)", 200, TEXT, b"7"),
            ("nuclio_sdk.Response(body='sdk')", 200, TEXT, b"sdk"),
        ):
            self.assertEqual(self.called(slot, expression.encode()), (status, [kind], body), expression)

    def test_headers_are_strings_and_content_type_wins_over_them(self):
        slot = self.literal()
        answer = self.called(slot, b"R({'A': 'b', 'C': 5, 'Content-Type': 'lost'}, 'x', 'y/z')")
        self.assertEqual(answer, (200, [["Content-Type", "y/z"], ["A", "b"]], b"x"))

    def test_a_status_that_is_none_is_named(self):
        slot = self.literal()
        for expression in (b"('201', 'x')", b"(True, 'x')", b"R(status_code=None)", b"(99, 'x')", b"(1000, 'x')"):
            self.assertEqual(slot.error(expression)["kind"], "not_json", expression)

    def test_an_exception_is_raised_unless_it_carries_an_answer(self):
        slot = self.handler("import nuclio_sdk\ndef handler(context, event):\n"
                            "    if event.body: raise nuclio_sdk.ExceptionWithResponse(409, 'taken')\n    raise KeyError('x')")
        self.assertEqual(self.called(slot, b"1"), (409, [TEXT], b"taken"))
        error = slot.error()
        self.assertEqual((error["kind"], error["type"]), ("raised", "KeyError"))
        self.assertNotIn("hob_shim", error["traceback"])

    def test_async_handlers_are_awaited(self):
        slot = self.handler("import asyncio\nasync def handler(context, event):\n    await asyncio.sleep(0)\n    return 'x'")
        self.assertEqual(self.called(slot), (200, [TEXT], b"x"))

    def test_generators_are_streamed_and_their_first_value_says_how(self):
        slot = self.handler("""
            async def later():
                yield "a"
                yield 1
            def handler(context, event):
                if event.body == b"body": return context.Response({"A": "b"}, later(), "x/y", 201)
                return rest(context)
            def rest(context):
                yield context.Response(body="first", status_code=202)
                yield b"then"
                yield context.Response(body=" last", status_code=500)
            """)
        self.assertEqual(self.called(slot), (202, [TEXT], b"firstthen last"))
        self.assertEqual(self.called(slot, b"body"), (201, [["Content-Type", "x/y"], ["A", "b"]], b"a1"))

    def test_a_file_of_the_container_is_streamed(self):
        path = os.path.join(self.worker.directory, "file")
        slot = self.handler("""
            def handler(context, event):
                path, delete = event.body.decode().split()
                return context.Response({"X-nuclio-filestream-path": path,
                                         "X-nuclio-filestream-delete-after-send": delete}, content_type="a/b")
            """)
        with open(path, "wb") as file:
            file.write(b"f" * 200_000)
        header, _ = answer = slot.call(("%s false" % path).encode())
        self.assertEqual((header["headers"], answer[1]), ([["Content-Type", "a/b"]], b"f" * 200_000))
        self.assertEqual(slot.call(("%s true" % path).encode())[1], b"f" * 200_000)
        self.assertFalse(os.path.exists(path))
        self.assertEqual(self.called(slot, ("%s true" % path).encode()), (404, [TEXT], b""))


class Contexts(ContextEventTest):
    def test_init_context_runs_once_and_what_it_keeps_stays(self):
        slot = self.handler("""
            def init_context(context):
                print("starting")
                context.user_data.calls = 0
            def handler(context, event):
                context.user_data.calls += 1
                return context.user_data.calls
            """)
        self.assertEqual(slot.printed(), "starting\n")
        self.assertEqual([slot.call()[1], slot.call()[1]], [b"1", b"2"])

    def test_init_context_may_be_async(self):
        slot = self.handler("async def init_context(context): context.user_data.x = 'set'\n"
                            "def handler(context, event): return context.user_data.x")
        self.assertEqual(slot.call()[1], b"set")

    def test_a_failing_init_context_is_a_failed_load(self):
        error = self.refused("def init_context(context): raise ValueError('no model')\ndef handler(c, e): pass",
                             entry="main:handler", convention="context-event")
        self.assertEqual((error["type"], error["message"]), ("ValueError", "no model"))
        self.assertIn("init_context", error["traceback"])

    def test_a_function_calls_another_by_name(self):
        class Other(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                text = json.dumps([self.path, self.headers["x-nuclio-target"], self.headers["content-type"], body.decode()])
                self.send_response(202)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                """Quiet."""

        server = http.server.HTTPServer(("127.0.0.1", 0), Other)
        self.addCleanup(server.server_close)
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        slot = self.handler("""
            import nuclio_sdk
            def handler(context, event):
                answer = context.platform.call_function("other", nuclio_sdk.Event(body={"a": 1}, path="/p"), timeout=10)
                return answer.status_code, answer.body
            """, env={"NUCLIO_SERVICE": "127.0.0.1:%d" % server.server_port})
        self.assertEqual(self.called(slot), (202, [JSON], b'["/p", "other", "application/json", "{\\"a\\": 1}"]'))
        thread.join()

    def test_a_callback_that_will_never_come_is_announced(self):
        slot = self.handler("def handler(context, event):\n    context.platform.set_termination_callback(print)")
        slot.call()
        self.assertIn("will not be called", slot.printed("stderr"))


class Logging(ContextEventTest):
    SOURCE = """
        def handler(context, event):
            context.logger.debug("fine %s", 1)
            context.logger.info_with("coarse", size=3, odd={1})
            context.logger.bind(user="u")
            context.logger.warn("bad %d", "fit")
            context.logger.error_with("worse", nan=float("nan"))
            return "x"
        """

    def logs(self, slot, level):
        header, _ = slot.call(headers=[["x-nuclio-log-level", level]])
        found = dict(map(tuple, header["headers"])).get("X-Nuclio-Logs")
        return found and json.loads(found)

    def test_records_are_lines_on_standard_error(self):
        slot = self.handler(self.SOURCE)
        header, _ = slot.call()
        self.assertEqual(header["headers"], [TEXT])
        self.assertEqual(slot.printed("stdout"), "")
        lines = slot.printed("stderr").splitlines()
        self.assertRegex(lines[0], r"^\d\d\.\d\d\.\d\d \d\d:\d\d:\d\d\.\d{3} {26}\(D\) fine 1$")
        self.assertEqual([line.split("(", 1)[1] for line in lines[1:]], [
            'I) coarse {"size": 3, "odd": "{1}"}', 'W) bad %d \'fit\' {"user": "u"}', 'E) worse {"nan": "nan", "user": "u"}'])

    def test_the_function_has_a_level_of_its_own(self):
        slot = self.handler(self.SOURCE, env={"HOB_LOG_LEVEL": "warn"})
        slot.call()
        self.assertEqual(slot.printed("stderr").count("\n"), 2)
        self.assertEqual([record["level"] for record in self.logs(slot, "debug")], ["debug", "info", "warn", "error"])

    def test_a_caller_may_ask_for_the_records(self):
        slot = self.handler(self.SOURCE)
        records = self.logs(slot, "info")
        self.assertEqual([record["level"] for record in records], ["info", "warn", "error"])
        self.assertEqual(dict(records[0], time=0), {"level": "info", "time": 0, "name": "", "message": "coarse",
                                                    "size": 3, "odd": "{1}"})
        self.assertGreater(records[0]["time"], 1.7e12)
        for level in ("", "what"):
            self.assertEqual(len(self.logs(slot, level)), 4)
        self.assertEqual(len(self.logs(slot, "ERROR")), 1)

    def test_too_many_records_are_left_out(self):
        slot = self.handler("def handler(context, event):\n    for n in range(200): context.logger.info('x' * 50)")
        self.assertIsNone(self.logs(slot, "info"))


if __name__ == "__main__":
    unittest.main()
