"""The streaming suite: server CPU time per MiB that a client pushes through and gets back, with
large writes and reads under way at once on each connection; relative to raw epoll."""

import report
from echo_servers import LARGE_BUFFER, Load, by_case, take_turns

CONNECTIONS = 4
CHUNK = 65536  # bytes that the client writes at once
STARTS = 6  # of each server in each round: where the large buffers lie matters most
TURNS = 2  # of each server after each start
WARMUP_CHUNKS = 200  # on each connection
TURN_CHUNKS = 1000


def run(build, rounds, servers):
    """Runs the suite with the programs in `build` and returns its rows."""
    mebibytes = CONNECTIONS * TURN_CHUNKS * CHUNK / 2**20
    rounds = [take_turns(build, servers, Load(CONNECTIONS, CHUNK, LARGE_BUFFER), TURNS, lambda match:
                         match.cpu_ns("stream", WARMUP_CHUNKS, TURN_CHUNKS) / mebibytes / 1000)
              for _ in range(rounds)]
    case = f"{CONNECTIONS} connections, chunks and buffer of {CHUNK}, ".__add__
    return report.compare("streaming", "server CPU per MiB", "us", *by_case(servers, rounds, case))
