"""Line plots in SVG, with logarithmic axes: one panel or several side by side, and a legend for all.

    figure = Figure("Memory", "connections", [Panel("resident, MiB", {"epoll": {1: 3.5, 10: 3.6}})])
    Path("memory.svg").write_text(figure.to_svg())

They are readable on light and on dark pages, as the reader's system prefers.
"""

import math
from typing import NamedTuple
from xml.sax.saxutils import escape

WIDTH = 330  # of a panel's axes
HEIGHT = 240
LEFT, RIGHT, TOP, BOTTOM = 72, 30, 84, 48  # around them

LIGHT = ("#ffffff", "#1f2328", "#d8dee4", ("#0550ae", "#bc4c00", "#1a7f37", "#8250df"))
DARK = ("#0d1117", "#e6edf3", "#30363d", ("#79c0ff", "#ffa657", "#56d364", "#d2a8ff"))


class Panel(NamedTuple):
    """What is plotted, and a map from a line's name to its points, both coordinates above 0."""

    title: str
    lines: dict


class Figure(NamedTuple):
    title: str
    x_title: str
    panels: list  # with the same lines, on the same scale if there are several

    def to_svg(self):
        x_scale = Scale([x for x, _ in self._points()], WIDTH)
        y_scale = Scale([y for _, y in self._points()], HEIGHT, is_padded=True)
        width = len(self.panels) * (LEFT + WIDTH + RIGHT)
        height = TOP + HEIGHT + BOTTOM
        body = [_text(LEFT, 24, self.title, "title"), *self._legend()]
        for index, panel in enumerate(self.panels):
            left = LEFT + index * (LEFT + WIDTH + RIGHT)
            body += [f'<g transform="translate({left} {TOP})">',
                     *_panel(panel, self.x_title, x_scale, y_scale), "</g>"]
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img">',
            f"<title>{escape(self.title)}</title>", _style(),
            f'<rect class="paper" width="{width}" height="{height}"/>', *body, "</svg>", ""])

    def _points(self):
        return [point for panel in self.panels for line in panel.lines.values()
                for point in line.items()]

    def _legend(self):
        x = LEFT
        for index, name in enumerate(self.panels[0].lines):
            yield f'<path class="line s{index}" d="M{x} 46h28"/>'
            yield _marker(index, x + 14, 46)
            yield _text(x + 36, 50, name)
            x += 54 + 7 * len(name)


class Scale:
    """A logarithmic scale from 0 to `size`, for the values that it is made of."""

    def __init__(self, values, size, is_padded=False):
        low, high = math.log10(min(values)), math.log10(max(values))
        padding = 0.06 * (high - low) + 0.02 if is_padded else 0
        self._low, self._high = low - padding, high + padding
        if self._high - self._low < 0.1:
            self._low, self._high = self._low - 0.5, self._high + 0.5
        self._size = size

    def place(self, value):
        return (math.log10(value) - self._low) / (self._high - self._low) * self._size

    def ticks(self):
        """Decades, and what lies between them if they are few."""
        steps = (1,) if self._high - self._low > 2.5 else (1, 2, 5)
        decades = range(math.floor(self._low), math.ceil(self._high) + 1)
        ticks = [step * 10**decade for decade in decades for step in steps]
        return [tick for tick in ticks if self._low <= math.log10(tick) <= self._high]


def _panel(panel, x_title, x_scale, y_scale):
    yield _text(0, -12, panel.title, "what")
    for tick in y_scale.ticks():
        y = HEIGHT - y_scale.place(tick)
        yield f'<path class="grid" d="M0 {y:.1f}h{WIDTH}"/>'
        yield _text(-8, y + 4, _number(tick), "end")
    for tick in x_scale.ticks():
        x = x_scale.place(tick)
        yield f'<path class="grid" d="M{x:.1f} 0v{HEIGHT}"/>'
        yield _text(x, HEIGHT + 18, _number(tick), "middle")
    yield _text(WIDTH / 2, HEIGHT + 38, x_title, "middle")
    for index, line in enumerate(panel.lines.values()):
        points = [(x_scale.place(x), HEIGHT - y_scale.place(y)) for x, y in sorted(line.items())]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        yield f'<path class="line s{index}" d="M{path}"/>'
        yield from (_marker(index, x, y) for x, y in points)


def _marker(index, x, y):
    """A sign for each line: colours alone are not enough for everybody."""
    shapes = ("m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z", "m-4 -4h8v8h-8z", "m0 -5l5 9h-10z",
              "m0 -5l5 5l-5 5l-5 -5z")
    return f'<path class="mark s{index}" d="M{x:.1f} {y:.1f}{shapes[index % len(shapes)]}"/>'


def _text(x, y, text, kind=""):
    attribute = f' class="{kind}"' if kind else ""
    return f'<text{attribute} x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _number(value):
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _style():
    fixed = ('text{font:13px system-ui,-apple-system,"Segoe UI",sans-serif}'
             ".title{font-size:16px;font-weight:600}.what{font-weight:600}"
             ".end{text-anchor:end}.middle{text-anchor:middle}"
             ".grid{fill:none;stroke-width:1}.line{fill:none;stroke-width:2}")
    return (f"<style>{fixed}{_colours(*LIGHT)}"
            f"@media(prefers-color-scheme:dark){{{_colours(*DARK)}}}</style>")


def _colours(paper, ink, grid, lines):
    of_lines = "".join(f".line.s{index}{{stroke:{colour}}}.mark.s{index}{{fill:{colour}}}"
                       for index, colour in enumerate(lines))
    return f".paper{{fill:{paper}}}text{{fill:{ink}}}.grid{{stroke:{grid}}}{of_lines}"
