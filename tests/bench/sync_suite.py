"""The sync suite: channels, select, the mutex, and a tree of a million coroutines ("skynet"),
relative to Go, Boost.Fiber and std::mutex.

A turn runs each program once, in random order, each time anew. What is on one loop, or on one
processor of Go's, has one CPU and is told by its CPU time; what is on two has all CPUs and is told
by the clock. tests/bench/sync/ says what the programs do.
"""

import os
import random
import subprocess
from typing import NamedTuple

import report
from report import Goal

TURNS = 3  # of each program in each round
TREE_TURNS = 1
LEAVES = 1_000_000


class Figures(NamedTuple):
    """What a program prints: of an operation, then of its whole process."""

    wall_ns: float
    cpu_ns: float
    live: int
    peak_kib: int


class Way(NamedTuple):
    """One program's way to do a case."""

    who: str
    program: str
    case: str
    cpus: int = 1
    count: int = 0  # where it takes so long that it does fewer
    to_count_live: tuple = ()  # further arguments

    def run(self, build, count, *more):
        cpus = sorted(os.sched_getaffinity(0))[:self.cpus]
        output = subprocess.run(
            [build / self.program, self.case, str(self.count or count), *more], check=True,
            stdout=subprocess.PIPE, text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cpus)).stdout
        return Figures(*(kind(word) for kind, word
                         in zip(Figures.__annotations__.values(), output.split(), strict=True)))


class Comparison(NamedTuple):
    """What is done, how often in a turn, and by whom: ours first, then its baselines."""

    what: str
    count: int
    ways: tuple
    goal: Goal  # the ratio is to the first baseline


def _evcoro(case, **more):
    return Way("evcoro", "evcoro_sync", case, **more)


def _boost(case):
    return Way("boost_fiber", "boost_fiber_sync", case)


def _std(case, **more):
    return Way("std", "std_sync", case, **more)


def _go(case, who="go", **more):
    return Way(who, "go_sync", case, to_count_live=("live",), **more)


ON_ONE_LOOP = (
    Comparison("channel", 200_000, (_evcoro("channel"), _go("channel"), _boost("channel")),
               Goal(ratio=0.5, value=60)),
    Comparison("channel of 128", 1_000_000,
               (_evcoro("buffered"), _go("buffered"), _boost("buffered")), Goal(value=25)),
    Comparison("select of 4", 200_000, (_evcoro("select"), _go("select")), Goal(ratio=0.5)),
    Comparison("mutex", 5_000_000,
               (_evcoro("mutex"), _std("mutex"), _go("mutex"), _boost("mutex")), Goal(ratio=1)),
    Comparison("mutex, second OS thread", 5_000_000,
               (_evcoro("mutex_threads"), _std("mutex_threads")), Goal(ratio=1)),
    Comparison("mutex of 10 that yield", 500_000,
               (_evcoro("contended"), _go("contended"), _boost("contended"),
                _std("contended", count=20_000)), Goal(ratio=0.3)),
    Comparison("mutex of 10", 2_000_000,
               (_evcoro("contended_no_yield"), _go("contended_no_yield"),
                _boost("contended_no_yield"), _std("contended_no_yield")), None),
)
ON_TWO_LOOPS = (
    Comparison("channel", 20_000,
               (_evcoro("across", cpus=2), _go("across_two_locked", "go, locked", cpus=2),
                _go("across_two", cpus=2)), Goal(ratio=0.8)),
)
TREES = tuple(
    Comparison(what, LEAVES,
               (_evcoro(ours), _go(go), _go(f"{go}_two", "go, two processors", cpus=2)), goal)
    for what, ours, go, goal in (
        ("depth first", "depth_first", "depth_first", Goal(ratio=0.5)),
        ("depth first, second time", "depth_first_again", "depth_first_again", None),
        ("breadth first, room for ten", "breadth_first_room", "breadth_first_room",
         Goal(ratio=0.5)),
        ("breadth first, no room", "breadth_first", "breadth_first", Goal(ratio=0.5)),
        ("breadth first, no room, at once", "breadth_first_at_once", "breadth_first", None),
        ("breadth first, no room, second time", "breadth_first_again", "breadth_first_again",
         None)))


def run(build, rounds):
    """Runs the suite with the programs in `build` and returns its rows."""
    rows = []
    for metric, comparisons, figure in (
            ("CPU time per round trip, item or lock, one loop", ON_ONE_LOOP,
             lambda figures: figures.cpu_ns),
            ("time per round trip, two loops", ON_TWO_LOOPS, lambda figures: figures.wall_ns)):
        rounds_of = _measure(build, comparisons, rounds, TURNS)
        rows += _rows(metric, "ns", comparisons, rounds_of, figure)
    rounds_of = _measure(build, TREES, rounds, TREE_TURNS)
    rows += _rows(f"time of a tree of {LEAVES} leaves", "s", TREES, rounds_of,
                  lambda figures: figures.wall_ns * LEAVES / 1e9)
    rows += _rows("peak of memory", "MiB", TREES, rounds_of,
                  lambda figures: figures.peak_kib / 1024, with_goals=False)
    return rows + _live_rows(build)


def _measure(build, comparisons, rounds, turns):
    """One round after the other, each maps (what, who) to the Figures of its turns."""
    return [_measure_round(build, comparisons, turns) for _ in range(rounds)]


def _measure_round(build, comparisons, turns):
    figures = {}
    for each in comparisons:
        for _ in range(turns):
            for way in random.sample(each.ways, len(each.ways)):
                figures.setdefault((each.what, way.who), []).append(way.run(build, each.count))
    return figures


def _rows(metric, unit, comparisons, rounds_of, figure, with_goals=True):
    """Ours relative to each baseline, and each baseline's own row."""
    rows = []
    for each in comparisons:
        samples = {_case(each, way): [[figure(turn) for turn in figures[each.what, way.who]]
                                      for figures in rounds_of] for way in each.ways}
        ours, first, *others = samples
        goals = {ours: each.goal} if with_goals else None
        rows += report.compare("sync", metric, unit, samples, {ours: first}, goals)
        for other in others:
            rows += report.compare("sync", metric, unit, samples, {ours: other})
        rows += report.compare("sync", metric, unit, samples,
                               {base: base for base in (first, *others)})
    return rows


def _case(comparison, way):
    return f"{comparison.what}, {way.who}"


def _live_rows(build):
    """How many coroutines are alive at once. For Go it costs time to count them, so this is for
    itself."""
    rows = []
    for each in TREES:
        if "second time" in each.what:
            continue
        counts = {_case(each, way): way.run(build, each.count, *way.to_count_live).live
                  for way in each.ways}
        base = list(counts)[1]
        rows += [report.Row("sync", case, "peak of live coroutines", count, "", base,
                            count / counts[base]) for case, count in counts.items()]
    return rows
