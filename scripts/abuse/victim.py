"""The server that is set upon: its memory and its descriptors, watched from outside."""

import os
import subprocess
import threading


class Victim:
    def __init__(self, program, core):
        pin = (lambda: os.sched_setaffinity(0, {core})) if core is not None else None
        # Its deadline for heads is short, so that two minutes see many of them pass.
        flags = ["--listen", "127.0.0.1:0", "--head-timeout", "5s"]
        self.child = subprocess.Popen([program, *flags], stdout=subprocess.PIPE, text=True, preexec_fn=pin)
        line = self.child.stdout.readline()
        if "listening on http://" not in line:
            raise SystemExit(f"error: feed-server did not start: {line}")
        self.url = line.split()[-1]
        host, port = self.url.removeprefix("http://").rsplit(":", 1)
        self.address = (host, int(port))
        self.peak = (0, 0)
        self.stopped = threading.Event()
        threading.Thread(target=self.watch, daemon=True).start()

    def now(self):
        """Resident memory in MiB, and open descriptors."""
        with open(f"/proc/{self.child.pid}/status", encoding="ascii") as status:
            resident = next(line for line in status if line.startswith("VmRSS:"))
        return int(resident.split()[1]) / 1024, len(os.listdir(f"/proc/{self.child.pid}/fd"))

    def watch(self):
        while not self.stopped.wait(0.25):
            try:
                self.peak = tuple(max(two) for two in zip(self.peak, self.now()))
            except OSError:
                return

    def stop(self):
        self.stopped.set()
        self.child.terminate()
        return self.child.wait(timeout=20)
