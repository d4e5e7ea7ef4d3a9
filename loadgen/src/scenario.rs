//! Scenarios: the flags of a run or a comparison under a name, in a TOML file; a flag that is given beside it takes its place.
//!
//! A key is a flag without its hyphens, a list is a flag that is given several times, `true` a flag without a value. What stands under
//! `[run]` or `[compare]` is for that command alone, `about` for people.

use std::ffi::OsString;

use anyhow::{Context, bail, ensure};
use clap::{ArgAction, CommandFactory};
use toml::{Table, Value};

use crate::config::Cli;

/// The flag that names one.
pub const FLAG: &str = "scenario";
const BUILT_IN: [(&str, &str); 4] = [
    ("reconnect-storm", include_str!("../scenarios/reconnect-storm.toml")),
    ("restart-behind-redis", include_str!("../scenarios/restart-behind-redis.toml")),
    ("rolling-restart", include_str!("../scenarios/rolling-restart.toml")),
    ("slow-readers", include_str!("../scenarios/slow-readers.toml")),
];

/// Names of the scenarios that this build knows.
pub fn names() -> Vec<&'static str> {
    BUILT_IN.iter().map(|(name, _)| *name).collect()
}

/// The words of a command line, program name first, with the flags of its scenario written out behind the command; the same words
/// where none is named.
pub fn expand(words: Vec<OsString>) -> anyhow::Result<Vec<OsString>> {
    let Some(name) = named(&words)? else { return Ok(words) };
    let commands = Cli::command();
    let is_command = |word: &OsString| word.to_str().is_some_and(|word| commands.find_subcommand(word).is_some());
    let place =
        words.iter().skip(1).position(is_command).context("--scenario needs a command: expected run or compare")? + 1;
    let command = words[place].to_string_lossy().into_owned();
    let given = |flag: &str| {
        let (whole, begun) = (format!("--{flag}"), format!("--{flag}="));
        words[place..].iter().filter_map(|word| word.to_str()).any(|word| word == whole || word.starts_with(&begun))
    };
    let flags = flags(&read(&name)?, &command, given).with_context(|| format!("scenario {name}"))?;
    let (before, after) = words.split_at(place + 1);
    Ok(before.iter().cloned().chain(flags.into_iter().map(OsString::from)).chain(after.iter().cloned()).collect())
}

/// The scenario that a command line names.
fn named(words: &[OsString]) -> anyhow::Result<Option<String>> {
    let whole = format!("--{FLAG}");
    for (place, word) in words.iter().enumerate() {
        let Some(word) = word.to_str() else { continue };
        if let Some(name) = word.strip_prefix(&whole).and_then(|rest| rest.strip_prefix('=')) {
            return Ok(Some(name.to_owned()));
        }
        if word == whole {
            let name = words.get(place + 1).and_then(|name| name.to_str());
            return Ok(Some(
                name.context("--scenario needs the name of a scenario, or the path of its file")?.to_owned(),
            ));
        }
    }
    Ok(None)
}

/// A scenario of a built-in name, or of a file.
fn read(name: &str) -> anyhow::Result<Table> {
    let text = match BUILT_IN.iter().find(|(own, _)| *own == name) {
        Some((_, text)) => (*text).to_owned(),
        None => {
            ensure!(
                std::path::Path::new(name).extension().is_some_and(|extension| extension == "toml"),
                "unknown scenario `{name}`: expected one of {}, or the path of a scenario file (.toml)",
                names().join(", ")
            );
            std::fs::read_to_string(name).with_context(|| format!("cannot read the scenario file {name}"))?
        }
    };
    toml::from_str(&text).with_context(|| format!("scenario {name}"))
}

/// What `scenario` says to `command`, but for the flags that were `given` beside it.
fn flags(scenario: &Table, command: &str, given: impl Fn(&str) -> bool) -> anyhow::Result<Vec<String>> {
    let commands = Cli::command();
    let known = commands.find_subcommand(command).context("no such command")?;
    ensure!(
        known.get_arguments().any(|argument| argument.get_long() == Some(FLAG)),
        "{command} takes no scenario: expected run or compare"
    );
    let own = match scenario.get(command) {
        Some(Value::Table(own)) => own.clone(),
        Some(_) => bail!("`{command}` is no flag: expected a table, [{command}]"),
        None => Table::new(),
    };
    let shared = scenario.iter().filter(|(key, value)| *key != "about" && !value.is_table() && !own.contains_key(*key));
    let mut flags = Vec::new();
    for (key, value) in shared.chain(&own) {
        let Some(argument) = known.get_arguments().find(|argument| argument.get_long() == Some(key.as_str())) else {
            bail!(
                "`{key}` is no flag of {command}: expected one that `loadgen {command} --help` names, without its hyphens"
            );
        };
        if !given(key) {
            let is_switch = matches!(argument.get_action(), ArgAction::SetTrue);
            write(&mut flags, key, value, is_switch)?;
        }
    }
    Ok(flags)
}

fn write(flags: &mut Vec<String>, key: &str, value: &Value, is_switch: bool) -> anyhow::Result<()> {
    let text = match value {
        Value::Boolean(is_on) if is_switch => {
            flags.extend(is_on.then(|| format!("--{key}")));
            return Ok(());
        }
        Value::Array(values) => return values.iter().try_for_each(|value| write(flags, key, value, is_switch)),
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        other => bail!("`{key}` is a {}: expected a text, a number, or a list of these", other.type_str()),
    };
    flags.push(format!("--{key}={text}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::Command;

    fn expanded(words: &str) -> anyhow::Result<Vec<String>> {
        let words = expand(words.split(' ').map(OsString::from).collect())?;
        Ok(words.into_iter().map(|word| word.into_string().unwrap()).collect())
    }

    #[test]
    fn every_shipped_scenario_is_read_by_both_commands() {
        for (name, text) in BUILT_IN {
            let about = toml::from_str::<Table>(text).unwrap();
            assert!(about["about"].as_str().unwrap().len() > 80, "{name} says what it is for");
            let run = expanded(&format!("loadgen run --scenario {name}")).unwrap();
            let Command::Run(run) = Cli::try_parse_from(run).unwrap().command else { panic!("{name}") };
            assert!(run.load.clients > 1 && !run.faults.is_empty(), "{name}");
            assert!(run.faults.iter().all(|fault| fault.misfit(run.load.duration).is_none()), "{name}");
            let compare = expanded(&format!("loadgen compare --scenario={name}")).unwrap();
            let Command::Compare(compare) = Cli::try_parse_from(compare).unwrap().command else { panic!("{name}") };
            assert_eq!((compare.transports.len(), compare.faults), (4, run.faults), "{name}");
        }
    }

    #[test]
    fn a_flag_beside_a_scenario_takes_its_place() {
        let words =
            expanded("loadgen run --scenario reconnect-storm --clients 7 --fault churn=x --transport=sse").unwrap();
        let all = words.join(" ");
        assert_eq!(words[..2], ["loadgen", "run"]);
        assert!(all.contains("--rate=5") && all.ends_with("--clients 7 --fault churn=x --transport=sse"), "{all}");
        assert_eq!(["--clients", "--fault", "--transport"].map(|flag| all.matches(flag).count()), [1, 1, 1], "{all}");
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_was_expected() {
        let refused = |text: &str| {
            let table = toml::from_str::<Table>(text).unwrap();
            format!("{:#}", flags(&table, "run", |_| false).unwrap_err())
        };
        assert!(refused("clinets = 7").contains("`clinets` is no flag of run"));
        assert!(refused("run = 3").contains("expected a table, [run]"));
        assert!(refused("rate = [[1]]\nduration = 1979-05-27").contains("is a datetime"));
        let unknown = format!("{:#}", expanded("loadgen run --scenario storm").unwrap_err());
        assert!(
            unknown.contains("expected one of reconnect-storm, restart-behind-redis, rolling-restart, slow-readers"),
            "{unknown}"
        );
        let elsewhere = format!("{:#}", expanded("loadgen find-max --scenario slow-readers").unwrap_err());
        assert!(elsewhere.contains("takes no scenario"), "{elsewhere}");
        assert!(expanded("loadgen run --scenario").is_err());
    }

    #[test]
    fn without_one_the_words_are_what_they_were() {
        assert_eq!(expanded("loadgen run --transport ws").unwrap(), ["loadgen", "run", "--transport", "ws"]);
    }
}
