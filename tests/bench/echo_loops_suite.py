"""The echo_loops suite: server CPU time per request of a server on two loops, each with an OS
thread of its own, relative to the same server on one loop.

Both loops on one CPU: the price of a second loop, and of the switches between their OS threads. On
two CPUs: what the machine really does, if it has three, so that the client has one for itself.
"""

import report
from echo_servers import Load, Server, by_case, goals_by_case, take_turns
from report import Goal

SIZE = 512  # bytes of a message
TURNS = 4  # of each server after each start
SERVERS = (
    Server("evcoro", "evcoro_server"),
    Server("evcoro, two loops, one CPU", "evcoro_server", loops=2),
    Server("evcoro, two loops, two CPUs", "evcoro_server", loops=2, cpus=2),
)
GOALS = {server.name: Goal(ratio=1.05) for server in SERVERS if server.loops > 1}


def run(build, rounds, connections):
    """Runs the suite with the programs in `build` and returns its rows, for each of the numbers of
    connections that gives either loop some."""
    rows = []
    for count in connections:
        if count > 1:
            rows += _rows(build, rounds, count)
    return rows


def _rows(build, rounds, connections):
    warmup, requests = max(5000, connections), max(15_000, 3 * connections)
    rounds = [take_turns(build, SERVERS, Load(connections, SIZE), TURNS, lambda match:
                         match.cpu_ns("ping-pong", warmup, requests) / requests / 1000)
              for _ in range(rounds)]
    case = f"{connections} connections, {SIZE} bytes, ".__add__
    return report.compare("echo_loops", "server CPU per request", "us",
                          *by_case(SERVERS, rounds, case), goals_by_case(SERVERS, case, GOALS))
