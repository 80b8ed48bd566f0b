"""The files of `deploy/` agree with each other and with the code. None is started here."""

import importlib.util
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.commands.serving import serve
from api.key_ring import CLOSE_SECONDS
from api.protocols import STOP_SECONDS
from api.settings import PREFIX, Settings, load_settings
from api.socket import PING_SECONDS
from api.worker import STOP_SECONDS as WORKER_STOP_SECONDS

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE_TEXT = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICE = (DEPLOY / "farebox.service").read_text(encoding="utf-8")
RUN = (DEPLOY / "farebox-run").read_text(encoding="utf-8")
NGINX = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VARIABLES = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
PORT = "8000"
UID = "10001"
SECRETS = ["FAREBOX_SECRET_KEY", "FAREBOX_DATABASE_URL"]


def seconds(text: str) -> float:
    """`75s` or `75`."""
    return float(text.removesuffix("s"))


def directive(name: str) -> str:
    [value] = re.findall(rf"^\s*{name}\s+([^;]+);", NGINX, re.MULTILINE)
    return str(value)


def test_every_variable_that_a_file_names_is_a_setting() -> None:
    texts = [path.read_text(encoding="utf-8") for path in DEPLOY.rglob("*") if path.is_file()]
    if (DEPLOY / "secrets").exists():
        texts = [text for text in texts if "\n" in text]
    told = {name for text in (*texts, DOCKERFILE) for name in re.findall(rf"{PREFIX}[A-Z_]*[A-Z]", text)}
    made_up = {"FAREBOX_PASSWORD_FILE"}  # of deploy/postgres/roles.sh alone
    assert told - made_up - VARIABLES == set()
    assert len(told & VARIABLES) >= 5


# ---------- the image ----------


def test_the_image_has_everything_that_is_installed_and_nothing_else() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    assert ignored[1] == "*"
    copied = {
        name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()
    }
    assert copied == let_in
    assert all((ROOT / name).exists() for name in copied)
    rooms = PROJECT["scripts"]["farebox"].split(".")[0], "schema", "domain", "persistence"
    assert set(rooms) <= copied


def test_the_image_runs_as_nobody_s_user_on_the_python_that_is_asked_for() -> None:
    version = PROJECT["requires-python"].removeprefix(">=")
    assert re.findall(r"^ARG PYTHON_IMAGE=(.+)$", DOCKERFILE, re.MULTILINE) == [f"python:{version}-slim-bookworm"]
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"${PYTHON_IMAGE}"}
    assert f"\nUSER {UID}:{UID}\n" in DOCKERFILE
    assert f"--gid {UID} farebox" in DOCKERFILE
    assert f"--uid {UID} --gid farebox" in DOCKERFILE
    assert "--require-hashes" in DOCKERFILE
    last = DOCKERFILE.split("\nFROM ")[-1]
    assert re.findall(r"^(?:RUN|USER) ", last, re.MULTILINE)[-1] == "USER ", "nothing is run as root after that"


def test_the_image_starts_the_server_without_a_shell_and_asks_it_whether_it_is_ready() -> None:
    assert f'ENTRYPOINT ["farebox"]\nCMD ["serve", "--host", "0.0.0.0", "--port", "{PORT}"]\n' in DOCKERFILE
    assert f"EXPOSE {PORT}\n" in DOCKERFILE
    [check] = re.findall(r'CMD (\["python", "-c", .+\])$', DOCKERFILE, re.MULTILINE)
    _, _, program = yaml.safe_load(check)
    compile(program, "HEALTHCHECK", "exec")
    assert f"127.0.0.1', {PORT}" in program
    assert "'/readyz'" in program
    assert f"{PREFIX}ENV=production" in DOCKERFILE


# ---------- compose ----------


def test_every_service_is_locked_down_and_pinned() -> None:
    services = COMPOSE["services"]
    assert set(services) == {"postgres", "migrate", "farebox"}
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "cap_add" not in service
        assert "privileged" not in service
        assert re.fullmatch(r"[a-z]+:[0-9][\w.-]+", service["image"]), "a tag, and no host: the implicit one"
    assert services["farebox"]["image"] == f"farebox:{PROJECT['version']}"
    assert services["farebox"]["user"] == services["migrate"]["user"] == f"{UID}:{UID}"


def test_postgresql_is_reached_from_within_and_farebox_from_this_machine_alone() -> None:
    services, networks = COMPOSE["services"], COMPOSE["networks"]
    assert services["farebox"]["ports"] == [f"127.0.0.1:{PORT}:{PORT}"]
    assert all("ports" not in service for name, service in services.items() if name != "farebox")
    assert services["postgres"]["networks"] == ["inside"]
    assert networks["inside"] == {"internal": True}
    [config] = networks["outside"]["ipam"]["config"]
    assert services["farebox"]["environment"]["FAREBOX_TRUSTED_PROXIES"] == config["gateway"]


def test_nothing_has_a_password_of_its_own_and_every_secret_is_made() -> None:
    made = set(re.findall(r"^make (\S+)", (DEPLOY / "secrets.sh").read_text(encoding="utf-8"), re.MULTILINE))
    assert {name: secret["file"] for name, secret in COMPOSE["secrets"].items()} == {
        name: f"secrets/{name}" for name in made
    }
    for service in COMPOSE["services"].values():
        for name, value in service["environment"].items():
            assert name.endswith("_FILE") or not re.search("PASSWORD|SECRET|KEY|TOKEN", name), value
    assert COMPOSE["services"]["farebox"]["secrets"] == SECRETS


def test_farebox_starts_after_its_migrations_and_those_after_the_database() -> None:
    services = COMPOSE["services"]
    assert services["migrate"]["command"] == ["migrate"]
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert services["farebox"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert services["farebox"]["command"][:5] == ["serve", "--host", "0.0.0.0", "--port", PORT]


@pytest.mark.parametrize("shell", ["sh"])
def test_secrets_are_made_once_and_are_settings(tmp_path: Path, shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "secrets.sh"
    script.write_bytes((DEPLOY / "secrets.sh").read_bytes())

    def run() -> dict[str, str]:
        subprocess.run([shell, str(script)], check=True, capture_output=True, timeout=30)
        return {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}

    first = run()
    assert set(first) == set(COMPOSE["secrets"])
    assert len(set(first.values())) == len(first)
    assert run() == first
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "secrets"))
    monkeypatch.chdir(tmp_path)
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)
    settings = load_settings(env="production")
    assert settings.signing_key == first["FAREBOX_SECRET_KEY"].strip()
    assert settings.database_url == (
        f"postgresql+asyncpg://farebox:{first['farebox_password'].strip()}@postgres/farebox"
    )


# ---------- systemd and the proxy ----------


def test_whoever_stops_farebox_waits_until_it_has_finished() -> None:
    needed = STOP_SECONDS + WORKER_STOP_SECONDS + CLOSE_SECONDS
    [told] = re.findall(r"^TimeoutStopSec=(.+)$", SERVICE, re.MULTILINE)
    assert seconds(told) > needed
    assert seconds(COMPOSE["services"]["farebox"]["stop_grace_period"]) > needed


def test_the_unit_and_the_runner_of_commands_share_user_settings_and_secrets() -> None:
    shared = r"(User|Group|WorkingDirectory|StateDirectory|EnvironmentFile|LoadCredential)=(\S+)"
    of_unit = set(re.findall(rf"^{shared}$", SERVICE, re.MULTILINE))
    assert set(re.findall(rf"--property={shared}", RUN)) == of_unit
    credentials = [value.partition(":") for name, value in of_unit if name == "LoadCredential"]
    assert sorted(name for name, _, _ in credentials) == sorted(SECRETS)
    assert all(path.endswith(f"/{name}") for name, _, path in credentials)
    [start] = re.findall(r"^ExecStart=(.+)$", SERVICE, re.MULTILINE)
    assert start.split()[0] == RUN.strip().splitlines()[-1].split()[0]
    assert f"--port {PORT}" in start
    assert {part[2:] for part in start.split() if part.startswith("--")} <= set(serve.__annotations__)


def test_the_proxy_leads_to_what_is_served_and_lets_through_what_is_allowed() -> None:
    assert f"server 127.0.0.1:{PORT};" in NGINX
    most = int(directive("client_max_body_size").removesuffix("m")) * 1024**2
    assert most >= Settings.model_fields["max_batch_body_bytes"].default
    assert seconds(directive("proxy_read_timeout")) > Settings.model_fields["operation_seconds"].default
    assert seconds(directive("proxy_read_timeout")) > 2 * PING_SECONDS
    assert directive("proxy_buffering") == "off"
    assert directive("proxy_next_upstream") == "off"
    for location in ("/graphql", "/exports/", "/webhooks/stripe"):
        assert re.search(rf"location (= )?{location} \{{", NGINX)
    exports = NGINX.split("location /exports/ {")[1].split("}")[0]
    assert "access_log off;" in exports, "the link is the right to the file"
    assert "$request " not in NGINX
    assert "$request_uri $" not in NGINX


# ---------- the audit ----------


def _audit() -> Any:
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_audit_fails_for_a_vulnerability_alone() -> None:
    good = {"name": "rich", "version": "15.0.0", "vulns": []}
    bad = {
        "name": "pyyaml",
        "version": "5.3",
        "vulns": [{"id": "PYSEC-2021-142", "aliases": ["CVE-2020-14343"], "fix_versions": ["5.4"]}],
    }
    unknown = {"name": "ours", "skip_reason": "not found"}
    verdict = _audit().verdict
    assert verdict({"dependencies": [good]}) == (0, ["1 of 1 packages audited, 0 vulnerabilities known."])
    code, lines = verdict({"dependencies": [good, bad, unknown]})
    assert code == 1
    assert lines == [
        "not audited: ours",
        "VULNERABLE pyyaml 5.3: PYSEC-2021-142, CVE-2020-14343 (mended in 5.4)",
        "2 of 3 packages audited, 1 vulnerabilities known.",
    ]
    for nothing in ([], [unknown]):
        code, [line] = verdict({"dependencies": nothing})
        assert (code, line.split(":")[0]) == (0, "not audited")


def test_an_audit_that_cannot_be_made_says_so_and_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    audit = _audit()
    for command, said in (
        (("-c", "import sys; sys.exit('requests.exceptions.ConnectionError: no such host')"), "could not be asked"),
        (("-c", "import time; time.sleep(9)"), "did not answer"),
    ):
        monkeypatch.setattr(audit, "COMMAND", command)
        monkeypatch.setattr(audit, "SECONDS", 1)
        code, [line] = audit.audit()
        assert code == 0
        assert line.startswith("not audited: ")
        assert said in line
        assert "no such host" not in line


def test_ci_audits_after_the_tests() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert lines.index("\nmake test\n") < lines.index("make --no-print-directory audit")
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
