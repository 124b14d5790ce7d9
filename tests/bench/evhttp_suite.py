"""The evhttp suite: server CPU time of an evhttp's hello, from a coroutine thread, relative to one
from a callback. The connections stay."""

import report
from echo_servers import Load, Server, by_case, goals_by_case, take_turns
from report import Goal

CONNECTIONS = 100
TURNS = 4  # of each server after each start
WARMUP = 5_000
REQUESTS = 15_000
SERVERS = (
    Server("callback", "evhttp_callback_server", client="evhttp_client"),
    Server("evcoro", "evhttp_evcoro_server", client="evhttp_client"),
    Server("evcoro_c", "evhttp_evcoro_c_server", client="evhttp_client"),
)
GOALS = dict.fromkeys(("evcoro", "evcoro_c"), Goal(ratio=1.05))


def run(build, rounds):
    """Runs the suite with the programs in `build` and returns its rows."""
    rounds = [take_turns(build, SERVERS, Load(CONNECTIONS, 1), TURNS, lambda match:
                         match.cpu_ns("ping-pong", WARMUP, REQUESTS) / REQUESTS / 1000)
              for _ in range(rounds)]
    case = f"{CONNECTIONS} connections, hello, ".__add__
    return report.compare("evhttp", "server CPU per request", "us",
                          *by_case(SERVERS, rounds, case), goals_by_case(SERVERS, case, GOALS))
