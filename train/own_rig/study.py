"""What teaching one's own rig gains, measured on synthetic takes: `python -m train.own_rig.study --out FOLDER`.

For each seed: a person, clothes, a room, two cameras that nothing was trained on; a take of them; the rig found from
the person, with lenses as a board gives them; labels by the weights themselves; a fine-tuning; the same with the truth
in place of the labels (the ceiling); and a second take of the same rig in other clothes with another motion. Truth is
read by what judges, and by the ceiling. Everything lies in FOLDER; the same call goes on where it was stopped, and
ends with results.json and results.md.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from calib.epipolar import Relative
from calib.errors import UserError as CalibError
from calib.formats import write_rig
from calib.people_scale import Cues
from calib.rig import Rig
from engine.backends import open_engine
from engine.errors import UserError
from engine.weights import Weights, load_weights, read_weights
from realtime.people_calibration import calibrate_from_people
from realtime.progress import Stages, Step
from realtime.takes import open_take
from train.evaluate_takes import error_of_take
from train.own_rig.arms import label_arms
from train.own_rig.finetuning import Plan, finetune
from train.own_rig.labelling import label_take
from train.own_rig.labels import LabelError
from train.own_rig.study_table import markdown
from train.own_rig.teachers import OwnTeacher
from train.sweep import Record, Results
from train.synthetic.sources import SourceFolders
from train.synthetic.stage import TakeOptions
from train.synthetic.take import render_take
from train.synthetic.truth import NAME as TRUTH
from train.synthetic.truth import read_truth

# how well a board tells a focal length (relative) and the middle of the picture (parts of its width)
FOCAL_SIGMA, CENTER_SIGMA = 0.003, 0.002
OFFSET_MS = 20.0


@dataclass(frozen=True, slots=True)
class Study:
    """What is filmed, and how much is learned from it."""

    out: Path
    seconds: float
    second_s: float  # of the second take
    size_px: tuple[int, int]
    crops: int
    rounds: int
    people: int
    synthetic: tuple[Path, ...]
    engine: str


def of_seed(study: Study, seed: int, base: Weights, results: Results, step: Callable[[str], Step]) -> Record:
    """All figures of a seed; whatever exists is not made again. LabelError where a take is refused."""
    home = study.out / f"seed_{seed}"
    first = _filmed(home / "first", study, seed, 0, study.seconds, step("first take"))
    _labelled(first, study, base, step)
    runs, rendered = {}, home / "taught" / "people"
    for name in ("taught", "ceiling"):
        people = study.synthetic or ((rendered,) if name == "ceiling" else ())
        plan = Plan(
            (first,), home / name, 1.0, crops=study.crops, people=study.people, synthetic=people, seed=seed,
            truth=name == "ceiling", rounds=study.rounds, pictures=False,
        )  # fmt: skip
        runs[name] = results.once(
            f"{seed} {name}", lambda plan=plan: finetune(plan, base, engine=study.engine, step=step).summary()
        )
    second = _filmed(home / "second", study, seed, 1, study.second_s, step("second take"))
    shutil.copy(first / "rig.toml", second / "rig.toml")
    networks = {"before": base} | {name: read_weights(home / name / "finetuned.safetensors") for name in runs}
    errors = {
        name: _error(second, weights, study.engine, step(f"second take, {name}")) for name, weights in networks.items()
    }
    truth = read_truth(first)
    names = list(truth.cameras)[:2]
    return {
        "baseline_m": round(truth.rig.baseline_m(names[0], names[1]), 3),
        "rig": _rig_off(first, truth.rig, (names[0], names[1])),
        **runs,
        "second": errors,
        "arms": [asdict(arm) for arm in label_arms(first)],
    }


def _filmed(folder: Path, study: Study, seed: int, visit: int, seconds: float, step: Step) -> Path:
    if not (folder / TRUTH).is_file():  # the last thing that is written
        options = TakeOptions(size_px=study.size_px, offset_ms=OFFSET_MS)
        sources = SourceFolders(split="test").read()
        render_take(
            folder, seed=seed, seconds=seconds, visit=visit, options=options, sources=sources, force=True, progress=step
        )
    return folder


def _labelled(folder: Path, study: Study, base: Weights, step: Callable[[str], Step]) -> None:
    """Rig and labels of a take, both from the person."""
    if (folder / "labels.npz").is_file():
        return
    with open_engine(study.engine, base) as opened:
        if not (folder / "rig.toml").is_file():
            lenses = _lenses_of_a_board(folder)
            calibrate_from_people(folder, opened, intrinsics=lenses, cues=Cues(), step=step("rig"))
        done = label_take(folder, OwnTeacher(opened), step=step("labels"))
    if done.labels is None:
        reasons = "; ".join(reason.text for reason in done.placed.verdict.reasons if reason.light == "red")
        raise LabelError(f"{folder}: {reasons}")


def _lenses_of_a_board(folder: Path) -> Path:
    """The take's lenses as well as a board gives them: near the truth, not the truth."""
    rng, cameras = np.random.default_rng(0), {}
    for name, camera in read_truth(folder).cameras.items():
        K = camera.K.copy()
        K[[0, 1], [0, 1]] *= 1 + rng.normal(0, FOCAL_SIGMA)
        K[:2, 2] += rng.normal(0, CENTER_SIGMA * camera.width, 2)
        cameras[name] = replace(camera, K=K)
    return write_rig(folder / "lenses.toml", Rig(cameras))


def _rig_off(folder: Path, true: Rig, names: tuple[str, str]) -> dict[str, float | None]:
    """How far the take's rig is from the true one, and how sure it says that it is, in degrees."""
    rig = open_take(folder).rig
    assert rig is not None
    assert rig.quality is not None  # a person gave it
    turn, direction = Relative.of(rig.b_from_a(*names)).apart_deg(Relative.of(true.b_from_a(*names)))
    said = {
        "turn_sigma_deg": rig.quality.rotation_sigma_deg,
        "direction_sigma_deg": rig.quality.translation_sigma_deg,
    }
    return {"turn_deg": round(turn, 3), "direction_deg": round(direction, 3), **said}


def _error(folder: Path, weights: Weights, engine: str, step: Step) -> dict[str, object]:
    with open_engine(engine, weights) as opened:
        return error_of_take(folder, opened, step=step).summary()


def main(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Takes, runs and results; one that exists goes on.")],
    seeds: Annotated[str, typer.Option(help="Of the takes, with commas.")] = "901,902,903",
    seconds: Annotated[float, typer.Option(min=10, help="How long each take is.")] = 60.0,
    second: Annotated[float, typer.Option(min=10, help="How long the second take of the rig is.")] = 15.0,
    crops: Annotated[int, typer.Option(min=64, help="How many each run learns from.")] = 9600,
    rounds: Annotated[int, typer.Option(min=1, help="Parts of each run; labels are made anew between them.")] = 1,
    people: Annotated[int, typer.Option(min=64, help="Synthetic people rendered against forgetting.")] = 4000,
    synthetic: Annotated[list[Path] | None, typer.Option(metavar="FOLDER", help="People that exist already.")] = None,
    resolution: Annotated[str, typer.Option(metavar="WIDTHxHEIGHT", help="Of the takes.")] = "640x360",
    weights: Annotated[str, typer.Option(help="What is taught.")] = "lite",
    engine: Annotated[str, typer.Option(help="What judges and labels.")] = "auto",
) -> None:
    """Films, labels, teaches and judges; writes FOLDER/results.json and FOLDER/results.md."""
    if re.fullmatch(r"\d+x\d+", resolution) is None or re.fullmatch(r"\d+(,\d+)*", seeds) is None:
        raise typer.BadParameter(f"--resolution is like 640x360 and --seeds like 901,902, not {resolution}, {seeds}")
    width, height = (int(side) for side in resolution.split("x"))
    study = Study(out, seconds, second, (width, height), crops, rounds, people, tuple(synthetic or ()), engine)
    base, results = load_weights(weights), Results(out / "results.json")
    asked = {name: value for name, value in asdict(study).items() if name not in ("out", "engine", "synthetic")}
    asked = {"weights": base.name, "sha256": base.sha256, **asked, "size_px": [width, height]}
    if (held := results.once("settings", lambda: asked)) != asked:
        raise typer.BadParameter(f"{out} holds a study with {held}; give another folder")
    with Stages() as stages:
        for seed in (int(text) for text in seeds.split(",")):
            try:
                results.once(f"seed {seed}", lambda seed=seed: of_seed(study, seed, base, results, stages))
            except LabelError as error:
                results.once(f"seed {seed}", lambda error=error: {"refused": str(error)})
    table = markdown(results.records)
    (out / "results.md").write_text(table, encoding="utf-8")
    print(table)


if __name__ == "__main__":
    try:
        typer.run(main)
    except (UserError, CalibError) as error:
        sys.exit(str(error))
