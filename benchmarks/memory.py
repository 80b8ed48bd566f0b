"""What a process holds, as Linux tells it."""

import re
from pathlib import Path

MIB = 1_048_576


def memory(pid: int, line: str) -> int:
    """Bytes: `VmRSS` now, `VmHWM` at most so far."""
    found = re.search(rf"{line}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024
