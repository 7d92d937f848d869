//! The share of a core that Lambda gives a function: a whole one has 1,769 MB (Lambda developer guide, "Configure Lambda function
//! memory"). 128 MB have 7.2 %, which is 1.447 ms of every 20 ms.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

const WHOLE_MB: u64 = 1_769;
const PERIOD_US: u64 = 20_000;

/// A share of a core, and how it is kept.
#[derive(Debug)]
pub struct Throttle {
    quota_us: u64,
    way: Way,
}

/// The best way that this machine allows.
#[derive(Debug)]
enum Way {
    /// A control group of its own, with a CPU quota.
    Group { folder: PathBuf, name: String },
    /// Stopping and continuing the process. Coarser: an event may have to wait for the process to go on.
    Signals,
}

/// A process under the throttle, until dropped.
#[derive(Debug)]
pub struct Throttled {
    signals: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Throttle {
    /// The share of a function with so much memory, in MB. Tries cgroup v2, then v1, then settles for signals.
    pub fn of_memory(mb: u64) -> Throttle {
        let quota_us = PERIOD_US * mb / WHOLE_MB;
        let own = |marker: &str| {
            let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
            let line = groups.lines().find(|line| line.contains(marker))?;
            line.rsplit(':').next().map(|path| path.trim_start_matches('/').to_owned())
        };
        let v2 = own("0::").map(|path| Path::new("/sys/fs/cgroup").join(path));
        let v1 = own(":cpu").map(|path| Path::new("/sys/fs/cgroup/cpu").join(path));
        let quota = quota_us.to_string();
        let both = format!("{quota_us} {PERIOD_US}");
        let period = PERIOD_US.to_string();
        let way = v2
            .and_then(|parent| group(&parent, "cgroup v2", &[("cpu.max", &both)]))
            .or_else(|| {
                let files = [("cpu.cfs_period_us", &*period), ("cpu.cfs_quota_us", &quota)];
                v1.and_then(|parent| group(&parent, "cgroup v1", &files))
            })
            .unwrap_or(Way::Signals);
        Throttle { quota_us, way }
    }

    /// How it throttles, for the reader of the table.
    pub fn name(&self) -> String {
        let share = format!("{} of every {PERIOD_US} µs of a core", self.quota_us);
        match &self.way {
            Way::Group { name, .. } => format!("{share}, by the CPU quota of a {name} group"),
            Way::Signals => {
                format!("{share}, by SIGSTOP and SIGCONT, as no control group may be made here")
            }
        }
    }

    /// Throttles a process.
    ///
    /// # Errors
    /// The system's.
    pub fn apply(&self, pid: u32) -> io::Result<Throttled> {
        match &self.way {
            Way::Group { folder, .. } => {
                fs::write(folder.join("cgroup.procs"), pid.to_string())?;
                Ok(Throttled { signals: None })
            }
            Way::Signals => {
                let quota_us = self.quota_us;
                let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
                let pid = pid.ok_or_else(|| io::Error::other("an odd process id"))?;
                let ended = Arc::new(AtomicBool::new(false));
                let seen = Arc::clone(&ended);
                let thread = thread::spawn(move || {
                    while !seen.load(Ordering::SeqCst) {
                        let _ = kill_process(pid, Signal::STOP);
                        thread::sleep(Duration::from_micros(PERIOD_US - quota_us));
                        let _ = kill_process(pid, Signal::CONT);
                        thread::sleep(Duration::from_micros(quota_us));
                    }
                });
                Ok(Throttled { signals: Some((ended, thread)) })
            }
        }
    }
}

/// Makes a group under `parent` and writes its quota, where that is allowed.
fn group(parent: &Path, name: &str, files: &[(&str, &str)]) -> Option<Way> {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let number = MADE.fetch_add(1, Ordering::SeqCst);
    let folder = parent.join(format!("keepwatch-bench-{}-{number}", process::id()));
    fs::create_dir(&folder).ok()?;
    let group = Way::Group { folder: folder.clone(), name: name.to_owned() };
    // The kernel makes the files; writing to one that is not there must not make it.
    let write = |(file, text): &(&str, &str)| {
        let path = folder.join(file);
        path.exists() && fs::write(path, text).is_ok()
    };
    files.iter().all(write).then_some(group)
}

impl Drop for Throttle {
    fn drop(&mut self) {
        if let Way::Group { folder, .. } = &self.way {
            let _ = fs::remove_dir(folder);
        }
    }
}

impl Drop for Throttled {
    fn drop(&mut self) {
        if let Some((ended, thread)) = self.signals.take() {
            ended.store(true, Ordering::SeqCst);
            let _ = thread.join();
        }
    }
}
