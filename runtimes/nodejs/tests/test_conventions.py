"""The conventions event-context and context-event, over a real socket."""

import base64
import json
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from worker import ShimTest  # noqa: E402  (needs the path above)
from played import BODY, REPLY  # noqa: E402


class ConventionTest(ShimTest):
    convention = ""

    def function(self, source, **changes):
        return self.loaded(source, convention=self.convention, **changes)

    def check(self, code, status, headers, body, **changes):
        """What the function answers that `eval`s this code."""
        header, raw = self.slot.call(code.encode(), **changes)
        self.assertNotIn("error", header, code)
        self.assertEqual((header["status"], header["headers"], raw), (status, headers, body), code)


CORS = [["Access-Control-Allow-Origin", "*"], ["Access-Control-Allow-Headers", "Content-Type"]]
TEXT = CORS + [["Content-Type", "text/plain; charset=utf-8"]]


class EventContext(ConventionTest):
    convention = "event-context"

    def evaluating(self):
        return self.function("const { Readable } = require('stream');\n"
                             "exports.main = (event, context, callback) => eval(event.body);")

    def test_the_event_has_exactly_these_keys(self):
        slot = self.function("exports.main = (event, context) => ({ event, context });",
                             function={"name": "first", "memory_mib": 128})
        _, raw = slot.call(b'{"k":"v"}', method="POST", path="/a/b", query="x=1&x=2&y=%20z", headers=[
            ["content-type", "application/json"], ["x-request-id", "7"], ["host", "h"], ["accept", "a"], ["accept", "b"],
            ["x-hob-trigger-kind", "cron"], ["content-length", "9"]])
        self.assertEqual(json.loads(raw), {
            "event": {
                "resource": "", "path": "/a/b", "httpMethod": "POST",
                "headers": {"Content-Type": "application/json", "X-Request-Id": "7", "Accept": "b", "Content-Length": "9"},
                "multiValueHeaders": None, "queryStringParameters": {"x": "2", "y": " z"},
                "multiValueQueryStringParameters": None, "pathParameters": None, "stageVariables": {},
                "requestContext": {"accountId": "", "resourceId": "", "stage": "", "requestId": "", "resourcePath": "",
                                   "authorizer": None, "httpMethod": "POST", "apiId": ""},
                "body": '{"k":"v"}'},
            "context": {"memoryLimitInMb": 128, "functionName": "first", "functionVersion": ""}})

    def test_the_base64_flag_is_there_when_the_text_happens_to_be_base64(self):
        slot = self.function("exports.main = ({ isBase64Encoded, body }) => ({ flag: isBase64Encoded ?? 'absent', text: body });")
        for body, flag in ((b"", True), (b"test", True), (b"tes", "absent"), (b'{"a":1}', "absent")):
            self.assertEqual(slot.result(body), {"flag": flag, "text": body.decode()})

    def test_bytes_that_are_no_text_arrive_as_base64(self):
        slot = self.function("exports.main = ({ isBase64Encoded, body }) => ({ flag: isBase64Encoded ?? 'absent', text: body });",
                             env={"HOB_IS_BASE64": "binary"})
        self.assertEqual(slot.result(b"\xff\x00"), {"flag": True, "text": "/wA="})
        self.assertEqual(slot.result(b"test"), {"flag": "absent", "text": "test"})

    def test_a_message_arrives_as_its_text_and_is_answered_for(self):
        mqtt = [["scw_trigger_type", "mqtt"]]
        slot = self.function("""const seen = []; const answer = { statusCode: 418 };
            exports.main = (event, context, callback) => {
              if (typeof event !== 'string') return seen;
              seen.push(event);
              if (event === 'later') return void setImmediate(callback, null, answer);
              if (event === 'error') return callback(new Error('no'));
              return event === 'promise' ? Promise.resolve(answer) : answer;
            };""")
        for text in ('{"a":1}', "promise", "later"):
            header, raw = slot.call(text.encode(), headers=mqtt)
            self.assertEqual((header["status"], header["headers"], raw), (200, TEXT, b"executed properly"), text)
        self.assertEqual(slot.result(headers=[["Scw_Trigger_Type", ""]]), ['{"a":1}', "promise", "later"])
        self.assertEqual(slot.call(b"error", headers=mqtt)[0]["error"]["message"], "no")

    def test_a_trigger_of_another_kind_is_refused(self):
        header, raw = self.function("exports.main = () => 1;").call(headers=[["SCW_TRIGGER_TYPE", "carrier-pigeon"]])
        self.assertEqual((header["status"], raw),
                         (400, b"Trigger Type is not supported by Scaleway Functions Runtime\n"))
        for pair in (*TEXT, ["X-Content-Type-Options", "nosniff"]):
            self.assertIn(pair, header["headers"])

    def test_another_word_for_the_base64_flag_is_refused(self):
        self.assertIn("HOB_IS_BASE64", self.refused("exports.main = () => 1", convention=self.convention,
                                                    env={"HOB_IS_BASE64": "sane"})["message"])

    def test_an_empty_entry_is_handler_handle_and_paths_are_decoded(self):
        self.worker.write("exports.handle = ({ path }) => path;", "handler.js")
        self.assertTrue(self.slot.load(self.worker.code, convention=self.convention, entry="")["ok"])
        self.assertEqual(self.slot.call(path="/a%20b")[1], b"/a b")
        self.assertEqual(self.slot.call(path="/a%2")[1], b"/a%2")

    def test_what_is_no_envelope_is_sent_as_it_is(self):
        self.evaluating()
        self.check("'text'", 200, TEXT, b"text")
        self.check("'{\"message\":1}'", 200, TEXT, b'{"message":1}')
        self.check("5", 200, TEXT, b"5")
        self.check("false", 200, TEXT, b"false")
        self.check("({ message: 'x' })", 200, TEXT, b'{"message":"x"}')
        self.check("[1, 2]", 200, TEXT, b"[1,2]")
        self.check("Promise.resolve()", 200, CORS, b"")
        self.check("null", 200, CORS, b"")
        self.check("Promise.resolve('later')", 200, TEXT, b"later")
        self.check("'<!DOCTYPE html><p>'", 200, CORS + [["Content-Type", "text/html; charset=utf-8"]], b"<!DOCTYPE html><p>")
        self.check("Buffer.from([0, 255])", 200, CORS + [["Content-Type", "application/octet-stream"]], b"\x00\xff")

    def test_an_envelope_is_taken_apart(self):
        self.evaluating()
        self.check("({ statusCode: 201, body: 'x' })", 201, TEXT, b"x")
        self.check("({ statusCode: '202', body: { a: 1 } })", 202, TEXT, b'{"a":1}')
        self.check("({ body: { message: 'm' } })", 200, TEXT, b'{"message":"m"}')
        self.check("({ body: null })", 200, TEXT, b"null")
        self.check("({ body: 5 })", 200, TEXT, b"5")
        self.check("({ statusCode: 204 })", 204, CORS, b"")
        self.check("'{\"statusCode\":203,\"body\":\"y\"}'", 203, TEXT, b"y")
        self.check("'{\"body\":\"y\"}'", 200, TEXT, b'{"body":"y"}')
        self.check("({ statusCode: 'no' })", 200, TEXT, b'{"statusCode":"no"}')
        self.check("({ body: 'e30=', isBase64Encoded: true })", 200, TEXT, b"{}")
        self.check("({ body: Buffer.from([0]) })", 200, CORS + [["Content-Type", "application/octet-stream"]], b"\x00")

    def test_headers_may_be_scalars_and_lists(self):
        self.evaluating()
        self.check("({ statusCode: 200, headers: { 'Content-Type': 'application/json', n: 1, c: ['a', 'b'] }, body: '{}' })",
                   200, [["Content-Type", "application/json"], ["n", "1"], ["c", "a"], ["c", "b"]] + CORS, b"{}")
        self.check("({ body: '', headers: { 'access-control-allow-origin': 'me' } })",
                   200, [["access-control-allow-origin", "me"], CORS[1]], b"")

    def test_what_no_answer_can_be_made_of_is_not_json(self):
        slot = self.evaluating()
        for code in ("({ statusCode: 999 })", "({ body: 'no base64!', isBase64Encoded: true })", "({ a: 1n })",
                     "({ body: 5, isBase64Encoded: true })"):
            self.assertEqual(slot.error(code.encode())["kind"], "not_json", code)

    def test_the_callback_answers_whenever_it_comes(self):
        self.evaluating()
        self.check("callback(null, 'now'); 'ignored'", 200, TEXT, b"now")
        self.check("callback(undefined, { statusCode: 201 }); callback(null, 'second')", 201, CORS, b"")
        self.check("setImmediate(() => callback(null, 'later')); undefined", 200, TEXT, b"later")
        self.check("callback(null, 'first'); Promise.resolve('ignored')", 200, TEXT, b"first")

    def test_an_error_given_to_the_callback_is_raised(self):
        slot = self.evaluating()
        for code in ("callback(new RangeError('no'))", "setImmediate(() => callback(new RangeError('no'))); undefined"):
            error = slot.error(code.encode())
            self.assertEqual((error["kind"], error["type"], error["message"]), ("raised", "RangeError", "no"))

    def test_a_function_that_takes_no_callback_is_not_waited_for(self):
        slot = self.function("exports.main = (event, context) => {};")
        self.assertEqual(slot.call()[1], b"")

    def test_an_async_function_with_three_parameters_is_not_waited_for_either(self):
        slot = self.function("exports.main = async (event, context, callback) => {};")
        self.assertEqual(slot.call()[1], b"")

    def test_streams_are_streamed(self):
        slot = self.evaluating()
        for code in ("Readable.from(['a', 'b'])", "({ statusCode: 200, body: Readable.from(['a', 'b']) })",
                     "(async function* () { yield 'a'; yield Buffer.from('b'); })()", "(function* () { yield 'ab'; })()"):
            header, raw = slot.call(code.encode())
            self.assertEqual((header["stream"], raw), (True, b"ab"), code)
        header, raw = slot.call(b"Readable.from([])")
        self.assertEqual((header["stream"], raw), (False, b""))

    def test_parts_are_sent_as_they_come_and_logs_before_the_last(self):
        slot = self.function("""
            exports.main = async function* main({ body }) {
              yield 'first';
              await new Promise((resolve) => require('fs').readFile(body, resolve));
              console.log('printed');
              yield 'second';
            };
            """)
        fifo = os.path.join(self.worker.directory, "fifo")
        os.mkfifo(fifo)
        slot.start(fifo.encode())
        self.assertEqual(slot.expect(REPLY)[1], b"first")
        open(fifo, "w").close()
        self.assertEqual(slot.expect(BODY)[1], b"second")
        self.assertEqual(slot.printed(), "printed\n")
        self.assertEqual(slot.expect(BODY), ({"end": True}, b""))

    def test_a_stream_that_fails_at_once_is_raised(self):
        error = self.evaluating().error(b"(async function* () { throw new RangeError('no'); })()")
        self.assertEqual((error["kind"], error["type"]), ("raised", "RangeError"))

    def test_a_stream_that_fails_later_breaks_the_connection(self):
        slot = self.evaluating()
        slot.start(b"(async function* () { yield 'a'; throw new RangeError('no'); })()")
        self.assertEqual(slot.expect(REPLY)[1], b"a")
        with self.assertRaises((EOFError, ConnectionResetError)):
            slot.expect(BODY)
        self.assertIn("RangeError: no", slot.printed("stderr"))
        self.assertEqual(self.worker.exited()["code"], 1)

    def test_a_stream_without_end_ends_at_the_deadline(self):
        slot = self.evaluating()
        slot.start(b"(async function* () { yield 'a'; await new Promise(() => {}); })()", timeout_ms=200)
        self.assertEqual(self.worker.exited()["cause"], "timeout")


class ContextEvent(ConventionTest):
    convention = "context-event"
    PLAIN = [["content-type", "text/plain"]]
    JSON = [["content-type", "application/json"]]

    def evaluating(self):
        return self.function("exports.main = (context, event) => eval(event.body.toString());")

    def test_the_event_has_these_fields(self):
        slot = self.function("exports.main = (context, event) => "
                             "({ ...event, body: event.body.toString('base64'), date: event.timestamp instanceof Date });")
        _, raw = slot.call(b"\x00\xff", path="/p", query="a=b", method="PUT", headers=[
            ["content-type", "x/y"], ["x-nuclio-target", "t"], ["host", "h"],
            ["x-hob-trigger-kind", "cron"], ["x-hob-trigger-name", "every"]])
        event = json.loads(raw)
        self.assertRegex(event.pop("id"), "^[0-9a-f-]{36}$")
        self.assertRegex(event.pop("timestamp"), "Z$")
        self.assertEqual(event, {
            "body": base64.b64encode(b"\x00\xff").decode(), "date": True, "content_type": "x/y", "method": "PUT", "path": "/p",
            "headers": {"Content-Type": "x/y", "X-Nuclio-Target": "t", "Host": "h"}, "url": "", "fields": {"a": "b"}, "size": 2,
            "trigger": {"kind": "cron", "name": "every"}, "shard_id": 0, "num_shards": 0, "offset": 0, "topic": "",
            "type": "", "type_version": "", "version": ""})

    def test_an_empty_entry_is_main_handler_and_the_environment_names_the_function(self):
        self.worker.write("exports.handler = () => [process.env.NUCLIO_FUNCTION_NAME, process.env.NUCLIO_FUNCTION_HANDLER, "
                          "process.env.NUCLIO_FUNCTION_VERSION];")
        self.assertTrue(self.slot.load(self.worker.code, convention=self.convention, entry="")["ok"])
        self.assertEqual(self.slot.result(), ["f", "main:handler", "latest"])

    def test_answers_are_converted(self):
        self.evaluating()
        self.check("'text'", 200, self.PLAIN, b"text")
        self.check("Buffer.from([255])", 200, self.PLAIN, b"\xff")
        self.check("[201, 'made']", 201, self.PLAIN, b"made")
        self.check("[202, { a: 1 }]", 202, self.JSON, b'{"a":1}')
        self.check("({ a: 1 })", 200, self.JSON, b'{"a":1}')
        self.check("[1, 2, 3]", 200, self.JSON, b"[1,2,3]")
        self.check("5", 200, self.JSON, b"5")
        self.check("null", 200, self.JSON, b"null")
        self.check("Promise.resolve()", 200, self.JSON, b"")
        self.check("Promise.resolve('later')", 200, self.PLAIN, b"later")

    def test_the_callback_answers_whenever_it_comes(self):
        self.evaluating()
        self.check("context.callback('now'); 'ignored'", 200, self.PLAIN, b"now")
        self.check("setImmediate(() => context.callback([201, 'later'])); undefined", 201, self.PLAIN, b"later")
        self.check("context.callback()", 200, self.JSON, b"")

    def test_responses_say_everything(self):
        self.evaluating()
        self.check("new context.Response('b', { a: 'x' }, 'text/html', 418)", 418, [["content-type", "text/html"], ["a", "x"]], b"b")
        self.check("new context.Response({ a: 1 })", 200, self.PLAIN, b'{"a":1}')
        self.check("new context.Response(Buffer.from([255]))", 200, self.PLAIN, b"\xff")
        self.check("new context.Response('e30=', {}, 'a/b', 200, 'base64')", 200, [["content-type", "a/b"]], b"{}")
        self.check("new context.Response('x', { 'Content-Type': 'a/b' })", 200, [["content-type", "a/b"]], b"x")

    def test_failures(self):
        slot = self.evaluating()
        self.assertEqual(slot.error(b"Promise.reject(new RangeError('no'))")["type"], "RangeError")
        self.assertEqual(slot.error(b"new context.Response('x', {}, 'a', 99)")["kind"], "not_json")
        self.assertEqual(slot.error(b"({ a: 1n })")["kind"], "not_json")

    def test_init_context_comes_first_and_is_awaited(self):
        slot = self.function("""
            exports.initContext = async (context) => { context.userData.n = await Promise.resolve(7); };
            exports.main = (context) => context.userData.n;
            """)
        self.assertEqual(slot.result(), 7)

    def test_init_context_that_fails_is_a_failure_to_load(self):
        error = self.refused("exports.initContext = () => { throw new RangeError('no'); };\nexports.main = () => 1;",
                             convention=self.convention)
        self.assertEqual(error["type"], "RangeError")

    def test_the_logger_writes_lines_to_standard_error(self):
        slot = self.function("exports.main = ({ logger }) => { logger.info('a %d', 1); logger.warnWith('b', { k: 'v' }); "
                             "logger.debug('hidden'); return ''; }", env={"HOB_LOG_LEVEL": "info"})
        header, _ = slot.call()
        lines = slot.printed("stderr").splitlines()
        self.assertEqual([re.sub(r"^\d\d\.\d\d\.\d\d \d\d:\d\d:\d\d\.\d{3} ", "", line) for line in lines],
                         ["(I) a 1", '(W) b {"k":"v"}'])
        self.assertEqual(header["headers"], self.PLAIN)

    def test_records_are_returned_to_whom_asks(self):
        slot = self.function("exports.main = ({ logger }, { body }) => { logger.debug('x'); logger.errorWith('é' + body, { k: 1 }); return ''; }")
        def logs(level, body=b""):
            header, _ = slot.call(body, headers=[["x-nuclio-log-level", level]])
            return dict(header["headers"]).get("x-nuclio-logs")
        text = logs("info")
        self.assertTrue(text.isascii())
        (record,) = json.loads(text)
        self.assertGreater(record.pop("time"), 1.6e12)
        self.assertEqual(record, {"level": "error", "name": "", "message": "é", "k": 1})
        self.assertEqual(len(json.loads(logs(""))), 2)
        self.assertIsNone(logs("debug", b"x" * 5000))


if __name__ == "__main__":
    unittest.main()
