"""What comes after a run's last step: the weights that were kept are calibrated and scored, and pictures drawn."""

from pathlib import Path

from shared.net.checkpoint import load_checkpoint, save_checkpoint
from training.recipe.calibration import CALIBRATION, calibrate_model
from training.recipe.distributed import DistributedContext
from training.recipe.loop import TrainingRun
from training.recipe.scores import fit_or_say
from training.run.display import Display
from training.run.journal import JOURNAL_NAME, read_records
from training.run.monitor import Monitor
from training.run.report import write_report


def finish(run: TrainingRun, out: Path, display: Display) -> None:
    """Finish the checkpoint in a run's folder; of several processes the first calls this."""
    _calibrate(run, out, display)
    scenes = run.config.familiarity.scenes
    if scenes:
        display.say(fit_or_say(out, run.config, scenes=scenes, device=str(run.context.device)))
    alone = DistributedContext(run.context.device)
    monitor = Monitor(run.source, alone, run.dtype)
    records = read_records(out / JOURNAL_NAME)
    paths = write_report(out / "plots", run.config, records, load_checkpoint(out, alone.device).net, monitor)
    display.say(f"pictures: {', '.join(str(path) for path in paths)}")


def _calibrate(run: TrainingRun, out: Path, display: Display) -> None:
    """Calibrate the weights, once: a run that was stopped behind it finds them so."""
    model = load_checkpoint(out, run.context.device)
    if CALIBRATION in model.metadata.training:
        return
    metadata, found = calibrate_model(model, run.config.calibration, run.source, run.dtype)
    if found is not None:
        save_checkpoint(out, model.net, metadata, half=True)
        display.say(f"calibrated on {found.images} held-out samples: logits × {found.slope:.3f} {found.offset:+.3f}")
