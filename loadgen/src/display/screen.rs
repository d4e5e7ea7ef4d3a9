//! A live line on a terminal, with a bar for the phase.

use indicatif::{ProgressBar, ProgressStyle};

use super::{Display, Progress, figures};

/// Bar steps per second of a phase.
const STEPS_PER_SECOND: f64 = 10.0;

/// Draws one line on standard error.
pub(super) struct Screen {
    bar: ProgressBar,
}

impl Screen {
    pub(super) fn new(title: &str) -> Self {
        let style = ProgressStyle::with_template("{spinner} {prefix:<24} {bar:16} {wide_msg}")
            .expect("the template is a constant that indicatif accepts");
        let bar = ProgressBar::new(1).with_style(style);
        bar.set_prefix(title.to_owned());
        bar.enable_steady_tick(std::time::Duration::from_millis(250));
        Self { bar }
    }
}

impl Display for Screen {
    fn show(&mut self, progress: &Progress) {
        let (done, whole) = match progress.length {
            Some(length) => {
                (progress.elapsed.as_secs_f64() * STEPS_PER_SECOND, length.as_secs_f64() * STEPS_PER_SECOND)
            }
            None => (progress.live as f64, progress.clients as f64),
        };
        self.bar.set_length(whole.max(1.0) as u64);
        self.bar.set_position(done.min(whole) as u64);
        self.bar.set_message(format!("{:8} {}", progress.phase, figures(progress)));
    }

    fn finish(&mut self) {
        self.bar.finish_and_clear();
    }
}
