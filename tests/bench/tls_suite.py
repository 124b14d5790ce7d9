"""The tls suite: TLS 1.3, relative to nginx: a hello on connections that stay, full and resumed
handshakes, and what an idle connection takes."""

import tempfile
from pathlib import Path

import http_servers
from echo_servers import Load, take_turns
from http_servers import TURNS

HANDSHAKES = {"full": 300, "resumed": 500}  # in a turn
HANDSHAKE_GOAL = 1 / 0.98  # as many in a second of CPU time, but for two of a hundred
IDLE_GOAL = 32  # KiB


def run(build, rounds):
    """Runs the suite with the programs in `build` and returns its rows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificate = http_servers.make_certificate(folder)
        servers = (http_servers.nginx(folder, options=certificate, client_options=("--tls",)),
                   http_servers.evcoro(certificate, ("--tls",)))
        rows = http_servers.cpu_rows(build, rounds, "tls", "hello", servers, {"nginx": 0.90})
        for kind, count in HANDSHAKES.items():
            rows += _handshake_rows(build, rounds, servers, kind, count)
        return rows + http_servers.memory_rows(build, "tls", servers, IDLE_GOAL)


def _handshake_rows(build, rounds, servers, kind, count):
    rounds = [take_turns(build, servers, Load(1, 1), TURNS, lambda match:
                         match.cpu_ns(kind, count // 10, count) / count / 1000)
              for _ in range(rounds)]
    return http_servers.compare("tls", f"server CPU per handshake, {kind}", "us", servers, rounds,
                                {"nginx": HANDSHAKE_GOAL})
