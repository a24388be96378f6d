"""Blocks of seeds: every scene belongs to one, and each use, training or a set of the benchmark, has its own block."""

VAL_SCENES = 2000
STRATA_SCENES = 200

VAL_SEEDS = range(2_000_000_000, 2_000_000_000 + VAL_SCENES)
STRATA_SEEDS = range(2_100_000_000, 2_100_000_000 + STRATA_SCENES)
MONITOR_SEEDS = range(2_200_000_000, 2_200_000_000 + 10_000)  # scored while training, reported nowhere else
TRAINING_SEEDS_START = 2**40
SEEDS_PER_RUN = 2**40
GENERATED_SEEDS_START = 2**58  # of data sets written to disk, past the last run's block
SHAPES_SCENES = 200
SHAPES_SEEDS = range(2_150_000_000, 2_150_000_000 + SHAPES_SCENES)
ORACLE_SEEDS = range(2_160_000_000, 2_160_000_000 + 1000)  # the oracle's radii are chosen on these
FIELD_SEEDS = range(2_170_000_000, 2_170_000_000 + 10_000)  # of each family of field-v1
PROBE_SEEDS = range(2_180_000_000, 2_180_000_000 + 10_000)  # of the scenes that all probes show


def training_seed(run_seed: int, index: int) -> int:
    """Return the seed of the index-th sample of a run; runs of different seeds share no sample."""
    return TRAINING_SEEDS_START + run_seed * SEEDS_PER_RUN + index
