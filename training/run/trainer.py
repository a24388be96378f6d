"""A training run from its first step to its report: validation, watching, records, checkpoints."""

import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from shared.errors import CheckpointError, UsageError
from shared.net.architectures import count_parameters
from shared.net.checkpoint import LoadedModel, save_checkpoint
from shared.net.metadata import Metadata
from training.config import TrainingConfig
from training.data.open import open_data
from training.data.pairs.survey import Survey
from training.recipe.curriculum import phase_name
from training.recipe.distributed import DistributedContext, PeerLost, part_of_step
from training.recipe.loop import TrainingRun
from training.recipe.precision import is_emulated
from training.recipe.provenance import describe_config
from training.recipe.schedule import loss_weights
from training.run.display import Display
from training.run.ending import finish
from training.run.interruption import Interruption, StopNow
from training.run.journal import JOURNAL_NAME, Journal, NoJournal, read_records
from training.run.monitor import Monitor
from training.run.remaining import Remaining, in_words
from training.run.state import STATE_NAME, TrainingState, changed_versions, restore, save_state
from training.run.watch import CollapseWatch, EarlyStopping, TrainingCollapsed, check_numbers


class Trainer:
    """One training run in a folder: validated, watched, recorded and saved as it goes.

    Args:
        config: what to train, on what, and for how long.
        out: the run's folder, made if need be.
        context: this process among those of the run.
        command: the command line, which the checkpoint records.
        start: weights to start from; None: from scratch.
        state: where a run was stopped that goes on.
        surveyed: what was found in the config's folder, where somebody has looked.

    Raises:
        UsageError, ConfigurationError: the config cannot be carried out here.
        CheckpointError: the state lacks something.
    """

    def __init__(
        self,
        config: TrainingConfig,
        out: Path,
        context: DistributedContext,
        command: str,
        start: LoadedModel | None = None,
        state: TrainingState | None = None,
        surveyed: Survey | None = None,
    ) -> None:
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        self.config = config
        self.out = out
        self.context = context
        self.command = command
        settings = config.optimiser
        source = open_data(
            config.data,
            seed=config.seed,
            batch_size=part_of_step(settings.batch_size, settings.accumulation, context.world_size),
            device=context.device,
            rank=context.rank,
            world_size=context.world_size,
            surveyed=surveyed,
            channels=config.model.channels,
            knows_padding=config.model.knows_padding,
        )
        self.run = TrainingRun(config, source, context, start)
        self.monitor = Monitor(source, context, self.run.dtype, empties_apart=config.data.kind == "folder")
        self.watch = CollapseWatch(config.watch)
        self.stopping = EarlyStopping(config.validation)
        self.started_from = _origin(start)
        self.display = Display(config, silent=not context.is_first)
        self.remaining = Remaining(config, config.data.validation_samples)
        self._validated: tuple[int, float] | None = None  # images and seconds of the run at the last validation
        self._stretch_start = (0, 0.0)  # images and clock at the start of training or after the last validation
        if state is not None:
            restore(state, self.run, self.watch, self.stopping)
            self.started_from = state.started_from
            for line in changed_versions(state):
                self.display.say(f"note: this run began with other versions: {line}")

    def train(self) -> bool:
        """Train until the budget is spent or early stopping ends it; return False where a signal ended it before.

        Raises:
            TrainingCollapsed: training on would only waste time.
            UsageError: the budget allows not a single step.
            PeerLost: another process has gone; the first one has saved where the run was.
        """
        # To the very end: whoever started the processes ends the rest of them when one has gone.
        with Interruption() as interruption:
            try:
                return self._train(interruption)
            except StopNow:
                self._say_stopped(interruption)
                return False
            except RuntimeError as error:
                if not self.context.peer_lost(error):
                    raise
                reason = next(iter(str(error).splitlines()), "")
            self._save_alone()
        raise PeerLost(
            f"another process of this run has gone ({reason}) after {self.run.position.images:,} images; "
            f"go on with: python -m training.train --resume {self.out}"
        )

    def _train(self, interruption: Interruption) -> bool:
        run, out = self.run, self.out
        out.mkdir(parents=True, exist_ok=True)
        self.display.say(
            f"{self.config.name}: {count_parameters(run.net):,} parameters on {self._where()}, checkpoint in {out}"
        )
        if is_emulated(run.dtype, self.context.device):
            self.display.say(
                f"note: this CPU is slow in {self.config.precision}: stop, and begin again with --set precision=auto "
                "--set optimiser.kind=adamw, for several times the images a second"
            )
        self._validated = self._last_validation()
        with self.display, self._journal() as journal:
            if run.fit_likelihood(interruption.asked):
                count = self.config.likelihood.histograms
                self.display.say(f"what pixels say for a dot: fitted on {count:,} simulated histograms")
            self._begin_stretch()
            if self._is_due():  # a signal has ended the one before
                self._validate(journal, interruption)
            stepped = (run.position.images, time.monotonic())
            for _ in () if self.stopping.is_over else run.steps(interruption.asked):  # over already: a resumed run
                now = time.monotonic()
                self.remaining.stepped(run.position.images - stepped[0], now - stepped[1])
                self.display.step(run.position, run.done, self._images_per_second(), self._left())
                if self.watch.is_due(run.position.images):
                    self._look()
                if self._is_due():
                    self._validate(journal, interruption)
                    if self.stopping.is_over:
                        self.display.say(f"no better Dice in {self.stopping.waited} validations: training ends here")
                        break
                stepped = (run.position.images, time.monotonic())
            if run.stopped:
                check_numbers(run.position.images, 0.0, run.net)
                self._save_state()
                self._say_stopped(interruption)
                return False
            if not run.position.images:
                raise UsageError(
                    f"the budget of {self.config.budget.max_minutes:g} minutes was spent before the first step, after "
                    f"{run.position.seconds / 60:.1f} minutes: raise budget.max_minutes"
                )
            # Also where a run that was stopped before its first validation goes on with no budget left.
            if self._validated is None or run.position.images > self._validated[0] or self.stopping.best is None:
                self._validate(journal, interruption)
        if self.context.is_first:
            with interruption.at_once(self.context.world_size == 1):
                finish(run, out, self.display)
        return True

    def _say_stopped(self, interruption: Interruption) -> None:
        self.display.say(
            f"stopped by {interruption.signal_name or 'another process'} after {self.run.position.images:,} images; "
            f"go on with: python -m training.train --resume {self.out}"
        )

    def _journal(self) -> Journal | NoJournal:
        return Journal(self.out, self.run.position.images) if self.context.is_first else NoJournal()

    def _left(self) -> str:
        run = self.run
        return in_words(
            self.remaining.seconds(run.position.images, run.total_images, run.epoch_images, run.position.seconds)
        )

    def _last_validation(self) -> tuple[int, float] | None:
        """Return the images and seconds of the last validation before where the run begins; None before the first."""
        images = self.run.position.images
        records = read_records(self.out / JOURNAL_NAME) if images else []
        known = [(int(record["images"]), 60 * float(record.get("minutes", 0))) for record in records]
        return max((each for each in known if each[0] <= images), default=None)

    def _is_due(self) -> bool:
        """Whether to validate now: so many minutes after the last time, or at the end of an epoch."""
        run, settings = self.run, self.config.validation
        images, seconds = self._validated or (0, 0.0)
        if run.position.images <= images:
            return False
        every = (None if self._validated else settings.first_minutes) or settings.every_minutes
        return run.position.seconds >= seconds + 60 * every if every else run.at_epoch_end

    def _look(self) -> None:
        means = self.run.watch_metrics.take()
        clean_dice = self.monitor.clean_dice(self.run.average.net, self.config.watch.batches)
        self.watch.look(self.run.position.images, means["total"], means["foreground"], means["truth"], clean_dice)

    def _validate(self, journal: Journal | NoJournal, interruption: Interruption) -> None:
        """Score the averaged weights, write the record, and save what is to be kept.

        Raises:
            StopNow: a signal has come; the state was saved before.
            TrainingCollapsed: something is no finite number.
        """
        run, started = self.run, time.monotonic()
        check_numbers(run.position.images, 0.0, run.net)
        self._save_state()
        with interruption.at_once(self.context.world_size == 1):
            record, net = self._scored()
        is_best = self.stopping.is_best(record["val_dice"])
        if self.context.is_first and (is_best or self.config.validation.keep == "last"):
            self._save(net, self._describe(record))
        journal.write(record)
        self._validated = (run.position.images, run.position.seconds)
        self.remaining.validated(time.monotonic() - started)
        self.display.validated(record, self._left())
        self._save_state()
        self._begin_stretch()

    def _scored(self) -> tuple[dict[str, Any], nn.Module]:
        """Return the record of a validation, and the weights that were scored."""
        run = self.run
        speed = self._images_per_second()
        weights = loss_weights(self.config.loss, run.done, run.position.epoch)
        means = run.metrics.take()
        check_numbers(run.position.images, means["total"], run.net)
        net = run.finished_net()
        check_numbers(run.position.images, means["total"], net)
        record: dict[str, Any] = {
            "epoch": run.position.epoch,
            "phase": phase_name(self.config.curriculum, run.position.epoch),
            "images": run.position.images,
            "minutes": round(run.position.seconds / 60, 2),
            "lr": run.learning_rate,
            "beta": weights.beta,
            "gamma": weights.gamma,
            "loss": means.pop("total"),
            **means,
            **self.monitor.scores(net),
            "images_per_second": round(speed, 1),
            "peak_memory_mib": self._peak_memory_mib(),
        }
        return record, net

    def _save(self, net: nn.Module, metadata: Metadata) -> None:
        try:
            save_checkpoint(self.out, net, metadata, half=True)
        except CheckpointError as error:  # a weight that float16 has no room for
            raise TrainingCollapsed(str(error)) from error

    def _save_state(self) -> None:
        self.run.pool_metrics()
        if self.context.is_first:
            save_state(self.out / STATE_NAME, self.run, self.watch, self.stopping, self.started_from)

    def _save_alone(self) -> None:
        """Save where the run is, without what other processes have measured since the last record.

        What it holds is that of the last whole step. Where the device waits for the one that has gone, it cannot be
        had; then the state of the last validation stays.
        """
        if self.context.is_first and self.run.position.images and self.context.device.type == "cpu":
            check_numbers(self.run.position.images, 0.0, self.run.net)
            save_state(self.out / STATE_NAME, self.run, self.watch, self.stopping, self.started_from)

    def _describe(self, record: dict[str, Any]) -> Metadata:
        model, position = self.config.model, self.run.position
        return Metadata(
            architecture=model.architecture,
            arguments=dict(model.arguments),
            data_definition=self.run.data_definition,
            smallest_tile=self.run.source.intake.smallest_tile,
            enlarges=self.run.source.intake.enlarges,
            training={
                "command": self.command,
                "config": describe_config(self.config),
                "epoch": position.epoch,
                "images": position.images,
                "minutes": round(position.seconds / 60, 1),
                "device": self._where(),
                "started_from": self.started_from,
                "held_out": list(self.run.source.held_out_names),
            },
            metrics={"monitor": record},
        )

    def _begin_stretch(self) -> None:
        self._stretch_start = (self.run.position.images, time.monotonic())

    def _images_per_second(self) -> float:
        images, clock = self._stretch_start
        return (self.run.position.images - images) / max(time.monotonic() - clock, 1e-9)

    def _peak_memory_mib(self) -> int | None:
        device = self.context.device
        return torch.cuda.max_memory_allocated(device) >> 20 if device.type == "cuda" else None

    def _where(self) -> str:
        device, count = self.context.device, self.context.world_size
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
        return name if count == 1 else f"{count} × {name}"


def _origin(start: LoadedModel | None) -> dict[str, Any] | None:
    """Describe the weights that a run started from: their hash, and how they were trained in turn."""
    return None if start is None else {"sha256": start.sha256, "training": start.metadata.training}
