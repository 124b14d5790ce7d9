"""The echo servers, and how a suite runs them, each with a client of its own.

In each round every server is started several times, all on the first CPU, each with a client of its
own on the last; then they take turns, while the others sleep: processes differ by where their
memory happens to lie, and the machine from second to second, both by more than what is looked for
here. A turn is long enough, after a warm-up, that what the others left in the caches doesn't count.
All servers have the same buffers (but bufferevent reads 4096 bytes at most) and socket options; a
client compares all that comes back, and never sleeps while its requests are under way.
"""

import os
import random
import select
import signal
import subprocess
from contextlib import ExitStack
from typing import NamedTuple

STARTS = 2  # of each server in each round
START_SECONDS = 60  # that a process may take to get ready

SMALL_BUFFER = 8192  # bytes that a server asks of one recv
LARGE_BUFFER = 65536


class Server(NamedTuple):
    name: str
    program: str
    timeouts: bool = False
    callgrind: bool = True
    client: str = "client"
    loops: int = 1  # more than one: has that option
    cpus: int = 1  # that it may run on
    options: tuple = ()  # of its own
    client_options: tuple = ()
    address: str = ""  # to listen on, of a program that is told so, and nothing of buffers

    def label(self):
        """Says in every row whether the server arms a timeout on each wait."""
        return f"{self.name}, {'timeouts' if self.timeouts else 'no timeouts'}"


SERVERS = (  # the first one is the baseline; with timeouts are those whose users arm them
    Server("epoll", "epoll_server"),
    Server("libevent", "libevent_server"),
    Server("libevent", "libevent_server", timeouts=True),
    Server("bufferevent", "bufferevent_server", timeouts=True),
    Server("asio", "asio_server"),
    Server("libuv", "libuv_server"),
    Server("state_threads", "state_threads_server", timeouts=True),
    Server("go", "go_server", callgrind=False),  # its runtime doesn't run under Valgrind
    Server("evcoro", "evcoro_server"),
    Server("evcoro", "evcoro_server", timeouts=True),
    Server("evcoro_c", "evcoro_c_server", timeouts=True),
)
OURS = ("evcoro", "evcoro_c")  # C++, C
NAMES = tuple(dict.fromkeys(server.name for server in SERVERS))


def choose(names):
    """The servers of these names, and always the baseline, which everything is compared with."""
    return [server for server in SERVERS if server is SERVERS[0] or server.name in names]


class Load(NamedTuple):
    """What a client is told when it starts, and the server's buffer for it."""

    connections: int
    size: int  # bytes of a message
    buffer: int = SMALL_BUFFER
    reserve: int = 0  # further connections that the server must have room for


class Match:
    """A server that runs, under `launcher` if there is one, and a client that is connected to it."""

    def __init__(self, build, server, load, launcher=()):
        cpus = sorted(os.sched_getaffinity(0))
        self._name = server.label()
        self._client = None
        self._server = _start(cpus[:server.cpus], *launcher, build / server.program,
                              *_server_options(server, load), *server.options)
        port = self._expect(self._server, "listening ", START_SECONDS).rpartition(":")[2]
        self._client = _start(cpus[-1:], build / server.client, f"--port={port}",
                              f"--server-pid={self.server_pid}",
                              f"--connections={load.connections}", f"--size={load.size}",
                              *server.client_options)
        self._expect(self._client, "ready", START_SECONDS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop()

    @property
    def server_pid(self):
        return self._server.pid

    def order(self, *command):
        """Has the client do what echo/client.cpp lists, and returns its figures."""
        print(*command, file=self._client.stdin, flush=True)
        return [int(figure) for figure in self._expect(self._client, "").split()]

    def cpu_ns(self, *command):
        """Has the client measure a load. Returns the CPU time that it took the server."""
        return self.order(*command)[0]

    def _expect(self, process, prefix, seconds=None):
        ready, _, _ = select.select([process.stdout], [], [], seconds)
        line = process.stdout.readline() if ready else ""
        if line and line.startswith(prefix):
            return line.removeprefix(prefix).strip()
        problem = self._problem(process, bool(ready))
        self._stop()
        raise RuntimeError(f"{self._name}: {problem}")

    def _problem(self, process, answered):
        who = "the server" if process is self._server else "its client"
        if not answered:
            return f"{who} was not ready after {START_SECONDS} s"
        if self._server.poll() is not None or process is self._server:
            return f"the server ended, with status {self._server.wait()}"
        status = self._client.wait()
        if status == -signal.SIGALRM:
            return "the server owes its client an answer"
        return f"its client ended, with status {status}"

    def _stop(self):
        for process in (self._client, self._server):
            if process:
                process.terminate()
                process.communicate()


def _server_options(server, load):
    options = [f"--connections={load.connections + load.reserve}"]
    if server.address:
        return [*options, server.address]
    options.append(f"--buffer={load.buffer}")
    options += ["--timeouts"] if server.timeouts else []
    return options + ([f"--loops={server.loops}"] if server.loops > 1 else [])


def _start(cpus, *command):
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                            preexec_fn=lambda: os.sched_setaffinity(0, cpus))


def take_turns(build, servers, load, turns, figure, starts=STARTS):
    """One round: maps each server to figure(match), `turns` times after each of its starts."""
    figures = {server: [] for server in servers}
    for _ in range(starts):
        with ExitStack() as stack:
            matches = {server: stack.enter_context(Match(build, server, load))
                       for server in random.sample(servers, len(servers))}
            for _ in range(turns):
                for server in random.sample(servers, len(servers)):
                    figures[server].append(figure(matches[server]))
    return figures


def by_case(servers, rounds, case):
    """What report.compare() wants: samples and baselines of the rounds that take_turns() gave. `case`
    makes a row's name of a server's."""
    samples = {case(server.label()): [figures[server] for figures in rounds] for server in servers}
    return samples, dict.fromkeys(samples, next(iter(samples)))


def goals_by_case(servers, case, goals):
    """What report.compare() wants, of a Goal for each of some names of servers."""
    return {case(server.label()): goals[server.name] for server in servers if server.name in goals}
