//! A rule of a protocol document, and whether the server keeps it.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::timeout;

/// Longer than any case takes, waits included.
const BOUND: Duration = Duration::from_secs(30);

type Run = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One rule.
pub(crate) struct Case {
    name: &'static str,
    /// Why the server departs from it, where it is known to.
    departs: Option<&'static str>,
    run: fn() -> Run,
}

/// The rule `name`, kept when `run` ends without a panic.
pub(crate) const fn keeps(name: &'static str, run: fn() -> Run) -> Case {
    Case { name, departs: None, run }
}

/// A rule that is known not to be kept, and why; a case that holds after all is a failure, so that nobody goes on saying so.
pub(crate) const fn departs(name: &'static str, why: &'static str, run: fn() -> Run) -> Case {
    Case { name, departs: Some(why), run }
}

/// Runs all cases, prints what was found, fails when any is not as it is said to be.
pub(crate) async fn walk(cases: Vec<Case>) {
    let count = cases.len();
    let running: Vec<_> = cases.into_iter().map(|case| (tokio::spawn(timeout(BOUND, (case.run)())), case)).collect();
    let (mut wrong, mut departures) = (Vec::new(), 0);
    for (run, case) in running {
        let kept = matches!(run.await, Ok(Ok(())));
        let found = match (kept, case.departs) {
            (true, None) => "ok".to_owned(),
            (false, Some(why)) => {
                departures += 1;
                format!("known departure: {why}")
            }
            (true, Some(_)) => "KEPT, though it is listed as a departure".to_owned(),
            (false, None) => "NOT KEPT".to_owned(),
        };
        println!("{} | {found}", case.name);
        if found.starts_with(char::is_uppercase) {
            wrong.push(case.name);
        }
    }
    println!("{count} rules, {departures} known departures");
    assert!(wrong.is_empty(), "{} of {count} rules are not as said: {wrong:#?}", wrong.len());
}

/// `async fn`s as the [`Run`]s of cases.
macro_rules! run {
    ($name:ident) => {
        || Box::pin($name())
    };
}
pub(crate) use run;
