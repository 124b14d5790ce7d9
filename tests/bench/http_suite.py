"""The http suite: servers that say hello or send a small file on connections that stay, relative to
nginx; the latency at half load, and what an idle connection takes."""

import tempfile
from pathlib import Path

import http_servers
from echo_servers import Load, Match, Server, take_turns
from http_servers import CONNECTIONS, REQUESTS, TURNS, WARMUP

FILE_SIZE = 4096
LATENCY_REQUESTS = 20_000
PERCENTILES = ("p50", "p99", "p99.9")
IDLE_GOAL = 10  # KiB


def run(build, rounds):
    """Runs the suite with the programs in `build` and returns its rows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return (_hello_rows(build, rounds, folder) + _file_rows(build, rounds, folder) +
                _latency_rows(build, rounds, folder) + _memory_rows(build, folder))


def _hello_rows(build, rounds, folder):
    servers = (http_servers.nginx(folder),
               Server("evhttp", "evhttp_callback_server", client="http_client"),
               Server("go", "http_go_server", client="http_client"),
               http_servers.evcoro())
    return http_servers.cpu_rows(build, rounds, "http", "hello", servers,
                                 {"nginx": 0.80, "evhttp": 0.42, "go": 1.0})


def _file_rows(build, rounds, folder):
    (folder / "file.txt").write_text("0123456789abcde\n" * (FILE_SIZE // 16), encoding="ascii")
    root, client_options = (f"--root={folder}",), ("--path=/files/file.txt",)
    servers = (http_servers.nginx(folder, options=root, client_options=client_options),
               http_servers.nginx(folder, "nginx, open_file_cache", (*root, "--file-cache"),
                                  client_options),
               http_servers.evcoro(root, client_options))
    return http_servers.cpu_rows(build, rounds, "http", f"a file of {FILE_SIZE} bytes", servers,
                                 {"nginx": 0.85, "nginx, open_file_cache": 0.85})


def _latency_rows(build, rounds, folder):
    """Requests at random times, half as many a second as nginx keeps up with."""
    servers = (http_servers.nginx(folder), http_servers.evcoro())
    load = Load(CONNECTIONS, 1)
    rate = _throughput(build, servers[0], load) / 2
    rounds = [take_turns(build, servers, load, TURNS, lambda match: _latencies(match, rate))
              for _ in range(rounds)]
    rows = []
    for index, percentile in enumerate(PERCENTILES):
        of_one = [{server: [turn[index] for turn in turns] for server, turns in figures.items()}
                  for figures in rounds]
        rows += http_servers.compare("http", f"latency at half load, {percentile}", "us", servers,
                                     of_one, {"nginx": 1.0} if percentile == "p99" else {})
    return rows


def _latencies(match, rate):
    match.order("ping-pong", WARMUP, 1)
    return [nanoseconds / 1000 for nanoseconds in match.order("rate", LATENCY_REQUESTS, rate)]


def _throughput(build, server, load):
    """Requests per second that are answered when each answer is followed by the next request."""
    with Match(build, server, load) as match:
        walls = [match.order("ping-pong", WARMUP, REQUESTS)[1] for _ in range(10)]
    return REQUESTS / (min(walls) / 1e9)


def _memory_rows(build, folder):
    servers = (http_servers.nginx(folder), http_servers.evcoro())
    return http_servers.memory_rows(build, "http", servers, IDLE_GOAL)
