//! What is shown on a terminal while something takes longer than a second.

use coffer_bundle::Step;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

/// How long something may take before anything is shown: the time after which people begin to wonder.
const PATIENCE: Duration = Duration::from_secs(1);

/// A line on standard error that says what is going on. Nothing if that is no terminal.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn start() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        if io::stderr().is_terminal() {
            let later = bar.clone();
            tokio::spawn(async move {
                tokio::time::sleep(PATIENCE).await;
                if !later.is_finished() {
                    later.set_draw_target(ProgressDrawTarget::stderr());
                    later.enable_steady_tick(Duration::from_millis(100));
                }
            });
        }
        Self(bar)
    }

    pub(crate) fn tell(&self, step: &Step) {
        self.0.set_message(step.to_string());
    }

    /// What tells how many bytes of how many were pulled.
    pub(crate) fn watch(&self) -> impl Fn(u64, u64) + Send + Sync + 'static {
        let bar = self.0.clone();
        let style =
            ProgressStyle::with_template("{spinner} {bar:30} {bytes} of {total_bytes} ({elapsed})");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        move |done, total| {
            if bar.length() != Some(total) {
                bar.set_style(style.clone());
                bar.set_length(total);
            }
            bar.set_position(done);
        }
    }

    pub(crate) fn end(&self) {
        self.0.finish_and_clear();
    }

    /// A writer that takes the line away while it writes, so that the two do not mix.
    pub(crate) fn around(&self, writer: impl Write + Send + 'static) -> Box<dyn Write + Send> {
        Box::new(Around { bar: self.0.clone(), writer })
    }
}

struct Around<W> {
    bar: ProgressBar,
    writer: W,
}

impl<W: Write> Write for Around<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Self { bar, writer } = self;
        bar.suspend(|| writer.write_all(bytes).and_then(|()| writer.flush()))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
