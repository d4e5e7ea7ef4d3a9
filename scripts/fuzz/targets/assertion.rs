//! Conditions of `--assert` and `--slo`: what is understood says itself as it was typed, and is understood again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen::assertion::Condition;

fuzz_target!(|text: &str| {
    if let Ok(condition) = text.parse::<Condition>() {
        let shown = condition.to_string();
        assert_eq!(shown.parse::<Condition>().expect("it was understood before").to_string(), shown);
    }
});
