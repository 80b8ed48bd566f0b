"""The page a browser gets at /graphql: GraphiQL, with an operation for every screen of the product page.

It may load and reach nothing but this server; only where GraphiQL's files were not fetched at set-up may it
load exactly those, checked by their hashes. A token is put in for a local demo run alone.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import Template

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from api.graphiql_assets import ASSETS, ASSETS_DIRECTORY, INLINE_STYLE_HASHES, Asset, are_installed
from api.settings import Environment, Settings

STATIC_PATH = "/graphql/static"
STATIC_DIRECTORY = Path(__file__).parent / "static"
EXAMPLES_DIRECTORY = Path(__file__).parent / "examples"
VARIABLES_MARK = "# variables "

PLACEHOLDERS_QUERY = (
    "{ offices(first: 25) { nodes { id paymentTerms billingCycle { month } } }"
    " usageHistory(first: 1) { nodes { id } } }"
)
"""Run by the page with the demo token, to fill `<office>`, `<payer>` (an office that pays by card), `<month>` and
`<usage>` in the examples' variables. Whatever else stands in angle brackets is left to be filled in by hand."""


@dataclass(frozen=True, slots=True)
class Example:
    """One tab. `variables` is JSON, with `<placeholders>` that the page fills in."""

    query: str
    variables: str


def read_examples(directory: Path = EXAMPLES_DIRECTORY) -> tuple[Example, ...]:
    """One tab a file, in the order of their names. A line `# variables {…}` holds the variables."""
    return tuple(_example(path.read_text(encoding="utf-8")) for path in sorted(directory.glob("*.graphql")))


def _example(text: str) -> Example:
    variables, lines = "", []
    for line in text.splitlines():
        if line.startswith(VARIABLES_MARK):
            found = orjson.loads(line.removeprefix(VARIABLES_MARK))
            variables = orjson.dumps(found, option=orjson.OPT_INDENT_2).decode()
        else:
            lines.append(line)
    return Example("\n".join(lines).strip() + "\n", variables)


class GraphiQLPage:
    """Made once; answers the same page to everyone who asks for one."""

    def __init__(self, settings: Settings) -> None:
        self._demo_token = settings.demo_token if settings.env is Environment.LOCAL else None
        self._is_self_hosted = are_installed()

    def __call__(self, _request: Request) -> Response:
        return HTMLResponse(self._html, headers={"Content-Security-Policy": self.policy, "Vary": "Accept"})

    @cached_property
    def _html(self) -> str:
        template = Template((STATIC_DIRECTORY / "graphiql.html").read_text(encoding="utf-8"))
        tags = [self._tag(asset) for asset in ASSETS]
        return template.substitute(
            static=STATIC_PATH,
            config=self._config(),
            styles="\n".join(tag for tag in tags if tag.lstrip().startswith("<link")),
            scripts="\n".join(tag for tag in tags if tag.lstrip().startswith("<script")),
        )

    @property
    def policy(self) -> str:
        """The Content-Security-Policy: scripts from files only, never from the page itself."""
        elsewhere = [] if self._is_self_hosted else [asset.cdn_url for asset in ASSETS]
        scripts = " ".join(["'self'", *(url for url in elsewhere if url.endswith(".js"))])
        hashes = [f"'{style}'" for style in INLINE_STYLE_HASHES]
        styles = " ".join(["'self'", *hashes, *(url for url in elsewhere if url.endswith(".css"))])
        return (
            f"default-src 'none'; script-src {scripts}; style-src {styles}; font-src data:; img-src 'self' data:;"
            " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )

    def _tag(self, asset: Asset) -> str:
        own = f"{STATIC_PATH}/{ASSETS_DIRECTORY.name}/{asset.file_name}"
        url = own if self._is_self_hosted else asset.cdn_url
        attributes = f'integrity="{asset.integrity}" crossorigin="anonymous"'
        if asset.path.endswith(".css"):
            return f'    <link rel="stylesheet" href="{url}" {attributes} />'
        return f'    <script defer src="{url}" {attributes}></script>'

    def _config(self) -> str:
        config = {
            "endpoint": "/graphql",
            "token": self._demo_token.get_secret_value() if self._demo_token else None,
            "placeholders": PLACEHOLDERS_QUERY,
            "examples": read_examples(),
        }
        # `</script>` inside a text would end the element that holds it.
        return orjson.dumps(config).decode().replace("<", "\\u003c")


def static_files() -> StaticFiles:
    """The page's files; a browser asks each time whether they are still the same."""
    return _Revalidated(directory=STATIC_DIRECTORY)


class _Revalidated(StaticFiles):
    def file_response(self, *args: object, **kwargs: object) -> Response:
        response: Response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["cache-control"] = "no-cache"
        return response
