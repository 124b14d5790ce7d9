"""The echo suite: server CPU time and system calls per request, relative to raw epoll.

In each round every server is started several times, all on the first CPU, each with a client of its
own on the second; then they take turns, while the others sleep: processes differ by where their
memory happens to lie, and the machine from second to second, both by more than what is looked for
here. A turn is long enough, after a warm-up, that what the others left in the caches doesn't count.
All servers have the same buffers; a client never sleeps while its requests are under way.
"""

import os
import random
import signal
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import report

CONNECTIONS = (100, 1000)
SIZE = 512  # bytes of a message
STARTS = 2  # of each server in each round
TURNS = 4  # of each server after each start
WARMUP_REQUESTS = 5000
TURN_REQUESTS = 15_000
TRACED_REQUESTS = 20_000
TRACED_CONNECTIONS = 10
BUFFERS = (8192, SIZE)  # the second one tells nobody whether more is to come

KINDS = {
    "recvfrom": "recv", "recvmsg": "recv", "read": "recv", "readv": "recv",
    "sendto": "send", "sendmsg": "send", "write": "send", "writev": "send",
    "epoll_wait": "epoll_wait", "epoll_pwait": "epoll_wait", "epoll_pwait2": "epoll_wait",
}  # anything else is "other"


class Server(NamedTuple):
    name: str
    program: str
    timeouts: bool

    def label(self):
        """Says in every row whether the server arms a timeout on each wait."""
        return f"{self.name}, {'timeouts' if self.timeouts else 'no timeouts'}"


SERVERS = (  # the first one is the baseline
    Server("epoll", "epoll_server", False),
    Server("libevent", "libevent_server", False),
    Server("libevent", "libevent_server", True),
    Server("evcoro", "evcoro_server", False),
    Server("evcoro", "evcoro_server", True),
)


class Match:
    """A server that runs and a client that is connected to it."""

    def __init__(self, build, server, connections, buffer):
        cpus = sorted(os.sched_getaffinity(0))
        options = ["--timeouts"] if server.timeouts else []
        self._server = _start(cpus[0], build / server.program, f"--connections={connections}",
                              f"--buffer={buffer}", *options)
        self._client = None
        port = _expect(self._server, "listening ")
        self._client = _start(cpus[-1], build / "client", f"--port={port}",
                              f"--server-pid={self.server_pid}", f"--connections={connections}",
                              f"--size={SIZE}")
        _expect(self._client, "ready")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in (self._client, self._server):
            process.terminate()
            process.communicate()

    @property
    def server_pid(self):
        return self._server.pid

    def play(self, warmup, requests):
        """Returns the server's CPU time per request in microseconds."""
        print(warmup, requests, file=self._client.stdin, flush=True)
        return int(_expect(self._client, "").split()[0]) / requests / 1000


def _start(cpu, *command):
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                            preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))


def _expect(process, prefix):
    line = process.stdout.readline()
    if not line.startswith(prefix) or not line:
        process.kill()
        raise RuntimeError(f"{process.args[0]} failed")
    return line.removeprefix(prefix).strip()


def run(build, rounds):
    """Runs the suite with the programs in `build` and returns its rows."""
    rows = []
    for connections in CONNECTIONS:
        rows += _cpu_rows(build, SERVERS, connections, rounds)
    for buffer in BUFFERS:
        rows += _syscall_rows(build, SERVERS, buffer)
    return rows


def _cpu_rows(build, servers, connections, rounds):
    figures = [_cpu_round(build, servers, connections) for _ in range(rounds)]
    samples = {f"{connections} connections, {SIZE} bytes, {server.label()}":
               [figure[server] for figure in figures] for server in servers}
    baselines = dict.fromkeys(samples, next(iter(samples)))
    return report.compare("echo", "server CPU per request", "us", samples, baselines)


def _cpu_round(build, servers, connections):
    turns = {server: [] for server in servers}
    for _ in range(STARTS):
        with ExitStack() as stack:
            matches = {server: stack.enter_context(Match(build, server, connections, BUFFERS[0]))
                       for server in random.sample(servers, len(servers))}
            for _ in range(TURNS):
                for server in random.sample(servers, len(servers)):
                    turns[server].append(matches[server].play(WARMUP_REQUESTS, TURN_REQUESTS))
    return turns


def _syscall_rows(build, servers, buffer):
    counts = {server: _syscalls_per_request(build, server, buffer) for server in servers}
    case = f"{SIZE} bytes, buffer of {buffer}, ".__add__
    rows = []
    for server in servers:
        for kind, count in counts[server].items():
            base = counts[servers[0]][kind]
            rows.append(
                report.Row("echo", case(server.label()), f"system calls per request: {kind}", count,
                           "calls", case(servers[0].label()), count / base if base else None))
    return rows


def _syscalls_per_request(build, server, buffer):
    with tempfile.TemporaryDirectory() as scratch:
        with Match(build, server, TRACED_CONNECTIONS, buffer) as match:
            match.play(TRACED_REQUESTS, 1)
            table = _trace(match, Path(scratch) / "summary")
    counts = {"all": 0, "recv": 0, "send": 0, "epoll_wait": 0, "other": 0}
    for name, calls in table:
        counts["all"] += int(calls)
        counts[KINDS.get(name, "other")] += int(calls)
    return {kind: count / TRACED_REQUESTS for kind, count in counts.items()}


def _trace(match, summary):
    """The names and numbers of the calls that the server makes for TRACED_REQUESTS."""
    strace = subprocess.Popen(["strace", "-c", "-U", "name,calls", "-f", "-o", summary,
                               "-p", str(match.server_pid)], stderr=subprocess.PIPE, text=True)
    if "attached" not in (line := strace.stderr.readline()):
        raise RuntimeError(f"strace failed: {line.strip()}")
    match.play(0, TRACED_REQUESTS)
    strace.send_signal(signal.SIGINT)
    strace.communicate()
    lines = [line.split() for line in summary.read_text().splitlines()]
    return [line for line in lines if len(line) == 2 and line[1].isdigit() and line[0] != "total"]
