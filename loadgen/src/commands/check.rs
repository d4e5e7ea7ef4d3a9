//! `loadgen check`: walks a feed through its contract; of any other server, finds out what works.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use feed::Transport;
use tokio::task::LocalSet;

use super::{End, Usage};
use crate::check::{Outcome, Walked, walk};
use crate::config::CheckArgs;
use crate::interrupt::Interrupt;
use crate::server_process::ServerProcess;
use crate::survey::{survey, table};
use crate::target::{Target, Token, Trust, redacted};

/// Longest wait for one of several addresses of a server to answer.
const CONNECT_BOUND: Duration = Duration::from_secs(3);

/// Checks a server as what it is said to be, and ends well only if all of that holds.
pub async fn exec(args: CheckArgs) -> anyhow::Result<End> {
    let interrupt = Interrupt::listen()?;
    tokio::select! {
        end = try_or_check(args) => end,
        // Who is asked to end ends what it has started.
        () = interrupt.wanted() => Ok(End::Unfinished),
    }
}

async fn try_or_check(args: CheckArgs) -> anyhow::Result<End> {
    if !args.target.file.is_feed() {
        return try_out(args).await;
    }
    let url = args.url.ok_or_else(|| Usage(anyhow!("the URL is missing: expected one like http://127.0.0.1:8080")))?;
    check_contract(&url, args.target.token()?.as_ref(), &args.target.trust).await
}

/// Tries out what a target supports, and prints it as a table.
async fn try_out(args: CheckArgs) -> anyhow::Result<End> {
    let token = args.target.token()?;
    let trust = args.target.trust;
    let file = args.target.file;
    for transport in Transport::ALL.into_iter().filter(|transport| file.has(*transport)) {
        file.ready(transport, 1, token.is_some()).map_err(Usage)?;
    }
    let started = match (&args.url, &file.server) {
        (None, Some(start)) => Some(ServerProcess::start_target(&file.name, start, token.as_ref()).await?),
        (None, None) => {
            return Err(Usage(anyhow!("the URL is missing: `{}` is not started by itself", file.name)).into());
        }
        (Some(_), _) => None,
    };
    let url = started.as_ref().map_or_else(|| args.url.unwrap_or_default(), |server| server.url.clone());
    let target = Target::resolve_as(&url, Arc::clone(&file), token, &trust)?;
    let (target, told) = target.reach(CONNECT_BOUND).await?;
    if let Some(told) = told {
        results::outln!("note: {told}");
    }
    let findings = LocalSet::new().run_until(survey(&target)).await;
    let findings = findings.with_context(|| format!("cannot try out {}", target.shown_url()))?;
    results::out!("{}", table(&target, &findings));
    if let Some(server) = started {
        server.stop().await?;
    }
    Ok(
        if findings
            .iter()
            .all(|finding| finding.works() && finding.never_learnt.is_empty() && finding.keeps_topics_apart())
        {
            End::Fine
        } else {
            End::Unfinished
        },
    )
}

/// Checks a feed, prints each step, and ends well only if all of them hold.
async fn check_contract(url: &str, token: Option<&Token>, trust: &Trust) -> anyhow::Result<End> {
    let walked = walk(url, token, trust, &mut |step| results::outln!("{step}")).await?;
    results::outln!("\n{}", summary(&redacted(token, url), &walked));
    let fails = walked.steps.iter().any(|step| matches!(step.outcome, Outcome::Failed { .. }));
    Ok(if fails { End::Unfinished } else { End::Fine })
}

/// What it all comes to, in one sentence.
fn summary(url: &str, walked: &Walked) -> String {
    if let Some(why) = &walked.not_a_feed {
        return format!("{url} is not a feed: {why}");
    }
    let count = |of: fn(&Outcome) -> bool| walked.steps.iter().filter(|step| of(&step.outcome)).count();
    let failed = count(|outcome| matches!(outcome, Outcome::Failed { .. }));
    let held = count(|outcome| *outcome == Outcome::Passed);
    let skipped = match count(|outcome| matches!(outcome, Outcome::Skipped { .. })) {
        0 => String::new(),
        count => format!("; {count} skipped"),
    };
    match failed {
        0 => format!("{url} keeps the contract of the feed: {held} steps held{skipped}."),
        _ => format!("{url} departs from the contract of the feed in {failed} of {} steps{skipped}.", failed + held),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Step;

    const URL: &str = "http://127.0.0.1:8080";

    fn walked(outcomes: Vec<Outcome>) -> Walked {
        let step = |outcome| Step { area: "ws", claim: "a ping is answered".to_owned(), outcome };
        Walked { steps: outcomes.into_iter().map(step).collect(), not_a_feed: None }
    }

    #[test]
    fn the_summary_says_how_many_held_and_how_many_did_not() {
        let failed = Outcome::Failed { seen: "nothing".to_owned(), expected: "a pong".to_owned() };
        let skipped = Outcome::Skipped { why: "not offered".to_owned() };
        let all_held = walked(vec![Outcome::Passed, Outcome::Passed, skipped.clone()]);
        assert_eq!(summary(URL, &all_held), format!("{URL} keeps the contract of the feed: 2 steps held; 1 skipped."));
        let one_failed = walked(vec![Outcome::Passed, failed, skipped]);
        assert_eq!(
            summary(URL, &one_failed),
            format!("{URL} departs from the contract of the feed in 1 of 2 steps; 1 skipped.")
        );
    }

    #[test]
    fn what_is_not_a_feed_is_called_so() {
        let walked = Walked { not_a_feed: Some("POST answered 501; a feed answers 201".to_owned()), ..walked(vec![]) };
        assert_eq!(summary(URL, &walked), format!("{URL} is not a feed: POST answered 501; a feed answers 201"));
    }
}
