"""Fine-tuning of the one-camera network on labelled takes: with what, how, and whether the result is taken."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from calib.verdict import Verdict
from engine.backends import open_engine
from engine.joints import ScoreMap
from engine.weights import Weights, write_weights
from realtime.lens import lens_key
from realtime.progress import Step
from realtime.takes import open_take
from train.augment import Augmentation
from train.datasets.sample import Sample
from train.evaluate_takes import KindFigures, TakeFigures, evaluate_take
from train.fit import Phase, PoseTraining, Recipe, fit
from train.occlusion import PROBABILITY
from train.own_rig.bars import plot_joints
from train.own_rig.film import film
from train.own_rig.gate import Judged, gate
from train.own_rig.labels import read_labels
from train.own_rig.lessons import Lessons, lessons
from train.own_rig.mixing import Mix, best_mix, mixed, mixes
from train.own_rig.regression import PEOPLE as REGRESSION_PEOPLE
from train.own_rig.regression import people_mm, regression_samples
from train.paper.figures import heatmaps
from train.plots import contact_sheet, plot_curves
from train.pretrain import SHEET, calibrated

AUGMENTATION = Augmentation(roll_deg=8.0, occlusion=PROBABILITY)
STRENGTH = 0.5
# crops of two thirds of the side cost less than half; the last part of the run has the size that ships
SMALL_UNTIL, SMALL = 0.6, 2 / 3
# what sees edges and textures is the same in every room; without its gradients a step takes two thirds of the time
FROZEN = ("conv1", "bn1", "cbam_in", "layer1")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a fine-tuning is made of."""

    takes: tuple[Path, ...]
    out: Path
    hours: float
    people: int = 1500  # rendered, where no folder of synthetic people is given
    synthetic: tuple[Path, ...] = ()
    seed: int = 0
    learning_rate: float = 4e-4
    batch: int = 16
    crops: int | None = None  # instead of the hours: the same on every machine
    truth: bool = False  # a synthetic take teaches what is true: the ceiling of the labels
    pictures: bool = True  # the film of before and after, the loss, errors joint by joint
    workers: int = 1
    precision: str = "bf16-mixed"
    regression_people: int = REGRESSION_PEOPLE


@dataclass(frozen=True, slots=True)
class Finetuned:
    """The new weights, both networks' figures, and whether the new ones may be used."""

    weights: Weights
    path: Path
    before: dict[str, list[TakeFigures]]
    after: dict[str, list[TakeFigures]]
    judged: tuple[Judged, Judged]
    verdict: Verdict
    lenses: tuple[str, ...]
    images_seen: int
    hours: float
    mixes: tuple[Mix, ...]
    mix: Mix  # the one that was chosen

    def summary(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "verdict": self.verdict.light,
            "reasons": [reason.text for reason in self.verdict.reasons],
            "weights": str(self.path),
            "images": self.images_seen,
            "hours": round(self.hours, 4),
            "share_of_new": self.mix.share,
            "mixes": [mix.record() for mix in self.mixes],
            "regression_mm": {"before": self.judged[0].regression_mm, "after": self.judged[1].regression_mm},
            "before": {name: [f.summary() for f in figures] for name, figures in self.before.items()},
            "after": {name: [f.summary() for f in figures] for name, figures in self.after.items()},
        }


def recipe_of(plan: Plan, input_px: int) -> Recipe:
    """A gentle one: the network knows people already."""
    small_px = max(32, int(input_px * SMALL) // 32 * 32)
    return Recipe(
        hours=plan.hours,
        crops=plan.crops,
        phases=(Phase(SMALL_UNTIL, small_px, STRENGTH), Phase(1.0, input_px, STRENGTH)),
        learning_rate=plan.learning_rate,
        batch=plan.batch,
        seed=plan.seed,
        workers=plan.workers,
        batches_per_epoch=100,
        precision=plan.precision,
        augmentation=AUGMENTATION,
        warmup_steps=50,
        frozen_statistics=True,
        frozen=FROZEN,
    )


def finetune(plan: Plan, base: Weights, *, engine: str = "auto", step: Callable[[str], Step]) -> Finetuned:
    """Teaches `base` with the takes, in `plan.out`; the same call goes on where one was stopped.

    `step(what)` gives a bar for a stage. LabelError where takes have no labels or too few.
    """
    for folder in plan.takes:
        read_labels(folder)  # says what is missing before anything is computed
    taught = lessons(
        plan.takes, plan.out, people=plan.people, synthetic=plan.synthetic, seed=plan.seed, truth=plan.truth, step=step
    )
    regression = regression_samples(people=plan.regression_people, step=step("people to remember"))
    before = _cached(plan, base, engine, regression, step("before"))
    recipe = replace(recipe_of(plan, base.architecture.input_px), window=base.window)
    _configure(plan, base, recipe, {pool.name: len(pool.samples) for pool in taught.pools})
    step("training")  # has a bar of its own
    start = base.network().state_dict()
    run, state = fit(base.architecture, taught.pools, taught.validation, recipe, plan.out, start=start)
    found = mixes(base, state, taught.validation, taught.kept, step("mixing"))
    mix = best_mix(found)
    weights = _weights(base, mixed(start, state, mix.share), taught, regression, _card(plan, base, recipe, run, mix))
    after = judge(plan.takes, weights, engine, regression, step("after"))
    verdict = gate(before[1], after[1])
    own_rig = {"before": asdict(before[1]), "after": asdict(after[1]), "verdict": verdict.light}
    weights = replace(weights, card={**weights.card, "own_rig": own_rig})
    path = plan.out / "finetuned.safetensors"
    write_weights(weights, path)
    if plan.pictures:
        _draw(plan, weights, taught.validation, before[0], after[0])
        _film(plan, base, weights, engine, step("film"))
    return Finetuned(
        weights, path, before[0], after[0], (before[1], after[1]), verdict, _lens_keys(plan.takes), run.images_seen,
        run.hours, tuple(found), mix,
    )  # fmt: skip


def _weights(
    base: Weights, state: Mapping[str, Tensor], taught: Lessons, regression: Sequence[Sample], card: dict[str, object]
) -> Weights:
    """A state as weights whose scores fit it."""
    weights = Weights("finetuned", base.architecture, dict(state), base.window, ScoreMap(0.0, 1.0, 0.0), {}, "")
    return calibrated(weights, [*taught.validation, *regression], card=card)


def judge(
    takes: Sequence[Path], weights: Weights, engine: str, regression: Sequence[Sample], step: Step
) -> tuple[dict[str, list[TakeFigures]], Judged]:
    """A network's figures on the held-out parts of takes and on the regression set."""
    figures = {}
    with open_engine(engine, weights) as opened:
        for folder in takes:
            figures[str(folder)] = evaluate_take(folder, opened, step=step)
    agreement = [of_take[0] for of_take in figures.values()]
    counts = np.array([f.frames for f in agreement], float)
    means = {
        name: float(np.average([getattr(f, name) for f in agreement], weights=counts))
        for name in ("n_mpjpe_mm", "found", "bone_spread", "asymmetry")
    }
    remembered = people_mm(weights.decoded(), regression, weights.architecture.input_px)
    return figures, Judged(**means, regression_mm=remembered)


def _cached(plan: Plan, base: Weights, engine: str, regression: Sequence[Sample], step: Step):
    """The old network's figures, from the run's folder where a stopped run left them."""
    path = plan.out / "before.json"
    key = f"{base.sha256} {[str(take) for take in plan.takes]} {len(regression)}"
    if path.is_file():
        held = json.loads(path.read_text(encoding="utf-8"))
        if held.get("key") == key:
            takes = {name: [TakeFigures(**_tupled(f)) for f in figures] for name, figures in held["takes"].items()}
            return takes, Judged(**held["judged"])
    takes, judged = judge(plan.takes, base, engine, regression, step)
    plan.out.mkdir(parents=True, exist_ok=True)
    record = {
        "key": key,
        "takes": {name: [asdict(f) for f in figures] for name, figures in takes.items()},
        "judged": asdict(judged),
    }
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return takes, judged


def _tupled(record: dict) -> dict:
    kinds = tuple(KindFigures(*kind) for kind in record.get("per_kind", ()))
    return {**record, "per_joint_mm": tuple(record["per_joint_mm"]), "per_kind": kinds}


def _draw(
    plan: Plan,
    weights: Weights,
    validation: Sequence[Sample],
    before: dict[str, list[TakeFigures]],
    after: dict[str, list[TakeFigures]],
) -> None:
    """The loss, what the network sees now, and errors joint by joint, into the run's folder."""
    plot_curves(plan.out)
    heatmaps(weights, validation[0], plan.out / "heatmaps.png")
    contact_sheet(weights.decoded(), validation[:SHEET], weights.architecture.input_px, plan.out / "predictions.jpg")
    everything = [[f for figures in when.values() for f in figures] for when in (before, after)]
    if everything[0]:
        plot_joints(everything[0], everything[1], plan.out / "per_joint.png")


def _film(plan: Plan, base: Weights, weights: Weights, engine: str, step: Step) -> None:
    with open_engine(engine, base) as old, open_engine(engine, weights) as new:
        film(plan.takes[0], [("before", old), ("after", new)], plan.out / "before_after.mp4", step=step)


def _lens_keys(takes: Sequence[Path]) -> tuple[str, ...]:
    cameras = [camera for folder in takes for camera in open_take(folder).cameras.values()]
    return tuple(sorted({lens_key(camera.lens) for camera in cameras if camera.lens is not None}))


def _card(plan: Plan, base: Weights, recipe: Recipe, run: PoseTraining, mix: Mix) -> dict[str, object]:
    return {
        "made_from": {"weights": base.name, "sha256": base.sha256, "card": base.card},
        "data": [{"name": take.name, "kind": "take", "terms": "the user's own recording"} for take in plan.takes],
        "recipe": asdict(recipe),
        "share_of_new": mix.share,
        "images_seen": run.images_seen,
        "hours": round(run.hours, 4),
    }


def _configure(plan: Plan, base: Weights, recipe: Recipe, counts: dict[str, int]) -> None:
    record = {
        "weights": base.name,
        "weights_sha256": base.sha256,
        "takes": [str(take) for take in plan.takes],
        "samples": counts,
        "recipe": asdict(recipe),
    }
    plan.out.mkdir(parents=True, exist_ok=True)
    (plan.out / "configuration.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
