"""Train a network on synthetic scenes, or on a folder of image/mask pairs.

    python -m training.train --config training/configs/own.yaml --data my-pairs   # a network of one's own images
    python -m training.train --config training/configs/smoke.yaml            # under a minute on a CPU
    python -m training.train --config training/configs/compact.yaml          # the shipped default
    python -m training.train --config training/configs/seed.yaml --lr 2e-4 --set loss.gamma=0.5 --out runs/other
    python -m training.train --config training/configs/compact.yaml --init runs/compact --set seed=2 --out runs/more
    python -m training.train --resume runs/seed                              # go on with a run that was stopped
    torchrun --nproc-per-node 4 -m training.train --config training/configs/seed.yaml
    torchrun --nproc-per-node 4 --max-restarts 3 -m training.train --config training/configs/seed.yaml --resume-or-begin

Writes the folder `--out` (default runs/NAME): the checkpoint, the training state, metrics.jsonl, TensorBoard's files,
and at the end plots. Exit codes: 0 trained, or stopped by a signal with the state saved; 2 a wrong argument or config;
3 training collapsed; 4 another process of the run has gone.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from shared.commandline import ExitCode, Parser, ended
from shared.errors import UsageError
from shared.net.checkpoint import load_checkpoint
from shared.output import replace_unknown_characters
from training.beginning import alone_in, begun, draw_pairs
from training.config import TrainingConfig, load_config, override, read_config
from training.data.pairs.survey import Survey
from training.recipe.distributed import DistributedContext, PeerLost, distributed_context
from training.run.state import STATE_NAME, TrainingState, check_free, check_same_run, load_state
from training.run.trainer import Trainer
from training.run.watch import TrainingCollapsed

# In the place of `ExitCode.SERVICE_AWAY`: no service takes part in a training.
COLLAPSED = 3
_SHORT_FORMS = {"lr": "optimiser.lr", "batch_size": "optimiser.batch_size", "epochs": "budget.epochs", "seed": "seed"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    replace_unknown_characters()
    options = _parser().parse_args(arguments)
    return ended("training.train", lambda: _train(options, arguments))


def _train(options: argparse.Namespace, arguments: Sequence[str] | None) -> int:
    command = shlex.join(["python", "-m", "training.train", *(sys.argv[1:] if arguments is None else arguments)])
    try:
        state = _state(options)
        with distributed_context(options.device) as context:
            config, found = _config(options, state, context)
            if state is not None:
                check_same_run(state, config)
            out = _out(options, config, state)
            if state is None and not options.overwrite:
                check_free(out)
            with alone_in(out) if context.is_first else nullcontext():
                if found is not None and context.is_first:
                    draw_pairs(found, out)
                start = load_checkpoint(options.init) if options.init and state is None else None
                Trainer(config, out, context, command, start, state, found).train()
    except TrainingCollapsed as error:
        print(f"error: {error}", file=sys.stderr)
        return COLLAPSED
    except PeerLost as error:
        print(f"error: {error}", file=sys.stderr)
        return 4
    return ExitCode.SUCCEEDED


def _parser() -> Parser:
    parser = Parser("training.train", "Train a network.")
    parser.add_argument("--config", type=Path, help="YAML file, see training/configs")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="train on the images and masks of this folder")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="override any value"
    )
    for name, key in _SHORT_FORMS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="VALUE", help=f"the same as --set {key}=VALUE")
    parser.add_argument("--out", type=Path, help="the run's folder (default: runs/NAME)")
    parser.add_argument("--overwrite", action="store_true", help="begin anew where there is a run")
    parser.add_argument("--init", type=Path, metavar="CHECKPOINT", help="start from these weights")
    parser.add_argument("--resume", type=Path, metavar="PATH", help="go on with this run (a folder or its state file)")
    parser.add_argument(
        "--resume-or-begin", action="store_true", help="go on with the run in --out if it has a state, else begin it"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    return parser


def _state(options: argparse.Namespace) -> TrainingState | None:
    """Where to go on; a run that is started again and again by the same command does so from its second start on."""
    if not options.resume_or_begin:
        return load_state(options.resume) if options.resume else None
    if options.resume or options.overwrite:
        raise UsageError("--resume-or-begin says where a run begins: leave --resume and --overwrite away")
    if not options.out and not options.config:
        raise UsageError("give --config FILE to begin a run, or --resume PATH to go on with one")
    if not options.out and "fingerprint" in read_config(options.config):
        raise UsageError("--resume-or-begin with this config, which leaves the name open: give --out")
    out = options.out or Path("runs") / load_config(options.config, _overrides(options)).name
    return load_state(out) if (out / STATE_NAME).is_file() else None


def _overrides(options: argparse.Namespace) -> list[str]:
    short = [f"{key}={getattr(options, name)}" for name, key in _SHORT_FORMS.items() if getattr(options, name)]
    return [*options.overrides, *short]


def _config(
    options: argparse.Namespace, state: TrainingState | None, context: DistributedContext
) -> tuple[TrainingConfig, Survey | None]:
    """The config of the run, and what was found in the folder that it trains on."""
    if options.config is not None:
        return begun(options.config, _overrides(options), options.data, context)
    if state is None:
        raise UsageError("give --config FILE to begin a run, or --resume PATH to go on with one")
    return override(state.config, _overrides(options)), None


def _out(options: argparse.Namespace, config: TrainingConfig, state: TrainingState | None) -> Path:
    if state is None:
        return Path(options.out or Path("runs") / config.name)
    if options.init and not options.resume_or_begin:
        raise UsageError("--init begins a run and --resume goes on with one: give one of them")
    if options.out and options.out.resolve() != state.path.parent.resolve():
        raise UsageError(f"a run goes on where it is: leave --out away, or copy {state.path.parent} first")
    return state.path.parent


if __name__ == "__main__":
    sys.exit(main())
