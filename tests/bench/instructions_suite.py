"""The instructions suite: how many a server executes in user space for a request, relative to raw
epoll. Callgrind counts them, in two runs that differ by how many requests there are."""

import re
import tempfile
from pathlib import Path

import report
from echo_servers import Load, Match

SIZE = 512  # bytes of a message
CONNECTIONS = (1, 100)  # one request a pass of the loop, or many
REQUESTS = (5_000, 15_000)


def run(build, servers):
    """Runs the suite with the programs in `build` and returns its rows. It takes no number of rounds:
    what it counts hardly differs from one to the next."""
    rows = []
    for connections in CONNECTIONS:
        counts = {server: _per_request(build, server, connections)
                  for server in servers if server.callgrind}
        case = f"{connections} connections, {SIZE} bytes, ".__add__
        base = counts[servers[0]]
        rows += [report.Row("instructions", case(server.label()), "instructions per request", count,
                            "instr", case(servers[0].label()), count / base)
                 for server, count in counts.items()]
    return rows


def _per_request(build, server, connections):
    few, many = (_instructions(build, server, connections, requests) for requests in REQUESTS)
    return (many - few) / (REQUESTS[1] - REQUESTS[0])


def _instructions(build, server, connections, requests):
    """Of a whole run of the server."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "callgrind.out"
        callgrind = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}"]
        with Match(build, server, Load(connections, SIZE), callgrind) as match:
            match.order("rounds", 0, requests)
        totals = re.search(r"^(?:totals|summary): (\d+)", out.read_text(), re.MULTILINE)
    if not totals:
        raise RuntimeError(f"{server.label()}: callgrind counted nothing")
    return int(totals[1])
