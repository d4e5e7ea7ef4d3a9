//! What can be done to a run on purpose, and how it is written: `cut 30% at 5s`, `stall 10% for 5s`, `restart-server at 8s`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// When a fault begins that does not say so, after the beginning of the measured window: a second of calm comes first.
pub const DEFAULT_START: Duration = Duration::from_secs(1);
/// Longest time in a fault.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Every form, for who wrote another.
const FORMS: &str = "expected one of: cut SHARE, vanish SHARE, stall SHARE for TIME, churn SHARE/s [for TIME], restart-server [for TIME], \
                     drain-server [for TIME], pause-server for TIME; each with `at TIME`, if not a second after measuring began; \
                     for example `cut 30% at 5s`";

/// One fault of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What is done.
    pub what: What,
    /// When it begins, after the beginning of the measured window; `None` where that was not said.
    pub at: Option<Duration>,
}

/// What is done.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Connections of a share of the clients end with a reset (RST).
    Cut(f64),
    /// A share of the clients stops reading for a while, its connections open.
    Stall(f64, Duration),
    /// A share of the clients is heard of no more: nothing is sent, not even an acknowledgement or the end of the connection.
    Vanish(f64),
    /// This share of the clients leaves each second and comes back at once, for a while or to the end of the window.
    Churn(f64, Option<Duration>),
    /// The server is killed (SIGKILL) and started again, after a while if that is said.
    RestartServer(Option<Duration>),
    /// The server is asked to end (SIGTERM), and started again when it has, or after a while if that is longer.
    DrainServer(Option<Duration>),
    /// The server is stopped for a while (SIGSTOP, SIGCONT).
    PauseServer(Duration),
}

impl Fault {
    /// When it begins, after the beginning of the measured window: a second after it where nothing was said; churn at once.
    pub fn start(&self) -> Duration {
        let unsaid = if matches!(self.what, What::Churn(..)) { Duration::ZERO } else { DEFAULT_START };
        self.at.unwrap_or(unsaid)
    }

    /// True when it is done to the server.
    pub fn is_of_server(&self) -> bool {
        matches!(self.what, What::RestartServer(_) | What::DrainServer(_) | What::PauseServer(_))
    }

    /// True when the server's process ends and another takes its place.
    pub fn ends_server(&self) -> bool {
        matches!(self.what, What::RestartServer(_) | What::DrainServer(_))
    }

    /// Why it cannot be had in a window of `duration`, if it cannot.
    pub fn misfit(&self, duration: Duration) -> Option<String> {
        let start = self.start();
        (start >= duration).then(|| {
            format!(
                "the fault `{self}` begins {} after measuring began, which goes on for {}: expected an earlier `at`, or a longer \
                 --duration",
                humantime::format_duration(start),
                humantime::format_duration(duration)
            )
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |time: &Duration| humantime::format_duration(*time).to_string().replace(' ', "");
        let percent = |share: &f64| format!("{}%", share * 100.0);
        let held =
            |held: &Option<Duration>| held.as_ref().map(|held| format!(" for {}", time(held))).unwrap_or_default();
        match &self.what {
            What::Cut(share) => write!(f, "cut {}", percent(share)),
            What::Stall(share, held) => write!(f, "stall {} for {}", percent(share), time(held)),
            What::Vanish(share) => write!(f, "vanish {}", percent(share)),
            What::Churn(share, length) => write!(f, "churn {}/s{}", percent(share), held(length)),
            What::RestartServer(away) => write!(f, "restart-server{}", held(away)),
            What::DrainServer(away) => write!(f, "drain-server{}", held(away)),
            What::PauseServer(held) => write!(f, "pause-server for {}", time(held)),
        }?;
        self.at.as_ref().map_or(Ok(()), |at| write!(f, " at {}", time(at)))
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let verb = words.next().ok_or(FORMS)?;
        let has_share = matches!(verb, "cut" | "stall" | "vanish" | "churn");
        if !has_share && !matches!(verb, "restart-server" | "drain-server" | "pause-server") {
            return Err(format!("no fault is called `{verb}`: {FORMS}"));
        }
        let share = if has_share { Some(share(verb, words.next())?) } else { None };
        let Clauses { length, at } = clauses(verb, words)?;
        let needed = || {
            length.ok_or_else(|| format!("{verb} needs a time: expected for example `{verb}{} for 5s`", shown(share)))
        };
        let share = share.unwrap_or_default();
        let what = match verb {
            "cut" | "vanish" if length.is_some() => {
                return Err(format!("{verb} has no `for`: it is done once, and clients come back as --reconnect says"));
            }
            "cut" => What::Cut(share),
            "vanish" => What::Vanish(share),
            "stall" => What::Stall(share, needed()?),
            "churn" => What::Churn(share, length),
            "restart-server" => What::RestartServer(length),
            "drain-server" => What::DrainServer(length),
            _ => What::PauseServer(needed()?),
        };
        Ok(Self { what, at })
    }
}

fn shown(share: Option<f64>) -> String {
    share.map(|share| format!(" {}%", share * 100.0)).unwrap_or_default()
}

/// A share of the clients; of churn, per second.
fn share(verb: &str, word: Option<&str>) -> Result<f64, String> {
    let (unit, example) = if verb == "churn" { ("%/s", "churn 5%/s") } else { ("%", "cut 30%") };
    let example = if verb == "churn" { example.to_owned() } else { example.replace("cut", verb) };
    let expected =
        || format!("{verb} needs a share of the clients, above 0 and up to 100: expected for example `{example}`");
    let percent = word.and_then(|word| word.strip_suffix(unit)).and_then(|number| number.parse::<f64>().ok());
    percent.filter(|percent| *percent > 0.0 && *percent <= 100.0).map(|percent| percent / 100.0).ok_or_else(expected)
}

/// What may follow in either order, each once.
#[derive(Default)]
struct Clauses {
    length: Option<Duration>,
    at: Option<Duration>,
}

fn clauses<'a>(verb: &str, mut words: impl Iterator<Item = &'a str>) -> Result<Clauses, String> {
    let mut clauses = Clauses::default();
    while let Some(word) = words.next() {
        let place = match word {
            "for" => &mut clauses.length,
            "at" => &mut clauses.at,
            _ => return Err(format!("`{word}` means nothing in `{verb}`: expected `for TIME` or `at TIME`")),
        };
        if place.is_some() {
            return Err(format!("`{word}` stands twice in `{verb}`: expected it once"));
        }
        let time = words.next().and_then(|time| humantime::parse_duration(time).ok());
        // To last no time at all is to do nothing; to begin at once is something.
        let time = time.filter(|time| *time <= LONGEST && (word == "at" || !time.is_zero()));
        *place = Some(time.ok_or_else(|| {
            format!("`{word}` of `{verb}` needs a time with its unit, up to 24h: expected for example `{word} 5s`, or `{word} 500ms`")
        })?);
    }
    Ok(clauses)
}

#[cfg(test)]
mod tests {
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn read(text: &str) -> Fault {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn every_form_is_read() {
        let fault = |what, at| Fault { what, at };
        assert_eq!(read("cut 30% at 5s"), fault(What::Cut(0.3), Some(5 * S)));
        assert_eq!(read("stall 10% for 5s"), fault(What::Stall(0.1, 5 * S), None));
        assert_eq!(read("  stall 10%  at 2s for 500ms "), fault(What::Stall(0.1, S / 2), Some(2 * S)));
        assert_eq!(read("vanish 12.5% at 0s"), fault(What::Vanish(0.125), Some(Duration::ZERO)));
        assert_eq!(read("churn 5%/s"), fault(What::Churn(0.05, None), None));
        assert_eq!(read("restart-server at 8s"), fault(What::RestartServer(None), Some(8 * S)));
        assert_eq!(read("restart-server for 2s"), fault(What::RestartServer(Some(2 * S)), None));
        assert_eq!(read("drain-server at 8s"), fault(What::DrainServer(None), Some(8 * S)));
        assert_eq!(read("pause-server for 2s"), fault(What::PauseServer(2 * S), None));
        assert_eq!([read("churn 5%/s").start(), read("cut 1%").start()], [Duration::ZERO, DEFAULT_START]);
    }

    #[test]
    fn nonsense_is_refused_with_what_was_expected() {
        let refused = |text: &str| text.parse::<Fault>().expect_err(text);
        for (text, told) in [
            ("", "expected one of: cut SHARE"),
            ("sever 30%", "no fault is called `sever`: expected one of: cut SHARE"),
            ("cut", "expected for example `cut 30%`"),
            ("cut 30", "expected for example `cut 30%`"),
            ("cut 0%", "above 0 and up to 100"),
            ("cut 101%", "above 0 and up to 100"),
            ("cut nan%", "above 0 and up to 100"),
            ("churn 5%", "expected for example `churn 5%/s`"),
            ("stall 10%", "expected for example `stall 10% for 5s`"),
            ("stall 10% for 0s", "expected for example `for 5s`"),
            ("cut 30% at 5", "expected for example `at 5s`"),
            ("cut 30% at", "expected for example `at 5s`"),
            ("cut 30% at 5s at 6s", "`at` stands twice"),
            ("cut 30% for 5s", "cut has no `for`"),
            ("cut 30% after 5s", "`after` means nothing in `cut`"),
            ("pause-server", "expected for example `pause-server for 5s`"),
            ("restart-server 30% at 5s", "`30%` means nothing in `restart-server`"),
        ] {
            let error = refused(text);
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_written_reads_back_as_the_same() {
        let mut rng = SmallRng::seed_from_u64(11);
        for _ in 0..2_000 {
            let mut time = || Duration::from_millis(rng.random_range(1..90_000_000).min(LONGEST.as_millis() as u64));
            let (length, at, other) = (time(), time(), time());
            let share = f64::from(rng.random_range(1..=1_000_u32)) / 10.0 / 100.0;
            let maybe = rng.random_bool(0.5).then_some(other);
            let what = match rng.random_range(0..7) {
                0 => What::Cut(share),
                1 => What::Stall(share, length),
                2 => What::Vanish(share),
                3 => What::Churn(share, maybe),
                4 => What::RestartServer(maybe),
                5 => What::DrainServer(maybe),
                _ => What::PauseServer(length),
            };
            let fault = Fault { what, at: rng.random_bool(0.5).then_some(at) };
            let written = fault.to_string();
            // Shares go through per cent and back, which costs a last digit at most.
            assert_eq!(read(&written).to_string(), written);
            assert_eq!((read(&written).at, read(&written).start()), (fault.at, fault.start()), "{written}");
        }
    }

    #[test]
    fn no_text_makes_the_reader_fall_over() {
        const WORDS: [&str; 14] = [
            "cut",
            "stall",
            "churn",
            "pause-server",
            "30%",
            "5%/s",
            "%",
            "for",
            "at",
            "5s",
            "1y",
            "-1s",
            "é%",
            "99999999999999999h",
        ];
        let mut rng = SmallRng::seed_from_u64(3);
        for _ in 0..5_000 {
            let words: Vec<&str> =
                (0..rng.random_range(0..6)).map(|_| WORDS[rng.random_range(0..WORDS.len())]).collect();
            if let Ok(fault) = words.join(" ").parse::<Fault>() {
                assert_eq!(read(&fault.to_string()).to_string(), fault.to_string());
            }
        }
    }

    #[test]
    fn a_fault_after_the_window_is_a_misfit() {
        assert!(read("cut 30% at 5s").misfit(5 * S).unwrap().contains("longer --duration"));
        assert_eq!(read("cut 30% at 4s").misfit(5 * S), None);
    }
}
