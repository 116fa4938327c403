"""How exact a rig and labels from a person are, method by method: `python -m tests.calib.people_table [TRIALS]`.

The walker of `walker.py` before two cameras 3 m away; 10 % of pairs are outliers of 20 to 120 px. A cell is the median
over trials of the turn's error, of the baseline's direction (degrees), and the mean error of labels (mm): of held-out
frames without outliers, by the linear method, from the root, after one scale for all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from calib.bone_prior import height_of, with_bones
from calib.camera import Camera
from calib.epipolar import Pairs, Relative, best_of, voted
from calib.epipolar_paper import paper_pose
from calib.epipolar_pose import Pose, find_pose, pairs_of
from calib.epipolar_search import sampled
from calib.errors import UserError
from calib.habits import with_habits
from calib.label_checks import Flag
from calib.labels import fit_labels
from calib.triangulate import midpoints, polynomial, triangulated
from tests.calib.walker import BODY, Clip, Noise, Walker, make_pair, scaled_error_mm, spread_times, true_relative

Lenses = list[Camera]
HELD_OUT = 60
HABITS = Noise(2.0, 0.06, 0.015, 0.03)


def one_frame(pairs: Pairs, lenses: Lenses) -> Relative:
    """As the paper writes it: F from the joints of one frame."""
    frames, counts = np.unique(pairs.frame, return_counts=True)
    return paper_pose(pairs.picked(pairs.frame == frames[np.argmax(counts)]), lenses, method="8point")


def rounded_lmeds(pairs: Pairs, lenses: Lenses) -> Relative:
    """Joints rounded to whole pixels, least median of squares."""
    whole = []
    for rays, lens in zip((pairs.a, pairs.b), lenses, strict=True):
        f, c = np.diag(lens.K)[:2], lens.K[:2, 2]
        whole.append((np.round(rays * f + c) - c) / f)
    return paper_pose(replace(pairs, a=whole[0], b=whole[1]), lenses, method="lmeds")


def sampler(method: str) -> Callable[[Pairs, Lenses], Relative]:
    """E by one of OpenCV's samplers."""

    def find(pairs: Pairs, lenses: Lenses) -> Relative:
        E = best_of(sampled(pairs, method), pairs, 9.0)
        if E is None:
            raise UserError("nothing found")
        return voted(E, pairs).relative

    return find


def whole(pairs: Pairs) -> Pose:
    """All that the program does."""
    pose = find_pose(pairs)
    height = height_of(pose.relative, pairs, pose.fit.width_px, BODY)
    if not np.isfinite(height):
        return pose
    return with_bones(with_habits(pose, BODY, height), BODY)


METHODS: dict[str, Callable[[Pairs, Lenses], Relative]] = {
    "F of one frame, as written": one_frame,
    "F least median, whole pixels": rounded_lmeds,
    "F 8 points, pooled": lambda pairs, lenses: paper_pose(pairs, lenses, method="8point"),
    "F MAGSAC, pooled (`paper`)": lambda pairs, lenses: paper_pose(pairs, lenses),
    "E RANSAC": sampler("ransac"),
    "E MAGSAC": sampler("magsac"),
    "E ACCURATE": sampler("accurate"),
    "E, refined": lambda pairs, lenses: find_pose(pairs).relative,
    "E, refined, habits, bones": lambda pairs, lenses: whole(pairs).relative,
}


def trial(frames: int, baseline_m: float, noise: Noise, seed: int) -> dict[str, tuple[float, float, float]]:
    """Errors of every method on one clip; NaN where a method gives nothing."""
    cameras = make_pair(baseline_m)
    clip = Clip(Walker(seed), cameras, spread_times(frames, max(0.3 * frames, 1.0)), noise, seed)
    tracks = clip.tracks()
    lenses, true = list(cameras.values()), Relative.of(true_relative(cameras))
    pairs = pairs_of(tracks["left"], tracks["right"], lenses)
    # other moments of the same person before the same detector
    held = replace(clip, time_s=np.arange(HELD_OUT) / 3 + 7.0, noise=replace(noise, outliers=0.0, swaps=0.0))
    errors = {}
    for name, method in METHODS.items():
        try:
            found = method(pairs, lenses)
        except (UserError, ValueError):
            errors[name] = (np.nan, np.nan, np.nan)
            continue
        errors[name] = (*found.apart_deg(true), label_error_mm(held, found))
    errors["the true rig"] = (0.0, 0.0, label_error_mm(held, true))
    return errors


def label_error_mm(held: Clip, relative: Relative) -> float:
    """Of linear triangulation with this rig, in the first camera's axes."""
    tracks, (left, _) = held.tracks(), held.cameras.values()
    rays = np.stack([tracks[name].rays(camera).reshape(-1, 2) for name, camera in held.cameras.items()])
    points = triangulated(rays, np.stack([np.eye(4), relative.b_from_a])).reshape(-1, 16, 3)
    truth_cam_m = held.truth_m() @ left.R.T + left.t
    return float(np.nanmean(scaled_error_mm(points, truth_cam_m)))


def table(columns: dict[str, tuple[int, float, Noise]], trials: int) -> Iterable[str]:
    """Lines of Markdown: a row per method, a column per setting."""
    cells: dict[str, list[str]] = {name: [] for name in [*METHODS, "the true rig"]}
    for frames, baseline_m, noise in columns.values():
        count = trials if frames <= 100 else max(trials // 3, 3)
        found = [trial(frames, baseline_m, noise, seed) for seed in range(count)]
        for name, row in cells.items():
            errors = np.array([one[name] for one in found])
            bad = float(np.mean(~(errors[:, 0] < 5) | ~(errors[:, 1] < 10)))
            turn, way, label_mm = np.nanmedian(errors, axis=0) if np.isfinite(errors).any() else (np.nan,) * 3
            failed = f" ({bad:.0%})" if bad >= 0.03 else ""
            row.append(f"{turn:.2f} / {way:.2f} / {label_mm:.0f}{failed}")
    yield "| | " + " | ".join(columns) + " |"
    yield "| --- |" + " --- |" * len(columns)
    for name, row in cells.items():
        yield f"| {name} | " + " | ".join(row) + " |"


def triangulations(trials: int) -> Iterable[str]:
    """Mean absolute error of pairs without outliers, mm."""
    ways = {"linear": triangulated, "midpoint": midpoints, "polynomial": polynomial}
    settings = [(1.0, 3.0), (2.0, 1.0), (2.0, 3.0), (2.0, 6.0), (3.0, 3.0)]
    yield "| | " + " | ".join(f"{b:g} m, {px:g} px" for b, px in settings) + " |"
    yield "| --- |" + " --- |" * len(settings)
    for name, way in ways.items():
        row = []
        for baseline_m, px in settings:
            errors = []
            for seed in range(trials):
                clip = Clip(Walker(seed), make_pair(baseline_m), np.arange(60) / 10, Noise(px, 0.0), seed)
                tracks = clip.tracks()
                rays = np.stack([tracks[n].rays(camera).reshape(-1, 2) for n, camera in clip.cameras.items()])
                poses = np.stack([camera.cam_from_world for camera in clip.cameras.values()])
                errors.append(np.linalg.norm(way(rays, poses) - clip.truth_m().reshape(-1, 3), axis=1))
            row.append(f"{1000 * np.nanmean(np.concatenate(errors)):.1f}")
        yield f"| {name} | " + " | ".join(row) + " |"


def labels(trials: int) -> Iterable[str]:
    """Raw and kept labels with the true rig, mm from the root, and what each flag takes."""
    yield "| | raw mean / p95 | kept mean / p95 | flagged | " + " | ".join(flag.name or "" for flag in Flag) + " |"
    yield "| --- |" + " --- |" * (3 + len(Flag))
    for what, noise in (("3 px, 10 % outliers", Noise()), ("2 px, habits of 15 mm, 3 % swaps", HABITS)):
        for baseline_m in (1.0, 2.0, 3.0):
            raw, kept, flags = [], [], []
            for seed in range(trials):
                clip = Clip(Walker(seed), make_pair(baseline_m), np.arange(300) / 30, noise, seed)
                tracks, truth = clip.tracks(), clip.truth_m()
                made = fit_labels(tracks["left"], tracks["right"], list(clip.cameras.values()), BODY)
                for points, into, which in (
                    (made.raw, raw, np.isfinite(made.raw[..., 0])),
                    (made.points, kept, made.kept),
                ):
                    away = (points - points[:, [BODY.root]]) - (truth - truth[:, [BODY.root]])
                    into.append(1000 * np.linalg.norm(away, axis=-1)[which])
                flags.append(made.flags.ravel())
            raw_mm, kept_mm, bits = np.concatenate(raw), np.concatenate(kept), np.concatenate(flags)
            shares = " | ".join(f"{100 * np.mean((bits & flag) > 0):.1f} %" for flag in Flag)
            before, after = (f"{np.mean(mm):.0f} / {np.percentile(mm, 95):.0f}" for mm in (raw_mm, kept_mm))
            row = f"| {baseline_m:g} m, {what} | {before} | {after} "
            yield f"{row}| {100 * np.mean(bits > 0):.0f} % | {shares} |"


def main(trials: int = 15) -> None:
    """Print every table."""
    usual = Noise(3.0)
    parts: list[tuple[str, Iterable[str]]] = [
        ("Frames, at 2 m and 3 px", table({f"{n} frames": (n, 2.0, usual) for n in (1, 10, 100, 1000)}, trials)),
        (
            "Baseline and noise, 100 frames",
            table(
                {f"{b:g} m, {px:g} px": (100, b, Noise(px)) for b in (1.0, 2.0, 3.0) for px in (1.0, 3.0, 6.0)}, trials
            ),
        ),
        (
            "Habits of 15 mm, 2 px, 6 % outliers, 3 % swaps, 100 frames",
            table({f"{b:g} m": (100, b, HABITS) for b in (1.0, 2.0, 3.0)}, trials),
        ),
        ("Triangulation with the true rig, absolute error in mm", triangulations(max(trials // 3, 2))),
        ("Labels with the true rig", labels(max(trials // 3, 2))),
    ]
    for title, lines in parts:
        print(f"\n{title}\n")
        for line in lines:
            print(line, flush=True)


if __name__ == "__main__":
    main(*(int(text) for text in sys.argv[1:2]))
