"""What the conformance suite asks of a language, once for each calling convention.

The last part of the path says what to do; where there is no path, the input's field `do`.
"""

import base64
import os
import subprocess
import time

RELEASED = "/tmp/released"


def main(do, n=0, context=None, **others):
    """kwargs: the input is the answer."""
    ACTIONS[do](n)
    return {"do": do, "n": n, **others}


def handle(event, context):
    """event-context: the body is the answer's, as it came."""
    do, n = asked(event["path"], event["queryStringParameters"])
    if do == "stream":
        return streamed()
    if do == "headers":
        question = event["headers"]["X-Question"]
        return {"statusCode": 201, "headers": {"x-answer": question, "content-type": "text/x-told"}, "body": "told"}
    body = event["body"]
    data = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
    ACTIONS[do](n, data)
    return {"body": data, "headers": {"content-type": "application/octet-stream"}}


def handler(context, event):
    """context-event: the same."""
    do, n = asked(event.path, event.fields)
    if do == "stream":
        return streamed()
    if do == "headers":
        question = event.headers["X-Question"]
        return context.Response(
            body="told", headers={"x-answer": question}, content_type="text/x-told", status_code=201)
    ACTIONS[do](n, event.body)
    return context.Response(body=event.body, content_type="application/octet-stream")


def asked(path, fields):
    return path.rpartition("/")[2], int((fields or {}).get("n", 0))


def echo(n, body=b""):
    pass


def say(n, body=b""):
    print(body.decode() or "grüße")


def child(n, body=b""):
    print("from the function")
    subprocess.run(["sh", "-c", "echo from a child; echo and its errors >&2"], check=True)


def fail(n, body=b""):
    raise ValueError("as asked")


def leave(n, body=b""):
    os._exit(3)


def hang(n, body=b""):
    while True:
        time.sleep(1)


def memory(n, body=b""):
    kept = []
    while True:
        kept.append(bytearray(b"x") * (8 << 20))


def meet(n, body=b""):
    """Waits for two others: comes back only if three calls run at the same time in one worker."""
    open("/tmp/met-%d" % n, "w").close()
    wait_for(lambda: sum(name.startswith("met-") for name in os.listdir("/tmp")) >= 3)


def release(n, body=b""):
    open(RELEASED, "w").close()


def streamed():
    """Half of it comes before anybody has called `release`, the rest after."""
    yield "first\n"
    wait_for(lambda: os.path.exists(RELEASED))
    yield "last\n"


def wait_for(condition):
    while not condition():
        time.sleep(0.005)


ACTIONS = {"echo": echo, "say": say, "child": child, "raise": fail, "exit": leave, "hang": hang, "memory": memory,
           "meet": meet, "release": release}
