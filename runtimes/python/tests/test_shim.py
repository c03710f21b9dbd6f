"""The shim against the worker contract: processes, failures, output, bodies, and the convention `kwargs`."""

import json
import os
import struct
import subprocess
import sys
import unittest

from worker import RUNTIME, ShimTest
from played import BODY, CANCEL, CHUNK, INVOKE, LOAD, LOG, PATIENCE, PING, PONG, SLOTS, alive


class Hello(ShimTest):
    def test_both_connections_say_who_they_are(self):
        hello = self.worker.control.hello
        self.assertEqual((hello["protocol"], hello["role"], hello["token"]), (1, "control", "secret"))
        self.assertEqual((hello["runtime"], hello["conventions"]), ("python", ["context-event", "event-context", "kwargs"]))
        self.assertEqual(hello["version"], "%d.%d.%d" % sys.version_info[:3])
        self.assertEqual(self.slot.hello, {"protocol": 1, "role": "slot", "token": "secret", "slot": 0})

    def test_ping_is_answered(self):
        self.worker.control.send(PING, {})
        self.assertEqual(self.worker.control.expect(PONG)[0], {})

    def test_the_token_is_not_in_the_environment_of_user_code(self):
        slot = self.loaded("import os\ndef main(context): return sorted(os.environ)")
        self.assertFalse([key for key in slot.result() if key.startswith("HOB_")])


class Kwargs(ShimTest):
    ECHO = "def main(*args, **kwargs): return [args, kwargs]"
    CONTEXT = {"context": {"os_session": None}}

    def check(self, body, args, kwargs):
        self.assertEqual(self.slot.result(body), [args, dict(kwargs, **self.CONTEXT)])

    def test_inputs_become_arguments_as_the_contract_says(self):
        self.loaded(self.ECHO)
        self.check(b"", [], {})
        self.check(b"null", [], {})
        self.check(b'{"a": 1, "b": [2]}', [], {"a": 1, "b": [2]})
        self.check(b"6", ["6"], {})
        self.check(b"Bob", ["Bob"], {})
        self.check(b"{bad", ["{bad"], {})
        self.check(b" ", [" "], {})
        self.check(b'{"__function_input": "Bob", "a": 1}', ["Bob"], {"a": 1})
        self.check(b'{"__function_input": "", "a": 1}', [], {"a": 1})
        self.check(b'{"context": 7}', [], {})
        self.check(' {"ä": "€"} '.encode(), [], {"ä": "€"})

    def test_other_json_and_other_bytes_are_bad_input(self):
        self.loaded(self.ECHO)
        for body in (b"[1]", b'"x"', b"1.5", b"true", b"\xff\xfe"):
            error = self.slot.error(body)
            self.assertEqual((error["kind"], error["traceback"]), ("bad_input", ""), body)

    def test_results_are_json_of_any_shape(self):
        slot = self.loaded("def main(code, **kwargs): return eval(code)")
        for code in ("None", "'€ \\U0001f600'", "{'a': [1, 2.5, True]}", "[]", "0", "'\\ud800'"):
            self.assertEqual(slot.result({"code": code}), eval(code))
        header, _ = slot.call({"code": "1"})
        self.assertEqual((header["status"], header["headers"]), (200, [["content-type", "application/json"]]))
        self.assertGreaterEqual(header["duration_us"], 0)

    def test_what_json_cannot_say_is_not_json(self):
        slot = self.loaded("def main(code, **kwargs): return eval(code)")
        for code in ("{1, 2}", "object()", "float('nan')", "(lambda a: a.append(a) or a)([])", "iter([])"):
            self.assertEqual(slot.error({"code": code})["kind"], "not_json", code)
        self.assertEqual(slot.result({"code": "1"}), 1)

    def test_async_functions_are_awaited_in_one_loop(self):
        slot = self.loaded("""
            import asyncio
            seen = []
            async def main(fail=False, **kwargs):
                await asyncio.sleep(0)
                seen.append(id(asyncio.get_running_loop()))
                if fail: raise ValueError("late")
                return len(set(seen)), len(seen)
            """)
        self.assertEqual([slot.result(), slot.result()], [[1, 1], [1, 2]])
        error = slot.error({"fail": True})
        self.assertEqual((error["kind"], error["type"], error["message"]), ("raised", "ValueError", "late"))
        self.assertNotIn("asyncio/", error["traceback"])
        self.assertNotIn("not JSON serializable", error["traceback"])
        self.assertEqual(slot.result(), [1, 4])

    def test_a_plain_function_may_return_something_to_await(self):
        slot = self.loaded("async def later(): return {1}\nasync def sooner(): return 'x'\n"
                           "def main(bad=False, **kwargs): return later() if bad else sooner()")
        self.assertEqual(slot.result(), "x")
        self.assertEqual(slot.error({"bad": True})["kind"], "not_json")

    def test_a_function_without_context_fails_as_it_does_upstream(self):
        error = self.loaded("def main(name='x'): return name").error()
        self.assertIn("unexpected keyword argument 'context'", error["message"])


class Failures(ShimTest):
    def test_an_exception_is_raised_with_the_users_frames_only(self):
        self.worker.write("def f(x):\n    return 1 / x\n", "lib/inner.py")
        slot = self.loaded("from lib import inner\ndef main(**kwargs):\n    return inner.f(0)\n")
        error = slot.error()
        self.assertEqual((error["kind"], error["type"], error["message"]),
                         ("raised", "ZeroDivisionError", "division by zero"))
        self.assertIn("lib/inner.py", error["traceback"])
        self.assertIn("return 1 / x", error["traceback"])
        self.assertNotIn("hob_shim", error["traceback"])
        self.assertIn("ZeroDivisionError", slot.error()["traceback"])

    def test_a_user_module_named_like_the_standard_librarys_does_no_harm(self):
        self.worker.write("mine = 1", "token.py")
        self.worker.write("mine = 2", "tokenize.py")
        slot = self.loaded("import token\ndef main(fail, **kwargs):\n"
                           "    if fail: raise ValueError('no')\n    import tokenize\n"
                           "    return [token.mine, tokenize.mine]\n")
        self.assertIn("raise ValueError", slot.error({"fail": True})["traceback"])
        self.assertEqual(slot.result({"fail": False}), [1, 2])

    def test_sys_exit_is_raised_and_the_slot_lives(self):
        slot = self.loaded("import sys\ndef main(code=3, **kwargs):\n    if code: sys.exit(code)\n    return 'ok'")
        error = slot.error()
        self.assertEqual((error["kind"], error["type"], error["message"]), ("raised", "SystemExit", "3"))
        self.assertEqual(slot.result({"code": 0}), "ok")

    def test_odd_exceptions_are_answered(self):
        slot = self.loaded("""
            class Odd(Exception):
                def __str__(self): raise RuntimeError("gotcha")
            def main(kind, **kwargs):
                if kind == "odd": raise Odd
                if kind == "deep": return main(kind, **kwargs)
                if kind == "long": raise ValueError("x" * 10_000_000)
                if kind == "interrupt": raise KeyboardInterrupt
                try: raise KeyError("first")
                except KeyError as error: raise ValueError("second") from error
            """)
        self.assertEqual(slot.error({"kind": "odd"})["type"], "Odd")
        self.assertEqual(slot.error({"kind": "deep"})["type"], "RecursionError")
        self.assertLess(len(slot.error({"kind": "long"})["message"]), 20_000)
        self.assertEqual(slot.error({"kind": "interrupt"})["type"], "KeyboardInterrupt")
        self.assertIn("KeyError: 'first'", slot.error({"kind": "chain"})["traceback"])

    def test_os_exit_ends_the_slot_and_a_new_one_comes(self):
        report = self.dies("import os\ndef main(**kwargs): os._exit(9)")
        self.assertEqual(report, {"slot": 0, "cause": "exit", "code": 9, "signal": None})
        self.assertEqual(self.loaded("def main(**kwargs): return 'again'").result(), "again")

    def test_a_crash_names_its_signal(self):
        report = self.dies("import ctypes\ndef main(**kwargs): ctypes.string_at(0)")
        self.assertEqual(report, {"slot": 0, "cause": "signal", "code": None, "signal": "SIGSEGV"})

    def test_an_endless_loop_ends_at_its_deadline(self):
        report = self.dies("def main(**kwargs):\n    while True: pass", timeout_ms=150)
        self.assertEqual((report["cause"], report["signal"]), ("timeout", "SIGALRM"))

    def test_a_deadline_does_not_outlive_its_call(self):
        slot = self.loaded("import select\ndef main(ms=0, **kwargs): select.select([], [], [], ms / 1000)")
        slot.result(timeout_ms=2000)
        slot.result({"ms": 2500}, timeout_ms=14000)

    def test_a_deadline_during_import_is_a_timeout_too(self):
        self.worker.write("while True: pass")
        with self.assertRaises((EOFError, ConnectionResetError)):
            self.slot.load(self.worker.code, timeout_ms=150)
        self.assertEqual(self.worker.exited()["cause"], "timeout")

    def test_cancel_kills_the_call_and_what_it_started(self):
        slot = self.loaded("""
            import subprocess, time
            def main(**kwargs):
                inside = subprocess.Popen(["sleep", "600"])
                outside = subprocess.Popen(["sleep", "600"], start_new_session=True)
                print(inside.pid, outside.pid)
                time.sleep(600)
            """)
        slot.start()
        pids = [int(pid) for pid in slot.expect(LOG)[1].split()]
        self.worker.control.send(CANCEL, {"slot": 0})
        self.assertEqual(self.worker.exited()["cause"], "cancelled")
        self.assertEqual([alive(pid) for pid in pids], [False, False])
        self.worker.link("slot", 0)


class Loading(ShimTest):
    def test_a_missing_file_names_what_is_there(self):
        self.worker.write("x = 1", "app.py")
        error = self.refused()
        self.assertEqual(error["type"], "ModuleNotFoundError")
        self.assertTrue(error["message"].startswith("No module named 'main'"))
        self.assertIn("app.py", error["message"])

    def test_a_missing_library_names_the_manifest(self):
        error = self.refused("import surely_not_there\ndef main(**kwargs): pass")
        self.assertIn("No module named 'surely_not_there'", error["message"])
        self.assertIn("requirements.txt", error["message"])
        self.assertIn("main.py", error["traceback"])

    def test_a_missing_function_offers_the_others(self):
        error = self.refused("def handler(**kwargs): pass")
        self.assertTrue(error["message"].startswith("module 'main' has no attribute 'main'"))
        self.assertIn("main.handler", error["message"])

    def test_syntax_errors_exceptions_and_exits_are_reported(self):
        error = self.refused("def main(:\n")
        self.assertEqual(error["type"], "SyntaxError")
        self.assertIn("def main(:", error["traceback"])

    def test_a_module_that_exits_is_reported(self):
        self.assertEqual(self.refused("import sys; sys.exit(1)")["type"], "SystemExit")

    def test_a_value_is_not_a_function(self):
        self.assertIn("not callable", self.refused("main = {}")["message"])

    def test_an_entry_without_a_dot_is_refused(self):
        self.assertIn("MODULE.FUNCTION", self.refused("", entry="main")["message"])

    def test_another_convention_is_refused_by_name(self):
        message = self.refused("def main(): pass", convention="http")["message"]
        self.assertIn("`http`", message)
        self.assertIn("kwargs", message)

    def test_entries_reach_into_packages_and_empty_means_the_default(self):
        self.worker.write("def f(**kwargs): return __name__", "a/b/c.py")
        self.assertTrue(self.slot.load(self.worker.code, entry="a.b.c.f")["ok"])
        self.assertEqual(self.slot.result(), "a.b.c")

    def test_an_empty_entry_is_main_main(self):
        self.assertEqual(self.loaded("def main(**kwargs): return 1", entry="").result(), 1)

    def test_the_environment_is_there_at_import_and_tmp_is_home(self):
        slot = self.loaded("import os\nE = dict(os.environ)\nD = os.getcwd()\n"
                           "def main(**kwargs): return [E['A'], E['HOME'], E['TMPDIR'], D]", env={"A": "ä"})
        self.assertEqual(slot.result(), ["ä", "/tmp", "/tmp", self.worker.code])

    def test_what_an_import_prints_comes_before_loaded(self):
        self.loaded("print('importing', end='')\ndef main(**kwargs): pass")
        self.assertEqual(self.slot.printed(), "importing")


class Printing(ShimTest):
    def test_both_streams_and_sub_processes_keep_their_order(self):
        slot = self.loaded("""
            import os, subprocess, sys
            def main(**kwargs):
                print("one €")
                print("err", file=sys.stderr)
                subprocess.run(["sh", "-c", "echo two; echo err2 >&2"])
                os.write(1, b"three\\n")
                sys.stdout.buffer.write(b"four\\n")
                subprocess.run(["echo", "five"], stdout=sys.stdout)
                print("six", end="")
            """)
        slot.result()
        self.assertEqual(slot.printed("stdout"), "one €\ntwo\nthree\nfour\nfive\nsix")
        self.assertEqual(slot.printed("stderr"), "err\nerr2\n")

    def test_a_line_is_seen_while_the_call_runs(self):
        slot = self.loaded("import time\ndef main(**kwargs):\n    print('now')\n    time.sleep(600)")
        slot.start()
        self.assertEqual(slot.expect(LOG)[1], b"now\n")

    def test_a_hundred_megabytes_are_bounded(self):
        slot = self.loaded("""
            import resource
            def main(**kwargs):
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                for _ in range(100_000):
                    print("€" * 333)
                return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            """)
        grown_kib = slot.result(log_limit=10_000)
        self.assertLess(grown_kib, 4096)
        kept = slot.printed()
        header, text = slot.logs[-1]
        self.assertLessEqual(len(kept.encode()), 10_000)
        self.assertGreater(len(kept.encode()), 9_996)
        self.assertEqual((header["stream"], header["cut"]), ("stderr", 100_000_000 - len(kept.encode())))
        self.assertIn(b"10000 bytes", text)

    def test_a_hundred_megabytes_of_a_sub_process_are_bounded(self):
        slot = self.loaded("import subprocess\ndef main(**kwargs):\n"
                           "    subprocess.run('head -c 100000000 /dev/zero', shell=True)\n    return 'done'")
        self.assertEqual(slot.result(log_limit=100_000), "done")
        self.assertEqual(len(slot.printed()), 100_000)
        self.assertEqual(slot.logs[-1][0]["cut"], 99_900_000)

    def test_one_huge_line_is_cut_too(self):
        slot = self.loaded("def main(**kwargs): print('x' * 5_000_000, end='')")
        slot.result(log_limit=1000)
        self.assertEqual(slot.logs[-1][0]["cut"], 4_999_000)

    def test_each_call_has_a_log_of_its_own(self):
        slot = self.loaded("def main(n, **kwargs): print('call', n)")
        for n in range(3):
            slot.result({"n": n})
            self.assertEqual(slot.printed(), "call %d\n" % n)

    def test_what_is_printed_between_calls_belongs_to_nobody(self):
        slot = self.loaded("""
            import threading
            go, done = threading.Event(), threading.Event()
            def late():
                go.wait(); print("late"); done.set()
            def main(wait=False, **kwargs):
                if not wait: threading.Thread(target=late, daemon=True).start(); go_later()
                else: done.wait()
            def go_later(): threading.Timer(0.05, go.set).start()
            """)
        slot.result()
        self.assertEqual(slot.printed(), "")
        slot.result({"wait": True})

    def test_forked_children_print_and_never_speak_for_the_slot(self):
        slot = self.loaded("""
            import os, multiprocessing
            def work(): print("from a child")
            def main(**kwargs):
                print("half", end="")
                child = multiprocessing.get_context("fork").Process(target=work)
                child.start(); child.join()
                if os.fork() == 0: return "the child's"
                os.wait()
                return "the parent's"
            """)
        self.assertEqual(slot.result(), "the parent's")
        self.assertEqual(slot.printed().count("from a child\n"), 1)
        self.assertEqual(slot.printed().count("half"), 1)

    def test_threads_may_print_at_once(self):
        slot = self.loaded("""
            import threading
            def talk(n):
                for i in range(200): print("%d-%d" % (n, i))
            def main(**kwargs):
                threads = [threading.Thread(target=talk, args=(n,)) for n in range(8)]
                [t.start() for t in threads]; [t.join() for t in threads]
            """)
        slot.result()
        self.assertEqual(slot.printed().count("\n"), 1600)

    def test_logging_and_closed_descriptors_do_no_harm(self):
        slot = self.loaded("import logging, os\ndef main(**kwargs):\n    logging.warning('careful')\n"
                           "    os.close(1); os.close(2); print('still'); return 1")
        self.assertEqual(slot.result(), 1)
        self.assertEqual(slot.printed("stderr"), "WARNING:root:careful\n")
        self.assertEqual(slot.printed("stdout"), "still\n")


class Bodies(ShimTest):
    def test_large_bodies_stream_both_ways(self):
        slot = self.loaded("def main(text, **kwargs): return text")
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
        slot = self.loaded("def main(text, **kwargs): return len(text)")
        slot.start(b"", stream=True)
        slot.send(BODY, {"end": True}, json.dumps({"text": "x" * 2_000_000}).encode())
        self.assertEqual(json.loads(slot.finish()[1]), 2_000_000)

    def test_bodies_around_the_limit_of_one_frame(self):
        slot = self.loaded("def main(n, **kwargs): return 'x' * n")
        for n in (CHUNK - 3, CHUNK - 2, CHUNK - 1, 2 * CHUNK - 2, 2 * CHUNK - 1):
            self.assertEqual(len(slot.result({"n": n})), n)


class Slots(ShimTest):
    def test_three_slots_work_at_once(self):
        self.worker.control.send(SLOTS, {"count": 3})
        slots = [self.slot] + [self.worker.link("slot", number) for number in (1, 2)]
        self.worker.write("""
            import os
            def main(fifo, **kwargs):
                print("in", os.getpid())
                open(fifo).read()
                return os.getpid()
            """)
        fifos = []
        for number, slot in enumerate(slots):
            fifos.append(os.path.join(self.worker.directory, "fifo%d" % number))
            os.mkfifo(fifos[-1])
            self.assertTrue(slot.load(self.worker.code)["ok"])
        for slot, fifo in zip(slots, fifos):
            slot.start({"fifo": fifo})
        for slot in slots:
            self.assertTrue(slot.expect(LOG)[1].startswith(b"in "))
        for fifo in fifos:
            open(fifo, "w").close()
        self.assertEqual(len({slot.finish()[1] for slot in slots}), 3)

    def test_a_dying_slot_leaves_its_neighbours_alone(self):
        self.worker.control.send(SLOTS, {"count": 2})
        other = self.worker.link("slot", 1)
        self.worker.write("import os\ndef main(die, **kwargs):\n    if die: os.kill(os.getpid(), 9)\n    return 'ok'")
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
            import os, subprocess
            def main(**kwargs):
                child = subprocess.Popen(["sleep", "600"], start_new_session=True)
                return [os.getpid(), child.pid]
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
        )
        for act in wrong:
            act(self.slot)
            self.assertEqual(self.worker.exited()["code"], 70)
            self.slot.sock.close()
            self.slot = self.worker.link("slot", 0)
        self.assertEqual(self.worker.end()[1].count("protocol error"), len(wrong))

    def test_a_wrong_frame_on_the_control_connection_ends_the_worker(self):
        self.worker.control.send(INVOKE, {})
        _, stderr = self.worker.process.communicate(timeout=PATIENCE)
        self.assertEqual(self.worker.process.returncode, 70)
        self.assertIn(b"protocol error", stderr)


class Lost(unittest.TestCase):
    def test_without_a_daemon_it_says_so_and_ends(self):
        done = subprocess.run([sys.executable, "-I", "-B", os.path.join(RUNTIME, "shim.py")], env={"HOB_DIAL": "unix:/nowhere/sock"},
                              stderr=subprocess.PIPE, timeout=PATIENCE)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b"hob shim", done.stderr)


class Samples(ShimTest):
    def test_each_sample_runs(self):
        self.worker.control.send(SLOTS, {"count": 3})
        slots = [self.slot] + [self.worker.link("slot", number) for number in (1, 2)]
        calls = (("hello", {"name": "Ada"}, "Hello, Ada!"), ("cpu", {"n": 100}, {"below": 100, "primes": 25}),
                 ("echo", {"a": [1]}, {"a": [1]}))
        for slot, (name, body, result) in zip(slots, calls):
            path = os.path.join(RUNTIME, "samples", name)
            self.assertTrue(slot.load(path)["ok"])
            self.assertEqual(slot.result(body), result)


if __name__ == "__main__":
    unittest.main()
