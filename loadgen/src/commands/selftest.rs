//! `loadgen selftest`: measures a server whose behaviour is known, and says where the measurement departs from it.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use feed::Transport;
use futures_util::future::try_join_all;
use results::numbers::time_ns;

use super::End;
use crate::clock;
use crate::config::{Bounds, SelftestArgs};
use crate::interrupt::Interrupt;
use crate::selftest::{ADVICE, Findings, OddServer, Resolution, Row, Trial, examine, table};

/// How often, in all, a trial is carried out once more when nothing is wrong but what a busy machine adds: so often that the
/// whole test still ends within little more than a minute. All else has no second chance.
const SECOND_CHANCES: u32 = 2;

/// What all trials need, and what came of them.
struct Selftest {
    program: PathBuf,
    bounds: Bounds,
    interrupt: Interrupt,
    second_chances: u32,
    rows: usize,
    wrong: usize,
}

/// Tests every transport and every odd server, prints tables, and ends well only if all of it is ok.
pub async fn exec(args: SelftestArgs) -> anyhow::Result<End> {
    let began = clock::now();
    let interrupt = Interrupt::listen()?;
    let program = std::env::current_exe().context("cannot find this program, which the stub server is part of")?;
    let mut test =
        Selftest { program, bounds: args.bounds, interrupt, second_chances: SECOND_CHANCES, rows: 0, wrong: 0 };
    results::outln!("{}", Resolution::measure().await?);
    for transport in args.transports {
        test.try_transport(transport).await?;
        if test.interrupt.is_wanted() {
            return Ok(End::Unfinished);
        }
    }
    test.try_odd_servers().await?;
    if test.interrupt.is_wanted() {
        return Ok(End::Unfinished);
    }
    Ok(test.conclude(began))
}

impl Selftest {
    async fn try_transport(&mut self, transport: Transport) -> anyhow::Result<()> {
        let trial = Trial::thorough(transport);
        loop {
            let findings = self.carry_out(&trial).await?;
            if self.interrupt.is_wanted() {
                return Ok(());
            }
            let rows = examine(&trial, &findings);
            results::out!("{}", table(transport, &findings.truth, &rows));
            if !self.may_try_again(transport.name(), &rows) {
                self.count(&rows);
                return Ok(());
            }
        }
    }

    /// All odd servers at a time, for they are light; then those once more, one by one, that had to wait for the machine.
    async fn try_odd_servers(&mut self) -> anyhow::Result<()> {
        let servers = OddServer::all();
        let all = try_join_all(servers.iter().map(|server| self.carry_out(&server.trial))).await?;
        for (server, mut findings) in servers.iter().zip(all) {
            loop {
                if self.interrupt.is_wanted() {
                    return Ok(());
                }
                let rows = server.examine(&findings);
                results::out!("{}", server.table(&rows));
                if !self.may_try_again(server.name, &rows) {
                    self.count(&rows);
                    break;
                }
                findings = self.carry_out(&server.trial).await?;
            }
        }
        Ok(())
    }

    async fn carry_out(&self, trial: &Trial) -> anyhow::Result<Findings> {
        trial.carry_out(&self.program, &self.bounds, &self.interrupt).await
    }

    /// True, after saying so, when a busy machine can be the reason of all that is wrong, and there is a second chance left.
    fn may_try_again(&mut self, name: &str, rows: &[Row]) -> bool {
        let is_wrong = rows.iter().any(|row| !row.is_ok);
        let may_be_noise = is_wrong && rows.iter().all(|row| row.is_ok || row.can_be_noise);
        if !may_be_noise || self.second_chances == 0 {
            return false;
        }
        self.second_chances -= 1;
        results::outln!("  only some times are too long, as on a busy machine: testing {name} once more");
        true
    }

    fn count(&mut self, rows: &[Row]) {
        self.rows += rows.len();
        self.wrong += rows.iter().filter(|row| !row.is_ok).count();
    }

    fn conclude(&self, began: Instant) -> End {
        let Self { rows, wrong, .. } = self;
        let took = time_ns(clock::now().saturating_duration_since(began).as_nanos() as u64);
        if *wrong == 0 {
            results::outln!("all ok: {rows} of {rows} in {took}");
            return End::Fine;
        }
        results::outln!("NOT OK: {wrong} of {rows} in {took}");
        results::outln!("{ADVICE}");
        End::Unfinished
    }
}
