"""Teaching one's own room: `label`, `finetune`, `weights`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from commands.options import Device, Engine, Json, Model, Precision, Weights, progress_bar, write_json

if TYPE_CHECKING:
    from train.own_rig.finetuning import Finetuned
    from train.own_rig.labelling import Labelled

Take = Annotated[Path, typer.Argument(metavar="TAKE", help="A take of two cameras; `record` makes one.")]


def label(
    take: Take,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|mediapipe|rtmpose",
            help="Another program: its joints, npz, once per camera, or one that is installed. Else our own weights.",
        ),
    ] = None,
    model: Model = None,
    weights: Weights = "auto",
    engine: Engine = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    json_file: Json = None,
) -> None:
    """3D labels for both cameras of a take, without anybody labelling, and a report that says how good they are."""
    from train.own_rig.label_report import lines, summary, write_label_report

    if model is not None and teacher != ["mediapipe"]:
        raise typer.BadParameter("--model FILE goes with --teacher mediapipe")
    done, said = _labelled(take, teacher, model, weights, engine, device, precision)
    print("\n".join(lines(done, teacher=said)))
    for path in write_label_report(done, teacher=said):
        print(f"wrote {path}")
    write_json(json_file, summary(done, teacher=said))
    if done.labels is None:
        raise typer.Exit(1)
    print(f"next: look at {take / 'labels.html'}, then python run.py finetune {take}")


def _labelled(take: Path, teacher, model: Path | None, weights, engine, device, precision) -> tuple[Labelled, str]:
    """The labels and who taught them."""
    from engine.backends import open_engine
    from train.own_rig.detectors import DETECTORS, DetectorTeacher
    from train.own_rig.labelling import label_take
    from train.own_rig.network_teacher import NetworkTeacher
    from train.own_rig.teachers import FileTeacher, OwnTeacher
    from train.teachers.blazepose import BlazePose

    with progress_bar("frames") as step:
        if teacher and model is None:
            detects = len(teacher) == 1 and teacher[0] in DETECTORS
            other = DetectorTeacher(teacher[0]) if detects else FileTeacher([Path(file) for file in teacher])
            return label_take(take, other, step=step), other.name
        with open_engine(engine, weights, device=device, precision=precision) as opened:
            own = OwnTeacher(opened) if model is None else NetworkTeacher(BlazePose(model), opened)
            return label_take(take, own, step=step), own.name


def finetune(
    takes: Annotated[list[Path], typer.Argument(metavar="TAKE...", help="Labelled takes of one rig.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="The run's folder; one that exists is resumed.")],
    name: Annotated[str, typer.Option(help="Under which the new weights are kept.")] = "own",
    minutes: Annotated[float, typer.Option(min=0.1, help="How long to train, all sittings together.")] = 20.0,
    crops: Annotated[
        int | None, typer.Option(min=64, help="How many crops to learn from, instead of --minutes.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, max=5, help="Label the takes anew between parts of the training.")] = 1,
    people: Annotated[int, typer.Option(min=64, help="Synthetic people rendered against forgetting.")] = 4000,
    synthetic: Annotated[
        list[Path] | None, typer.Option(metavar="FOLDER", help="Of `synth`; none that the weights learned from.")
    ] = None,
    weights: Weights = "auto",
    engine: Engine = "auto",
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    json_file: Json = None,
) -> None:
    """Teach the one-camera network with labelled takes; new weights are taken only where they are better."""
    from engine.user_weights import own_path
    from engine.weights import load_weights
    from realtime.progress import Stages
    from train.own_rig.finetuning import Plan
    from train.own_rig.finetuning import finetune as run_finetune

    place = own_path(name)  # refuses what cannot be a name before anything is computed
    base = load_weights(weights)
    others = tuple(synthetic or ())
    plan = Plan(tuple(takes), out, minutes / 60, crops=crops, people=people, synthetic=others, seed=seed, rounds=rounds)
    budget = f"{minutes:g} min of training" if crops is None else f"{crops} crops"
    print(f"from {base.name} {base.sha256[:12]}, {budget}", flush=True)
    with Stages() as stages:
        done = run_finetune(plan, base, engine=engine, step=stages)
    print("\n".join(_before_after(done)))
    write_json(json_file, done.summary())
    if done.verdict.light == "red":
        print(f"the old weights stay; the new ones lie in {done.path}")
        raise typer.Exit(1)
    _install(done, name)
    print(f"wrote {place}: `--weights auto` takes them from now on; back: python run.py weights undo")


def _before_after(done: Finetuned) -> list[str]:
    from train.evaluate_takes import table, table_of_kinds

    before, after = done.before.figures, done.after.figures
    lines = ["before:", table(before), "after:", table(after), table_of_kinds(before=before, after=after)]
    share = 100 * done.rounds[-1].mix.share
    lines.append(f"{share:.0f} % of what was learned is kept: best on what was neither learned nor judged")
    taken = done.verdict.light != "red"
    lines.append("TAKEN:" if taken else "NOT TAKEN:")
    return lines + [f"- {'ok ' if reason.light == 'green' else 'NO '} {reason.text}" for reason in done.verdict.reasons]


def _install(done: Finetuned, name: str) -> None:
    from engine.user_weights import own_path, use
    from engine.weights import write_weights

    write_weights(done.weights, own_path(name))
    use(name, lenses=done.lenses)


def weights(
    action: Annotated[Literal["list", "use", "undo", "describe"], typer.Argument(help="What to do.")] = "list",
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Own weights, lite or full.")] = None,
) -> None:
    """Your own weights: which there are, which `auto` takes, the way back."""
    from engine import user_weights
    from engine.weights import NAMES

    if (action in ("use", "describe")) != (name is not None):
        raise typer.BadParameter("`weights use NAME`, `weights describe NAME`, `weights undo` or `weights list`")
    if action == "use" and name is not None:
        user_weights.use(None if name in (*NAMES, "auto") else name)
    if action == "undo":
        user_weights.undo()
    if action == "describe" and name is not None:
        print("\n".join(_described(name)))
        return
    in_use = user_weights.read_index().in_use
    for own in user_weights.own_names():
        print(f"{'*' if own == in_use else ' '} {own}  {user_weights.own_path(own)}")
    print(f"{'*' if in_use is None else ' '} lite  bundled")
    print("* is what `--weights auto` takes where no lens of a rig says otherwise")


def _described(name: str) -> list[str]:
    import json

    from engine.weights import load_weights

    loaded = load_weights(name)
    network = f"ResNet-{loaded.architecture.backbone}, input {loaded.architecture.input_px} px"
    card = {key: value for key, value in loaded.card.items() if key != "recipe"}
    return [f"{loaded.name}: {network}, sha256 {loaded.sha256}", json.dumps(card, indent=2)]


def judge_takes(
    takes: list[Path], weights: str, engine: str, device: str, precision: str, json_file: Path | None
) -> None:
    """`evaluate` of takes: the weights, and before them those that they were made from, where these are known."""
    from engine.backends import open_engine
    from engine.weights import load_weights
    from train.evaluate_takes import TakeFigures, evaluate_take, table, table_of_kinds
    from train.own_rig.ancestry import made_from
    from train.own_rig.labels import read_labels

    for folder in takes:
        read_labels(folder)  # says what is missing before anything is computed
    now = load_weights(weights)
    before = made_from(now)
    record: dict[str, object] = {"weights_sha256": now.sha256}
    found: dict[str, list[TakeFigures]] = {}
    for when, network in (("before", before), ("after", now)):
        if network is None:
            continue
        with open_engine(engine, network, device=device, precision=precision) as opened, progress_bar(when) as step:  # type: ignore[arg-type]
            found[when] = figures = [f for folder in takes for f in evaluate_take(folder, opened, step=step)]
        said = f"{when}: " if before is not None else ""
        print(f"{said}{opened.description}, weights {network.name} {network.sha256[:12]}\n{table(figures)}")
        record[when] = [{"name": f.name, **f.summary()} for f in figures]
    print(table_of_kinds(**found))
    write_json(json_file, record)
