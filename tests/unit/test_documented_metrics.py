"""docs/monitoring.md and the alerts name the metrics that there are, and no others."""

import re

import pytest
import yaml
from prometheus_client import REGISTRY
from pydantic import SecretStr

import worker.metrics
from admin.web.metrics import _families
from shared.config import CHECKOUT
from shared.errors import ItemErrorCode
from shared.monitoring import exposition, may_read

DOCUMENT = CHECKOUT / "docs" / "monitoring.md"
RULES = CHECKOUT / "deploy" / "prometheus-rules.yml"

# What the client adds to a name by itself, for each type.
SUFFIXES = {"counter": ["_total"], "info": ["_info"], "gauge": [""], "histogram": [""]}
SHOWN_AS = {"info": "gauge"}


def registered() -> dict[str, tuple[str, set[str]]]:
    """Type and labels of every metric of ours, by the name that Prometheus sees."""
    families = [
        *REGISTRY.collect(),
        *_families().values(),
        *worker.metrics.DeviceMemoryCollector(lambda: None).describe(),
    ]
    found = {}
    for family in families:
        if family.name.startswith("delineate_"):
            [suffix] = SUFFIXES[family.type]
            found[family.name + suffix] = (SHOWN_AS.get(family.type, family.type), labels_of(family))
    return found


def labels_of(family) -> set[str]:
    declared = {
        "delineate_worker": {"worker", "device", "precision", "model", "code_version", "decoders_lack"},
    }
    labels = set(declared.get(family.name, getattr(family, "_labelnames", ())))
    return labels | {name for sample in family.samples for name in sample.labels} - {"le"}


def documented() -> dict[str, tuple[str, set[str]]]:
    rows = re.findall(r"^\| `(delineate_\w+)` \| (\w+) \|([^|]*)\|", DOCUMENT.read_text(), flags=re.MULTILINE)
    # A label's values stand behind a colon, where they are listed.
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def test_every_metric_is_documented_with_its_type_and_labels_and_nothing_else_is():
    assert documented() == registered()


def test_the_first_failure_of_a_code_is_a_step_that_rate_sees():
    for code in ItemErrorCode:
        assert REGISTRY.get_sample_value("delineate_failures_total", {"code": code.value}) is not None


def test_every_stage_is_documented():
    stages = {
        sample.labels["stage"]
        for family in REGISTRY.collect()
        if family.name == "delineate_stage_seconds"
        for sample in family.samples
    }
    table = DOCUMENT.read_text().partition("| stage | time for |")[2].partition("\n\n")[0]
    assert stages == set(re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE))


def test_alerts_ask_for_metrics_that_there_are():
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    known = registered()
    names = [rule["alert"] for rule in group["rules"]]
    assert len(set(names)) == len(names) > 5
    for rule in group["rules"]:
        used = set(re.findall(r"delineate_\w+", rule["expr"]))
        assert used, rule
        assert used <= known.keys()
        for labels in re.findall(r"by \((\w+)\)", rule["expr"]):
            assert any(labels in known[name][1] for name in used), rule
        assert rule["expr"].count("(") == rule["expr"].count(")")
        assert rule["annotations"].keys() == {"summary", "action"}


@pytest.mark.parametrize(
    ("header", "answer"),
    [
        ("Bearer a token of some length", True),
        ("bearer a token of some length", True),
        ("", False),
        ("Bearer ", False),
        ("Bearer a token of some lengt", False),
        ("Basic a token of some length", False),
        ("a token of some length", False),
        ("Bearer gehört dazu", False),
    ],
)
def test_who_may_read(header: str, answer: bool):
    assert may_read(header, SecretStr("a token of some length")) is answer


@pytest.mark.parametrize("accept", ["", "text/plain", "application/openmetrics-text; version=1.0.0"])
def test_the_text_says_which_format_it_is_in(accept: str):
    body, content_type = exposition(accept)
    assert b"delineate_images_total{" in body
    assert content_type.startswith("application/openmetrics-text" if "openmetrics" in accept else "text/plain")
    assert (b"# EOF" in body) == ("openmetrics" in accept)
