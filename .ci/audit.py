"""Looks for known vulnerabilities in what Farebox runs on: `make audit`. Standard library only.

pip-audit asks an advisory service over the network. Where that cannot be reached, or does not know a package, nothing
is proven: that is said in one line and is no failure. A vulnerability that is found is one.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

REQUIREMENTS = Path(__file__).parents[1] / "requirements" / "runtime.txt"
SECONDS = 45
COMMAND = (
    *("-m", "pip_audit", "--requirement", str(REQUIREMENTS), "--disable-pip", "--no-deps"),
    *("--format", "json", "--progress-spinner", "off", "--timeout", "10"),
)


def verdict(report: dict[str, Any]) -> tuple[int, list[str]]:
    """Exit code and what to say of a report of pip-audit's."""
    packages = report["dependencies"]
    known = [package for package in packages if "skip_reason" not in package]
    found = [
        f"VULNERABLE {package['name']} {package['version']}: {', '.join([flaw['id'], *flaw.get('aliases', ())])}"
        f" (mended in {', '.join(flaw.get('fix_versions', ())) or 'no version yet'})"
        for package in known
        for flaw in package["vulns"]
    ]
    told = f"{len(known)} of {len(packages)} packages audited, {len(found)} vulnerabilities known."
    if not packages or not known:
        return 0, ["not audited: the advisory service knows none of the packages, or cannot be reached."]
    unknown = [f"not audited: {package['name']}" for package in packages if "skip_reason" in package]
    return (1 if found else 0), [*unknown, *found, told]


def audit() -> tuple[int, list[str]]:
    try:
        command = [sys.executable, *COMMAND]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)  # noqa: S603
        return verdict(json.loads(done.stdout))
    except subprocess.TimeoutExpired:
        return 0, [f"not audited: the advisory service did not answer within {SECONDS} seconds."]
    except (ValueError, KeyError):
        reason = (done.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1].split(":")[0]
        return 0, [f"not audited: the advisory service could not be asked ({reason})."]


if __name__ == "__main__":
    code, lines = audit()
    print("\n".join(lines))
    sys.exit(code)
