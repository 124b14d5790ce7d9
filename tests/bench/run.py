"""Runs benchmark suites and reports their figures; build-scripts/bench.sh builds what it needs."""

import argparse
import subprocess
import sys
from pathlib import Path

import accept_suite
import echo_loops_suite
import echo_servers
import echo_suite
import evhttp_suite
import http_models_suite
import http_suite
import instructions_suite
import latency_suite
import memory_suite
import micro_suite
import report
import streaming_suite
import sync_suite
import tls_suite
import udp_suite


def main():
    parser = argparse.ArgumentParser(prog="bench.sh", usage="see bench.sh --help", add_help=False)
    parser.add_argument("--build", type=Path, required=True, help="where the programs are")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--connections", type=_numbers)
    parser.add_argument("--plots", type=Path)
    parser.add_argument("--servers", type=_servers, default=echo_servers.SERVERS)
    parser.add_argument("suites", nargs="+")
    options = parser.parse_args()

    try:
        if options.json:
            options.json.touch()  # better now than after all the measuring
        if options.plots:
            options.plots.mkdir(parents=True, exist_ok=True)
        rows = run_all(options)
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"bench: {error}")
    if options.json:
        report.write_json(rows, options.json)


def _numbers(text):
    words = text.split(",")
    if not all(word.isdecimal() and int(word) > 0 for word in words):
        raise argparse.ArgumentTypeError(f"'{text}' is no list of numbers such as 100,1000")
    return [int(word) for word in words]


def _servers(text):
    names = text.split(",")
    if unknown := set(names) - set(echo_servers.NAMES):
        raise argparse.ArgumentTypeError(
            f"no server '{min(unknown)}'; there are: {','.join(echo_servers.NAMES)}")
    return echo_servers.choose(names)


def run_all(options):
    rows = []
    for suite in options.suites:
        rows_of_suite = run_suite(suite, options)
        report.print_table(rows_of_suite)
        rows += rows_of_suite
    return rows


def run_suite(suite, options):
    build, rounds, servers = options.build, options.rounds, options.servers
    connections = options.connections or echo_suite.CONNECTIONS
    if suite == "memory":
        return memory_suite.run(build, rounds, servers)
    if suite == "accept":
        return accept_suite.run(build, rounds, servers)
    if suite == "echo":
        return echo_suite.run(build, rounds, servers, connections)
    if suite == "echo_loops":
        return echo_loops_suite.run(build, rounds, connections)
    if suite == "http-models":
        return http_models_suite.run(build, rounds, options.connections, options.plots)
    if suite == "evhttp":
        return evhttp_suite.run(build, rounds)
    if suite == "http":
        return http_suite.run(build, rounds)
    if suite == "tls":
        return tls_suite.run(build, rounds)
    if suite == "sync":
        return sync_suite.run(build, rounds)
    if suite == "udp":
        return udp_suite.run(build, rounds)
    if suite == "streaming":
        return streaming_suite.run(build, rounds, servers)
    if suite == "latency":
        return latency_suite.run(build, rounds, servers)
    if suite == "instructions":
        return instructions_suite.run(build, servers)
    return micro_suite.run(suite, build, rounds)


main()
