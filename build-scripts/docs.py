#!/usr/bin/env python3
"""Keeps the listings in Markdown files equal to the sources they quote, and relative links alive.

    docs.py check FILE.md...     names the listings that differ and the links that lead nowhere
    docs.py sync FILE.md...      rewrites the listings

A listing names its source in a comment above it:

    <!-- listing: tutorial/01_echo.cpp#serve -->
    ```cpp
    ```

There the region stands between the lines "// [serve]" and "// [/serve]" (in scripts and CMake files
"# [serve]"), and its common indentation is removed. Without "#serve" the whole file is meant. Paths
start at the repository's root, which is the current directory. Of two sources it shows the
difference, as diff -u does:

    <!-- diff: tutorial/20_before.c tutorial/21_attach.c -->
    ```diff
    ```

A listing in C or C++ must have such
a comment, so that every one is compiled; in other languages it may.

A table that a program has made is quoted likewise, in the place of the lines that begin with "|":

    <!-- table: tutorial/models/table.md -->
    | connections | ...
"""

import difflib
import re
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

COMMENT = re.compile(r"\s*<!--\s*listing:\s*([^\s#]+)(?:#([\w-]+))?\s*-->\s*$")
DIFF_COMMENT = re.compile(r"\s*<!--\s*diff:\s*(\S+)\s+(\S+)\s*-->\s*$")
TABLE_COMMENT = re.compile(r"\s*<!--\s*table:\s*(\S+)\s*-->\s*$")
FENCE = re.compile(r"(\s*)(`{3,}|~{3,})\s*([^\s`]*)[^`]*$")
MARKER = re.compile(r"\s*(?://|#)\s*\[(/?)([\w-]+)\]\s*$")
MUST_QUOTE = {"c", "h", "cpp", "c++", "cc", "cxx", "hpp"}

HEADING = re.compile(r"#{1,6}\s+(.*?)\s*#*\s*$")
HTML_ANCHOR = re.compile(r"""<[^>]*\b(?:id|name)=["']([^"']+)["']""")
INLINE_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?[^)]*\)")
LINK_DEFINITION = re.compile(r"\s{0,3}\[[^\]]+\]:\s*<?([^\s>]+)")
ABSOLUTE_LINK = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//")


class Problem(Exception):
    """Something that the author of a document has to mend."""


@dataclass
class Fence:
    """A fenced block: lines[first:last] of its document, without the fence lines themselves; or a
    quoted table, which has none."""

    first: int
    last: int
    indent: str
    language: str
    source: tuple | None  # (path, region or None), from the comment above
    diff: tuple | None = None  # the two paths of a diff, likewise


def parse(lines):
    """Returns the fenced blocks of a document, and the numbers of its lines of prose."""
    fences, prose, source, diff, i = [], [], None, None, 0
    while i < len(lines):
        comment, opening = COMMENT.match(lines[i]), FENCE.match(lines[i])
        if comment:
            source = comment.groups()
        elif diff_comment := DIFF_COMMENT.match(lines[i]):
            diff = diff_comment.groups()
        elif table_comment := TABLE_COMMENT.match(lines[i]):
            last = i + 1
            while last < len(lines) and lines[last].startswith("|"):
                last += 1
            fences.append(Fence(i + 1, last, "", "", (table_comment[1], None)))
            i = last - 1
        elif opening:
            indent, ticks, language = opening.groups()
            closing = re.compile(rf"\s*{re.escape(ticks[0])}{{{len(ticks)},}}\s*$")
            last = i + 1
            while last < len(lines) and not closing.match(lines[last]):
                last += 1
            fences.append(Fence(i + 1, last, indent, language.lower(), source, diff))
            source, diff, i = None, None, last
        elif lines[i].strip():
            if source or diff:
                raise Problem(f"line {i + 1}: the listing comment above has no fenced block")
            prose.append(i)
        i += 1
    if source or diff:
        raise Problem("the listing comment at the end has no fenced block")
    return fences, prose


def quoted(path, region):
    """Returns the lines of a source file, or of a region in it, as a listing shows them."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise Problem(f"{path}: {error.strerror}") from error
    markers = {i: match.groups() for i, line in enumerate(lines) if (match := MARKER.match(line))}
    first, last = 0, len(lines)
    if region:
        opens = [i for i, marker in markers.items() if marker == ("", region)]
        closes = [i for i, marker in markers.items() if marker == ("/", region)]
        if len(opens) != 1 or len(closes) != 1 or opens[0] > closes[0]:
            raise Problem(f"{path} does not have one region [{region}] ... [/{region}]")
        first, last = opens[0], closes[0]
    # Regions may lie inside one another: no listing shows a marker.
    text = "\n".join(lines[i] for i in range(first, last) if i not in markers)
    return textwrap.dedent(text).strip("\n").splitlines()


def listing(fence):
    """Returns the lines that belong into a fenced block which names its source."""
    lines = difference(*fence.diff) if fence.diff else quoted(*fence.source)
    return [(fence.indent + line).rstrip() for line in lines]


def difference(before, after):
    """Returns the lines of diff -u, without those that name the files, and a line for each gap."""
    lines = difflib.unified_diff(quoted(before, None), quoted(after, None), n=2, lineterm="")
    return ["@@" if line.startswith("@@") else line for line in list(lines)[2:]]


def listing_problems(lines, fences):
    for fence in fences:
        where = f"line {fence.first}"
        if not (fence.source or fence.diff):
            if fence.language in MUST_QUOTE:
                yield f"{where}: a listing in {fence.language} needs <!-- listing: path#region -->"
            continue
        try:
            if lines[fence.first : fence.last] != listing(fence):
                name = "#".join(filter(None, fence.diff or fence.source))
                yield f"{where}: differs from {name}; run build-scripts/sync_docs.sh"
        except Problem as problem:
            yield f"{where}: {problem}"


def anchors(document):
    """Returns what a link's #fragment into a document can name, headings as GitHub spells them."""
    lines = document.read_text(encoding="utf-8").splitlines()
    found = set()
    for i in parse(lines)[1]:
        found.update(HTML_ANCHOR.findall(lines[i]))
        if heading := HEADING.match(lines[i]):
            title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1])
            slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            count = 0
            while (name := f"{slug}-{count}" if count else slug) in found:
                count += 1
            found.add(name)
    return found


def link_problems(document, lines, prose):
    root = Path.cwd()
    for i in prose:
        text = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", lines[i])
        for link in INLINE_LINK.findall(text) + LINK_DEFINITION.findall(text):
            if ABSOLUTE_LINK.match(link):
                continue
            path, _, fragment = link.partition("#")
            base = root if path.startswith("/") else document.parent
            target = (base / path.lstrip("/")).resolve() if path else document.resolve()
            if not target.exists() or not target.is_relative_to(root):
                yield f"line {i + 1}: the link {link} leads nowhere"
            elif fragment and target.suffix == ".md" and fragment not in anchors(target):
                yield f"line {i + 1}: {link}: the document has no such heading"


def check(document):
    """Returns the problems of one document."""
    lines = document.read_text(encoding="utf-8").splitlines()
    fences, prose = parse(lines)
    return [*listing_problems(lines, fences), *link_problems(document, lines, prose)]


def sync(document):
    """Rewrites the listings of one document; returns no problems, or raises the first."""
    old = document.read_text(encoding="utf-8")
    lines = old.splitlines()
    for fence in reversed(parse(lines)[0]):  # from the end, so that line numbers stay true
        if fence.source or fence.diff:
            lines[fence.first : fence.last] = listing(fence)
    new = "".join(f"{line}\n" for line in lines)
    if new != old:
        document.write_text(new, encoding="utf-8")
        print(f"rewritten: {document}")
    return []


def main(arguments):
    modes = {"check": check, "sync": sync}
    if not arguments or arguments[0] not in modes:
        sys.exit("usage: docs.py check|sync FILE.md...")
    failed = 0
    for name in arguments[1:]:
        try:
            problems = modes[arguments[0]](Path(name))
        except Problem as problem:
            problems = [str(problem)]
        for problem in problems:
            print(f"{name}: {problem}", file=sys.stderr)
        failed += len(problems)
    if not failed:
        print(f"docs: {len(arguments) - 1} files")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
