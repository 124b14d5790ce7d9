"""Plots and the table of the http-models suite, for the documents."""

from svg_plot import Figure, Panel

NAMES = {"os threads": "OS threads", "coroutines": "coroutines", "callbacks": "callbacks"}
THROUGHPUT = "requests a second"
CPU = "server CPU per request"
MEMORY = "memory of the server"
LATENCIES = {name: f"latency at half load: {name}" for name in ("p50", "p99", "p99.9")}


def write(folder, figures):
    """Writes to `folder`. `figures` maps a metric to a map from a server to its values by number of
    connections."""
    plots = {
        "throughput": ("Throughput", {"requests a second": THROUGHPUT}),
        "cpu": ("Server CPU time", {"us a request": CPU}),
        "memory": ("Memory of the server", {"resident, MiB": MEMORY}),
        "latency": ("Latency at the same rate, half of what the slowest keeps up with",
                    {f"{name}, us": metric for name, metric in LATENCIES.items()}),
    }
    for name, (title, metrics) in plots.items():
        panels = [Panel(what, _named(figures[metric])) for what, metric in metrics.items()]
        svg = Figure(title, "connections", panels).to_svg()
        (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
    (folder / "table.md").write_text(_table(figures), encoding="utf-8")


def _named(lines):
    return {shown: lines[name] for name, shown in NAMES.items()}


def _table(figures):
    """A Markdown table: three rows a metric, a column for each number of connections."""
    counts = sorted(next(iter(figures[MEMORY].values())))
    rows = [["connections", "", *(f"{count:,}" for count in counts)]]
    rows += _rows("requests a second", figures[THROUGHPUT], "{:,.0f}")
    rows += _rows("server CPU per request, us", figures[CPU], "{:.1f}")
    rows += _rows("memory of the server, MiB", figures[MEMORY], "{:,.1f}")
    rows += _rows("of each connection, KiB", _per_connection(figures[MEMORY]), "{:.1f}")
    for name, metric in LATENCIES.items():
        rows += _rows(f"latency {name}, us", figures[metric], "{:,.0f}")
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, "|---" * len(rows[0]) + "|")
    return "\n".join([*lines, ""])


def _rows(title, lines, form):
    return [[title if index == 0 else "", shown,
             *("" if value is None else form.format(value)
               for _, value in sorted(lines[name].items()))]
            for index, (name, shown) in enumerate(NAMES.items())]


def _per_connection(lines):
    """What each connection takes beyond the fewest: None for those, and where it can't be told."""
    return {name: {count: _one(values, count) for count in values}
            for name, values in lines.items()}


def _one(values, count):
    fewest = min(values)
    if count < 100 or count == fewest:
        return None
    return (values[count] - values[fewest]) * 1024 / (count - fewest)
