"""The HTTP servers that the suites http and tls run, and how their figures become rows."""

import subprocess
from pathlib import Path

import report
from echo_servers import Load, Match, Server, take_turns
from process_memory import resident_bytes
from report import Goal

CONNECTIONS = 100
TURNS = 4  # of each server after each start
WARMUP = 5_000
REQUESTS = 15_000
FEW = 1000  # idle connections: what more of them take is counted, so that no server's start is
MANY = 10_000
NGINX_PROGRAM = Path(__file__).parent / "http" / "nginx_server.py"


def nginx(folder, name="nginx", options=(), client_options=()):
    """An nginx of one process, which keeps its files in `folder`."""
    return Server(name, NGINX_PROGRAM, options=(f"--folder={folder}", *options),
                  client="http_client", client_options=client_options)


def evcoro(options=(), client_options=()):
    return Server("evcoro", "http_evcoro_server", options=options, client="http_client",
                  client_options=client_options)


def make_certificate(folder):
    """The options that give a server a certificate of its own, of the kind that is usual today."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return f"--certificate={certificate}", f"--key={key}"


def cpu_rows(build, rounds, suite, case, servers, goals):
    """Server CPU time of a request; each server is compared with the first one, and `goals` says
    what ours may take of each of the others."""
    rounds = [take_turns(build, servers, Load(CONNECTIONS, 1), TURNS, lambda match:
                         match.cpu_ns("ping-pong", WARMUP, REQUESTS) / REQUESTS / 1000)
              for _ in range(rounds)]
    return compare(suite, f"server CPU per request, {case}", "us", servers, rounds, goals)


def compare(suite, metric, unit, servers, rounds, goals):
    """Rows of the figures that take_turns() gave for servers, of which the last one is ours."""
    samples = {server.name: [figures[server] for figures in rounds] for server in servers}
    first, ours = servers[0].name, servers[-1].name
    as_goal = {name: Goal(ratio=ratio) for name, ratio in goals.items()}
    rows = report.compare(suite, metric, unit, samples, dict.fromkeys(samples, first),
                          {ours: as_goal.pop(first, None)})
    for name, goal in as_goal.items():
        rows += report.compare(suite, metric, unit, samples, {ours: name}, {ours: goal})
    return rows


def memory_rows(build, suite, servers, goal):
    """What an idle connection takes of each server, after an answer."""
    samples = {server.name: [[_bytes_per_connection(build, server) / 1024]] for server in servers}
    return report.compare(suite, f"user memory per idle connection, {MANY} of them", "KiB", samples,
                          dict.fromkeys(samples, servers[0].name),
                          {servers[-1].name: Goal(value=goal)})


def _bytes_per_connection(build, server):
    few, many = (_bytes_with(build, server, connections) for connections in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def _bytes_with(build, server, connections):
    with Match(build, server, Load(connections, 1)) as match:
        match.order("ping-pong", 0, connections)
        return resident_bytes(match.server_pid)
