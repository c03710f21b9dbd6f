"""Plays the daemon over a real Unix socket against the shim as a plain process. Never sleeps: it
waits for frames, and each wait has a limit. Needs Linux and node; needs no container.
"""

import json
import os
import shutil
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from worker import SHIM, ShimTest, Worker  # noqa: E402  (needs the path above)
from played import BODY, CANCEL, CHUNK, INVOKE, LOAD, LOG, PATIENCE, PING, PONG, SLOTS, alive  # noqa: E402

INIT = os.path.join(os.path.dirname(SHIM), "init.sh")
CONVENTIONS = ["context-event", "event-context", "kwargs"]


class Hello(ShimTest):
    def test_both_connections_say_who_they_are(self):
        hello = self.worker.control.hello
        self.assertEqual((hello["protocol"], hello["role"], hello["token"]), (1, "control", "secret"))
        self.assertEqual((hello["runtime"], hello["conventions"]), ("nodejs", CONVENTIONS))
        version = subprocess.run(["node", "--version"], stdout=subprocess.PIPE, check=True).stdout.decode()
        self.assertEqual("v" + hello["version"], version.strip())
        self.assertEqual(self.slot.hello, {"protocol": 1, "role": "slot", "token": "secret", "slot": 0})

    def test_ping_is_answered(self):
        self.worker.control.send(PING, {})
        self.assertEqual(self.worker.control.expect(PONG)[0], {})

    def test_the_token_is_not_in_the_environment_of_user_code(self):
        slot = self.loaded("exports.main = () => Object.keys(process.env)")
        self.assertFalse([key for key in slot.result() if key.startswith("HOB_")])


class Kwargs(ShimTest):
    def check(self, body, value):
        self.assertEqual(self.slot.result(body), [{}, value], body)

    def test_inputs_become_the_second_argument_as_the_contract_says(self):
        self.loaded("exports.main = (...args) => args")
        self.check(b"", None)
        self.check(b"null", None)
        self.check(b'{"a": 1, "b": [2]}', {"a": 1, "b": [2]})
        self.check(b"6", {"__function_input": "6"})
        self.check(b" -6\n", {"__function_input": "-6"})
        self.check(b"Bob", {"__function_input": "Bob"})
        self.check(b"{bad", {"__function_input": "{bad"})
        self.check(b" ", {"__function_input": " "})
        self.check(b'{"__function_input": "Bob", "a": 1}', {"__function_input": "Bob", "a": 1})
        self.check(' {"ä": "€"} '.encode(), {"ä": "€"})
        self.check("\ufffd".encode(), {"__function_input": "\ufffd"})

    def test_other_json_and_other_bytes_are_bad_input(self):
        self.loaded("exports.main = () => 1")
        for body in (b"[1]", b'"x"', b"1.5", b"true", b"\xff\xfe"):
            error = self.slot.error(body)
            self.assertEqual((error["kind"], error["traceback"]), ("bad_input", ""), body)

    def test_results_are_json_of_any_shape(self):
        slot = self.loaded("exports.main = (_, { code }) => eval(code)")
        for code in ("null", "'€ 😀'", "({a: [1, 2.5, true]})", "[]", "0", "''", "Promise.resolve({a: 1})"):
            expected = json.loads(subprocess.run(
                ["node", "-e", "Promise.resolve(%s).then(v => console.log(JSON.stringify(v)))" % code],
                stdout=subprocess.PIPE, check=True).stdout)
            self.assertEqual(slot.result({"code": code}), expected)
        self.assertIsNone(slot.result({"code": "undefined"}))
        header, _ = slot.call({"code": "1"})
        self.assertEqual((header["status"], header["headers"]), (200, [["content-type", "application/json"]]))
        self.assertGreaterEqual(header["duration_us"], 0)

    def test_what_json_cannot_say_is_not_json(self):
        slot = self.loaded("exports.main = (_, { code }) => eval(code)")
        for code in ("10n", "() => 1", "Symbol('x')", "const a = []; a.push(a); a"):
            self.assertEqual(slot.error({"code": code})["kind"], "not_json", code)
        self.assertEqual(slot.result({"code": "1"}), 1)


class Failures(ShimTest):
    def test_an_exception_is_raised_with_the_users_frames_only(self):
        self.worker.write("exports.f = (x) => {\n  return x.y.z;\n};\n", "lib/inner.js")
        slot = self.loaded("const inner = require('./lib/inner');\nexports.main = () => inner.f({});\n")
        error = slot.error()
        self.assertEqual((error["kind"], error["type"]), ("raised", "TypeError"))
        self.assertIn("reading 'z'", error["message"])
        self.assertIn("lib/inner.js:2", error["traceback"])
        self.assertIn("main.js:2", error["traceback"])
        self.assertNotIn("hob_shim", error["traceback"])
        self.assertNotIn("node:", error["traceback"])

    def test_rejections_and_causes_are_told(self):
        slot = self.loaded("""
            class Odd extends Error {}
            exports.main = async () => { throw new Odd('second', { cause: new RangeError('first') }); };
            """)
        error = slot.error()
        self.assertEqual((error["kind"], error["type"], error["message"]), ("raised", "Odd", "second"))
        self.assertIn("Caused by: RangeError: first", error["traceback"])

    def test_odd_exceptions_are_answered(self):
        slot = self.loaded("""
            exports.main = (_, { kind }) => {
              if (kind === 'text') throw 'just text';
              if (kind === 'nothing') throw undefined;
              if (kind === 'null') return Promise.reject(null);
              if (kind === 'long') throw new Error('x'.repeat(10000000));
              if (kind === 'deep') { const f = () => f(); f(); }
              throw { get message() { throw 1; }, [Symbol.toStringTag]: 'Error' };
            };
            """)
        self.assertEqual(slot.error({"kind": "text"})["message"], "just text")
        self.assertEqual(slot.error({"kind": "nothing"})["type"], "undefined")
        self.assertEqual(slot.error({"kind": "null"})["type"], "null")
        self.assertLess(len(slot.error({"kind": "long"})["message"]), 20_000)
        self.assertEqual(slot.error({"kind": "deep"})["type"], "RangeError")
        self.assertIn("cannot be printed", slot.error({"kind": "gotcha"})["message"])

    def test_process_exit_is_raised_and_the_slot_lives(self):
        slot = self.loaded("""
            exports.main = (_, { code, later }) => {
              if (later) return new Promise(() => setImmediate(() => process.exit(code)));
              if (code) process.exit(code);
              return 'ok';
            };
            """)
        for body in ({"code": 3}, {"code": 3, "later": True}):
            error = slot.error(body)
            self.assertEqual((error["kind"], error["type"]), ("raised", "ProcessExit"))
            self.assertTrue(error["message"].startswith("process.exit(3) was called"))
        self.assertEqual(slot.result({"code": 0}), "ok")

    def test_what_nobody_catches_is_the_failure_of_its_call(self):
        slot = self.loaded("""
            exports.main = (_, { kind }) => {
              if (kind === 'forgotten') { Promise.reject(new Error('stray')); return 'answer'; }
              if (kind === 'timer') return new Promise(() => setTimeout(() => { throw new Error('late'); }, 1));
              if (kind === 'emitter') return new Promise(() => {
                setImmediate(() => new (require('events'))().emit('error', new Error('emitted')));
              });
              return 'ok';
            };
            """)
        for kind, message in (("forgotten", "stray"), ("timer", "late"), ("emitter", "emitted")):
            error = slot.error({"kind": kind})
            self.assertEqual((error["kind"], error["message"]), ("raised", message))
        self.assertEqual(slot.result({"kind": ""}), "ok")

    def test_a_handler_of_the_users_own_sees_what_nobody_catches(self):
        slot = self.loaded("""
            let seen;
            process.on('uncaughtException', (error) => { seen(error.message); });
            exports.main = () => new Promise((resolve) => { seen = resolve; setImmediate(() => { throw new Error('x'); }); });
            """)
        self.assertEqual(slot.result(), "x")

    def test_what_nobody_catches_between_calls_ends_the_slot(self):
        self.loaded("""
            const fs = require('fs');
            exports.main = () => { fs.watch('go').on('change', () => { throw new Error('late'); }); };
            """ if self.worker.write("", "go") is None else "")
        self.slot.result()
        with open(os.path.join(self.worker.code, "go"), "w") as file:
            file.write("now")
        report = self.worker.exited()
        self.assertEqual((report["cause"], report["code"]), ("exit", 1))

    def test_a_real_exit_ends_the_slot_and_a_new_one_comes(self):
        report = self.dies("exports.main = () => process.reallyExit(9)")
        self.assertEqual(report, {"slot": 0, "cause": "exit", "code": 9, "signal": None})
        self.assertEqual(self.loaded("exports.main = () => 'again'").result(), "again")

    def test_a_crash_names_its_signal(self):
        report = self.dies("exports.main = () => process.kill(process.pid, 'SIGSEGV') && new Promise(() => {})")
        self.assertEqual(report, {"slot": 0, "cause": "signal", "code": None, "signal": "SIGSEGV"})
        self.assertEqual(self.dies("exports.main = () => process.abort()")["cause"], "signal")

    def test_an_endless_loop_ends_at_its_deadline(self):
        report = self.dies("exports.main = () => { for (;;); }", timeout_ms=150)
        self.assertEqual(report, {"slot": 0, "cause": "timeout", "code": None, "signal": "SIGALRM"})

    def test_so_do_a_promise_that_never_settles_and_a_program_that_blocks(self):
        for source in ("exports.main = () => new Promise(() => {})",
                       "exports.main = () => { require('child_process').execSync('sleep 600'); }"):
            self.assertEqual(self.dies(source, timeout_ms=150)["cause"], "timeout")

    def test_an_answer_that_comes_too_late_is_none(self):
        report = self.dies("exports.main = () => { const end = Date.now() + 200; while (Date.now() < end); }", timeout_ms=100)
        self.assertEqual(report["cause"], "timeout")

    def test_a_deadline_does_not_outlive_its_call(self):
        slot = self.loaded("exports.main = (_, { ms }) => new Promise((resolve) => setTimeout(resolve, ms))")
        slot.result({"ms": 0}, timeout_ms=2000)
        slot.result({"ms": 2500}, timeout_ms=14000)
        slot.result({"ms": 0}, timeout_ms=5000)

    def test_a_shorter_deadline_after_a_longer_one_holds(self):
        slot = self.loaded("exports.main = (_, { wait }) => wait && new Promise(() => {})")
        slot.result({"wait": 0}, timeout_ms=60000)
        slot.start({"wait": 1}, timeout_ms=150)
        self.assertEqual(self.worker.exited()["cause"], "timeout")

    def test_a_deadline_holds_right_after_an_equal_one(self):
        self.loaded("exports.main = () => { for (;;); }", timeout_ms=2000)
        self.slot.start(timeout_ms=2000)
        self.assertEqual(self.worker.exited()["cause"], "timeout")

    def test_a_deadline_during_import_is_a_timeout_too(self):
        self.worker.write("for (;;);")
        with self.assertRaises((EOFError, ConnectionResetError)):
            self.slot.load(self.worker.code, timeout_ms=300)
        self.assertEqual(self.worker.exited()["cause"], "timeout")

    def test_cancel_kills_the_call_and_what_it_started(self):
        slot = self.loaded("""
            const { spawn } = require('child_process');
            exports.main = () => {
              const inside = spawn('sleep', ['600']);
              console.log(inside.pid);
              for (;;);
            };
            """)
        slot.start()
        pid = int(slot.expect(LOG)[1])
        self.worker.control.send(CANCEL, {"slot": 0})
        self.assertEqual(self.worker.exited()["cause"], "cancelled")
        self.assertFalse(alive(pid))
        self.worker.link("slot", 0)


class Memory(ShimTest):
    def start(self, directory):
        return Worker(directory, NODE_OPTIONS="--max-old-space-size=40")

    def test_an_exhausted_heap_is_out_of_memory_and_nothing_takes_its_place(self):
        slot = self.loaded("exports.main = () => { const all = []; for (;;) all.push(new Array(1000).fill(all.length)); }")
        slot.start()
        with self.assertRaises((EOFError, ConnectionResetError)):
            slot.finish()
        report = self.worker.exited()
        self.assertEqual((report["cause"], report["signal"]), ("out_of_memory", "SIGABRT"))
        self.worker.control.send(PING, {})
        self.worker.control.expect(PONG)
        self.worker.control.send(SLOTS, {"count": 1})
        self.worker.link("slot", 0)


class Loading(ShimTest):
    def test_a_missing_file_names_what_is_there(self):
        self.worker.write("", "app.js")
        error = self.refused()
        self.assertTrue(error["message"].startswith("Cannot find module 'main'"))
        self.assertIn("app.js", error["message"])

    def test_a_missing_library_names_the_manifest(self):
        error = self.refused("const a = 1;\nrequire('surely-not-there');\nexports.main = () => 1;")
        self.assertEqual(error["message"], "Cannot find module 'surely-not-there'; name it in package.json, or put it beside the code")
        self.assertIn("main.js:2", error["traceback"])
        self.assertNotIn("hob_shim", error["traceback"])

    def test_a_missing_library_of_a_module_names_the_manifest_too(self):
        self.worker.write("import 'surely-not-there';\nexport const main = () => 1;", "main.mjs")
        self.assertIn("package.json", self.refused()["message"])

    def test_a_missing_function_offers_the_others(self):
        error = self.refused("exports.handler = () => 1; exports.value = 2;")
        self.assertTrue(error["message"].startswith("main.js exports no `main`"))
        self.assertIn("one of: main.handler", error["message"])
        self.assertNotIn("value", error["message"])

    def test_a_syntax_error_names_its_place(self):
        error = self.refused("const a = 1;\nconst b = ;\n")
        self.assertEqual(error["type"], "SyntaxError")
        self.assertIn("main.js:2", error["traceback"])
        self.assertIn("const b = ;", error["traceback"])

    def test_a_syntax_error_of_a_module_is_told(self):
        self.worker.write("export const main = ;\n", "main.mjs")
        self.assertEqual(self.refused()["type"], "SyntaxError")

    def test_exceptions_exits_and_rejections_while_loading_are_reported(self):
        for source, kind in (("throw new RangeError('no');", "RangeError"), ("process.exit(1);", "ProcessExit"),
                             ("setImmediate(() => { throw new EvalError('x'); }); exports.main = 1;", "TypeError")):
            self.assertEqual(self.refused(source)["type"], kind)
            self.slot.sock.close()
            self.worker.exited()
            self.slot = self.worker.link("slot", 0)

    def test_a_failure_while_a_module_still_waits_is_reported(self):
        self.worker.write("setImmediate(() => { throw new EvalError('x'); }); await new Promise(() => {});", "main.mjs")
        self.assertEqual(self.refused()["type"], "EvalError")

    def test_a_value_is_not_a_function(self):
        self.assertIn("not a function", self.refused("exports.main = {};")["message"])

    def test_an_entry_without_a_dot_is_refused(self):
        self.assertIn("FILE.EXPORT", self.refused("", entry="main")["message"])

    def test_another_convention_is_refused_by_name(self):
        message = self.refused("exports.main = () => 1", convention="http")["message"]
        self.assertIn("`http`", message)
        self.assertIn("kwargs", message)

    def test_a_property_of_every_object_is_no_convention(self):
        self.assertIn("`constructor`", self.refused("exports.main = () => 1", convention="constructor")["message"])

    def entry(self, source, name, entry, manifest=None):
        self.worker.write(source, name)
        if manifest is not None:
            self.worker.write(manifest, "package.json")
        answer = self.slot.load(self.worker.code, entry=entry)
        self.assertTrue(answer["ok"], answer)
        return self.slot.result()

    def test_entries_reach_into_folders(self):
        self.assertEqual(self.entry("exports.handle = () => __filename", "src/api/handler.js", "src/api/handler.handle"),
                         os.path.join(self.worker.code, "src/api/handler.js"))

    def test_an_empty_entry_is_main_main(self):
        self.assertEqual(self.entry("exports.main = () => 1", "main.js", ""), 1)

    def test_an_entry_may_have_a_colon_or_name_a_file_with_its_extension(self):
        self.assertEqual(self.entry("exports.f = () => 2", "handler.js", "handler:f"), 2)

    def test_an_entry_that_is_a_file_means_handle(self):
        self.assertEqual(self.entry("exports.handle = () => 3", "build/handler.js", "build/handler.js"), 3)

    def test_a_module_by_its_extension(self):
        self.assertEqual(self.entry("import fs from 'fs';\nexport async function main() { return typeof fs.statSync; }",
                                    "main.mjs", "main.main"), "function")

    def test_a_module_by_its_package(self):
        source = "export const main = () => import.meta.url.endsWith('main.js');"
        self.assertTrue(self.entry(source, "main.js", "main.main", '{"type": "module"}'))

    def test_a_default_export_and_top_level_await(self):
        source = "const four = await Promise.resolve(4);\nexport default { main: () => four };"
        self.assertEqual(self.entry(source, "main.mjs", "main.main"), 4)

    def test_commonjs_inside_of_a_module_package(self):
        self.assertEqual(self.entry("exports.main = () => typeof require", "main.cjs", "main.main", '{"type": "module"}'),
                         "function")

    def test_installed_packages_are_found(self):
        self.worker.write("module.exports = 'found';", "node_modules/dependency/index.js")
        self.assertEqual(self.entry("exports.main = () => require('dependency')", "main.js", "main.main"), "found")

    def test_the_environment_is_there_at_import_and_tmp_is_home(self):
        slot = self.loaded("const { A, HOME, TMPDIR } = process.env;\n"
                           "exports.main = () => [A, HOME, TMPDIR, process.cwd()]", env={"A": "ä"})
        self.assertEqual(slot.result(), ["ä", "/tmp", "/tmp", self.worker.code])

    def test_what_an_import_prints_comes_before_loaded(self):
        self.loaded("process.stdout.write('importing');\nexports.main = () => 1")
        self.assertEqual(self.slot.printed(), "importing")


class Printing(ShimTest):
    def test_both_streams_and_sub_processes_keep_their_order(self):
        slot = self.loaded("""
            const fs = require('fs');
            const { execSync, spawnSync } = require('child_process');
            exports.main = () => {
              console.log('one €');
              console.error('err');
              execSync('echo two; echo err2 >&2', { stdio: 'inherit' });
              fs.writeSync(1, 'three\\n');
              process.stdout.write(Buffer.from('four\\n'));
              spawnSync('echo', ['five'], { stdio: ['ignore', process.stdout, 'inherit'] });
              process.stdout.write('six');
            };
            """)
        for _ in range(3):
            slot.result()
            self.assertEqual(slot.printed("stdout"), "one €\ntwo\nthree\nfour\nfive\nsix")
            self.assertEqual(slot.printed("stderr"), "err\nerr2\n")

    def test_raw_writes_belong_to_their_call_however_fast_calls_follow(self):
        slot = self.loaded("exports.main = (_, { n }) => { if (n % 3) require('fs').writeSync(1 + (n % 2), `${n}\\n`); }")
        for n in range(600):
            slot.result({"n": n})
            self.assertEqual(slot.printed(), "%d\n" % n if n % 3 else "", n)

    def test_a_line_is_seen_while_the_call_runs(self):
        slot = self.loaded("exports.main = () => { console.log('now'); for (;;); }")
        slot.start()
        self.assertEqual(slot.expect(LOG)[1], b"now\n")

    def test_a_line_of_a_sub_process_is_seen_while_the_call_runs(self):
        slot = self.loaded("exports.main = () => "
                           "{ require('child_process').execSync('echo now; sleep 600', { stdio: 'inherit' }); }")
        slot.start()
        self.assertEqual(slot.expect(LOG)[1], b"now\n")

    def test_more_than_a_pipe_holds_does_not_stop_a_busy_function(self):
        slot = self.loaded("exports.main = () => { for (let i = 0; i < 50; i += 1) "
                           "require('fs').writeSync(1, 'x'.repeat(65536)); }")
        slot.result(log_limit=10_000_000)
        self.assertEqual(len(slot.printed()), 50 * 65536)

    def test_a_hundred_megabytes_are_bounded(self):
        slot = self.loaded("""
            exports.main = () => {
              const before = process.memoryUsage().rss;
              const line = '€'.repeat(333);
              for (let i = 0; i < 100000; i += 1) console.log(line);
              return process.memoryUsage().rss - before;
            };
            """)
        grown = slot.result(log_limit=10_000)
        self.assertLess(grown, 96 << 20)
        kept = len(slot.printed().encode())
        header, text = slot.logs[-1]
        self.assertLessEqual(kept, 10_000)
        self.assertGreater(kept, 9_996)
        self.assertEqual((header["stream"], header["cut"]), ("stderr", 100_000_000 - kept))
        self.assertIn(b"10000 bytes", text)

    def test_a_hundred_megabytes_of_a_sub_process_are_bounded(self):
        slot = self.loaded("exports.main = () => { require('child_process').execSync("
                           "'head -c 100000000 /dev/zero', { stdio: 'inherit' }); return 'done'; }")
        self.assertEqual(slot.result(log_limit=100_000), "done")
        self.assertEqual(len(slot.printed()), 100_000)
        self.assertEqual(slot.logs[-1][0]["cut"], 99_900_000)

    def test_one_huge_line_is_cut_too(self):
        slot = self.loaded("exports.main = () => { process.stdout.write('x'.repeat(5000000)); }")
        slot.result(log_limit=1000)
        self.assertEqual(slot.logs[-1][0]["cut"], 4_999_000)

    def test_unfinished_lines_are_joined(self):
        slot = self.loaded("exports.main = () => { process.stdout.write('a'); process.stdout.write('b\\nc'); }")
        slot.result()
        self.assertEqual([raw for _, raw in slot.logs], [b"ab\n", b"c"])

    def test_each_call_has_a_log_of_its_own(self):
        slot = self.loaded("exports.main = (_, { n }) => { console.log('call', n); }")
        for n in range(3):
            slot.result({"n": n})
            self.assertEqual(slot.printed(), "call %d\n" % n)

    def test_what_is_printed_between_calls_belongs_to_nobody(self):
        slot = self.loaded("""
            const fs = require('fs');
            let late;
            exports.main = (_, { wait }) => {
              if (wait) return late;
              late = new Promise((resolve) => { fs.watch('go').on('change', () => { console.log('late'); fs.writeSync(1, 'late'); resolve(); }); });
              return undefined;
            };
            """ if self.worker.write("", "go") is None else "")
        slot.result({"wait": False})
        with open(os.path.join(self.worker.code, "go"), "w") as file:
            file.write("now")
        slot.result({"wait": False})
        slot.result({"wait": False})
        self.assertNotIn("late\n", slot.printed())

    def test_streams_may_be_ended_and_piped_into(self):
        slot = self.loaded("""
            const { Readable } = require('stream');
            exports.main = async () => {
              await new Promise((resolve) => Readable.from(['a', 'b']).pipe(process.stdout).end('', resolve));
              process.stdout.end('c');
              process.stderr.destroy();
              console.log('d');
              return new Promise((resolve) => process.stdout.write('e', () => resolve('written')));
            };
            """)
        self.assertEqual(slot.result(), "written")
        self.assertIn("cd\ne", slot.printed())

    def test_closed_descriptors_do_no_harm(self):
        slot = self.loaded("const fs = require('fs');\nexports.main = () => { fs.closeSync(1); fs.closeSync(2); "
                           "console.log('still'); return 1; }")
        self.assertEqual(slot.result(), 1)
        self.assertEqual(slot.printed(), "still\n")

    def test_threads_of_the_function_print_too(self):
        slot = self.loaded("""
            const { Worker } = require('worker_threads');
            exports.main = () => new Promise((resolve) => {
              new Worker("console.log('from a thread')", { eval: true }).on('exit', () => setImmediate(resolve));
            });
            """)
        slot.result()
        self.assertEqual(slot.printed(), "from a thread\n")


class Bodies(ShimTest):
    def test_large_bodies_stream_both_ways(self):
        slot = self.loaded("exports.main = (_, { text }) => text")
        text = "0123456789abcde€" * 200_000
        body = json.dumps({"text": text}).encode()
        slot.start(body[:CHUNK], stream=True)
        for at in range(CHUNK, len(body), CHUNK):
            slot.send(BODY, None, body[at:at + CHUNK])
        slot.send(BODY, {"end": True})
        header, raw = slot.finish()
        self.assertTrue(header["stream"])
        self.assertEqual(json.loads(raw), text)

    def test_a_frame_of_two_mebibytes_is_the_largest(self):
        slot = self.loaded("exports.main = (_, { text }) => text.length")
        slot.start(b"", stream=True)
        slot.send(BODY, {"end": True}, json.dumps({"text": "x" * 2_000_000}).encode())
        self.assertEqual(json.loads(slot.finish()[1]), 2_000_000)

    def test_bodies_around_the_limit_of_one_frame(self):
        slot = self.loaded("exports.main = (_, { n, c }) => c.repeat(n)")
        for c, size in (("x", 1), ("€", 3)):
            for n in (CHUNK // size - 3, CHUNK // size - 1, CHUNK // size, 2 * CHUNK // size - 2):
                self.assertEqual(slot.result({"n": n, "c": c}), c * n)

    def test_frames_that_come_in_pieces_are_put_together(self):
        slot = self.loaded("exports.main = (_, { n }) => n")
        head = json.dumps({"id": "e", "timeout_ms": 5000, "method": "POST", "path": "/", "query": "", "headers": [],
                           "stream": False, "log_limit": 1}).encode()
        body = b'{"n": 5}'
        frame = struct.pack(">IBI", len(head) + len(body), INVOKE, len(head)) + head + body
        for at in range(0, len(frame), 7):
            slot.sock.sendall(frame[at:at + 7])
        self.assertEqual(json.loads(slot.finish()[1]), 5)


class Slots(ShimTest):
    def test_three_slots_work_at_once(self):
        self.worker.control.send(SLOTS, {"count": 3})
        slots = [self.slot] + [self.worker.link("slot", number) for number in (1, 2)]
        self.worker.write("const fs = require('fs');\nexports.main = (_, { fifo }) => "
                          "{ console.log('in'); fs.readFileSync(fifo); return process.pid; }")
        fifos = []
        for number, slot in enumerate(slots):
            fifos.append(os.path.join(self.worker.directory, "fifo%d" % number))
            os.mkfifo(fifos[-1])
            self.assertTrue(slot.load(self.worker.code)["ok"])
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
        self.worker.write("exports.main = (_, { die }) => { if (die) process.kill(process.pid, 'SIGKILL'); return 'ok'; }")
        self.assertTrue(self.slot.load(self.worker.code)["ok"])
        self.assertTrue(other.load(self.worker.code)["ok"])
        self.slot.start({"die": True})
        report = self.worker.exited()
        self.assertEqual((report["slot"], report["cause"], report["signal"]), (0, "signal", "SIGKILL"))
        self.assertEqual(other.result({"die": False}), "ok")
        self.worker.link("slot", 0)

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
        self.slot.sock.close()
        self.assertEqual(self.worker.exited()["cause"], "exit")
        self.worker.link("slot", 0)


class Ends(ShimTest):
    def test_the_end_of_the_control_connection_ends_everything(self):
        slot = self.loaded("""
            const child = require('child_process').spawn('sleep', ['600']);
            exports.main = () => [process.pid, child.pid];
            """)
        pids = slot.result()
        self.assertEqual(self.worker.end(), (0, ""))
        self.assertEqual([alive(pid) for pid in pids], [False, False])

    def test_sigterm_ends_everything(self):
        self.worker.process.terminate()
        self.assertEqual(self.worker.process.wait(PATIENCE), 0)
        self.assertTrue(self.slot.closed())

    def test_what_does_not_fit_ends_the_slot_with_a_message(self):
        wrong = (
            lambda slot: slot.send(INVOKE, {"id": "e", "timeout_ms": 1, "log_limit": 1}),
            lambda slot: slot.send(99, {}),
            lambda slot: slot.sock.sendall(struct.pack(">IBI", 3 << 20, LOAD, 2)),
            lambda slot: slot.sock.sendall(struct.pack(">IBI", 4, LOAD, 9)),
            lambda slot: slot.sock.sendall(struct.pack(">IBI", 4, LOAD, 4) + b"nope"),
            lambda slot: slot.send(LOAD, {"timeout_ms": -1, "log_limit": 1}),
        )
        for act in wrong:
            act(self.slot)
            self.assertEqual(self.worker.exited()["code"], 70)
            self.slot.sock.close()
            self.slot = self.worker.link("slot", 0)
        self.assertEqual(self.worker.end()[1].count("protocol error"), len(wrong))

    def test_a_second_load_ends_the_slot(self):
        self.loaded("exports.main = () => 1")
        self.slot.send(LOAD, {"timeout_ms": 1000, "log_limit": 1})
        self.assertEqual(self.worker.exited()["code"], 70)

    def test_a_wrong_frame_on_the_control_connection_ends_the_worker(self):
        self.worker.control.send(INVOKE, {})
        _, stderr = self.worker.process.communicate(timeout=PATIENCE)
        self.assertEqual(self.worker.process.returncode, 70)
        self.assertIn(b"protocol error", stderr)


class Lost(unittest.TestCase):
    def test_without_a_daemon_it_says_so_and_ends(self):
        done = subprocess.run(["node", SHIM], env={"HOB_DIAL": "unix:/nowhere/sock", "PATH": os.environ["PATH"]},
                              stderr=subprocess.PIPE, timeout=PATIENCE)
        self.assertEqual(done.returncode, 69)
        self.assertIn(b"hob shim", done.stderr)


def can_unshare():
    """Whether this machine lets us be PID 1 of processes of our own."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"], stderr=subprocess.DEVNULL).returncode == 0


@unittest.skipUnless(can_unshare(), "needs `unshare --pid`, hence root; in a container this is what happens")
class UnderInit(ShimTest):
    """The shim below the shell that is PID 1 in a container."""

    def start(self, directory):
        command = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", INIT)
        return Worker(directory, command)

    def test_orphans_are_reaped_while_their_slot_lives(self):
        slot = self.loaded("""
            const { execSync } = require('child_process');
            const fs = require('fs');
            const zombies = () => fs.readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name)).filter((name) => {
              try { return / Z /.test(fs.readFileSync(`/proc/${name}/stat`, 'latin1')); } catch { return false; }
            }).length;
            exports.main = (_, { spawn }) => {
              if (spawn) for (let i = 0; i < 20; i += 1) execSync('(true & true &) &');
              return zombies();
            };
            """)
        slot.result({"spawn": True})
        while slot.result({"spawn": False}):  # each look is a call, and the test's patience ends it
            pass

    def test_what_a_slot_leaves_behind_in_other_sessions_ends_with_it(self):
        slot = self.loaded("""
            const { spawn } = require('child_process');
            const fs = require('fs');
            exports.main = (_, { leave }) => {
              if (leave) spawn('setsid', ['sleep', '600'], { detached: true }).unref();
              return fs.readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name))
                .filter((name) => { try { return fs.readFileSync(`/proc/${name}/cmdline`, 'latin1').startsWith('sleep'); } catch { return false; } });
            };
            """)
        slot.result({"leave": True})
        while not slot.result({"leave": False}):
            pass
        self.worker.control.send(CANCEL, {"slot": 0})
        self.assertEqual(self.worker.exited()["cause"], "cancelled")
        slot = self.slot = self.worker.link("slot", 0)
        self.assertTrue(slot.load(self.worker.code)["ok"])
        self.assertEqual(slot.result({"leave": False}), [])

    def test_neighbours_survive_the_search_for_orphans(self):
        self.worker.control.send(SLOTS, {"count": 2})
        other = self.worker.link("slot", 1)
        self.worker.write("exports.main = () => 'here'")
        self.assertTrue(other.load(self.worker.code)["ok"])
        self.worker.control.send(CANCEL, {"slot": 0})
        self.worker.exited()
        self.assertEqual(other.result(), "here")

    def test_the_end_of_the_supervisor_is_the_end_of_pid_1_with_its_code(self):
        self.assertEqual(self.worker.end(), (0, ""))

    def test_a_wrong_frame_shows_in_the_exit_code(self):
        self.worker.control.send(INVOKE, {})
        _, stderr = self.worker.process.communicate(timeout=PATIENCE)
        self.assertEqual(self.worker.process.returncode, 70)


class Samples(ShimTest):
    def test_each_sample_runs(self):
        self.worker.control.send(SLOTS, {"count": 3})
        slots = [self.slot] + [self.worker.link("slot", number) for number in (1, 2)]
        calls = (("hello", {"name": "Ada"}, "Hello, Ada!"), ("cpu", {"n": 100}, {"below": 100, "primes": 25}),
                 ("echo", {"a": [1]}, {"a": [1]}))
        for slot, (name, body, result) in zip(slots, calls):
            path = os.path.join(os.path.dirname(SHIM), "samples", name)
            self.assertTrue(slot.load(path)["ok"])
            self.assertEqual(slot.result(body), result)


if __name__ == "__main__":
    unittest.main()
