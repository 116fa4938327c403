"""Fine-tuning of the one-camera network on labelled takes: with what, how, and whether the result is taken."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from calib.verdict import Verdict
from engine.backends import open_engine
from engine.joints import ScoreMap
from engine.weights import Weights, write_weights
from realtime.lens import lens_key
from realtime.progress import Step
from realtime.takes import open_take
from train.augment import Augmentation
from train.datasets.sample import Sample, background
from train.datasets.synthetic import read_synthetic
from train.datasets.takes import backgrounds, read_take
from train.evaluate_takes import TakeFigures, evaluate_take
from train.fit import Phase, PoseTraining, Recipe, fit
from train.occlusion import PROBABILITY
from train.own_rig.bars import plot_joints
from train.own_rig.film import film
from train.own_rig.gate import Judged, gate
from train.own_rig.labels import LabelError, read_labels
from train.own_rig.regression import PEOPLE as REGRESSION_PEOPLE
from train.own_rig.regression import regression_mm, regression_samples
from train.plots import contact_sheet, plot_curves
from train.pretrain import SHEET, calibrated
from train.stream import Pool
from train.synthetic.shards import encode_jpeg, free_cores, write_shards
from train.synthetic.sources import SourceFolders, procedural_background

SHARES = {"take": 0.55, "synthetic": 0.39, "background": 0.06}
VALIDATION_SHARE = 0.08  # the end of the learned part: for the curve and the scores, not for the gate
SAMPLES_MIN = 60
ROOMS = 48  # made-up pictures without a person
PEOPLE_PX = 224
AUGMENTATION = Augmentation(roll_deg=8.0, occlusion=PROBABILITY)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a fine-tuning is made of."""

    takes: tuple[Path, ...]
    out: Path
    hours: float
    people: int = 1500  # rendered, where no folder of synthetic people is given
    synthetic: tuple[Path, ...] = ()
    seed: int = 0
    learning_rate: float = 2e-4
    batch: int = 32
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

    def summary(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "verdict": self.verdict.light,
            "reasons": [reason.text for reason in self.verdict.reasons],
            "weights": str(self.path),
            "images": self.images_seen,
            "hours": round(self.hours, 4),
            "regression_mm": {"before": self.judged[0].regression_mm, "after": self.judged[1].regression_mm},
            "before": {name: [f.summary() for f in figures] for name, figures in self.before.items()},
            "after": {name: [f.summary() for f in figures] for name, figures in self.after.items()},
        }


def recipe_of(plan: Plan, input_px: int) -> Recipe:
    """A gentle one: the network knows people already."""
    return Recipe(
        hours=plan.hours,
        phases=(Phase(1.0, input_px, 0.5),),
        learning_rate=plan.learning_rate,
        batch=plan.batch,
        seed=plan.seed,
        workers=plan.workers,
        batches_per_epoch=100,
        precision=plan.precision,
        augmentation=AUGMENTATION,
        warmup_steps=50,
        frozen_statistics=True,
    )


def finetune(plan: Plan, base: Weights, *, engine: str = "auto", step: Callable[[str], Step]) -> Finetuned:
    """Teaches `base` with the takes, in `plan.out`; the same call goes on where one was stopped.

    `step(what)` gives a bar for a stage. LabelError where takes have no labels or too few.
    """
    for folder in plan.takes:
        read_labels(folder)  # says what is missing before anything is computed
    taught, validation = _samples(plan, step("pictures"))
    pools = [Pool("take", taught, SHARES["take"]), *_others(plan, step)]
    regression = regression_samples(people=plan.regression_people, step=step("people to remember"))
    base_figures = _cached(plan, base, engine, regression, step("before"))
    window = base.window
    recipe = replace(recipe_of(plan, base.architecture.input_px), window=window)
    _configure(plan, base, recipe, {pool.name: len(pool.samples) for pool in pools})
    step("training")  # has a bar of its own
    run, state = fit(base.architecture, pools, validation, recipe, plan.out, start=base.network().state_dict())
    weights = Weights("finetuned", base.architecture, state, window, ScoreMap(0.0, 1.0, 0.0), {}, "")
    weights = calibrated(weights, [*validation, *regression], card=_card(plan, base, recipe, run))
    new_figures = judge(plan.takes, weights, engine, regression, step("after"))
    verdict = gate(base_figures[1], new_figures[1])
    figures = {"before": asdict(base_figures[1]), "after": asdict(new_figures[1])}
    weights = replace(weights, card={**weights.card, "own_rig": {**figures, "verdict": verdict.light}})
    path = plan.out / "finetuned.safetensors"
    write_weights(weights, path)
    _draw(plan, weights, validation, base_figures[0], new_figures[0])
    with open_engine(engine, base) as old, open_engine(engine, weights) as new:
        film(plan.takes[0], [("before", old), ("after", new)], plan.out / "before_after.mp4", step=step("film"))
    lenses = tuple(sorted({key for folder in plan.takes for key in _lens_keys(folder)}))
    return Finetuned(
        weights, path, base_figures[0], new_figures[0], (base_figures[1], new_figures[1]), verdict, lenses,
        run.images_seen, run.hours,
    )  # fmt: skip


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
    remembered = regression_mm(weights.decoded(), regression, weights.architecture.input_px)
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
    return {**record, "per_joint_mm": tuple(record["per_joint_mm"])}


def _samples(plan: Plan, step: Step) -> tuple[list[Sample], list[Sample]]:
    """What is learned from, and the end of each camera's part, which draws the curve."""
    taught, validation = [], []
    for folder in plan.takes:
        samples = read_take(folder, step=step)
        cameras = sorted({sample.name.rsplit("/", 1)[0] for sample in samples})
        for camera in cameras:
            own = [sample for sample in samples if sample.name.rsplit("/", 1)[0] == camera]
            last = max(int(len(own) * VALIDATION_SHARE), 1)
            taught += own[:-last]
            validation += own[-last:]
    if len(taught) < SAMPLES_MIN:
        raise LabelError(
            f"{len(taught)} labelled pictures are too few to learn from; {SAMPLES_MIN} at least, record longer"
        )
    return taught, validation


def _others(plan: Plan, step: Callable[[str], Step]) -> list[Pool]:
    """Synthetic people before the takes' own rooms, and pictures without a person."""
    rooms = plan.out / "rooms"
    rooms.mkdir(parents=True, exist_ok=True)
    empty = []
    for i, folder in enumerate(plan.takes):
        take = open_take(folder)
        for k, image in enumerate(backgrounds(take, read_labels(folder).names)):
            jpeg = encode_jpeg(image)
            (rooms / f"room_{i}_{k}.jpg").write_bytes(jpeg)
            empty.append(background(f"room {i} {k}", jpeg))
    rng = np.random.default_rng(plan.seed)
    empty += [background(f"made up {i}", encode_jpeg(procedural_background(PEOPLE_PX, rng))) for i in range(ROOMS)]
    folders = plan.synthetic or (_rendered(plan, rooms, step("people")),)
    people = [sample for folder in folders for sample in read_synthetic(folder)]
    if not people:
        raise LabelError(f"{', '.join(map(str, folders))}: no synthetic people there; python run.py synth makes them")
    return [Pool("synthetic", people, SHARES["synthetic"]), Pool("background", empty, SHARES["background"])]


def _rendered(plan: Plan, rooms: Path, step: Step) -> Path:
    folder = plan.out / "people"
    sources = SourceFolders(photos=(rooms,), split="all")
    for done in write_shards(
        folder, plan.people, seed=plan.seed + 1, size_px=PEOPLE_PX, sources=sources, workers=free_cores(), per_shard=64
    ):
        step(done, plan.people, "rendering")
    return folder


def _draw(
    plan: Plan,
    weights: Weights,
    validation: Sequence[Sample],
    before: dict[str, list[TakeFigures]],
    after: dict[str, list[TakeFigures]],
) -> None:
    """The loss, what the network sees now, and errors joint by joint, into the run's folder."""
    plot_curves(plan.out)
    contact_sheet(weights.decoded(), validation[:SHEET], weights.architecture.input_px, plan.out / "predictions.jpg")
    everything = [[f for figures in when.values() for f in figures] for when in (before, after)]
    if everything[0]:
        plot_joints(everything[0], everything[1], plan.out / "per_joint.png")


def _lens_keys(folder: Path) -> list[str]:
    take = open_take(folder)
    return [lens_key(camera.lens) for camera in take.cameras.values() if camera.lens is not None]


def _card(plan: Plan, base: Weights, recipe: Recipe, run: PoseTraining) -> dict[str, object]:
    return {
        "made_from": {"weights": base.name, "sha256": base.sha256, "card": base.card},
        "data": [{"name": take.name, "kind": "take", "terms": "the user's own recording"} for take in plan.takes],
        "recipe": asdict(recipe),
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
