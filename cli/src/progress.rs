//! A sign of life for those who wait.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::timeout;

/// What is done within this time shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is being done.
pub(crate) fn spinner(doing: &'static str) -> ProgressBar {
    hidden("{spinner} {msg}", doing)
}

/// What is being done, and how many have been counted.
pub(crate) fn counter(doing: &'static str) -> ProgressBar {
    hidden("{spinner} {msg} {human_pos}", doing)
}

/// What is being done, and how many of how many are done.
pub(crate) fn share(doing: &'static str) -> ProgressBar {
    hidden("{spinner} {msg} {human_pos}/{human_len}", doing)
}

fn hidden(template: &str, doing: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    let style = ProgressStyle::with_template(template);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.set_message(doing);
    bar
}

/// Does the work, and shows the bar when it takes long; on standard error, and only to a person.
pub(crate) async fn while_shown<T>(bar: &ProgressBar, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    if let Ok(done) = timeout(PATIENCE, work.as_mut()).await {
        return done;
    }
    bar.set_draw_target(ProgressDrawTarget::stderr());
    bar.enable_steady_tick(Duration::from_millis(250));
    let done = work.await;
    bar.finish_and_clear();
    done
}
