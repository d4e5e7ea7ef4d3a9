"""Fails a Redis over while two feed-servers behind it are published on; see failovers.sh.

    failovers.py KIND FEED_SERVER FAILOVERS RATE WORK_FOLDER OUT_FOLDER [WORDS THAT GIVE A PRIVATE MOUNT]

Exits 1 if something was not as designed.
"""

import asyncio
import bisect
import json
import pathlib
import random
import shlex
import signal
import socket
import sys
import time

NAME = "redis-primary.wirelab.test"
TOPIC = "failovers"
# What the feed-servers retain: all of a run, so that what is missing in Redis was lost, not trimmed.
HISTORY = 200_000
# Entries of Redis that are looked at after each failover; more than are published between two.
LOOK_AT = 20_000
# Between two questions to /readyz.
READY_EVERY = 0.1
# A row of the answers over time.
STEP = 0.25
# Longest wait for anything.
PATIENCE = 40.0
# How far behind a replica may be that is told of everything at once, seconds: it answers once a second.
LAG = 1.0
# How long a primary goes on without its replica before it is lost, seconds.
CUT_OFF = 0.3


def now():
    return time.monotonic()


class RedisError(Exception):
    """What Redis answered."""


async def command(address, *words):
    """One command on a connection of its own; the answer."""
    reader, writer = await asyncio.wait_for(asyncio.open_connection(*address, limit=1 << 26), 2)
    try:
        words = [str(word).encode() for word in words]
        writer.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        return await asyncio.wait_for(answer(reader), 10)
    finally:
        writer.close()


async def answer(reader):
    line = (await reader.readline()).rstrip(b"\r\n")
    if not line:
        raise ConnectionError("Redis closed the connection")
    kind, rest = line[:1], line[1:]
    if kind == b"+":
        return rest.decode()
    if kind == b"-":
        raise RedisError(rest.decode())
    if kind == b":":
        return int(rest)
    if int(rest) < 0:
        return None
    if kind == b"$":
        return (await reader.readexactly(int(rest) + 2))[:-2]
    return [await answer(reader) for _ in range(int(rest))]


async def until(what, condition):
    """Waits until a condition holds; an error says what never came."""
    end = now() + PATIENCE
    while True:
        try:
            if value := await condition():
                return value
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, RedisError):
            pass
        if now() > end:
            raise SystemExit(f"error: within {PATIENCE:.0f} s, {what} never came")
        await asyncio.sleep(0.02)


class Redis:
    """One redis-server, which is killed and started again."""

    def __init__(self, work, host, port):
        self.address, self.process = (host, port), None
        self.folder = work / f"redis-{host}"
        self.folder.mkdir()

    async def start(self, primary=None):
        host, port = self.address
        flags = ["--port", str(port), "--bind", host, "--dir", str(self.folder), "--save", "", "--appendonly", "no"]
        # A replica that comes back copies the primary at once.
        flags += ["--repl-diskless-sync-delay", "0", "--repl-backlog-size", "64mb"]
        # Sentinels are told of it by this address.
        flags += ["--replica-announce-ip", host]
        if primary:
            flags += ["--replicaof", primary.address[0], str(primary.address[1])]
        log = (self.folder / "log").open("ab")
        self.process = await asyncio.create_subprocess_exec("redis-server", *flags, stdout=log, stderr=log)
        ours = f"process_id:{self.process.pid}"
        await until(f"redis-server at {host}:{port}", lambda: self.tells(ours, "server"))

    async def information(self, section="replication"):
        said = (await command(self.address, "INFO", section)).decode()
        return dict(line.split(":", 1) for line in said.splitlines() if ":" in line)

    async def tells(self, line, section="replication"):
        name, value = line.split(":")
        return (await self.information(section)).get(name) == value

    async def holds(self):
        """The newest publications that it holds."""
        entries = await command(self.address, "XREVRANGE", f"wirelab:log:{TOPIC}", "+", "-", "COUNT", LOOK_AT)
        return {int(fields[1].rsplit(b" ", 1)[1]) for _, fields in entries}

    async def copies(self, primary):
        """Waits until it copies a primary, and is older than any failover takes: Redis tells its age in whole seconds."""
        await until(f"a replica of {primary.address}", lambda: self.tells("master_link_status:up"))
        await until("its primary's own address", lambda: self.tells(f"master_host:{primary.address[0]}"))

        async def is_old():
            return int((await self.information("server"))["uptime_in_seconds"]) >= 8

        await until("a replica of some age", is_old)

    def send(self, which):
        self.process.send_signal(which)

    async def kill(self):
        if self.process and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


class Server:
    """One feed-server: published on, asked whether it is ready, and read."""

    def __init__(self, name):
        self.name, self.idle = name, []
        # (instant of the answer, publication, 201 / "refused" / "unknown", why)
        self.published = []
        # (instant, is ready, why)
        self.ready = []
        # (instant, publication or "gap")
        self.read = []

    async def start(self, program, broker, way, hosts):
        words = [program, "--listen", "127.0.0.1:0", "--broker", broker, "--history", str(HISTORY), "--history-bytes", str(1 << 30)]
        if way:
            mount = f"mount --bind {shlex.quote(str(hosts))} /etc/hosts && exec {shlex.join(words)}"
            words = [*shlex.split(way), "sh", "-c", mount]
        log = (hosts.parent / f"server-{self.name}").open("ab")
        self.process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE, stderr=log)
        line = (await asyncio.wait_for(self.process.stdout.readline(), 10)).decode()
        if "listening on http://" not in line:
            raise SystemExit(f"error: feed-server did not start: {(hosts.parent / f'server-{self.name}').read_text()[-500:]}")
        host, port = line.strip().rsplit("/", 1)[1].split(":")
        self.address = (host, int(port))

    async def ask(self, request):
        """Status and body, on a kept connection; none when the server gave no answer."""
        # The server ends what is idle for a minute.
        while self.idle and self.idle[-1][0].at_eof():
            self.idle.pop()[1].close()
        reader, writer = self.idle.pop() if self.idle else await asyncio.open_connection(*self.address)
        writer.write(request)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        body = await reader.readexactly(int(length.split(b":")[1]))
        self.idle.append((reader, writer))
        return int(head.split(b" ")[1]), body.decode()

    async def publish(self, number):
        body = str(number)
        request = f"POST /topics/{TOPIC} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        try:
            status, said = await self.ask(request.encode())
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
            self.published.append((now(), number, "unknown", f"no answer: {error!r}"))
            return
        why = "" if status == 201 else json.loads(said)["error"]
        outcome = "ok" if status == 201 else "refused" if "nothing was done" in why else "unknown"
        self.published.append((now(), number, outcome, why if status in (201, 503) else f"{status}: {why}"))

    async def watch_readiness(self):
        while True:
            await asyncio.sleep(READY_EVERY)
            try:
                status, said = await self.ask(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
            except (ConnectionError, asyncio.IncompleteReadError):
                # Ended as it was asked on; the next time tells.
                continue
            why = "" if status == 200 else json.loads(said)["error"]
            self.ready.append((now(), status == 200, why))

    async def follow(self):
        """Reads an event stream to its end, which is none."""
        reader, writer = await asyncio.open_connection(*self.address)
        writer.write(f"GET /topics/{TOPIC}/sse HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        event = ""
        while line := await reader.readline():
            text = line.decode().strip()
            if text.startswith("event:"):
                event = text[6:].strip()
            elif text.startswith("data:") and text.endswith("}"):
                data = json.loads(text[5:])
                if event == "gap" or data.get("type") == "gap":
                    self.read.append((now(), "gap"))
                elif isinstance(data.get("payload"), int):
                    self.read.append((now(), data["payload"]))
            elif not text:
                event = ""
        raise SystemExit(f"error: the stream of server {self.name} ended")


class Failover:
    """What happened when, in one failover."""

    def __init__(self, number, how):
        self.number, self.how = number, how
        # What is acknowledged from here to the next one belongs to it.
        self.period = now()
        # Since when the primary may not have told its replica, until when it may have acknowledged.
        self.began = self.window_begins = self.window_ends = self.period
        self.recovered = None
        # Publications that the new primary held when it was promoted.
        self.taken_over = set()


class MovedName:
    """The name moves: it is a line of a private /etc/hosts."""

    title = "behind a name that moves"
    # The last: lost a moment after the connection to its replica was, as when a machine goes rather than a process. What a process had
    # said, the kernel still delivers.
    hows = ("swapped", "killed", "cut off")

    def __init__(self, work):
        self.hosts = work / "hosts"
        port = free_port("127.0.0.2", "127.0.0.3")
        self.primary, self.replica = (Redis(work, host, port) for host in ("127.0.0.2", "127.0.0.3"))
        self.broker = f"redis://{NAME}:{port}"

    async def start(self):
        await self.primary.start()
        await self.replica.start(self.primary)
        self.point_to(self.primary)

    def point_to(self, redis):
        # In place: it is the file that is mounted.
        self.hosts.write_text(f"127.0.0.1 localhost\n{redis.address[0]} {NAME}\n")

    async def fail_over(self, failover):
        old, new = self.primary, self.replica
        failover.began = now()
        failover.window_begins = failover.began - LAG
        if failover.how == "cut off":
            # Stopped, for it would connect again at once.
            new.send(signal.SIGSTOP)
            await command(old.address, "CLIENT", "KILL", "TYPE", "replica")
            await asyncio.sleep(CUT_OFF)
        if failover.how != "swapped":
            await old.kill()
            failover.window_ends = now()
            new.send(signal.SIGCONT)
            # Somebody has to notice first.
            await asyncio.sleep(1)
        await command(new.address, "REPLICAOF", "NO", "ONE")
        if failover.how == "swapped":
            await command(old.address, "REPLICAOF", *new.address)
            failover.window_ends = now()
        failover.taken_over = await new.holds()
        self.point_to(new)
        if failover.how != "swapped":
            await old.start(new)
        self.primary, self.replica = new, old

    async def settled(self, failover):
        """Nothing else happens by itself."""

    async def end(self):
        await self.primary.kill()
        await self.replica.kill()


class BySentinels(MovedName):
    """Three Sentinels notice that the primary is gone or hangs, and promote its replica."""

    title = "behind Sentinels"
    hows = ("killed", "hung")
    master = "failovers"

    def __init__(self, work):
        super().__init__(work)
        self.work, self.sentinels, self.ports, self.count = work, [], [], 0
        for _ in range(3):
            self.ports.append(free_port("127.0.0.1", taken=self.ports))
        where = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        self.broker = f"redis-sentinel://{where}/{self.master}"

    async def start(self):
        await super().start()
        host, port = self.primary.address
        for own in self.ports:
            config = self.work / f"sentinel-{own}.conf"
            config.write_text(
                f"port {own}\nbind 127.0.0.1\ndir {self.work}\nsentinel monitor {self.master} {host} {port} 2\n"
                f"sentinel down-after-milliseconds {self.master} 2000\nsentinel failover-timeout {self.master} 6000\n"
            )
            log = config.with_suffix(".log").open("ab")
            self.sentinels.append(await asyncio.create_subprocess_exec("redis-sentinel", str(config), stdout=log, stderr=log))
        for own in self.ports:

            async def knows_all(own=own):
                said = await command(("127.0.0.1", own), "SENTINEL", "master", self.master)
                fields = dict(zip(said[::2], said[1::2]))
                return (fields[b"num-slaves"], fields[b"num-other-sentinels"], fields[b"flags"]) == (b"1", b"2", b"master")

            await until(f"a Sentinel on port {own} that knows the others", knows_all)

    async def fail_over(self, failover):
        old, new = self.primary, self.replica
        failover.began = now()
        failover.window_begins = failover.began - LAG
        if failover.how == "killed":
            await old.kill()
        else:
            old.send(signal.SIGSTOP)
        failover.window_ends = now()
        await until("a promoted replica", lambda: new.tells("role:master"))
        # Servers may have found it by now; what they published there is looked at later.
        failover.taken_over = await new.holds()
        for own in self.ports:

            async def says_so(own=own):
                found = await command(("127.0.0.1", own), "SENTINEL", "get-master-addr-by-name", self.master)
                return found[0].decode() == new.address[0]

            await until(f"a Sentinel on port {own} that tells of the new primary", says_so)
        if failover.how == "killed":
            await old.start(new)
        else:
            # It comes back as a primary, until the Sentinels make a replica of it.
            old.send(signal.SIGCONT)
        self.primary, self.replica = new, old

    async def configuration(self):
        """How often the Sentinels have promoted somebody, and who the primary is."""
        newest = (0, None)
        for own in self.ports:
            said = await command(("127.0.0.1", own), "SENTINEL", "master", self.master)
            fields = dict(zip(said[::2], said[1::2]))
            newest = max(newest, (int(fields[b"config-epoch"]), fields[b"ip"].decode()))
        return newest

    async def settled(self, failover):
        """Sentinels of a busy machine may take the new primary for dead, and promote once more."""
        count, host = await self.configuration()
        if count != self.count + 1:
            failover.how += f" ({count - self.count} promotions)"
            failover.window_ends = failover.recovered
        self.count = count
        if host != self.primary.address[0]:
            self.primary, self.replica = self.replica, self.primary

    async def end(self):
        for sentinel in self.sentinels:
            sentinel.kill()
            await sentinel.wait()
        await super().end()


def free_port(*hosts, taken=()):
    """A port that nobody has on any of these addresses, below those that the kernel gives out."""
    for _ in range(100):
        port = random.randrange(10_000, 30_000)
        try:
            for host in hosts:
                with socket.socket() as probe:
                    probe.bind((host, port))
        except OSError:
            continue
        if port not in taken:
            return port
    raise SystemExit(f"error: no free port on {', '.join(hosts)}")


async def publish(servers, rate):
    """Publishes the numbers from 1 on, at a steady rate, on one server after the other; an answer that is late delays nobody."""
    began, number, running = now(), 0, set()
    while True:
        number += 1
        await asyncio.sleep(max(0, began + number / rate - now()))
        task = asyncio.create_task(servers[number % len(servers)].publish(number))
        running.add(task)
        task.add_done_callback(running.discard)


async def recovered(servers, rate, since):
    """Waits until every server acknowledges all that it is asked, for half a second."""

    async def all_work():
        for server in servers:
            last = [outcome for at, _, outcome, _ in server.published[-2 * rate :] if at > max(since, now() - 0.5)]
            if len(last) < rate / len(servers) / 4 or set(last) != {"ok"}:
                return False
        return True

    await until("publishing that works", all_work)


async def run(kind, program, failovers, rate, work, out, way):
    work = work / kind
    work.mkdir()
    place = {"moved-name": MovedName, "sentinel": BySentinels}[kind](work)
    servers, tasks, done, held = [Server("A"), Server("B")], [], [], []
    try:
        await place.start()
        for server in servers:
            await server.start(program, place.broker, way, place.hosts)
        for server in servers:
            tasks += [asyncio.create_task(server.follow()), asyncio.create_task(server.watch_readiness())]
        await asyncio.sleep(0.5)
        tasks.append(asyncio.create_task(publish(servers, rate)))
        await asyncio.sleep(1)
        for number in range(1, failovers + 1):
            await place.replica.copies(place.primary)
            failover = Failover(number, place.hows[number % len(place.hows) - 1])
            held.append(await place.primary.holds())
            await place.fail_over(failover)
            await recovered(servers, rate, now())
            failover.recovered = now()
            await place.settled(failover)
            done.append(failover)
            # A stale primary that comes back has its time to do harm.
            await asyncio.sleep(1.5)
            for task in tasks:
                if task.done():
                    task.result()
        tasks.pop().cancel()
        # What is on its way arrives.
        await asyncio.sleep(3)
        held.append(await place.primary.holds())
    finally:
        for task in tasks:
            task.cancel()
        # They end before what they talk to.
        await asyncio.gather(*tasks, return_exceptions=True)
        for server in servers:
            if hasattr(server, "process") and server.process.returncode is None:
                server.process.terminate()
                await server.process.wait()
        await place.end()
    origin = servers[0].ready[0][0]
    records = {
        server.name: {
            name: [(round(at - origin, 4), *rest) for at, *rest in getattr(server, name)] for name in ("published", "ready", "read")
        }
        for server in servers
    }
    (out / f"{kind}.json").write_text(json.dumps(records))
    return report(place.title, servers, done, held, rate)


def report(title, servers, failovers, held, rate):
    """Prints what happened; what was not as designed."""
    wrong = []
    everything = sorted((at, number, outcome, why, server) for server in servers for at, number, outcome, why in server.published)
    instants = [at for at, *_ in everything]
    for server in servers:
        server.numbers_read = {what for _, what in server.read}
    print(f"\n{len(failovers)} failovers {title}, {rate}/s over HTTP on two feed-servers\n")
    summary = []
    for index, failover in enumerate(failovers):
        begin = failover.period if index else 0
        end = failovers[index + 1].period if index + 1 < len(failovers) else float("inf")
        of_period = everything[bisect.bisect(instants, begin) : bisect.bisect(instants, end)]
        print_timeline(failover, everything, servers)
        acknowledged = {number: at for at, number, outcome, *_ in of_period if outcome == "ok"}
        kept = held[index] | failover.taken_over | held[index + 1]
        lost = {number: at for number, at in acknowledged.items() if number not in kept}
        outside = [number for number, at in lost.items() if not failover.window_begins <= at <= failover.window_ends + 0.1]
        if outside:
            wrong.append(f"failover {failover.number}: {len(outside)} acknowledged publications lost that need not be, {span(outside, acknowledged, failover)}")
        unknown = [number for _, number, outcome, *_ in of_period if outcome == "unknown"]
        refused = [number for _, number, outcome, *_ in of_period if outcome == "refused"]
        for number in refused:
            if number in kept:
                wrong.append(f"failover {failover.number}: {number} was refused (nothing was done), yet Redis has it")
        gaps, missed = [], []
        for server in servers:
            read = [what for at, what in server.read if begin < at <= end]
            gaps.append(read.count("gap"))
            missing = [number for number in acknowledged if number not in server.numbers_read]
            missed.append(len(missing))
            if missing and not gaps[-1]:
                wrong.append(f"failover {failover.number}: reader {server.name} misses {missing[:5]} and was told no gap")
        if any(gaps) and not lost and not unknown:
            wrong.append(f"failover {failover.number}: gaps were told, though nothing was lost")
        silent = [at for at, *_, outcome, _, _ in of_period if outcome != "ok" and at >= failover.began]
        back = f"{max(silent) - failover.began:.2f} s" if silent else "at once"
        unready = [at for server in servers for at, is_ready, _ in server.ready if begin < at <= end and not is_ready]
        unready = f"{min(unready) - failover.began:.2f} - {max(unready) - failover.began:.2f} s" if unready else "-"
        summary.append(
            (failover.number, failover.how, len(acknowledged), len(refused), len(unknown), back, unready)
            + (len(lost), " ".join(map(str, gaps)), " ".join(map(str, missed)))
        )
    wrong += false_ready(servers)
    for server in servers:
        numbers = [what for _, what in server.read if what != "gap"]
        if len(numbers) != len(set(numbers)):
            wrong.append(f"reader {server.name}: {len(numbers) - len(set(numbers))} notifications came twice")
        odd = {why for *_, outcome, why in server.published if outcome != "ok" and why[:1].isdigit()}
        if odd:
            wrong.append(f"server {server.name} answered neither 201 nor 503: {sorted(odd)}")
    heads = ("", "primary", "acknowledged", "refused", "unknown", "last refusal after", "not ready", "lost", "gaps A B", "missed A B")
    widths = (3, 9, 13, 8, 8, 19, 18, 5, 9, 10)
    for row in (heads, *summary):
        print("  ".join(f"{cell!s:>{width}}" for cell, width in zip(row, widths)))
    print(f"\nacknowledged and lost, in all: {sum(row[7] for row in summary)} of {sum(row[2] for row in summary):,}")
    for line in wrong:
        print(f"NOT AS DESIGNED: {line}")
    print(f"test failovers_{title.replace(' ', '_')} ... {'FAILED' if wrong else 'ok'}")
    return not wrong


def span(numbers, acknowledged, failover):
    """When the first and the last of these were acknowledged."""
    instants = [acknowledged[number] - failover.began for number in numbers]
    return f"acknowledged {min(instants):+.2f} to {max(instants):+.2f} s"


def false_ready(servers):
    """Where /readyz said ready between two publications that the same server refused."""
    for server in servers:
        answers = sorted(server.published)
        instants = [at for at, *_ in answers]
        for at, is_ready, _ in server.ready:
            after = bisect.bisect(instants, at)
            beside = answers[max(0, after - 1) : after + 1]
            # Those that the answer to /readyz could know of.
            if is_ready and len(beside) == 2 and all(outcome != "ok" and abs(then - at) < 0.1 for then, _, outcome, _ in beside):
                yield f"server {server.name} said ready between two refusals: {beside[0][3]}"


def print_timeline(failover, everything, servers):
    """The answers over time: a line for each step in which they differ from the one before."""
    print(f"failover {failover.number}: the primary is {failover.how}")
    print(f"  {'from':>7}  {'201':>4}  {'503, nothing done':>17}  {'503, unknown':>12}  readyz A, B   why")
    start, shown = failover.began - 2 * STEP, None
    stop = failover.recovered + STEP
    skipped = 0
    while start < stop:
        counts, reasons = {"ok": 0, "refused": 0, "unknown": 0}, set()
        for at, _, outcome, why, _ in everything:
            if start <= at < start + STEP:
                counts[outcome] += 1
                reasons |= {why.split(":")[0]} if why else set()
        ready = []
        for server in servers:
            said = ["ready" if is_ready else "503" for at, is_ready, _ in server.ready if start <= at < start + STEP]
            ready.append("/".join(dict.fromkeys(said)) or "-")
        kind = (bool(counts["ok"]), bool(counts["refused"]), bool(counts["unknown"]), *ready, *sorted(reasons))
        if kind != shown:
            if skipped:
                print(f"  {'':>7}  ... and so on for {skipped * STEP:.2f} s")
            skipped = 0
            offset = f"{start - failover.began:+.2f} s"
            reason = "; ".join(sorted(reasons))
            print(
                f"  {offset:>7}  {counts['ok']:>4}  {counts['refused']:>17}  {counts['unknown']:>12}  {', '.join(ready):<12}  {reason}".rstrip()
            )
        else:
            skipped += 1
        shown = kind
        start += STEP
    print()


async def ended_by_signals(running):
    """What a coroutine returns; SIGTERM and ctrl-c cancel it, so that it ends what it has started."""
    task = asyncio.ensure_future(running)
    for which in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(which, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return False


def main():
    kind, program, failovers, rate, work, out = sys.argv[1:7]
    way = sys.argv[7] if len(sys.argv) > 7 else ""
    work, out = pathlib.Path(work).resolve(), pathlib.Path(out)
    sys.exit(not asyncio.run(ended_by_signals(run(kind, pathlib.Path(program).resolve().as_posix(), int(failovers), int(rate), work, out, way))))


if __name__ == "__main__":
    main()
