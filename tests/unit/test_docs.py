"""What is written beside the code agrees with the code."""

import ast
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from langfast_wsgi import errors
from langfast_wsgi.settings import Settings, load
from tests.support import tables

ROOT = tables.ROOT
DEPLOY = ROOT / "deploy"
NGINX = (DEPLOY / "nginx.conf").read_text()
COMPOSE = (DEPLOY / "docker-compose.yml").read_text()
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
PAGES = [
    ROOT / "docs" / f"{name}.md"
    for name in ("configuration", "metrics", "operations", "deployment")
]
DEFAULTS = {name: field.default for name, field in Settings.model_fields.items()}
EXAMPLE_LINE = re.compile(r"^# ([A-Z_]+)=(.*)$", re.MULTILINE)


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty working directory, and nothing of a developer's own settings."""
    for name in (*Settings.model_fields, "env_file"):
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- settings and metrics ------------------------------------------------------------------------


def test_every_setting_stands_under_a_heading() -> None:
    assert [name for names in tables.groups().values() for name in names] == list(DEFAULTS)


def test_the_example_holds_exactly_the_settings_with_their_defaults() -> None:
    found = EXAMPLE_LINE.findall(tables.EXAMPLE.read_text())
    assert [name for name, _ in found] == [name.upper() for name in DEFAULTS]
    values = dict(found)
    assert values["PORT"] == "8000"
    assert values["EMULATOR"] == "0"
    assert values["KNOWN_MODELS"] == ",".join(DEFAULTS["known_models"])
    assert values["API_MASTER_KEY"] == ""


def test_the_example_as_it_is_changes_nothing(folder: Path) -> None:
    defaults = load()
    shutil.copy(tables.EXAMPLE, folder / ".env")
    assert load() == defaults


def test_the_example_with_its_comment_marks_off_gives_the_defaults(folder: Path) -> None:
    defaults = load()
    lines = (
        f"{name}={value}\n" for name, value in EXAMPLE_LINE.findall(tables.EXAMPLE.read_text())
    )
    (folder / ".env").write_text("".join(lines))
    assert load() == defaults


@pytest.mark.parametrize("path", tables.written(), ids=lambda path: path.name)
def test_the_tables_are_those_of_the_declarations(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == tables.written()[path], (
        "write them anew: .venv/bin/python -m tests.support.tables"
    )


# --- operations.md -------------------------------------------------------------------------------


def faults(base: type[errors.GatewayError] = errors.GatewayError) -> Iterator[str]:
    """The code words of the tree."""
    yield base.default_code
    for kind in base.__subclasses__():
        yield from faults(kind)


def code_words() -> set[str]:
    """Those of the tree, and those that are given where a fault is raised."""
    sources = (ROOT / "langfast_wsgi").glob("*/**/*.py")
    named = (re.findall(r'"(upstream_[a-z_]+)"', path.read_text()) for path in sources)
    settings = {name for name in DEFAULTS if name.startswith("upstream_")}
    return {*faults(), *(word for words in named for word in words)} - settings


def test_the_runbook_knows_every_code_word() -> None:
    rows = set(re.findall(r"^\| `([a-z_]+)`", OPERATIONS, re.MULTILINE))
    assert code_words() - rows == set()


def test_the_runbook_knows_every_code_word_of_nginx() -> None:
    assert set(re.findall(r'"code":"(proxy_[a-z_]+)"', NGINX)) == set(
        re.findall(r"^\| `(proxy_[a-z_]+)`", OPERATIONS, re.MULTILINE)
    )


def test_every_gunicorn_setting_and_hook_is_explained() -> None:
    tree = ast.parse((ROOT / "gunicorn.conf.py").read_text())
    settings = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    hooks = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }
    explained = set(re.findall(r"`(\w+)`", OPERATIONS))
    assert (settings | hooks) - explained == set()


def test_alerts_name_series_that_exist() -> None:
    known = {one._name for one in tables.series()}
    for name in re.findall(r"langfast_[a-z_]+", OPERATIONS.partition("## What to watch")[2]):
        assert re.sub(r"_(total|bucket|sum|count)$", "", name) in known


# --- deploy/ -------------------------------------------------------------------------------------


def seconds(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found, pattern
    return float(found[1])


def test_nginx_takes_as_much_as_the_gateway() -> None:
    assert f"client_max_body_size {DEFAULTS['max_body_bytes']};" in NGINX
    assert f"client_max_body_size {DEFAULTS['max_body_bytes']};" in PAGES[3].read_text()


def test_nginx_lets_go_of_connections_before_gunicorn_does() -> None:
    ours = seconds(r"keepalive = (\d+)", (ROOT / "gunicorn.conf.py").read_text())
    assert seconds(r" keepalive_timeout (\d+)s;", NGINX) < ours


def test_nginx_is_more_patient_than_a_heartbeat() -> None:
    assert seconds(r"proxy_read_timeout (\d+)s;", NGINX) > 2 * DEFAULTS["heartbeat_seconds"]


def test_nginx_is_told_nothing_that_breaks_streams() -> None:
    active = re.sub(r"#.*", "", NGINX)
    for word in ("ip_hash", "chunked_transfer_encoding", "proxy_ignore_client_abort"):
        assert word not in active
    for line in ("proxy_http_version 1.1;", "proxy_buffering off;", "gzip off;"):
        assert line in active


def test_what_nginx_says_itself_has_openais_shape() -> None:
    bodies = re.findall(r"'(\{.*\})'", NGINX)
    assert len(bodies) > 8
    for body in bodies:
        assert sorted(json.loads(body)["error"]) == ["code", "message", "param", "type"]


def test_compose_gives_the_drain_its_time() -> None:
    waits = [float(found) for found in re.findall(r"stop_grace_period: (\d+)s", COMPOSE)]
    assert len(waits) == 2
    assert min(waits) > DEFAULTS["drain_seconds"] + 5


def test_compose_publishes_nginx_alone() -> None:
    assert COMPOSE.count("ports:") == 1
    assert f'"${{NGINX_PORT:-{DEFAULTS["nginx_port"]}}}:80"' in COMPOSE
    assert "ports:" in COMPOSE.partition("  nginx:\n")[2]


def test_compose_drops_what_no_container_needs() -> None:
    for line in ("cap_drop: [ALL]", "no-new-privileges:true", "read_only: true", "mem_limit: "):
        assert COMPOSE.count(line) == 2


def test_the_image_starts_what_the_procfile_starts() -> None:
    command = re.search(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert command
    procfile = (ROOT / "Procfile").read_text().strip()
    assert f"web: {' '.join(json.loads(command[1]))}" == procfile


def test_the_image_has_the_python_of_the_platforms() -> None:
    python = (ROOT / ".python-version").read_text().strip()
    assert f"ARG BASE=python:{python}-slim" in DOCKERFILE


def test_the_image_listens_where_its_health_check_asks() -> None:
    assert f"EXPOSE {DEFAULTS['port']}" in DOCKERFILE
    assert f"PORT={DEFAULTS['port']}" in DOCKERFILE
    check = re.search(
        r"^HEALTHCHECK .* CMD (\[.*\])$", DOCKERFILE.replace("\\\n", ""), re.MULTILINE
    )
    assert check
    program, flag, code = json.loads(check[1])
    assert (program, flag) == ("python", "-c")
    compile(code, "HEALTHCHECK", "exec")
    assert "/healthz" in code


def test_the_image_gets_what_it_copies_and_nothing_else() -> None:
    allowed = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    copied = re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE, re.MULTILINE)
    assert set(copied) == allowed
    assert all((ROOT / name).exists() for name in copied)


# --- all of it -----------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([\w-]+))?\)", page.read_text()):
        aim = page.parent / target if target else page
        assert aim.exists(), target
        headings = re.findall(r"^#+ (.+)$", aim.read_text(), re.MULTILINE)
        anchors = [re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings]
        assert not anchor or anchor in anchors, anchor


@pytest.mark.parametrize(
    "path", [*PAGES, tables.EXAMPLE, *sorted(DEPLOY.iterdir())], ids=lambda path: path.name
)
def test_no_host_of_somebody_else_is_named(path: Path) -> None:
    hosts = re.findall(r"(?:https?|redis)://([\w.-]+)", path.read_text())
    ours = re.compile(r".+\.example|127\.0\.0\.1|localhost|app|gateway")
    assert [host for host in hosts if not ours.fullmatch(host)] == []
