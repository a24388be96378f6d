"""What the house makes of a kind of noise and a definition that were added to it. Arguments: their names, a folder."""

import contextlib
import json
import sys
from pathlib import Path

import numpy as np
import torch
from click.testing import CliRunner
from flask import Flask

import training
from admin.pages.forms import SyntheticForm
from producer.cli import main as producer
from shared.flows.synthetic import SyntheticSpec
from shared.synth import KINDS, NoiseParameters, apply_noise, synthesise
from training import evaluate, train
from training.data.synthesis.noise import apply_noise as apply_in_torch
from training.evaluation.sets import strata_cases
from training.run.report import plot_noise

kind, definition, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])


def form() -> str:
    app = Flask(__name__)
    app.config["SECRET_KEY"] = "for the form alone"
    with app.test_request_context():
        shown = SyntheticForm(meta={"csrf": False})
        return f"{shown.noise()}{shown.definition()}"


def moments() -> list[list[float]]:
    """Mean and deviation of a clean image under the kind, by the reference and by the twin."""
    clean = synthesise(1, noise="none").clean
    noise = NoiseParameters.single(kind, KINDS[kind].strength_at(0.5))
    reference = apply_noise(clean, noise, np.random.default_rng(0)).astype(float)
    twin = apply_in_torch(torch.from_numpy(clean)[None], [noise], [5])[0].numpy()
    return [[float(image.mean()), float(image.std())] for image in (reference, twin)]


def trained() -> dict:
    """Train for a moment on the definition, then score the strata on it."""
    config = Path(training.__file__).parent / "configs" / "smoke.yaml"
    overrides = (
        "model.arguments.base=4", "data.size=64", "data.samples=16", "data.validation_samples=4", "budget={epochs: 1}",
        "watch.grace_images=1000", "likelihood={histograms: 20, passes: 1}", f"data.definition={definition}",
    )  # fmt: skip
    words = [word for override in overrides for word in ("--set", override)]
    scores = folder / "scores.json"
    with contextlib.redirect_stdout(sys.stderr):
        code = train.main(["--config", str(config), "--device", "cpu", "--out", str(folder / "run"), *words])
        assert code == 0
        command = [
            "--checkpoint",
            str(folder / "run"),
            "--device",
            "cpu",
            "--set",
            "strata",
            "--count",
            "1",
            "--record",
        ]
        refused = evaluate.main(command)
        assert evaluate.main([*command, "--definition", definition, "--json", str(scores)]) == 0
    model = json.loads((folder / "run" / "model.json").read_text())
    return {
        "refused": refused,
        "pictures": sorted(path.name for path in (folder / "run" / "plots").iterdir()),
        "trained_on": model["data_definition"],
        "measured_on": model["metrics"]["definition"]["name"],
        "strata_scores": json.loads(scores.read_text())["models"]["run"]["strata"][kind],
    }


torch.set_num_threads(1)
curves = {name: dict.fromkeys(each.strata, 0.9) for name, each in KINDS.items()}
item = next(SyntheticSpec(count=1, noise=kind, definition=definition).items())
print(
    json.dumps(
        {
            "strata": [strength for name, strength, _ in strata_cases(1) if name == kind],
            "axes": [axes.get_xlabel() for axes in plot_noise(curves).axes],
            "form": form(),
            "help": " ".join(CliRunner().invoke(producer, ["demo", "--help"]).output.split()),
            "steps": [step.kind for step in synthesise(**item.synthesis).noise.steps],
            "moments": moments(),
            **trained(),
        }
    )
)
