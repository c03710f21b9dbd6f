//! A worker's connection cut within a frame, or made to say nonsense: by user code, which can reach its own socket.

use crate::support::{Hob, eventually};
use http::StatusCode;
use serde_json::{Value, json};

/// Finds the socket of its slot and says what it is told to, in place of a reply.
const SPEAKS: &str = "
import os, socket, stat

def sockets():
    for name in os.listdir('/proc/self/fd'):
        try:
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                yield int(name)
        except OSError:
            pass

def main(says=None, ends=False, **_):
    if says is None:
        return 'well'
    for number in sockets():
        os.write(number, bytes.fromhex(says))
        if not ends:
            socket.socket(fileno=os.dup(number)).shutdown(socket.SHUT_RDWR)
    if ends:
        os._exit(0)
    import time
    time.sleep(60)
";

/// The beginning of a reply: 100 bytes are to come, and the header within them has 50.
const HALF: &str = "000000640600000032";
/// A frame of a type that there is none of.
const UNKNOWN: &str = "00000000ff00000000";
/// One that is longer than any may be.
const ENDLESS: &str = "ffffffff0600000000";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_cut_within_a_frame_is_named_and_replaced() {
    let hob = Hob::start(&[]).await.0.warm().await;
    hob.ready("f", SPEAKS, json!({ "max_workers": 1 })).await;
    for (says, ends) in [(HALF, true), (HALF, false), (UNKNOWN, true), (ENDLESS, false)] {
        let answer = hob.call("f", json!({ "says": says, "ends": ends })).await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{says}: {}", answer.text());
        let run = hob.last_run("f").await;
        assert_eq!(run["id"], answer.header("x-call-id"), "{run:#}");
        assert!(run["state"] == "error" || run["state"] == "failed", "{run:#}");
        let next = hob.call("f", json!({})).await;
        assert_eq!((next.status, next.json()), (StatusCode::OK, json!("well")), "{says}");
    }
    eventually("nothing that runs", || async {
        let counts: Value = hob.get("/hob/v1/status").await.json()["executions"].clone();
        (counts["running"] == 0).then_some(())
    })
    .await;
    hob.stop().await;
}
