//! `--junit`: verdict and assertions as JUnit XML, so that a CI server shows them like tests.
//!
//! Written by hand: two elements and one escaping rule need no XML library.

use std::fmt::Write;
use std::fs::File;
use std::path::Path;

use anyhow::Context;
use results::file::{write_through, write_whole};
use results::{Assertion, Ending, Run};

/// Tries the place before anything is measured, so that one that cannot be written to is said at once. A file of an earlier run is removed:
/// it would be taken for this one's, should this one write none.
pub fn prove_writable(path: &Path) -> anyhow::Result<()> {
    let tried = write_through(path, |path| File::create(path).map(drop));
    let cleared = tried.and_then(|()| if path.is_file() { std::fs::remove_file(path) } else { Ok(()) });
    cleared.with_context(|| format!("cannot write the JUnit file {}", path.display()))
}

/// Writes the file.
pub fn write(path: &Path, run: &Run) -> anyhow::Result<()> {
    write_whole(path, document(run).as_bytes())
        .with_context(|| format!("cannot write the JUnit file {}", path.display()))
}

/// What is said of a run that the user stopped.
const INTERRUPTED: &str =
    "The run was interrupted: what it tells was measured until then, not over the time that was asked for.";

/// One suite: a case for the verdict, which is in error when the run is invalid or was interrupted, and one per assertion.
fn document(run: &Run) -> String {
    let seconds = run.measured.phases.last().map_or(0.0, |phase| phase.end_s);
    let failures = run.assertions.iter().filter(|assertion| !assertion.holds).count();
    let interrupted = (run.ending == Ending::Interrupted).then(|| INTERRUPTED.to_owned());
    let reasons: Vec<String> =
        interrupted.into_iter().chain(run.verdict.reasons.iter().map(ToString::to_string)).collect();
    let errors = usize::from(!reasons.is_empty());
    let counts = format!("tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\"", run.assertions.len() + 1);
    let suite = escaped(&format!("loadgen.{}", run.asked.contender()));
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts} time=\"{seconds:.3}\">\n\
         <testsuite name=\"{suite}\" {counts} time=\"{seconds:.3}\" timestamp=\"{}\">\n",
        escaped(run.started_at.trim_end_matches('Z'))
    );
    let reasons = (!reasons.is_empty()).then(|| ("error", reasons.join(" ")));
    case(&mut out, &suite, "the measurement is valid", reasons);
    for Assertion { text, seen, holds } in &run.assertions {
        case(&mut out, &suite, text, (!holds).then(|| ("failure", format!("{text} does not hold: {seen}"))));
    }
    out + "</testsuite>\n</testsuites>\n"
}

fn case(out: &mut String, suite: &str, name: &str, fault: Option<(&str, String)>) {
    let _ = write!(out, "<testcase classname=\"{suite}\" name=\"{}\"", escaped(name));
    let _ = match fault {
        None => writeln!(out, "/>"),
        Some((kind, message)) => writeln!(out, "><{kind} message=\"{}\"/></testcase>", escaped(&message)),
    };
}

/// `text` inside an attribute; what XML 1.0 does not allow at all becomes a replacement character.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            control if control.is_control() || matches!(control, '\u{fffe}' | '\u{ffff}') => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use results::Reason;

    fn run() -> Run {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/examples/v1/ws");
        results::load(&folder).expect("the example is committed").run
    }

    fn assertion(text: &str, holds: bool) -> Assertion {
        Assertion { text: text.into(), seen: "120ms".into(), holds }
    }

    #[test]
    fn each_assertion_is_a_case_and_so_is_the_verdict() {
        let mut run = run();
        run.assertions = vec![assertion("lost==0", true), assertion("p99<100ms", false)];
        let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="3" failures="1" errors="0" time="15.000">
<testsuite name="loadgen.ws" tests="3" failures="1" errors="0" time="15.000" timestamp="2025-01-15T12:00:00">
<testcase classname="loadgen.ws" name="the measurement is valid"/>
<testcase classname="loadgen.ws" name="lost==0"/>
<testcase classname="loadgen.ws" name="p99&lt;100ms"><failure message="p99&lt;100ms does not hold: 120ms"/></testcase>
</testsuite>
</testsuites>
"#;
        assert_eq!(document(&run), expected);
    }

    #[test]
    fn an_invalid_run_is_an_error_whose_text_cannot_break_the_document() {
        let mut run = run();
        let word = |text: &str| text.to_owned();
        run.verdict.reasons.push(Reason {
            check: word("loop-lag"),
            seen: word("<48 ms> & \"more\"\u{1}\n"),
            bound: word("20 ms"),
            cause: word("]]>"),
            remedy: word("none"),
        });
        let told = document(&run);
        let error = "<error message=\"loop-lag: &lt;48 ms&gt; &amp; &quot;more&quot;\u{fffd}\u{fffd} (bound: 20 ms). ]]&gt; none\"/>";
        assert!(told.contains("errors=\"1\"") && told.contains(error), "{told}");
    }

    #[test]
    fn a_run_that_was_interrupted_is_an_error_though_all_of_it_holds() {
        let mut run = run();
        run.ending = Ending::Interrupted;
        run.assertions = vec![assertion("lost==0", true)];
        let told = document(&run);
        assert!(told.contains("errors=\"1\"") && told.contains("<error message=\"The run was interrupted: "), "{told}");
    }

    #[test]
    fn a_place_that_cannot_be_written_to_is_named_beforehand() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("missing/junit.xml");
        let error = format!("{:#}", prove_writable(&path).unwrap_err());
        assert!(error.starts_with(&format!("cannot write the JUnit file {}", path.display())), "{error}");
    }
}
