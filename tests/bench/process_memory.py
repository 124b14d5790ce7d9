"""What Linux says of a process's memory."""

from pathlib import Path


def resident_bytes(pid):
    """The resident set, counted page by page: /proc/PID/statm is off by some pages per CPU."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        name, *fields = line.split()
        if name == "Rss:":
            return int(fields[0]) * 1024
    raise RuntimeError(f"/proc/{pid}/smaps_rollup doesn't say how much memory is resident")
