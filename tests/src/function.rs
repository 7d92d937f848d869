//! A compiled function as a process, with an environment of its own and nothing of ours.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::runtime_api::{Reply, RuntimeApi};

/// No machine is so slow that it needs longer; a function that does hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running function; killed on drop.
#[derive(Debug)]
pub struct Function {
    child: Child,
    api: RuntimeApi,
    spawned: Instant,
}

impl Function {
    /// Starts the binary with the environment that Lambda would give it, credentials that open nothing, and `settings`.
    ///
    /// Its log goes nowhere; what it writes to standard error, a panic or a failed start, goes to `errors`.
    ///
    /// # Errors
    /// When there is no such binary, or no free port.
    pub fn start(binary: &Path, settings: &[(&str, &str)], errors: Stdio) -> io::Result<Function> {
        const NAME: &str = "AWS_LAMBDA_FUNCTION_NAME";
        let name =
            settings.iter().find(|(setting, _)| *setting == NAME).map_or("keepwatch", |(_, name)| name);
        let api = RuntimeApi::start(name)?;
        let mut command = Command::new(binary);
        command
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", api.address())
            .env(NAME, name)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors);
        let spawned = Instant::now();
        Ok(Function { child: command.spawn()?, api, spawned })
    }

    /// The time from its start to its first request for an event. `None` when it makes none.
    pub fn started_in(&self) -> Option<Duration> {
        self.api.first_next(PATIENCE).map(|next| next.duration_since(self.spawned))
    }

    /// Hands it an event. `None` when it does not answer.
    pub fn invoke(&self, payload: &str) -> Option<Reply> {
        self.api.invoke(payload, PATIENCE)
    }

    /// Hands it an event as Lambda does to a function that may take so long. `None` when it takes longer.
    pub fn invoke_within(&self, payload: &str, limit: Duration) -> Option<Reply> {
        self.api.invoke_within(payload, limit, limit)
    }

    /// Hands it an event and tells it that it may take so long, whatever it takes. `None` when it does not answer.
    pub fn invoke_hurried(&self, payload: &str, told: Duration) -> Option<Reply> {
        self.api.invoke_within(payload, told, PATIENCE)
    }

    /// CPU time of all its threads so far. `schedstat` counts nanoseconds; `stat` would count hundredths of a second.
    ///
    /// # Errors
    /// When it has ended.
    pub fn cpu(&self) -> io::Result<Duration> {
        let mut nanos = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid()))? {
            // A thread may end between being listed and being read.
            let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            nanos += text.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// A line of its `/proc/<pid>/status`, in MiB: `VmRSS` for what is resident, `VmHWM` for the most that ever was.
    ///
    /// # Errors
    /// When it has ended, or there is no such line.
    pub fn memory(&self, name: &str) -> io::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find(|line| line.starts_with(name));
        let kib =
            line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse::<u32>().ok());
        let kib = kib.ok_or_else(|| io::Error::other(format!("{name} is not to be had")))?;
        Ok(f64::from(kib) / 1_024.0)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for it to end by itself: its status, and what it wrote to a piped standard error. `None` when it goes on.
    ///
    /// # Errors
    /// When the operating system does not tell.
    pub fn ended(&mut self) -> io::Result<Option<(ExitStatus, String)>> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait()? {
                let text = self.child.stderr.take().map(io::read_to_string).transpose()?;
                return Ok(Some((status, text.unwrap_or_default())));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(None)
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary of this name that was built together with the running program: beside it, or beside the folder of test
/// programs.
///
/// # Errors
/// When it was not built; the message says how to.
pub fn binary(name: &str) -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let beside = own.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    beside.ok_or_else(|| {
        let message = format!("the binary `{name}` is not built for this profile: run `cargo build` first");
        io::Error::new(io::ErrorKind::NotFound, message)
    })
}
