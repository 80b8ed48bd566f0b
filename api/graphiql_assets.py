"""GraphiQL's own files: which, in which version, and with which content.

`python -m api.graphiql_assets` puts them beside the page, so that it needs no internet. Where that was not done
the page takes the same bytes from a public network of copies, and the browser checks them against the same
hashes.
"""

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ASSETS_DIRECTORY = Path(__file__).parent / "static" / "graphiql"
CDN = "https://cdn.jsdelivr.net/npm"
FETCH_TIMEOUT_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Asset:
    package: str
    version: str
    path: str
    """Inside the package."""
    integrity: str
    """As in the attribute of the same name."""

    @property
    def file_name(self) -> str:
        return f"{self.package}-{self.version}{Path(self.path).suffix}"

    @property
    def cdn_url(self) -> str:
        return f"{CDN}/{self.package}@{self.version}/{self.path}"

    def is_genuine(self, content: bytes) -> bool:
        digest = base64.b64encode(hashlib.sha384(content).digest()).decode()
        return self.integrity == f"sha384-{digest}"


ASSETS = (
    Asset(
        "react",
        "18.3.1",
        "umd/react.production.min.js",
        "sha384-DGyLxAyjq0f9SPpVevD6IgztCFlnMF6oW/XQGmfe+IsZ8TqEiDrcHkMLKI6fiB/Z",
    ),
    Asset(
        "react-dom",
        "18.3.1",
        "umd/react-dom.production.min.js",
        "sha384-gTGxhz21lVGYNMcdJOyq01Edg0jhn/c22nsx0kyqP0TxaV5WVdsSH1fSDUf5YJj1",
    ),
    Asset(
        "graphiql",
        "4.1.2",
        "graphiql.min.js",
        "sha384-9XdHu7ajgGJziD4J1zNBKQ842Q/+zZfDv+ib1eMhZWBH6hPAs806x+Jbcf0yNO6B",
    ),
    Asset(
        "graphiql",
        "4.1.2",
        "graphiql.min.css",
        "sha384-1el1QShFBnnXTx9x/Cprg82hZWKt0ry29OAYIXt05swbi0KcZDFoj0CWguMpopJr",
    ),
)
"""In the order in which a page loads them. React 18 is the last that comes as plain browser files."""


INLINE_STYLE_HASHES = ("sha256-nzTgYzXYDNe6BAHiiI7NNlfK8n/auuOAhh2t92YvuXo=",)
"""The one style that GraphiQL writes into the page itself: it stops the page scrolling behind a dialog."""


def are_installed(directory: Path = ASSETS_DIRECTORY) -> bool:
    """Whether every file is there and genuine; a half-fetched or altered one counts as none."""
    try:
        return all(asset.is_genuine((directory / asset.file_name).read_bytes()) for asset in ASSETS)
    except OSError:
        return False


def install(directory: Path = ASSETS_DIRECTORY) -> None:
    """Fetches the files with npm. Raises OSError, subprocess.SubprocessError or tarfile.TarError."""
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not installed")
    packages = sorted({f"{asset.package}@{asset.version}" for asset in ASSETS})
    with tempfile.TemporaryDirectory() as temporary:
        subprocess.run(  # noqa: S603 - npm itself, with names from the table above
            [npm, "pack", "--ignore-scripts", *packages],
            cwd=temporary,
            check=True,
            capture_output=True,
            timeout=FETCH_TIMEOUT_SECONDS,
        )
        directory.mkdir(parents=True, exist_ok=True)
        for asset in ASSETS:
            content = _unpack(Path(temporary) / f"{asset.package}-{asset.version}.tgz", asset)
            (directory / asset.file_name).write_bytes(content)


def _unpack(archive: Path, asset: Asset) -> bytes:
    with tarfile.open(archive) as files:
        file = files.extractfile(f"package/{asset.path}")
        content = file.read() if file else b""
    if not asset.is_genuine(content):
        raise OSError(f"{asset.package} {asset.version} is not what it was when it was chosen")
    return content


def main() -> None:
    """Never fails the set-up: without these files GraphiQL still works where there is internet."""
    if are_installed():
        print("GraphiQL's files are in place.")
        return
    try:
        install()
    except (OSError, KeyError, subprocess.SubprocessError, tarfile.TarError) as error:
        print(f"GraphiQL's files were not fetched ({error}); its page will load them over the internet.")
    else:
        print(f"GraphiQL's files are now in {ASSETS_DIRECTORY}.")


if __name__ == "__main__":
    main()
