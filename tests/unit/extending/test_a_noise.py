"""A kind of noise is its `NoiseKind` and its twin; a definition of the task is one line. Nothing else is touched."""

from pathlib import Path

import pytest

from tests.unit.extending.conftest import House

SHOW = Path(__file__).with_name("show_noise.py")

KIND = """\
    NoiseKind(
        name="haze",
        label="Haze over all",
        quantity="veil",
        symbol="v",
        range=(0.1, 0.6),
        strata=(0.2, 0.4),
        place=50,
        apply=lambda image, veil, rng: image * np.float32(1 - veil) + np.float32(veil / 2),
    ),
"""
TWIN = '    "haze": lambda image, veil, scratch, generator: image.mul_(1 - veil).add_(veil / 2),\n'
DEFINITION = """
from dataclasses import replace

from shared.synth.kinds import KINDS

DEFINITIONS["haze-v1"] = replace(DOTBLOB_V1, name="haze-v1", kinds=(*DOTBLOB_V1.kinds, KINDS["haze"]), mixed_prob=0.5)
"""


@pytest.mark.timeout(180)
def test_a_kind_of_noise_arrives_everywhere(house_copy: House, tmp_path: Path) -> None:
    house_copy.insert("shared/synth/kinds.py", KIND, after="SALT_PEPPER,")
    house_copy.insert("training/data/synthesis/noise.py", TWIN, after='"salt_pepper":')
    house_copy.append("shared/synth/definitions.py", DEFINITION)
    shown = house_copy.run(SHOW, "haze", "haze-v1", str(tmp_path))

    assert shown["strata"] == [0.2, 0.4]
    assert shown["axes"][-1] == "Haze over all, v"
    assert '<option value="haze">Haze over all</option>' in shown["form"]
    assert '<option value="haze-v1">haze-v1</option>' in shown["form"]
    assert "salt_pepper, haze or mixed" in shown["help"]
    assert "dotblob-v1, field-v1 or haze-v1" in shown["help"]
    assert shown["steps"] == ["haze"]
    reference, twin = shown["moments"]
    assert twin == pytest.approx(reference, abs=0.05)

    assert shown["trained_on"]["name"] == "haze-v1"
    assert shown["trained_on"]["values"]["haze_veil"] == [0.1, 0.6]
    assert shown["trained_on"]["values"]["mixed_order"] == ["poisson", "speckle", "gaussian", "salt_pepper", "haze"]
    assert "noise.png" in shown["pictures"]
    assert shown["refused"] == 2  # on dotblob-v1
    assert shown["measured_on"] == "haze-v1"
    assert shown["strata_scores"]["curve"].keys() == {"0.2", "0.4"}
    assert house_copy.touched() == {
        "shared/synth/kinds.py",
        "training/data/synthesis/noise.py",
        "shared/synth/definitions.py",
    }
