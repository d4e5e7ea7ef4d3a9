//! A generator that really gets too little of the processor: pinned to one core beside programs that want all of it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use loadgen::process::{allowed_cores, pin_to};
use loadgen::selftest::Trial;
use results::load;

/// Busy loops on the generator's core.
const HOGS: usize = 24;
/// CPU seconds after which a busy loop ends by itself, should nobody end it.
const HOG_CPU_BOUND: u32 = 60;

/// Busy loops, as processes of their own; dropping them ends them.
struct Hogs(Vec<Child>);

impl Hogs {
    fn start() -> Self {
        let hog = |_| {
            let script = format!("ulimit -t {HOG_CPU_BOUND}; while :; do :; done");
            Command::new("sh").args(["-c", &script]).stdin(Stdio::null()).spawn().expect("there is a shell")
        };
        Self((0..HOGS).map(hog).collect())
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        for hog in &mut self.0 {
            let _ = hog.kill();
            let _ = hog.wait();
        }
    }
}

/// Carries `work` out on a thread that is bound to the last core: what it starts is bound to that core as well.
fn on_the_last_core<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let bound = scope.spawn(|| {
            let core = *allowed_cores().unwrap().last().unwrap();
            pin_to(&[core]).unwrap();
            work()
        });
        bound.join().unwrap()
    })
}

/// The busy loops come when the window begins and go 4 s later at the latest, so that the run has an end. They have the usual
/// priority and the generator the lowest: its weight is 15 against 24 times 1,024 (sched(7)), 0.06 % of the core.
#[tokio::test]
async fn a_generator_that_shares_its_core_with_busy_loops_calls_its_run_invalid() {
    let stub = Trial::new(feed::Transport::Ws, &[]);
    let stub = stub.start_stub(std::path::Path::new(env!("CARGO_BIN_EXE_loadgen"))).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let words = ["run", "--transport", "ws", "--url", &stub.url, "--clients", "10", "--rate", "50", "--pin", "off"];
    let times = ["--duration", "2s", "--warmup", "200ms", "--settle", "0s", "--drain", "500ms"];
    let (code, stdout) = on_the_last_core(|| {
        let mut command = Command::new("nice");
        command.args(["-n", "19", env!("CARGO_BIN_EXE_loadgen")]).args(words).args(times).arg("--out").arg(&out);
        let mut starved = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("there is nice");
        let mut progress = BufReader::new(starved.stderr.take().unwrap()).lines().map(Result::unwrap);
        progress.find(|line| line.starts_with("ws: measure")).expect("the window begins");
        let hogs = Hogs::start();
        // Not waiting for something to happen: this is the starvation, twice as long as the window.
        std::thread::sleep(Duration::from_secs(4));
        drop(hogs);
        progress.for_each(drop);
        let mut stdout = String::new();
        starved.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        (starved.wait().unwrap().code(), stdout)
    });
    assert_eq!(code, Some(3), "{stdout}");
    assert!(stdout.trim_start().starts_with("INVALID MEASUREMENT"), "{stdout}");
    let run = load(&out).unwrap().run;
    let reasons: Vec<&str> = run.verdict.reasons.iter().map(|reason| reason.check.as_str()).collect();
    println!("starved: {reasons:?}, loop lag {:?}", run.measured.generator.loop_lag);
    assert!(reasons.iter().any(|reason| ["loop-lag", "send-lag", "generator-cpu"].contains(reason)), "{stdout}");
    stub.stop().await.unwrap();
}
