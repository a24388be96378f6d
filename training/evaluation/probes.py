"""The probes: one thing each that real pictures have and dotblob-v1 has not, on the same scenes for all of them.

The changes are made in `training.evaluation.probe_scenes`; docs/evaluation.md tells what they show.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from shared.synth import NoiseStep
from training.data.seeds import PROBE_SEEDS
from training.evaluation import probe_scenes as scenes
from training.evaluation.field_cases import Kind, Picture, Step, render

_MAX_LARGE = 8
"""Pictures of over a million pixels that are scored, of each probe: they hold many scenes' worth of ground."""


@dataclass(frozen=True)
class Probe:
    """A fixed way to change every base scene."""

    kind: Kind
    change: scenes.Change
    is_large: bool = False

    def pictures(self, count: int) -> Iterator[Picture]:
        """Yield the probe's pictures of the first `count` seeds."""
        for seed in PROBE_SEEDS[: min(count, _MAX_LARGE) if self.is_large else count]:
            yield render(self.kind, seed, scenes.changed(seed, self.change))


def _named(group: str, changes: dict[str, scenes.Change], *, is_large: bool = False) -> list[Probe]:
    return [Probe(Kind(name, group, ""), change, is_large) for name, change in changes.items()]


_BASE = _named(
    "base",
    {"camera noise": lambda base, _: base, "noise of severity 0.5": scenes.half_severity()},
)

_NOTHING = _named(
    "nothing",
    {
        "blank": scenes.empty(),
        "one hot pixel": scenes.hot_pixel,
        **{f"gaussian σ {s}": scenes.empty(NoiseStep("gaussian", s)) for s in (0.02, 0.1, 0.5)},
        **{f"poisson λ {photons:g}": scenes.empty(NoiseStep("poisson", photons)) for photons in (100.0, 10.0, 1.0)},
        **{f"speckle σ {s:g}": scenes.empty(NoiseStep("speckle", s)) for s in (0.5, 2.0)},
        **{f"salt and pepper {share}": scenes.empty(NoiseStep("salt_pepper", share)) for share in (0.01, 0.1, 0.5)},
        "noise of a camera": scenes.empty_camera(),
        **{f"camera, {n} stray dot{'s' * (n > 1)}": scenes.empty_camera(n) for n in (1, 2, 3)},
    },
)

_NEXT_TO_NOTHING = _named(
    "nothing, at the limit",
    {
        "gaussian σ 1.2": scenes.empty(NoiseStep("gaussian", 1.2)),
        "poisson λ 0.3": scenes.empty(NoiseStep("poisson", 0.3)),
        "noise of val": scenes.empty_benchmark,
        "camera, 5 stray dots": scenes.empty_camera(5),
    },
)

_SIZES = [
    *_named("size", {f"{side} px": scenes.of_size(side) for side in (64, 128, 256, 1024)}),
    *_named(
        "size",
        {
            "2048 px, one usual shape": scenes.alone_in(2048),
            "nine cells, one filled": scenes.cells(1),
            "nine cells, all filled": scenes.cells(9),
        },
        is_large=True,
    ),
]

_OTHERS = [
    *_named("clutter", {f"clutter {share * 100:.0f} %": scenes.clutter(share) for share in (0.05, 0.1, 0.35)}),
    *_named(
        "ground",
        {
            "ramp 50 %": scenes.ramp(0.5),
            "bright patch 30 %": scenes.patch(0.3),
            "clouds 15 %": scenes.ground(Step("clouds", (0.15, 1.5))),
        },
    ),
    *_named("page", {"white margin": scenes.page(70), "white frame": scenes.framed(12)}),
    *_named(
        "texture",
        {
            "lumpy noise, σ 2 px": scenes.lumps(Step("lumpy", (0.15, 2.0))),
            "JPEG 30": scenes.half_severity(Step("jpeg", (30.0,))),
            "median 3": scenes.half_severity(Step("median", (3.0,))),
        },
    ),
    *_named("shapes", {"three shapes": scenes.several(3), "tiny shape": scenes.tiny}),
]

PROBES = {probe.kind.name: probe for probe in (*_BASE, *_NOTHING, *_NEXT_TO_NOTHING, *_OTHERS, *_SIZES)}
SIZES = tuple(probe.kind.name for probe in _SIZES)
"""Those that are scored with the families of field-v1 too."""
