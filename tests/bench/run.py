"""Runs benchmark suites and reports their figures; build-scripts/bench.sh builds what it needs."""

import argparse
import subprocess
import sys
from pathlib import Path

import echo_suite
import micro_suite
import report


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=Path, required=True, help="where the programs are")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("suites", nargs="+")
    options = parser.parse_args()

    try:
        if options.json:
            options.json.touch()  # better now than after all the measuring
        rows = run_all(options)
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"bench: {error}")
    if options.json:
        report.write_json(rows, options.json)


def run_all(options):
    rows = []
    for suite in options.suites:
        if suite == "echo":
            rows_of_suite = echo_suite.run(options.build, options.rounds)
        else:
            rows_of_suite = micro_suite.run(suite, options.build, options.rounds)
        report.print_table(rows_of_suite)
        rows += rows_of_suite
    return rows


main()
