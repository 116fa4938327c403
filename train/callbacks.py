"""What happens around the steps of a training: averaging, the clock, its numbers on disk and on the terminal."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import lightning
from lightning.pytorch.callbacks import Callback, WeightAveraging
from torch import Tensor

if TYPE_CHECKING:
    from train.fit import PoseTraining

LAST = "last.ckpt"
METRICS = "metrics.jsonl"
CONTRADICTED = "contradicted.json"  # samples whose labels have left and right exchanged, by `train.hard_examples`


class Average(WeightAveraging):
    """Exponential average of weights and batch statistics, every ten steps, short at first and then `decay`.

    Without the warm-up the first thousand steps of a run would be judged by its random start.
    """

    EVERY = 10

    def __init__(self, decay: float) -> None:
        per_update = decay**self.EVERY

        def average(old: Tensor, new: Tensor, count: Tensor | int) -> Tensor:
            n = float(count)
            return old + (1 - min(per_update, (1 + n) / (10 + n))) * (new - old)

        super().__init__(use_buffers=True, avg_fn=average)

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """Every tenth step."""
        return step_idx is not None and step_idx % self.EVERY == 0


class Wait:
    """Which share of the time goes by waiting for the next batch."""

    def __init__(self) -> None:
        self._asked_s: float | None = None
        self._first_s = self._waited_s = 0.0

    def asked(self) -> None:
        """A step is done: from now on the next batch is waited for."""
        self._asked_s = time.monotonic()
        self._first_s = self._first_s or self._asked_s

    def arrived(self) -> None:
        """The batch is there."""
        if self._asked_s is not None:
            self._waited_s += time.monotonic() - self._asked_s

    @property
    def share(self) -> float:
        """0 ... 1, of the time between the first step's end and the last's."""
        whole_s = (self._asked_s or 0.0) - self._first_s
        return self._waited_s / whole_s if whole_s > 0 else 0.0


class Clock(Callback):
    """Stops a run when its time is used, saves one that is interrupted, writes a line per epoch to metrics.jsonl."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.interrupted = False
        self._wait = Wait()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: PoseTraining) -> None:  # type: ignore[override]
        """Lines that a killed run wrote behind its last checkpoint go: their epochs come again."""
        path = self.folder / METRICS
        if trainer.is_global_zero and path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if _images(line) <= pl_module.images_seen]
            if kept != lines:
                partial = path.with_suffix(".partial")
                partial.write_text("".join(kept), encoding="utf-8")
                partial.replace(path)

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """An epoch's first batch comes from new workers: their start is not the data's fault."""
        self._wait = Wait()

    def on_train_batch_start(self, *_: object) -> None:  # type: ignore[override]
        """The batch is there."""
        self._wait.arrived()

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: PoseTraining, *_: object) -> None:  # type: ignore[override]
        """Looks at the clock."""
        self._wait.asked()
        pl_module.tick()
        if pl_module.progress >= 1.0:
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: PoseTraining) -> None:  # type: ignore[override]
        """Writes the line: the epoch's own losses, and the validation at its end."""
        numbers = {name: round(float(value), 5) for name, value in trainer.callback_metrics.items()}
        line = {"hours": round(pl_module.hours, 4), "images": pl_module.images_seen, "px": pl_module.phase.size_px}
        line["data_wait"] = pl_module.data_wait = round(self._wait.share, 4)
        if not trainer.is_global_zero:
            return
        if (history := pl_module.history) is not None:
            line |= {"turned": len(history.turned), "left_out": len(history.left_out)}
            record = {"turned": history.turned, "left_out": history.left_out}
            (self.folder / CONTRADICTED).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        with open(self.folder / METRICS, "a", encoding="utf-8") as file:
            file.write(json.dumps({**line, **numbers}) + "\n")

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Ctrl-C loses nothing: the run goes on from here."""
        if isinstance(exception, KeyboardInterrupt):
            self.interrupted = True
            trainer.save_checkpoint(self.folder / LAST)


def _images(line: str) -> float:
    """How many a line of metrics.jsonl counts; no end of them where the line was not written whole."""
    try:
        return json.loads(line)["images"]
    except ValueError:
        return math.inf


class Bar(Callback):
    """Time used and left, crops per second and the latest PCK, on a terminal."""

    EVERY_S = 0.5

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (TextColumn("training"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[text]}"))
        terminal = sys.stderr.isatty()
        self._bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), disable=not terminal)
        self._task = self._bar.add_task("training", total=1.0, text="")
        self._drawn_s, self._images = 0.0, 0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: PoseTraining) -> None:  # type: ignore[override]
        """Shows the bar."""
        self._drawn_s, self._images = time.monotonic(), pl_module.images_seen
        self._bar.start()

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: PoseTraining, *_: object) -> None:  # type: ignore[override]
        """Moves it now and then."""
        now_s = time.monotonic()
        if now_s - self._drawn_s < self.EVERY_S:
            return
        rate = (pl_module.images_seen - self._images) / (now_s - self._drawn_s)
        pck = trainer.callback_metrics.get("val_pck")
        latest = "" if pck is None else f", validation PCK {float(pck):.3f}"
        text = f"{rate:.0f} crops/s at {pl_module.phase.size_px} px{latest}"
        self._bar.update(self._task, completed=pl_module.progress, text=text)
        self._drawn_s, self._images = now_s, pl_module.images_seen

    def teardown(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Leaves the terminal as it was."""
        self._bar.stop()
