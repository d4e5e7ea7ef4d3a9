"""A program that was started here: bound to its cores, its output in a file, and ended by its number."""

import os
import signal
import subprocess
import time

from plan import Failed

# Longest wait for a program to end once it was asked to, s; then it is killed with all that it started.
END_WAIT_S = 8
# Between two looks, s.
LOOK_AGAIN_S = 0.01
# How much of what it said is quoted, characters.
QUOTE = 300

ALL_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = [ALL_CORES[0]]
GENERATOR_CORE = [ALL_CORES[-1]]


class Child:
    """Ends with the block that it was started in."""

    def __init__(self, words, folder, cores=ALL_CORES, cwd=None, env=None):
        self.name = os.path.basename(str(words[0])) if cwd is None else os.path.basename(str(cwd))
        folder.mkdir(parents=True, exist_ok=True)
        self.stdout = folder / f"{self.name}.stdout"
        self.stderr = folder / f"{self.name}.stderr"
        with open(self.stdout, "wb") as out, open(self.stderr, "wb") as err:
            # A session of its own: Ctrl-C is for us, who end it in order. Its standard input ends when we do, even if we are killed.
            self.process = subprocess.Popen(
                [str(word) for word in words],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                cwd=cwd,
                env={**os.environ, **{name: str(value) for name, value in (env or {}).items()}},
                start_new_session=True,
                preexec_fn=lambda: os.sched_setaffinity(0, cores),
            )
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self, sign=signal.SIGTERM):
        """Asks it to end, and kills it with its descendants when it does not."""
        if self.process.poll() is None:
            self.process.send_signal(sign)
            try:
                self.process.wait(END_WAIT_S)
            except subprocess.TimeoutExpired:
                # Not yet reaped, so the number is still that of its group.
                os.killpg(self.pid, signal.SIGKILL)
                self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()

    def finish(self, bound_s):
        """Waits for its own end; returns the exit code."""
        try:
            return self.process.wait(bound_s)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} did not end within {bound_s:.0f} s") from None

    def wait_until(self, is_so, what, bound_s):
        """Waits until something is so, which is returned; fails when the program ends or the bound is reached."""
        until = time.monotonic() + bound_s
        while time.monotonic() < until:
            if found := is_so():
                return found
            if self.process.poll() is not None:
                raise Failed(f"{self.name} ended with {self.process.returncode} before {what}: {self.said()}")
            time.sleep(LOOK_AGAIN_S)
        raise Failed(f"waited {bound_s:.0f} s for {self.name} until {what}: {self.said()}")

    def said(self):
        """The end of what it said, for an error."""
        text = self.stderr.read_text(errors="replace").strip() or self.stdout.read_text(errors="replace").strip()
        return text[-QUOTE:].replace("\n", " | ") or "it said nothing"
