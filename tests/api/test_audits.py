"""The 61 audits of the npm package graphql-http, run by its own code against this server."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.api.edge import make_app, make_token, serve

PACKAGES = ("graphql-http@1.23.1", "graphql@16.11.0")
AUDITS = 61
PLACE = Path(__file__).parents[2] / "var" / "audits-graphql-http-1.23.1"

RUN = """
const { serverAudits } = require('graphql-http');
const [url, token] = process.argv.slice(2);
const fetchFn = (url, options = {}) =>
  fetch(url, { ...options, headers: { ...options.headers, authorization: `Bearer ${token}` } });
(async () => {
  const results = [];
  for (const audit of serverAudits({ url, fetchFn })) {
    const { id, name, status, reason } = await audit.fn();
    results.push({ id, name, status, reason });
  }
  console.log(JSON.stringify(results));
})();
"""


@pytest.fixture
def audits() -> Path:
    """The script beside the installed package. Installed once, and kept under var/."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    script = PLACE / "run.js"
    if not (PLACE / "node_modules" / "graphql-http").exists():
        PLACE.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(PLACE)]
        try:
            subprocess.run([*command, *PACKAGES], check=True, capture_output=True, timeout=120)
        except subprocess.SubprocessError as error:
            pytest.skip(f"npm could not install the audits: {type(error).__name__}")
    script.write_text(RUN)
    return script


def test_all_audits_of_graphql_over_http_pass(audits: Path) -> None:
    with serve(make_app()) as address:
        output = subprocess.check_output(
            ["node", str(audits), f"{address}/graphql", make_token()], timeout=60, text=True
        )
    results = json.loads(output)

    assert [result for result in results if result["status"] != "ok"] == []
    assert len(results) == AUDITS
