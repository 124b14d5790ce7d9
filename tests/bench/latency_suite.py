"""The latency suite: how long a request takes while the server is half busy, relative to raw epoll.

Requests are due at random times, at half the rate that raw epoll keeps up with here when it is asked
as fast as it answers; the same times for every server. They are sent without waiting for answers,
and a latency counts from when a request was due: what a slow server delays is on its account.
"""

import report
from echo_servers import Load, Match, by_case, take_turns
from report import Goal

CONNECTIONS = 100
SIZE = 512  # bytes of a message
TURNS = 6  # of each server after each start, so short that most are disturbed by nobody
WARMUP_REQUESTS = 5000
TURN_REQUESTS = 20_000
PERCENTILES = ("p50", "p99", "p99.9")
RIVALS = ("libevent, timeouts", "evcoro, timeouts")  # compared with each other, too
NOT_WORSE = Goal(ratio=1.0)


def run(build, rounds, servers):
    """Runs the suite with the programs in `build` and returns its rows."""
    load = Load(CONNECTIONS, SIZE)
    rate = _throughput(build, servers[0], load) / 2
    rounds = [take_turns(build, servers, load, TURNS, lambda match: _latencies(match, rate))
              for _ in range(rounds)]
    print(f"latency: {rate:.0f} requests a second")
    case = f"{CONNECTIONS} connections, {SIZE} bytes, ".__add__
    rows = []
    for index, name in enumerate(PERCENTILES):
        of_one = [{server: [turn[index] for turn in turns] for server, turns in figures.items()}
                  for figures in rounds]
        metric = f"latency at half load: {name}"
        samples, baselines = by_case(servers, of_one, case)
        rows += report.compare("latency", metric, "us", samples, baselines)
        theirs, ours = map(case, RIVALS)
        if theirs in samples and ours in samples:
            rows += report.compare("latency", metric, "us", samples, {ours: theirs},
                                   {ours: NOT_WORSE} if name == "p99" else None)
    return rows


def _latencies(match, rate):
    match.order("ping-pong", WARMUP_REQUESTS, 1)
    return [nanoseconds / 1000 for nanoseconds in match.order("rate", TURN_REQUESTS, rate)]


def _throughput(build, server, load):
    """Requests per second that are answered when each answer is followed by the next request."""
    with Match(build, server, load) as match:
        walls = [match.order("ping-pong", WARMUP_REQUESTS, TURN_REQUESTS)[1] for _ in range(10)]
    return TURN_REQUESTS / (min(walls) / 1e9)
