"""The convention `event-context`, over the wire."""

import json
import os
import unittest

from worker import ShimTest
from played import BODY, CHUNK, REPLY

CORS = [["Access-Control-Allow-Origin", "*"], ["Access-Control-Allow-Headers", "Content-Type"]]
TEXT = ["Content-Type", "text/plain; charset=utf-8"]
LITERAL = "import base64, json\ndef handle(event, context): return eval(event['body'])"


class EventContextTest(ShimTest):
    def handler(self, source, **changes):
        return self.loaded(source, **dict({"entry": "main.handle", "convention": "event-context"}, **changes))

    def answers(self, slot, expression):
        """(status, headers without CORS, body) when the function returns this."""
        header, body = slot.call(expression.encode())
        self.assertNotIn("error", header, expression)
        return header["status"], [pair for pair in header["headers"] if pair not in CORS], body


class Events(EventContextTest):
    def event(self, body=b"", **changes):
        header, raw = self.slot.call(body, **changes)
        self.assertNotIn("error", header)
        return json.loads(raw)

    def test_an_event_has_exactly_these_keys(self):
        self.handler("def handle(event, context): return [event]")
        event, = self.event(b'{"k":"v"}', path="/a/b", query="x=1&x=2&y=%C3%A4+b", headers=[
            ["host", "h"], ["content-type", "application/json"], ["x-a", "1"], ["X-A", "2"],
            ["x-hob-trigger-kind", "cron"], ["x-hob-trigger-name", "nightly"], ["content-length", "9"]])
        self.assertEqual(event, {
            "resource": "", "path": "/a/b", "httpMethod": "POST", "multiValueHeaders": None,
            "headers": {"Content-Type": "application/json", "X-A": "2", "Content-Length": "9"},
            "queryStringParameters": {"x": "2", "y": "ä b"}, "multiValueQueryStringParameters": None,
            "pathParameters": None, "stageVariables": {}, "body": '{"k":"v"}',
            "requestContext": {"accountId": "", "resourceId": "", "stage": "", "requestId": "", "resourcePath": "",
                               "authorizer": None, "httpMethod": "POST", "apiId": ""}})

    def test_the_context_has_three_keys_and_no_more(self):
        self.handler("def handle(event, context): return context",
                     function={"name": "first", "namespace": "n", "version": 3, "memory_mib": 512})
        self.assertEqual(self.event(), {"memoryLimitInMb": 512, "functionName": "first", "functionVersion": ""})

    def test_text_that_is_base64_is_flagged_and_left_alone(self):
        self.handler("def handle(event, context): return [event['body'], event.get('isBase64Encoded')]")
        for body, flag in ((b"", True), (b"abcd", True), (b"ab\ncd\r\n", True), (b"YQ==", True), (b"abc", None),
                           (b"ab d", None), (b"{}", None), (b"a===", None), (b"YQ==YQ==", None)):
            self.assertEqual(self.event(body), [body.decode(), flag], body)

    def test_bytes_that_are_no_text_arrive_as_base64(self):
        self.handler("def handle(event, context): return [event['body'], event.get('isBase64Encoded')]")
        self.assertEqual(self.event(b"\xff\x00"), ["/wA=", True])

    def test_the_flag_can_be_kept_for_what_is_not_text(self):
        self.handler("def handle(event, context): return [event['body'], event.get('isBase64Encoded')]",
                     env={"HOB_IS_BASE64": "binary"})
        self.assertEqual(self.event(b"abcd"), ["abcd", None])
        self.assertEqual(self.event(b"\xff\x00"), ["/wA=", True])

    def test_a_message_arrives_as_its_text_and_is_answered_for(self):
        slot = self.handler("seen = []\ndef handle(event, context):\n"
                            "    if event == 'fail': raise ValueError('no')\n"
                            "    seen.append(event)\n    return {'statusCode': 418, 'body': seen}")
        mqtt = [["scw_trigger_type", "mqtt"]]
        header, body = slot.call(b'{"a":1}', headers=mqtt)
        self.assertEqual((header["status"], body), (200, b"executed properly"))
        self.assertIn(TEXT, header["headers"])
        header, body = slot.call(b"", headers=[["Scw_Trigger_Type", ""]])
        self.assertEqual((header["status"], json.loads(body)[0]), (418, '{"a":1}'))
        self.assertEqual(slot.call(b"fail", headers=mqtt)[0]["error"]["message"], "no")

    def test_a_trigger_of_another_kind_is_refused(self):
        slot = self.handler("def handle(event, context): return 1")
        header, body = slot.call(b"", headers=[["SCW_TRIGGER_TYPE", "carrier-pigeon"]])
        self.assertEqual((header["status"], body),
                         (400, b"Trigger Type is not supported by Scaleway Functions Runtime\n"))
        for pair in (*CORS, TEXT, ["X-Content-Type-Options", "nosniff"]):
            self.assertIn(pair, header["headers"])

    def test_an_unknown_choice_of_the_flag_is_refused(self):
        error = self.refused("def handle(event, context): pass", entry="main.handle", convention="event-context",
                             env={"HOB_IS_BASE64": "yes"})
        self.assertIn("HOB_IS_BASE64", error["message"])


class Answers(EventContextTest):
    def check(self, slot, expression, status, headers, body):
        self.assertEqual(self.answers(slot, expression), (status, headers, body), expression)

    def test_envelopes_are_opened(self):
        slot = self.handler(LITERAL)
        for expression, status, body in (
            ('{"statusCode": 201, "body": "x"}', 201, b"x"),
            ('{"statusCode": "201", "body": "x"}', 201, b"x"),
            ('{"body": {"b": 1, "a": [True, None]}}', 200, b'{"a":[true,null],"b":1}'),
            ('{"body": None}', 200, b"null"),
            ('{"body": 5, "statusCode": 0}', 200, b"5"),
            ('{"body": b"raw", "statusCode": 404}', 404, b"raw"),
            ('{"body": "YQ==", "isBase64Encoded": True}', 200, b"a"),
            ('{"body": "YQ==", "isBase64Encoded": False}', 200, b"YQ=="),
            ("""'{"statusCode": 202, "body": {"a": 1}}'""", 202, b'{"a":1}'),
        ):
            self.check(slot, expression, status, [TEXT], body)
        self.check(slot, '{"statusCode": 204}', 204, [], b"")

    def test_everything_else_is_the_body_itself(self):
        slot = self.handler(LITERAL)
        for expression, body in (
            ('"Hello"', b"Hello"), ('{"message": "whatever", "a": 1}', b'{"a":1,"message":"whatever"}\n'),
            ("None", b"null\n"), ("1", b"1\n"), ("True", b"true\n"), ("[1, 'a']", b'[1,"a"]\n'), ("(1, 2)", b"[1,2]\n"),
            ("b'raw'", b"raw"), ("bytearray(b'raw')", b"raw"), ("""'{"body": "x"}'""", b'{"body": "x"}'),
            ('{"headers": {"a": "b"}}', b'{"headers":{"a":"b"}}\n'), ('{"statusCode": None}', b'{"statusCode":null}\n'),
            ("{1: 'a', 'b': 2}", b'{"1":"a","b":2}\n'),
        ):
            self.check(slot, expression, 200, [TEXT], body)
        self.check(slot, '""', 200, [], b"")

    def test_the_content_type_is_seen_from_the_body_unless_it_is_said(self):
        slot = self.handler(LITERAL)
        for body, kind in (("b'<html>'", "text/html; charset=utf-8"), ("b'\\x89PNG\\r\\n\\x1a\\n'", "image/png"),
                           ("b'\\x00\\x01'", "application/octet-stream"), ("'ä'", TEXT[1]), ("b'<table'", TEXT[1])):
            self.assertEqual(self.answers(slot, body)[1], [["Content-Type", kind]], body)
        said = '{"body": "{}", "headers": {"content-type": "application/json"}}'
        self.assertEqual(self.answers(slot, said)[1], [["content-type", "application/json"]])

    def test_headers_are_texts_numbers_and_lists_of_them(self):
        slot = self.handler(LITERAL)
        headers = self.answers(slot, '{"statusCode": 200, "headers": {"a": 1, "b": True, "c": ["x", 2], "d": ""}}')[1]
        self.assertEqual(headers, [["a", "1"], ["b", "true"], ["c", "x"], ["c", "2"], ["d", ""]])

    def test_cross_origin_headers_are_there_unless_the_function_says_otherwise(self):
        slot = self.handler(LITERAL)
        self.assertEqual(slot.call(b'"x"')[0]["headers"], CORS + [TEXT])
        mine = b'{"body": "x", "headers": {"access-control-allow-origin": "https://a"}}'
        self.assertEqual(slot.call(mine)[0]["headers"], [["access-control-allow-origin", "https://a"], CORS[1], TEXT])

    def test_what_cannot_be_answered_is_named(self):
        slot = self.handler(LITERAL)
        for expression, word in (
            ('{"statusCode": 999}', "999"), ('{"statusCode": 100}', "100"), ('{"body": "", "statusCode": "abc"}', "abc"),
            ('{"body": "", "statusCode": True}', "True"),
            ('{"body": "", "headers": {"a": {}}}', "`a`"), ('{"body": "", "headers": {"a b": "c"}}', "a b"),
            ('{"body": "", "headers": {"a": "b\\r\\nc: d"}}', "line break"), ('{"body": "", "headers": []}', "list"),
            ('{"body": "a", "isBase64Encoded": True}', "base64"), ('{"body": {}, "isBase64Encoded": True}', "dict"),
            ('{"body": {1, 2}}', "set"), ("{1, 2}", "set"), ("float('nan')", "float"), ('{"body": object()}', "object"),
        ):
            error = slot.error(expression.encode())
            self.assertEqual((error["kind"], error["traceback"]), ("not_json", ""), expression)
            self.assertIn(word, error["message"], expression)

    def test_an_exception_is_raised(self):
        error = self.handler("def handle(event, context): raise ValueError('no')").error()
        self.assertEqual((error["kind"], error["type"], error["message"]), ("raised", "ValueError", "no"))

    def test_async_handlers_are_awaited(self):
        slot = self.handler("import asyncio\nasync def handle(event, context):\n    await asyncio.sleep(0)\n"
                            "    return {'statusCode': 201, 'body': 'x'}")
        self.assertEqual(self.answers(slot, "")[0::2], (201, b"x"))


class Streams(EventContextTest):
    def test_a_generator_is_sent_as_it_goes(self):
        fifo = os.path.join(self.worker.directory, "fifo")
        os.mkfifo(fifo)
        slot = self.handler("""
            def handle(event, context):
                yield "first"
                open(event["body"]).read()
                print("between")
                yield b"last"
            """)
        slot.start(fifo.encode())
        header, body = slot.expect(REPLY)
        self.assertEqual((header["stream"], body), (True, b"first"))
        open(fifo, "w").close()
        self.assertEqual(slot.expect(BODY), ({}, b"last"))
        self.assertEqual(slot.expect(BODY), ({"end": True}, b""))
        self.assertEqual(slot.printed(), "between\n")

    def test_generators_in_envelopes_async_ones_and_empty_ones(self):
        slot = self.handler("""
            async def numbers():
                for n in range(3): yield str(n)
            def handle(event, context):
                return {"async": numbers, "empty": lambda: iter(()),
                        "envelope": lambda: {"statusCode": 207, "headers": {"content-type": "x/y"}, "body": numbers()},
                        "large": lambda: iter(["x" * 150_000, "", b"y"])}[event["body"]]()
            """)
        self.assertEqual(self.answers(slot, "async"), (200, [TEXT], b"012"))
        self.assertEqual(self.answers(slot, "envelope"), (207, [["content-type", "x/y"]], b"012"))
        self.assertEqual(self.answers(slot, "empty"), (200, [], b""))
        self.assertEqual(self.answers(slot, "large")[2], b"x" * 150_000 + b"y")

    def test_a_failure_before_the_first_piece_is_an_ordinary_one(self):
        slot = self.handler("def handle(event, context):\n    raise ValueError('no')\n    yield 1")
        self.assertEqual(slot.error()["kind"], "raised")
        self.assertEqual(slot.error()["message"], "no")

    def test_a_failure_in_the_middle_ends_the_slot_and_says_why(self):
        slot = self.handler("def handle(event, context):\n    yield 'half'\n    raise ValueError('no more')")
        slot.start()
        with self.assertRaises((EOFError, ConnectionResetError)):
            slot.finish()
        self.assertIn("ValueError: no more", slot.printed("stderr"))
        self.assertIn("unfinished", slot.printed("stderr"))
        self.assertEqual(self.worker.exited(), {"slot": 0, "cause": "exit", "code": 1, "signal": None})

    def test_a_stream_has_the_deadline_of_its_call(self):
        slot = self.handler("def handle(event, context):\n    yield 'x'\n    while True: pass")
        slot.start(timeout_ms=2000)
        self.assertEqual(slot.expect(REPLY)[1], b"x")
        self.assertEqual(self.worker.exited()["cause"], "timeout")

    def test_printing_from_threads_does_not_tear_a_stream(self):
        slot = self.handler("""
            import threading
            def talk():
                for n in range(300): print("x" * 500)
            def handle(event, context):
                threads = [threading.Thread(target=talk) for _ in range(3)]
                [thread.start() for thread in threads]
                for n in range(300): yield "y" * 500
                [thread.join() for thread in threads]
            """)
        self.assertEqual(self.answers(slot, "")[2], b"y" * 150_000)
        self.assertEqual(slot.printed().count("\n"), 900)


class Loading(EventContextTest):
    def test_entries_name_files_in_folders(self):
        self.worker.write("import near, far\ndef say(event, context): return near.me + far.me", "src/handlers/hello.py")
        self.worker.write("me = 'near'", "src/handlers/near.py")
        self.worker.write("me = 'far'", "far.py")
        answer = self.slot.load(self.worker.code, entry="src/handlers/hello.say", convention="event-context")
        self.assertTrue(answer["ok"], answer)
        self.assertEqual(self.slot.call()[1], b"nearfar")

    def test_a_file_without_a_function_means_handle(self):
        self.worker.write("def handle(event, context): return 'built'", "build/handler.py")
        self.assertTrue(self.slot.load(self.worker.code, entry="build/handler.py", convention="event-context")["ok"])
        self.assertEqual(self.slot.call()[1], b"built")

    def test_the_folder_package_holds_modules(self):
        self.worker.write("me = 'library'", "package/library/__init__.py")
        slot = self.handler("import library\ndef handle(event, context): return library.me")
        self.assertEqual(slot.call()[1], b"library")

    def test_an_empty_entry_is_handler_handle(self):
        self.worker.write("def handle(event, context): return 'usual'", "handler.py")
        self.assertTrue(self.slot.load(self.worker.code, entry="", convention="event-context")["ok"])
        self.assertEqual(self.slot.call()[1], b"usual")

    def test_a_missing_file_is_named_with_its_folder(self):
        error = self.refused(entry="src/a.handle", convention="event-context")
        self.assertIn("src/a.py", error["message"])

    def test_dependencies_come_after_the_code_and_count_as_installed(self):
        deps = os.path.join(self.worker.opt, "deps")
        self.worker.write("me = 'dependency'", "library.py", below=deps)
        self.worker.write("me = 'hidden'", "both.py", below=deps)
        self.worker.write("me = 'hidden'", "json.py", below=deps)
        self.worker.write("more\n", "more.pth", below=deps)
        self.worker.write("me = 'more'", "more/another.py", below=deps)
        self.worker.write("me = 'code'", "both.py")
        slot = self.handler("""
            import another, both, json, library, os, subprocess, sys
            def handle(event, context):
                child = subprocess.run([sys.executable, "-c", "import library; print(library.me)"],
                                       stdout=subprocess.PIPE, text=True).stdout
                return json.dumps([library.me, both.me, another.me, child])
            """)
        self.assertEqual(json.loads(slot.call()[1]), ["dependency", "code", "more", "dependency\n"])

    def test_large_bodies_arrive_whole(self):
        slot = self.handler("def handle(event, context): return event['body']")
        slot.start(b"a" * CHUNK, stream=True)
        slot.send(BODY, {"end": True}, b"b" * 1000)
        self.assertEqual(slot.finish()[1], b"a" * CHUNK + b"b" * 1000)


if __name__ == "__main__":
    unittest.main()
