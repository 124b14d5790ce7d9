"""The memory suite: what an idle connection takes of a server, and what a parked thread takes.

Memory is the resident set as Linux counts it; what the kernel keeps for a socket is not in it.
"""

import random
import subprocess

import report
from echo_servers import OURS, Load, Match, by_case, goals_by_case
from process_memory import resident_bytes
from report import Goal

SIZE = 512  # bytes that each connection has had echoed
FEW = 1000  # connections: what more of them take is counted, so that no server's start is
MANY = 10_000
PARKED = 100_000
PARKED_PROGRAMS = {  # the first one is the baseline
    "Boost.Fiber, no guards": "boost_fiber_parked",
    "goroutines": "go_parked",
    "evcoro, guarded": "evcoro_parked",
}
IDLE_GOALS = dict.fromkeys(OURS, Goal(value=8.5))  # KiB
START_GOAL = Goal(value=1)  # s
PARKED_GOAL = Goal(value=4.1)  # KiB: a page, and what the pool knows of each stack


def run(build, rounds, servers):
    """Runs the suite with the programs in `build` and returns its rows."""
    return _idle_rows(build, servers) + _parked_rows(build, rounds)


def _idle_rows(build, servers):
    sizes = [{server: [_bytes_per_connection(build, server) / 1024] for server in servers}]
    case = f"{MANY} connections after one echo of {SIZE} bytes, ".__add__
    return report.compare("memory", "user memory per idle connection", "KiB",
                          *by_case(servers, sizes, case), goals_by_case(servers, case, IDLE_GOALS))


def _bytes_per_connection(build, server):
    few, many = (_bytes_with(build, server, connections) for connections in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def _bytes_with(build, server, connections):
    with Match(build, server, Load(connections, SIZE)) as match:
        match.order("ping-pong", 0, connections)
        return resident_bytes(match.server_pid)


def _parked_rows(build, rounds):
    figures = [_parked_round(build) for _ in range(rounds)]
    seconds, kibibytes = ({f"{PARKED} {name}": [[figure[name][index]] for figure in figures]
                           for name in PARKED_PROGRAMS} for index in (0, 1))
    baselines = dict.fromkeys(seconds, next(iter(seconds)))
    ours = next(case for case in seconds if "evcoro" in case)
    return (report.compare("memory", "creation, start and parking", "s", seconds, baselines,
                           {ours: START_GOAL}) +
            report.compare("memory", "user memory per parked thread", "KiB", kibibytes, baselines,
                           {ours: PARKED_GOAL}))


def _parked_round(build):
    """Maps each name to the seconds and the KiB per thread."""
    names = random.sample(list(PARKED_PROGRAMS), len(PARKED_PROGRAMS))
    return {name: _park(build / PARKED_PROGRAMS[name]) for name in names}


def _park(program):
    with subprocess.Popen([program, str(PARKED)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as process:
        process.stdout.readline()
        before = resident_bytes(process.pid)
        print(file=process.stdin, flush=True)
        nanoseconds = process.stdout.readline()
        if not nanoseconds:
            raise RuntimeError(f"{program} ended, with status {process.wait()}")
        after = resident_bytes(process.pid)
        process.stdin.close()
        if process.wait() != 0:
            raise RuntimeError(f"{program} could not end its threads")
    return int(nanoseconds) / 1e9, (after - before) / PARKED / 1024
