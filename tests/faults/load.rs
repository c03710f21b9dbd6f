//! What a daemon has to do while it is killed: calls of both kinds, new functions, new code for old ones, jobs.
//!
//! Each client stops when the daemon dies; what it was answered until then is a promise.

use crate::helpers::{try_deploy, try_send};
use crate::ledger::{Ledger, writer};
use crate::promises::Promises;
use crate::support::Answer;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::task::JoinSet;

/// The function that all calls go to.
pub(crate) const WORK: &str = "work";
/// So many calls a client makes at most before it leaves the daemon alone.
const CALLS: u32 = 60;
/// So many functions are there beside, at most.
const FUNCTIONS: usize = 2;
/// So many deploys and deletes in one life at most.
const DEPLOYS: u32 = 6;

pub(crate) fn settings() -> Value {
    json!({ "runtime": "python", "max_workers": 2 })
}

/// The clients of one life of the daemon.
pub(crate) struct Load {
    clients: JoinSet<()>,
}

#[derive(Clone)]
struct Client {
    address: SocketAddr,
    port: u16,
    round: u32,
    promises: Arc<Mutex<Promises>>,
}

impl Load {
    pub(crate) fn start(address: SocketAddr, ledger: &Ledger, round: u32, promises: &Arc<Mutex<Promises>>) -> Self {
        let client = Client {
            address,
            port: ledger.port,
            round,
            promises: Arc::clone(promises),
        };
        let mut clients = JoinSet::new();
        for n in 0..2 {
            clients.spawn(client.clone().accept(n));
            clients.spawn(client.clone().call(n));
        }
        clients.spawn(client.clone().deploy());
        clients.spawn(client.schedule());
        Self { clients }
    }

    /// Waits for the clients, which end with the daemon.
    pub(crate) async fn ended(mut self) {
        while let Some(client) = self.clients.join_next().await {
            client.expect("a client is content with every answer it got");
        }
    }
}

impl Client {
    fn promises(&self) -> MutexGuard<'_, Promises> {
        self.promises.lock().expect("nobody panics with it")
    }

    fn input(&self, key: &str) -> String {
        json!({ "key": key, "port": self.port }).to_string()
    }

    /// `None`: the daemon has died.
    async fn ask(&self, method: Method, path: &str, body: String) -> Option<Answer> {
        let body = Bytes::from(body);
        try_send(self.address, method, path, "application/json", body)
            .await
            .ok()
    }

    async fn accept(self, client: u32) {
        for n in 0..CALLS {
            let key = format!("async-{}-{client}-{n}", self.round);
            let path = format!("/hob/v1/functions/{WORK}/invoke?async=true");
            let Some(answer) = self.ask(Method::POST, &path, self.input(&key)).await else {
                self.promises().doubtful_calls.insert(key);
                return;
            };
            assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
            let id = answer.json()["id"].as_str().expect("an id").to_owned();
            let mut promises = self.promises();
            promises.counts.accepted += 1;
            promises.accepted.insert(id, key);
        }
    }

    async fn call(self, client: u32) {
        for n in 0..CALLS {
            let key = format!("sync-{}-{client}-{n}", self.round);
            let path = format!("/function/{WORK}");
            let Some(answer) = self.ask(Method::POST, &path, self.input(&key)).await else {
                return;
            };
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
            let mut promises = self.promises();
            promises.counts.answered += 1;
            promises.answered.insert(key);
        }
    }

    /// New code for what all calls go to, a new function, and the end of an old one, in turn; every second round waits
    /// until they are ready.
    async fn deploy(self) {
        for n in 0..DEPLOYS {
            let number = self.round * 1000 + n;
            let alive = match (self.round + n) % 3 {
                0 => self.put(WORK, number).await,
                1 => self.put(&format!("side-{number}"), number).await,
                _ => self.remove_oldest().await,
            };
            if !alive {
                return;
            }
        }
    }

    async fn put(&self, name: &str, number: u32) -> bool {
        let wait = if self.round.is_multiple_of(2) { 20 } else { 0 };
        let answer = try_deploy(self.address, name, &writer(number), settings(), wait).await;
        let mut promises = self.promises();
        let Ok(answer) = answer else {
            if !promises.functions.contains_key(name) {
                promises.doubtful_functions.insert(name.to_owned());
            }
            return false;
        };
        assert!(answer.status.is_success(), "{}", answer.text());
        assert_ne!(answer.json()["latest"]["state"], "failed", "{}", answer.text());
        promises.counts.deployed += 1;
        promises.functions.insert(name.to_owned(), number);
        true
    }

    async fn remove_oldest(&self) -> bool {
        let oldest = {
            let promises = self.promises();
            let mut beside = promises.functions.keys().filter(|name| *name != WORK);
            let n_beside = beside.clone().count();
            beside.next().filter(|_| n_beside > FUNCTIONS).cloned()
        };
        let Some(name) = oldest else { return true };
        self.promises().functions.remove(&name);
        let path = format!("/hob/v1/functions/{name}");
        let answer = self.ask(Method::DELETE, &path, String::new()).await;
        let mut promises = self.promises();
        let Some(answer) = answer else {
            promises.doubtful_functions.insert(name);
            return false;
        };
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text());
        promises.counts.removed += 1;
        promises.removed.insert(name);
        true
    }

    /// One job that fires all the time, in place of the one before.
    async fn schedule(self) {
        let body = self.input(&format!("job-{}", self.round));
        let input = json!({ "body": body, "headers": { "content-type": "application/json" } });
        let job = json!({ "function": WORK, "every_ms": 100, "input": input });
        let Some(answer) = self.ask(Method::POST, "/hob/v1/jobs", job.to_string()).await else {
            return;
        };
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        let id = answer.json()["id"].as_str().expect("an id").to_owned();
        self.promises().jobs.insert(id);
    }
}
