"""The rows that every suite yields, and how they are printed and saved."""

import json
from statistics import median
from typing import NamedTuple, Optional


class Goal(NamedTuple):
    """The most that a row's ratio and its value may be."""

    ratio: Optional[float] = None
    value: Optional[float] = None


class Row(NamedTuple):
    """One figure. `ratio` is the figure over that of the case named `baseline`, both taken in
    this run; a row that is its own baseline has ratio 1, and a row without a ratio none. `spread`
    is the lowest and the highest ratio that a single round gave."""

    suite: str
    case: str
    metric: str
    value: float
    unit: str
    baseline: str
    ratio: Optional[float]
    spread: Optional[tuple] = None
    goal: Optional[Goal] = None


def compare(suite, metric, unit, samples, baselines, goals=None):
    """One row per case of `baselines`, which names the case that it is compared with. `samples`
    maps a case to its rounds, each a list of figures, one per turn, and `goals` a case to its Goal,
    if it has one. A round's ratio is the median of the ratios of its turns, because what slows a
    turn down slows both of its sides; the row's ratio is the median of its rounds'."""
    return [_compare_one(suite, case, metric, unit, samples, baseline, (goals or {}).get(case))
            for case, baseline in baselines.items()]


def _compare_one(suite, case, metric, unit, samples, baseline, goal):
    value = median(median(turns) for turns in samples[case])
    ratios = [median(own / base for own, base in zip(*turns))
              for turns in zip(samples[case], samples[baseline])]
    spread = None if case == baseline else (min(ratios), max(ratios))
    return Row(suite, case, metric, value, unit, baseline, median(ratios), spread, goal)


def print_table(rows):
    """Prints rows of one metric, or of several, as one table per metric."""
    for metric in dict.fromkeys((row.suite, row.metric) for row in rows):
        lines = [("case", "value", "unit", "ratio", "rounds", "goal", "baseline")]
        lines += [_cells(row) for row in rows if (row.suite, row.metric) == metric]
        widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
        print(f"\n{metric[0]}: {metric[1]}")
        for line in lines:
            numbers = "  ".join(cell.rjust(width) for cell, width in zip(line[1:6], widths[1:6]))
            print(f"  {line[0].ljust(widths[0])}  {numbers}  {line[6]}".rstrip())
    print(flush=True)


def _cells(row):
    ratio = "-" if row.ratio is None else f"{row.ratio:.3f}"
    spread = "" if row.spread is None else f"{row.spread[0]:.2f}-{row.spread[1]:.2f}"
    baseline = "" if row.case == row.baseline else row.baseline
    return row.case, f"{row.value:.3f}", row.unit, ratio, spread, _judge(row), baseline


def _judge(row):
    """The row's goal, and whether it has reached it."""
    if row.goal is None:
        return ""
    limits = ((row.ratio, row.goal.ratio, ""), (row.value, row.goal.value, f" {row.unit}"))
    return ", ".join(f"{limit:g}{unit} {'met' if figure <= limit else 'missed'}"
                     for figure, limit, unit in limits if limit is not None)


def write_json(rows, path):
    """Writes rows as an array of objects, without the spread and the goal."""
    with open(path, "w", encoding="utf-8") as out:
        json.dump([_fields(row) for row in rows], out, indent=1)
        out.write("\n")


def _fields(row):
    fields = row._asdict()
    del fields["spread"], fields["goal"]
    return {key: round(field, 4) if isinstance(field, float) else field
            for key, field in fields.items()}
