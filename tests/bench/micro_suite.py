"""The suites that are programs of Google Benchmark: switch, spawn and timers.

A round is one run of the program, whose benchmarks are repeated in random order; a round's figure is
the median of its repetitions. A benchmark is named what/who or what/who/size.
"""

import json
import os
import subprocess
from statistics import median

import report

REPETITIONS = 7  # in each round
SECONDS = 0.01  # of each repetition

METRICS = {"switch": "CPU time per switch", "spawn": "CPU time per spawn and join",
           "timers": "CPU time per arm and disarm"}


def run(suite, build, rounds):
    """Runs a suite with the programs in `build` and returns its rows."""
    runs = [_run_once(build / f"{suite}_bench") for _ in range(rounds)]
    times = _collect(runs, lambda entry: 1e9 / entry["items_per_second"], "items_per_second")
    rows = report.compare(suite, METRICS[suite], "ns", times, _baselines(suite, times))
    lateness = _collect(runs, lambda entry: entry["worst_us"], "worst_us")
    if lateness:
        baselines = _baselines(suite, lateness)
        rows += report.compare(suite, "worst expiry lateness", "us", lateness, baselines)
    return rows


def _run_once(program):
    """The single measurements of one run."""
    cpu = min(os.sched_getaffinity(0))
    output = subprocess.run(
        [program, "--benchmark_format=json", f"--benchmark_min_time={SECONDS}",
         f"--benchmark_repetitions={REPETITIONS}", "--benchmark_enable_random_interleaving=true"],
        check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, {cpu})).stdout
    entries = json.loads(output)["benchmarks"]
    for entry in entries:
        if entry.get("error_occurred"):
            raise RuntimeError(f"{entry['name']}: {entry['error_message']}")
    return [entry for entry in entries if entry["run_type"] == "iteration"]


def _collect(runs, figure, field):
    """Maps each benchmark that reports `field` to its rounds, of one figure each."""
    samples = {}
    for entries in runs:
        repetitions = {}
        for entry in entries:
            if field in entry:
                case = entry["run_name"].removesuffix("/iterations:1")
                repetitions.setdefault(case, []).append(figure(entry))
        for case, figures in repetitions.items():
            samples.setdefault(case, []).append([median(figures)])
    return dict(sorted(samples.items(), key=lambda item: _order(item[0])))


def _order(case):
    what, _, *size = case.split("/")
    return what, int(size[0]) if size and size[0].isdigit() else 0, case


def _baselines(suite, samples):
    if suite == "switch":
        return dict.fromkeys(samples, "pair/fcontext")
    if suite == "spawn":
        boost = [case for case in samples if "boost_fiber" in case]
        better = min(boost, key=lambda case: median(map(median, samples[case])))
        return dict.fromkeys(samples, better)
    return {case: "/".join([case.split("/")[0], "libevent", case.split("/")[2]])
            for case in samples}
