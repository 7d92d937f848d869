//! Lambda's Runtime API, as far as a function that answers whole events needs it.

use std::collections::{HashMap, VecDeque};
use std::io::{self, BufReader};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::http::{Request, Response, Server};
use crate::lock;

/// The account that the functions believe to run in.
pub const ACCOUNT: &str = "111122223333";

const PREFIX: &str = "/2018-06-01/runtime/";

/// How long a function may take where nobody says.
const LONG: Duration = Duration::from_secs(3_600);

/// The API for one process. A second process would compete with the first one's connection for events.
#[derive(Debug)]
pub struct RuntimeApi {
    server: Server,
    shared: Arc<Shared>,
}

/// What the function made of an event.
#[derive(Debug)]
pub struct Reply {
    /// Its answer, or its error.
    pub outcome: Outcome,
    /// From handing out the event to having the whole answer.
    pub took: Duration,
}

/// The two ways in which an invocation ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// What the handler returned.
    Response(String),
    /// The handler failed or panicked: Lambda would deliver the whole batch again.
    Error(String),
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    first_next: Option<Instant>,
    invocations: usize,
    queued: VecDeque<(String, String, Duration)>,
    handed_out: HashMap<String, Instant>,
    replies: HashMap<String, Reply>,
    init_error: Option<String>,
    closed: bool,
    /// The function's name.
    name: String,
}

impl RuntimeApi {
    /// Listens on a free port of loopback, for a function of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn start(name: &str) -> io::Result<RuntimeApi> {
        let shared = Arc::new(Shared::default());
        name.clone_into(&mut lock(&shared.state).name);
        let serving = Arc::clone(&shared);
        let server = Server::start(move |stream| serving.converse(stream))?;
        Ok(RuntimeApi { server, shared })
    }

    /// The value of `AWS_LAMBDA_RUNTIME_API`.
    pub fn address(&self) -> String {
        self.server.address.to_string()
    }

    /// Waits for the function to ask for its first event, which ends its start, and says when that was.
    pub fn first_next(&self, patience: Duration) -> Option<Instant> {
        self.shared.wait(patience, |state| state.first_next)
    }

    /// Hands the function an event and waits for what it makes of it. `None` when it takes too long.
    pub fn invoke(&self, payload: &str, patience: Duration) -> Option<Reply> {
        self.invoke_within(payload, LONG, patience)
    }

    /// The same, with the time that the function is told it may take.
    pub fn invoke_within(&self, payload: &str, limit: Duration, patience: Duration) -> Option<Reply> {
        let id = {
            let mut state = lock(&self.shared.state);
            state.invocations += 1;
            let id = format!("00000000-0000-4000-8000-{:012}", state.invocations);
            state.queued.push_back((id.clone(), payload.to_owned(), limit));
            id
        };
        self.shared.changed.notify_all();
        self.shared.wait(patience, |state| state.replies.remove(&id))
    }

    /// What the function reported when it could not start.
    pub fn init_error(&self) -> Option<String> {
        lock(&self.shared.state).init_error.clone()
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        lock(&self.shared.state).closed = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    /// Waits until `found` finds something.
    fn wait<T>(&self, patience: Duration, mut found: impl FnMut(&mut State) -> Option<T>) -> Option<T> {
        let until = Instant::now() + patience;
        let mut state = lock(&self.state);
        loop {
            if let Some(found) = found(&mut state) {
                return Some(found);
            }
            let left = until.checked_duration_since(Instant::now())?;
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn converse(&self, stream: TcpStream) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        while let Some(request) = Request::read(&mut stream)? {
            let Some(response) = self.answer(&request) else { break };
            response.write(stream.get_mut())?;
        }
        Ok(())
    }

    fn answer(&self, request: &Request) -> Option<Response> {
        let now = Instant::now();
        let accepted = || Response::new(202, "application/json", r#"{"status":"OK"}"#);
        let path = request.path.strip_prefix(PREFIX).unwrap_or_default();
        let body = || request.body.clone();
        Some(match path.split('/').collect::<Vec<_>>()[..] {
            ["invocation", "next"] => self.next(now)?,
            ["invocation", id, "response"] => {
                self.reply(id, Outcome::Response(body()), now);
                accepted()
            }
            ["invocation", id, "error"] => {
                self.reply(id, Outcome::Error(body()), now);
                accepted()
            }
            ["init", "error"] => {
                lock(&self.state).init_error = Some(body());
                accepted()
            }
            _ => Response::new(404, "text/plain", "the Runtime API has no such path"),
        })
    }

    /// Blocks until there is an event, as the real one does; `None` when there will be none.
    fn next(&self, asked: Instant) -> Option<Response> {
        lock(&self.state).first_next.get_or_insert(asked);
        self.changed.notify_all();
        let (id, payload, limit) = self.wait(LONG, |state| match state.queued.pop_front() {
            Some((id, payload, limit)) => {
                state.handed_out.insert(id.clone(), Instant::now());
                Some(Some((id, payload, limit)))
            }
            None => state.closed.then_some(None),
        })??;
        let mut response = Response::new(200, "application/json", payload);
        #[expect(clippy::disallowed_methods, reason = "the functions under test go by the real clock")]
        let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + limit;
        response.headers.extend([
            ("lambda-runtime-aws-request-id", id),
            ("lambda-runtime-deadline-ms", deadline.as_millis().to_string()),
            (
                "lambda-runtime-invoked-function-arn",
                format!("arn:aws:lambda:us-east-1:{ACCOUNT}:function:{}", lock(&self.state).name),
            ),
            ("lambda-runtime-trace-id", "Root=1-00000000-000000000000000000000000;Sampled=0".to_owned()),
        ]);
        Some(response)
    }

    fn reply(&self, id: &str, outcome: Outcome, now: Instant) {
        let mut state = lock(&self.state);
        let took = state.handed_out.remove(id).map(|since| now.duration_since(since)).unwrap_or_default();
        state.replies.insert(id.to_owned(), Reply { outcome, took });
        drop(state);
        self.changed.notify_all();
    }
}
