"""The http-models suite: the tutorial's HTTP service in three paradigms, an OS thread per connection,
a coroutine thread per connection, and libevent's callbacks.

Asked as fast as it answers, each server shows its requests a second and its CPU time; then its
latency is measured at half of what the slowest of the three keeps up with, at the same random times
for all, as the latency suite does.
"""

import http_models_plots
import report
from echo_servers import Load, Match, Server, by_case, take_turns
from process_memory import resident_bytes

CONNECTIONS = (1, 10, 100, 1000, 10_000)  # unless others are asked for
TURNS = 3  # of each server after each start
CALIBRATIONS = 3
SERVERS = tuple(  # all have a timeout on each wait; the first one is the baseline
    Server(name, f"models_{name.replace(' ', '_')}", timeouts=True, client="http_client",
           client_options=("--path=/hello/world",), address="127.0.0.1:0")
    for name in ("callbacks", "coroutines", "os threads"))
METRICS = (  # as one turn yields them
    ("requests a second", "/s"),
    ("server CPU per request", "us"),
    ("memory of the server", "MiB"),
    ("latency at half load: p50", "us"),
    ("latency at half load: p99", "us"),
    ("latency at half load: p99.9", "us"),
)


def run(build, rounds, connections, plots):
    """Runs the suite with the programs in `build` and returns its rows. Unless `plots` is None, it
    is the folder where they are drawn."""
    by_count = {count: _rows(build, rounds, count) for count in connections or CONNECTIONS}
    if plots:
        http_models_plots.write(plots, _figures(by_count))
    rows = [row for rows in by_count.values() for row in rows]
    return [row for metric, _ in METRICS for row in rows if row.metric == metric]


def _figures(by_count):
    """Maps a metric to a map from a server's name to its values by number of connections."""
    return {metric: {server.name: {count: _value(rows, metric, server)
                                   for count, rows in by_count.items()} for server in SERVERS}
            for metric, _ in METRICS}


def _value(rows, metric, server):
    return next(row.value for row in rows
                if row.metric == metric and row.case.endswith(server.label()))


def _rows(build, rounds, count):
    load = Load(count, size=1)  # the size is not used
    rate = _slowest(build, load) / 2
    rounds = [take_turns(build, SERVERS, load, TURNS, lambda match: _turn(match, load, rate))
              for _ in range(rounds)]
    case = f"{count} connections, ".__add__
    rows = []
    for index, (metric, unit) in enumerate(METRICS):
        of_one = [{server: [turn[index] for turn in turns] for server, turns in figures.items()}
                  for figures in rounds]
        rows += report.compare("http-models", metric, unit, *by_case(SERVERS, of_one, case))
    return rows


def _turn(match, load, rate):
    cpu, wall, requests = _ping_pong(match, load)
    memory = resident_bytes(match.server_pid) / 2**20
    latencies = match.order("rate", max(10_000, 2 * load.connections), rate)
    return [requests / (wall / 1e9), cpu / requests / 1000, memory,
            *(nanoseconds / 1000 for nanoseconds in latencies)]


def _ping_pong(match, load):
    """The CPU time and the time that requests took, and how many they were."""
    warmup, requests = max(2000, load.connections), max(10_000, 3 * load.connections)
    return *match.order("ping-pong", warmup, requests), requests


def _slowest(build, load):
    """Requests a second of the slowest server."""
    return min(_throughput(build, server, load) for server in SERVERS)


def _throughput(build, server, load):
    with Match(build, server, load) as match:
        turns = [_ping_pong(match, load) for _ in range(CALIBRATIONS)]
    return max(requests / (wall / 1e9) for _, wall, requests in turns)
