"""Fine-tuning of the one-camera network on labelled takes: with what, how, and whether the result is taken."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from torch import Tensor

from calib.verdict import Verdict
from engine.backends import open_engine
from engine.joints import ScoreMap
from engine.weights import Weights, read_weights, write_weights
from realtime.lens import lens_key
from realtime.progress import Step
from realtime.takes import open_take
from train.augment import Augmentation
from train.datasets.sample import Sample
from train.fit import Phase, PoseTraining, Recipe, fit
from train.occlusion import PROBABILITY
from train.own_rig.bars import plot_joints
from train.own_rig.film import film
from train.own_rig.gate import gate
from train.own_rig.judging import Judgement, judge, judged_once
from train.own_rig.labelling import labelled_anew
from train.own_rig.labels import TakeLabels, read_labels
from train.own_rig.lessons import Lessons, lessons
from train.own_rig.mixing import FORGET, SHARES, Mix, best_mix, mixed, mixes
from train.own_rig.practice import BOUNDS, how_often
from train.own_rig.regression import PEOPLE as REGRESSION_PEOPLE
from train.own_rig.regression import regression_samples
from train.own_rig.teachers import OwnTeacher
from train.own_rig.truth import true_labels
from train.paper.figures import heatmaps
from train.plots import contact_sheet, plot_curves
from train.pretrain import SHEET, calibrated
from train.stream import Pool

REDRESS = 0.35  # of the pictures of a take
AUGMENTATION = Augmentation(roll_deg=8.0, occlusion=PROBABILITY, redress=REDRESS)
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
    people: int = 4000  # rendered, where no folder of synthetic people is given
    synthetic: tuple[Path, ...] = ()
    seed: int = 0
    learning_rate: float = 4e-4
    batch: int = 16
    crops: int | None = None  # instead of the hours: the same on every machine
    truth: bool = False  # a synthetic take teaches what is true: the ceiling of the labels
    rounds: int = 1  # the budget's parts: before each but the first, what was learned so far labels the takes anew
    pictures: bool = True  # the film of before and after, the loss, errors joint by joint
    workers: int = 1
    precision: str = "bf16-mixed"
    regression_people: int = REGRESSION_PEOPLE


@dataclass(frozen=True, slots=True)
class Round:
    """One part of a fine-tuning: what it came to."""

    weights: Weights
    images_seen: int
    hours: float
    mixes: tuple[Mix, ...]
    mix: Mix  # the one that was chosen
    lessons: Lessons


@dataclass(frozen=True, slots=True)
class Finetuned:
    """The new weights, both networks' figures, and whether the new ones may be used."""

    weights: Weights
    path: Path
    before: Judgement
    after: Judgement
    verdict: Verdict
    lenses: tuple[str, ...]
    rounds: tuple[Round, ...]

    def summary(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "verdict": self.verdict.light,
            "reasons": [reason.text for reason in self.verdict.reasons],
            "weights": str(self.path),
            "images": sum(r.images_seen for r in self.rounds),
            "hours": round(sum(r.hours for r in self.rounds), 4),
            "share_of_new": [r.mix.share for r in self.rounds],
            "mixes": [[mix.record() for mix in r.mixes] for r in self.rounds],
            "regression_mm": {"before": self.before.judged.regression_mm, "after": self.after.judged.regression_mm},
            "before": {name: [f.summary() for f in figures] for name, figures in self.before.takes.items()},
            "after": {name: [f.summary() for f in figures] for name, figures in self.after.takes.items()},
        }


def recipe_of(plan: Plan, input_px: int) -> Recipe:
    """A gentle one: the network knows people already."""
    small_px = max(32, int(input_px * SMALL) // 32 * 32)
    return Recipe(
        hours=plan.hours / plan.rounds,
        crops=None if plan.crops is None else plan.crops // plan.rounds,
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

    Both networks are judged with the labels that lie in the takes. `step(what)` gives a bar for a stage. LabelError
    where takes have no labels or too few.
    """
    for folder in plan.takes:
        read_labels(folder)  # says what is missing before anything is computed
    labels = {take: true_labels(take) for take in plan.takes} if plan.truth else {}
    taught = _lessons(plan, labels, step)
    regression = regression_samples(people=plan.regression_people, step=step("people to remember"))
    before = judged_once(plan.out, plan.takes, base, engine, regression, step("before"))
    rounds = [_round(plan, plan.out, base, base, taught, regression, step)]
    for number in range(2, plan.rounds + 1):
        home, last = plan.out / f"round_{number}", rounds[-1].weights
        if not plan.truth:
            labels = _labelled_anew(plan, home, last, engine, step(f"labels of round {number}"))
            taught = _lessons(plan, labels, step)
        rounds.append(_round(plan, home, base, last, taught, regression, step))
    weights = rounds[-1].weights
    after = judge(plan.takes, weights, engine, regression, step("after"))
    verdict = gate(before.judged, after.judged)
    own_rig = {"before": asdict(before.judged), "after": asdict(after.judged), "verdict": verdict.light}
    seen = {"images_seen": sum(r.images_seen for r in rounds), "hours": round(sum(r.hours for r in rounds), 4)}
    weights = replace(weights, card={**weights.card, **seen, "own_rig": own_rig})
    path = plan.out / "finetuned.safetensors"
    write_weights(weights, path)
    if plan.pictures:
        _draw(plan, weights, rounds[-1].lessons.validation, before, after)
        _film(plan, base, weights, engine, step("film"))
    return Finetuned(weights, path, before, after, verdict, _lens_keys(plan.takes), tuple(rounds))


def _lessons(plan: Plan, labels: Mapping[Path, TakeLabels], step: Callable[[str], Step]) -> Lessons:
    return lessons(
        plan.takes, plan.out, people=plan.people, synthetic=plan.synthetic, seed=plan.seed, labels=labels, step=step
    )


def _round(
    plan: Plan, home: Path, base: Weights, last: Weights, taught: Lessons, regression: Sequence[Sample],
    step: Callable[[str], Step],
) -> Round:  # fmt: skip
    """Goes on from the `last` weights, in `home`; how much is kept is a matter between `base` and what came of it."""
    recipe = replace(recipe_of(plan, base.architecture.input_px), window=base.window)
    pools = _practised(taught.pools, last, recipe.phases[0].size_px, step("practice"))
    _configure(plan, home, last, recipe, {pool.name: len(pool.samples) for pool in taught.pools})
    step("training")  # has a bar of its own
    run, state = fit(base.architecture, pools, taught.validation, recipe, home, start=last.network().state_dict())
    found = mixes(base, state, taught.validation, taught.kept, step("mixing"))
    mix = best_mix(found)
    card = _card(plan, base, recipe, run, mix)
    weights = _weights(base, mixed(base.network().state_dict(), state, mix.share), taught, regression, card)
    path = home / "taught.safetensors"
    write_weights(weights, path)
    return Round(read_weights(path), run.images_seen, run.hours, tuple(found), mix, taught)


def _practised(pools: Sequence[Pool], last: Weights, size_px: int, step: Step) -> list[Pool]:
    """The takes' pictures by how wrong the network is in them."""
    return [
        replace(pool, often=how_often(last, pool.samples, size_px, step)) if pool.name == "take" else pool
        for pool in pools
    ]


def _labelled_anew(plan: Plan, home: Path, last: Weights, engine: str, step: Step) -> dict[Path, TakeLabels]:
    """The takes seen by the newest network; one that it makes nothing of keeps its labels."""
    found = {}
    with open_engine(engine, last) as opened:
        for i, take in enumerate(plan.takes):
            own = home / f"take_{i}"
            own.mkdir(parents=True, exist_ok=True)
            found[take] = labelled_anew(take, OwnTeacher(opened, home=own), step=step)
    return {take: labels for take, labels in found.items() if labels is not None}


def _weights(
    base: Weights, state: Mapping[str, Tensor], taught: Lessons, regression: Sequence[Sample], card: dict[str, object]
) -> Weights:
    """A state as weights whose scores fit it."""
    weights = Weights("finetuned", base.architecture, dict(state), base.window, ScoreMap(0.0, 1.0, 0.0), {}, "")
    return calibrated(weights, [*taught.validation, *regression], card=card)


def _draw(plan: Plan, weights: Weights, validation: Sequence[Sample], before: Judgement, after: Judgement) -> None:
    """The loss, what the network sees now, and errors joint by joint, into the run's folder."""
    plot_curves(plan.out)
    heatmaps(weights, validation[0], plan.out / "heatmaps.png")
    contact_sheet(weights.decoded(), validation[:SHEET], weights.architecture.input_px, plan.out / "predictions.jpg")
    if before.figures:
        plot_joints(before.figures, after.figures, plan.out / "per_joint.png")


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


def _configure(plan: Plan, home: Path, start: Weights, recipe: Recipe, counts: dict[str, int]) -> None:
    record = {
        "weights": start.name,
        "weights_sha256": start.sha256,
        "takes": [str(take) for take in plan.takes],
        "samples": counts,
        "recipe": asdict(recipe),
        "drawn": BOUNDS,  # how often at least and at most, by how wrong the network was
        "mixing": {"shares": SHARES, "forget": FORGET},
    }
    home.mkdir(parents=True, exist_ok=True)
    (home / "configuration.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
