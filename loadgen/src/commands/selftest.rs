//! `loadgen selftest`: measures a server whose behaviour is known, and says where the measurement departs from it.

use anyhow::Context;
use results::numbers::time_ns;

use super::End;
use crate::clock;
use crate::config::SelftestArgs;
use crate::interrupt::Interrupt;
use crate::selftest::{ADVICE, Resolution, Row, Trial, examine, table};

/// How often, in all, a transport is tested once more when nothing is wrong but times that are too long: so often that the
/// whole test still ends within a minute. All else has no second chance.
const SECOND_CHANCES: u32 = 2;

/// Tests every transport, prints a table, and ends well only if all of it is ok.
pub async fn exec(args: SelftestArgs) -> anyhow::Result<End> {
    let began = clock::now();
    let interrupt = Interrupt::listen();
    let program = std::env::current_exe().context("cannot find this program, which the stub server is part of")?;
    println!("{}", Resolution::measure().await?);
    let mut all = 0;
    let mut wrong = 0;
    let mut again = SECOND_CHANCES;
    for transport in args.transports {
        let trial = Trial::thorough(transport);
        let rows = loop {
            let findings = trial.carry_out(&program, &args.bounds, &interrupt).await?;
            if interrupt.is_wanted() {
                return Ok(End::Unfinished);
            }
            let rows = examine(&trial, &findings);
            print!("{}", table(transport, &findings.truth, &rows));
            let may_be_noise = !all_ok(&rows) && rows.iter().all(|row| row.is_ok || row.can_be_noise);
            if !may_be_noise || again == 0 {
                break rows;
            }
            again -= 1;
            println!("  only some times are too long, as on a busy machine: testing {transport} once more");
        };
        all += rows.len();
        wrong += rows.iter().filter(|row| !row.is_ok).count();
    }
    let took = time_ns(clock::now().saturating_duration_since(began).as_nanos() as u64);
    if wrong == 0 {
        println!("all ok: {all} of {all} in {took}");
        return Ok(End::Fine);
    }
    println!("NOT OK: {wrong} of {all} in {took}");
    println!("{ADVICE}");
    Ok(End::Unfinished)
}

fn all_ok(rows: &[Row]) -> bool {
    rows.iter().all(|row| row.is_ok)
}
