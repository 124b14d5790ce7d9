"""The accept suite: server CPU time of a connection that is opened, has one message echoed and is
closed by the client; relative to raw epoll.

Several clients are at it at once. A server may see the end of a connection only after its successor
has come, so it has room for twice as many.
"""

import report
from echo_servers import OURS, Load, by_case, goals_by_case, take_turns
from report import Goal

CONNECTIONS = 50  # at once
SIZE = 512  # bytes of the message
TURNS = 4  # of each server after each start
WARMUP_CYCLES = 1000
TURN_CYCLES = 5000
GOALS = dict.fromkeys(OURS, Goal(ratio=1.1))


def run(build, rounds, servers):
    """Runs the suite with the programs in `build` and returns its rows."""
    load = Load(CONNECTIONS, SIZE, reserve=CONNECTIONS)
    rounds = [take_turns(build, servers, load, TURNS, lambda match:
                         match.cpu_ns("connect", WARMUP_CYCLES, TURN_CYCLES) / TURN_CYCLES / 1000)
              for _ in range(rounds)]
    case = f"{CONNECTIONS} at once, {SIZE} bytes, ".__add__
    return report.compare("accept", "server CPU per connect, echo and close", "us",
                          *by_case(servers, rounds, case), goals_by_case(servers, case, GOALS))
