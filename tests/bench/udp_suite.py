"""The udp suite: server CPU time per datagram that is echoed, relative to raw epoll, which takes one
at a time. More sockets than these, and the server's buffer could overflow: a datagram that is lost
ends the client."""

import report
from echo_servers import Load, Server, by_case, goals_by_case, take_turns
from report import Goal

CONNECTIONS = (1, 50)
SIZE = 512  # bytes of a datagram
BUFFER = 2048
TURNS = 4  # of each server after each start
SERVERS = (
    Server("epoll", "udp_epoll_server", client="udp_client"),
    Server("evcoro", "udp_evcoro_server", client="udp_client"),
    Server("evcoro_batch", "udp_evcoro_batch_server", client="udp_client"),
)
GOALS = {"evcoro": Goal(ratio=1.03)}
GOALS_OF_MANY = GOALS | {"evcoro_batch": Goal(ratio=0.6)}  # one alone makes no batch


def run(build, rounds):
    """Runs the suite with the programs in `build` and returns its rows."""
    rows = []
    for connections in CONNECTIONS:
        datagrams = 5000 if connections == 1 else 20_000
        figures = [take_turns(build, SERVERS, Load(connections, SIZE, BUFFER), TURNS, lambda match:
                              match.cpu_ns("ping-pong", datagrams // 4, datagrams)
                              / datagrams / 1000)
                   for _ in range(rounds)]
        case = f"{connections} sockets, {SIZE} bytes, ".__add__
        goals = goals_by_case(SERVERS, case, GOALS if connections == 1 else GOALS_OF_MANY)
        rows += report.compare("udp", "server CPU per datagram", "us",
                               *by_case(SERVERS, figures, case), goals)
    return rows
