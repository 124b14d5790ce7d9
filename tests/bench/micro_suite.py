"""The suites that are programs of Google Benchmark, or speak like them: switch, spawn, resolver and others.

A round is one run of each program, whose benchmarks are repeated in random order; a round's figure
is the median of its repetitions. A benchmark is named what/who or what/who/size.
"""

import json
import os
import random
import re
import subprocess
from statistics import median

import report
from report import Goal

REPETITIONS = 7  # in each round
SECONDS = 0.01  # of each repetition

PROGRAMS = {"switch": ("switch_bench",), "spawn": ("spawn_bench", "go_spawn_bench"),
            "scopes": ("scopes_bench",), "timers": ("timers_bench",),
            "resolver": ("resolver_bench",), "pipe": ("pipe_bench",),
            "parser": ("parser_bench",)}
METRICS = {"switch": "CPU time per switch", "spawn": "CPU time per spawn and join",
           "scopes": "CPU time per thread of ten", "timers": "CPU time per arm and disarm",
           "resolver": "CPU time per known name", "pipe": "CPU time per hop",
           "parser": "CPU time per head"}
GOALS = {
    "switch": {"ring/evcoro/10": Goal(ratio=0.5)},
    "spawn": {"spawn/evcoro": Goal(ratio=0.5, value=50)},
    "scopes": {"scopes/scope": Goal(ratio=1.3)},
    "pipe": {f"pipe/evcoro/{pairs}": Goal(ratio=1.05) for pairs in (1, 50)},
    "parser": {"parser/evcoro": Goal(ratio=1.15)},
    "timers": {f"hot/{ours}/{size}": Goal(value=20)
               for ours in ("evcoro", "evcoro_timer") for size in (10, 10_000, 1_000_000)},
    "resolver": {f"resolver/{families}": Goal(value=200)
                 for families in ("one_family", "both_families")},
}


def run(suite, build, rounds):
    """Runs a suite with the programs in `build` and returns its rows."""
    runs = [_run_round(build, PROGRAMS[suite]) for _ in range(rounds)]
    times = _collect(runs, lambda entry: 1e9 / entry["items_per_second"], "items_per_second")
    first, *others = _baselines(suite, times)
    rows = report.compare(suite, METRICS[suite], "ns", times, first, GOALS[suite])
    for baselines in others:
        rows += report.compare(suite, METRICS[suite], "ns", times, baselines)
    lateness = _collect(runs, lambda entry: entry["worst_us"], "worst_us")
    if lateness:
        rows += report.compare(suite, "worst expiry lateness", "us", lateness,
                               _same_size(lateness, "libevent"))
    return rows


def _run_round(build, programs):
    """The single measurements of one round."""
    return [entry for program in random.sample(programs, len(programs))
            for entry in _run_once(build / program)]


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
                case = re.sub("/(iterations|repeats):1", "", entry["run_name"])
                repetitions.setdefault(case, []).append(figure(entry))
        for case, figures in repetitions.items():
            samples.setdefault(case, []).append([median(figures)])
    return dict(sorted(samples.items(), key=lambda item: _order(item[0])))


def _order(case):
    what, _, *size = case.split("/")
    return what, int(size[0]) if size and size[0].isdigit() else 0, case


def _baselines(suite, samples):
    """What each case is compared with, the one that the goals speak of, and what further."""
    if suite == "switch":
        pairs = {case: "pair/fcontext" for case in samples if case.startswith("pair/")}
        rings = {case: base for case, base in _same_size(samples, "fcontext").items()
                 if case.startswith("ring/")}
        fibers = {case: base for case, base in _same_size(samples, "boost_fiber").items()
                  if case.startswith("ring/evcoro/")}
        return pairs | rings, fibers
    if suite == "spawn":
        return (dict.fromkeys(samples, _best(samples, "boost_fiber")),
                {"spawn/evcoro": _best(samples, "go")})
    if suite == "scopes":
        return (dict.fromkeys(samples, "scopes/bare"),)
    if suite == "parser":
        return (dict.fromkeys(samples, "parser/llhttp"),)
    if suite == "resolver":
        return (dict.fromkeys(samples, "resolver/getaddrinfo"),)
    return (_same_size(samples, "epoll" if suite == "pipe" else "libevent"),)


def _same_size(samples, who):
    """The cases with a size, and the one of `who` that does the same."""
    split = {case: case.split("/") for case in samples}
    return {case: f"{parts[0]}/{who}/{parts[2]}" for case, parts in split.items() if parts[2:]}


def _best(samples, who):
    """Of the ways in which `who` does it, the fastest."""
    ways = [case for case in samples if case.split("/")[1] == who]
    return min(ways, key=lambda case: median(map(median, samples[case])))
