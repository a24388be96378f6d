"""What a synthetic job may ask for is the same on the command line, in the form and in the API."""

import math
from collections.abc import Callable
from typing import Any

import click
import pytest
from click.testing import CliRunner
from flask import Flask
from pydantic import ValidationError

from admin.api.requests.jobs import Synthetic
from admin.pages.forms import SyntheticForm
from admin.web.delivery.limits import MAX_IMAGES
from producer import cli
from shared.errors import UsageError
from shared.flows.synthetic import MAX_COUNT, MAX_DOTS, MAX_JITTER, MAX_SEED, SyntheticSpec

_DEFAULTS: dict[str, Any] = {"count": 1, "seed": 0, "severity_from": 0.25, "severity_to": 0.75}
_OVER_JITTER = math.nextafter(MAX_JITTER, 1)


def of_command_line(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> SyntheticSpec | None:
    """Return what `producer demo` would submit, None where it refuses."""
    submitted: list[SyntheticSpec] = []

    def submit(_services: object, spec: SyntheticSpec, **_more: object) -> None:
        submitted.append(spec)
        raise click.exceptions.Exit(0)

    monkeypatch.setattr("producer.demo.submit_demo", submit)
    given = dict(values)
    severity = f"{given.pop('severity_from')!r}:{given.pop('severity_to')!r}"
    options = [f"--{name.replace('_', '-')}={value!r}" for name, value in given.items()]
    ended = CliRunner().invoke(cli.main, ["demo", f"--severity={severity}", *options])
    assert ended.exit_code == (0 if submitted else 2)
    return submitted[0] if submitted else None


def of_form(values: dict[str, Any], _monkeypatch: pytest.MonkeyPatch) -> SyntheticSpec | None:
    """Return what the page would submit."""
    app = Flask(__name__)
    with app.test_request_context(method="POST", data={name: repr(value) for name, value in values.items()}):
        form = SyntheticForm(meta={"csrf": False})
        return form.spec() if form.validate_on_submit() else None


def of_api(values: dict[str, Any], _monkeypatch: pytest.MonkeyPatch) -> SyntheticSpec | None:
    """Return what `POST /jobs/synthetic` would submit."""
    try:
        body = Synthetic.model_validate(values)
        return SyntheticSpec(**body.model_dump(exclude={"name", "priority", "model", "threshold"}))
    except (ValidationError, UsageError):
        return None


Way = Callable[[dict[str, Any], pytest.MonkeyPatch], SyntheticSpec | None]
WAYS = pytest.mark.parametrize("way", [of_command_line, of_form, of_api])


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("DELINEATE_HOME", str(folder))
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{folder}/none.sqlite3")
    monkeypatch.setenv("STORE_URL", (folder / "objects").as_uri())


@WAYS
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", 1), ("count", MAX_IMAGES), ("seed", 0), ("seed", MAX_SEED), ("num_dots", 1), ("num_dots", MAX_DOTS),
        ("jitter", 0.0), ("jitter", MAX_JITTER), ("severity_from", 0.0), ("severity_to", 1.0),
    ],
)  # fmt: skip
def test_each_limit_is_reached(monkeypatch: pytest.MonkeyPatch, way: Way, name: str, value: float) -> None:
    assert way(_DEFAULTS | {name: value}, monkeypatch) == SyntheticSpec(**_DEFAULTS | {name: value})


@WAYS
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", 0), ("count", MAX_COUNT + 1), ("seed", -1), ("seed", MAX_SEED + 1), ("num_dots", 0),
        ("num_dots", MAX_DOTS + 1), ("jitter", -0.001), ("jitter", _OVER_JITTER), ("jitter", math.nan),
        ("severity_from", -0.001), ("severity_to", 1.001), ("severity_to", 0.2),
    ],
)  # fmt: skip
def test_beyond_each_limit_nothing_is_submitted(
    monkeypatch: pytest.MonkeyPatch, way: Way, name: str, value: float
) -> None:
    assert way(_DEFAULTS | {name: value}, monkeypatch) is None
    with pytest.raises(UsageError):
        SyntheticSpec(**_DEFAULTS | {name: value})


def test_the_command_line_alone_takes_more_images_than_a_request_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_IMAGES < MAX_COUNT
    for count in (MAX_IMAGES + 1, MAX_COUNT):
        spec = of_command_line(_DEFAULTS | {"count": count}, monkeypatch)
        assert spec == SyntheticSpec(**_DEFAULTS | {"count": count})
        assert of_form(_DEFAULTS | {"count": count}, monkeypatch) is None
        assert of_api(_DEFAULTS | {"count": count}, monkeypatch) is None
