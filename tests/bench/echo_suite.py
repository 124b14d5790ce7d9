"""The echo suite: server CPU time and system calls per request, relative to raw epoll."""

import signal
import subprocess
import tempfile
from pathlib import Path

import report
from echo_servers import SMALL_BUFFER, Load, Match, by_case, goals_by_case, take_turns
from report import Goal

SIZE = 512  # bytes of a message
CONNECTIONS = (100, 1000)  # unless others are asked for
TURNS = 4  # of each server after each start
GOALS = {"evcoro": Goal(ratio=1.02), "evcoro_c": Goal(ratio=1.03)}
TRACED_REQUESTS = 10_000
TRACED_CONNECTIONS = 10
BUFFERS = (SMALL_BUFFER, SIZE)  # the second one tells nobody whether more is to come

KINDS = {
    "recvfrom": "recv", "recvmsg": "recv", "read": "recv", "readv": "recv",
    "sendto": "send", "sendmsg": "send", "write": "send", "writev": "send",
    "epoll_wait": "epoll_wait", "epoll_pwait": "epoll_wait", "epoll_pwait2": "epoll_wait",
    "poll": "epoll_wait",
}  # anything else is "other"


def run(build, rounds, servers, connections):
    """Runs the suite with the programs in `build` and returns its rows, for each of the numbers of
    connections."""
    rows = []
    for count in connections:
        rows += _cpu_rows(build, servers, count, rounds)
    for buffer in BUFFERS:
        rows += _syscall_rows(build, servers, buffer)
    return rows


def _cpu_rows(build, servers, connections, rounds):
    warmup, requests = _requests(connections)
    rounds = [take_turns(build, servers, Load(connections, SIZE), TURNS, lambda match:
                         match.cpu_ns("ping-pong", warmup, requests) / requests / 1000)
              for _ in range(rounds)]
    case = f"{connections} connections, {SIZE} bytes, ".__add__
    return report.compare("echo", "server CPU per request", "us", *by_case(servers, rounds, case),
                          goals_by_case(servers, case, GOALS))


def _requests(connections):
    """How many make a warm-up and a turn: some for each connection, and few where the client waits
    for each of them."""
    if connections < 10:
        return 1000, 5000
    return max(5000, connections), max(15_000, 3 * connections)


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
        with Match(build, server, Load(TRACED_CONNECTIONS, SIZE, buffer)) as match:
            match.order("rounds", 0, TRACED_REQUESTS)
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
    match.order("rounds", 0, TRACED_REQUESTS)
    strace.send_signal(signal.SIGINT)
    strace.communicate()
    lines = [line.split() for line in summary.read_text().splitlines()]
    return [line for line in lines if len(line) == 2 and line[1].isdigit() and line[0] != "total"]
