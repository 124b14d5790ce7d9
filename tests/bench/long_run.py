"""The long runs; build-scripts/long_run.sh builds what they need and says what they are."""

import argparse
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import linear_regression
from typing import NamedTuple

from process_memory import resident_bytes

AT_ONCE = 50  # connections that come and go
SIZE = 512  # bytes of a message
SAMPLES = 100  # of the server's memory, at most, in each part
WARM_UP = 0.2  # of the samples, which don't count
GROWTH = 64 * 1024  # bytes: the most by which fitted lines may rise over the other samples
ACTIVE_REQUESTS = 2000  # between two looks at the clock
SPARE_DESCRIPTORS = 100
PATIENCE = 10  # seconds until closed connections must be gone


class Failure(Exception):
    """A part has not passed."""


class EchoServer:
    """The echo server under test, with room for `connections`."""

    def __init__(self, program, connections):
        self._process = subprocess.Popen(
            [program, "--echo-port=0", "--http-port=off", "--https-port=off",
             "--address=127.0.0.1", f"--stacks={connections}", "--timeout=100000", "--drain=1"],
            stdout=subprocess.PIPE, text=True)
        match = re.search(r"listening on 127\.0\.0\.1:(\d+);", self._process.stdout.readline())
        if not match:
            self._process.kill()
            raise Failure("the server did not start")
        self.port = match[1]
        self._descriptors = self.descriptors()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()

    @property
    def pid(self):
        return self._process.pid

    def state(self):
        """What has become of the server, for who has lost it."""
        try:
            return f"the server ended with status {self._process.wait(timeout=1)}"
        except subprocess.TimeoutExpired:
            return "the server runs"

    def descriptors(self):
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def rest(self):
        """Waits until the descriptors are as many as in the beginning, and returns their number."""
        end = time.monotonic() + PATIENCE
        while (now := self.descriptors()) != self._descriptors:
            if time.monotonic() > end:
                raise Failure(f"{now} descriptors are open {PATIENCE} s after the last connection "
                              f"was closed, {self._descriptors} in the beginning")
            time.sleep(0.01)
        return now

    def end(self, connections):
        """Ends the server, which must say that it has served that many connections."""
        self._process.send_signal(signal.SIGTERM)
        output, _ = self._process.communicate(timeout=60)
        wanted = rf"active 0 of \d+, accepted {connections}, refused 0, .* cancelled 0\n"
        if self._process.returncode != 0 or not re.search(wanted, output):
            raise Failure(f"{self.state()} and said '{output.strip()}'; it should have accepted "
                          f"{connections}")


class Client:
    """tests/bench/echo/client.cpp, connected to the server."""

    def __init__(self, program, server, connections):
        self._server = server
        self._process = subprocess.Popen(
            [program, f"--port={server.port}", f"--server-pid={server.pid}",
             f"--connections={connections}", f"--size={SIZE}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._expect("ready")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.communicate()

    def order(self, what, amount):
        """Has that load put on the server, and returns when all is echoed."""
        print(what, 0, amount, file=self._process.stdin, flush=True)
        self._expect("")

    def _expect(self, prefix):
        line = self._process.stdout.readline()
        if not line or not line.startswith(prefix):
            raise Failure(f"the client ended with status {self._process.wait()}; "
                          f"{self._server.state()}")


class Memory:
    """Samples of the server's resident memory over something that is counted."""

    class Sample(NamedTuple):
        count: float
        size: int

    def __init__(self, server, unit):
        self._server = server
        self._unit = unit
        self._samples = []

    def sample(self, count):
        self._samples.append(self.Sample(count, resident_bytes(self._server.pid)))

    def judge(self):
        """Says how it has grown; a Failure, if by too much."""
        warm = self._samples[int(len(self._samples) * WARM_UP):]
        if len(warm) < 4:
            raise Failure(f"too short: only {len(warm)} samples of the server's memory")
        # What leaks does so all the time: a rise in one half alone is memory that was needed once.
        half = len(warm) // 2
        slope = min(linear_regression(*zip(*part)).slope for part in (warm[:half], warm[half:]))
        span = warm[-1].count - warm[0].count
        text = (f"RSS {warm[-1].size // 1024} KiB, slope {slope:.4f} bytes per {self._unit} "
                f"(at most {GROWTH / span:.4f}; {len(warm)} samples)")
        if slope * span > GROWTH:
            raise Failure(f"the server grows: {text}")
        return text


def run_cycles(options):
    """Connections that are opened, echo one message and are closed."""
    with EchoServer(options.server, 2 * AT_ONCE) as server:
        memory = Memory(server, "connection")
        batch = -(-options.cycles // SAMPLES)
        total = batch * SAMPLES
        with Client(options.client, server, AT_ONCE) as client:
            for done in range(batch, total + 1, batch):
                client.order("connect", batch)
                memory.sample(done)
        descriptors = server.rest()
        text = memory.judge()
        server.end(AT_ONCE + total)
    return f"{total} connections; {descriptors} descriptors before and after; {text}"


def run_idle(options):
    """Idle connections beside active ones. The idle ones must work in the end."""
    connections = options.idle + options.active
    with EchoServer(options.server, connections) as server:
        with Client(options.client, server, options.idle) as idle, \
                Client(options.client, server, options.active) as active:
            idle.order("ping-pong", options.idle)
            memory = Memory(server, "second")
            requests = _keep_busy(active, options.seconds, memory)
            idle.order("ping-pong", options.idle)
        descriptors = server.rest()
        text = memory.judge()
        server.end(connections)
    return (f"{options.idle} idle connections, {requests} messages on {options.active} active ones "
            f"in {options.seconds} s; {descriptors} descriptors before and after; {text}")


def _keep_busy(client, seconds, memory):
    """Has messages echoed for some time, and returns how many."""
    requests = 0
    start = time.monotonic()
    next_sample = 0.0
    while (now := time.monotonic() - start) < seconds:
        if now >= next_sample:
            memory.sample(now)
            next_sample += seconds / SAMPLES
        client.order("ping-pong", ACTIVE_REQUESTS)
        requests += ACTIVE_REQUESTS
    return requests


def run_suite(options):
    """The test suite, each test several times."""
    command = ["ctest", "--preset", "release", "--output-on-failure",
               "--repeat", f"until-fail:{options.repeats}"]
    ctest = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    summary = re.search(r"^100% tests passed, 0 tests failed out of (\d+)$", ctest.stdout, re.M)
    if ctest.returncode != 0 or not summary:
        raise Failure(ctest.stdout[-10_000:].strip())
    return f"{summary[1]} tests, {options.repeats} times each"


def run(name, part, options):
    """Runs a part, prints its verdict, and returns whether it passed."""
    start = time.monotonic()
    try:
        verdict, text = "passed", part(options)
    except (Failure, OSError, subprocess.SubprocessError) as failure:
        verdict, text = "FAILED", failure
    print(f"{name}: {verdict} after {time.monotonic() - start:.0f} s: {text}", flush=True)
    return verdict == "passed"


def make_room(connections):
    """Every process may have that many descriptors."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < connections + SPARE_DESCRIPTORS:
        sys.exit(f"long_run: {connections} connections are more than a process may have "
                 f"(ulimit -Hn: {most}); give a smaller --idle or --active")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main():
    parser = argparse.ArgumentParser(prog="long_run", add_help=False)
    parser.add_argument("--client", required=True)
    parser.add_argument("--server", required=True)
    for name in ("cycles", "idle", "active", "seconds", "repeats"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()

    make_room(options.idle + options.active)
    parts = {"cycles": (run_cycles, options.cycles), "idle": (run_idle, options.seconds),
             "suite": (run_suite, options.repeats)}
    passed = [run(name, part, options) for name, (part, amount) in parts.items() if amount]
    sys.exit(0 if all(passed) else 1)


main()
