"""The udp suite: server CPU time per datagram that is echoed, relative to raw epoll, which takes one
at a time. The clients' sockets send one and wait for it, or 16 that leave as one: that is what batches
are for.
More than these on their way, and the server's buffer could overflow: a datagram that is lost ends the
client."""

import report
from echo_servers import Load, Server, by_case, goals_by_case, take_turns
from report import Goal

LOADS = (  # what the client is told, and the number of its sockets
    ("ping-pong", 1),
    ("ping-pong", 50),
    ("bursts", 4),
)
SIZE = 512  # bytes of a datagram
BUFFER = 2048
TURNS = 4  # of each server after each start
SERVERS = (
    Server("epoll", "udp_epoll_server", client="udp_client"),
    Server("evcoro", "udp_evcoro_server", client="udp_client"),
    Server("evcoro_batch", "udp_evcoro_batch_server", client="udp_client"),
)
ONE_BY_ONE = Goal(ratio=1.03)
BATCHES = Goal(ratio=0.6)


def run(build, rounds):
    """Runs the suite with the programs in `build` and returns its rows."""
    rows = []
    for order, connections in LOADS:
        datagrams = 5000 if connections == 1 else 20_000
        figures = [take_turns(build, SERVERS, Load(connections, SIZE, BUFFER), TURNS, lambda match:
                              match.cpu_ns(order, datagrams // 4, datagrams) / datagrams / 1000)
                   for _ in range(rounds)]
        sockets = "socket" if connections == 1 else "sockets"
        case = f"{order}, {connections} {sockets}, {SIZE} bytes, ".__add__
        goals = {"evcoro_batch": BATCHES} if order == "bursts" else {"evcoro": ONE_BY_ONE}
        rows += report.compare("udp", "server CPU per datagram", "us",
                               *by_case(SERVERS, figures, case),
                               goals_by_case(SERVERS, case, goals))
    return rows
