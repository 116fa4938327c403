"""A synthetic take: one person in a room, filmed by two or more cameras, with the truth beside the videos."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from jaxtyping import Float64, UInt8
from numpy import ndarray
from numpy.random import Generator
from scipy.interpolate import CubicSpline
from torch import Tensor

from calib.camera import Camera
from realtime.takes import CameraAbout, Row, create_take
from realtime.takes.writer import check_room
from train.synthetic.body import SKIN_FACES, Body, Person, load_body
from train.synthetic.compose import Drawing, cameras, composed, drawn, floor_shadows
from train.synthetic.figure import Figures, Someone, dressed
from train.synthetic.interior import Interior, Seen, random_interior
from train.synthetic.light import Light, lights, random_light
from train.synthetic.outfit import Outfit, changed, random_outfit
from train.synthetic.performance import STEP_S, Performance, random_performance
from train.synthetic.pose import Pose
from train.synthetic.render import projected
from train.synthetic.sources import Sources
from train.synthetic.stage import START_S, TakeOptions, Timing, moved, random_cameras, random_timings, rig_from_stage
from train.synthetic.truth import Shots, Truth

TRUTH_HZ = 120.0
SHADE = 0.45
TOGETHER = 8  # meshes that are dressed at once to find the floor
RIM_PX = 8  # around person and shadow, in the part of a picture that is drawn anew
# each frame cuts its noise at another place of a field that is so much larger
NOISE_ROOM_PX, NOISE_BLUR_PX = 192, 0.7


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is filmed: body, clothes, motion, and how high the pelvis is so that the lowest point stands on the floor."""

    person: Person
    outfit: Outfit
    performance: Performance
    up_m: CubicSpline

    def at(self, time_s: Float64[ndarray, "n"]) -> list[Someone]:
        """The person at some moments, in the stage's world (y up)."""
        R, place_m = self.performance.at(time_s)
        at_m = np.column_stack([place_m[:, 0], self.up_m(time_s), place_m[:, 1]])
        return [
            Someone(self.person.posed(Pose(one)), self.outfit, (float(x), float(y), float(z)), image=i)
            for i, (one, (x, y, z)) in enumerate(zip(R, at_m, strict=True))
        ]

    def joints_m(self, time_s: Float64[ndarray, "n"]) -> Float64[ndarray, "n joints 3"]:
        """Joints in the stage's world."""
        return np.stack([someone.posed.joints + np.array(someone.at_m) for someone in self.at(time_s)])


def random_actor(
    rng: Generator, seconds: float, *, sources: Sources, body: Body, again: Generator | None = None
) -> Actor:
    """A dressed person with something to do for a while; `again`: the same person's clothes and motion another day."""
    person = body.someone(rng, split=sources.split)
    outfit = random_outfit(rng, sources.textures)
    if again is not None:
        rng, outfit = again, changed(outfit, again, sources.textures)
    performance = random_performance(rng, seconds, motions=sources.motions)
    times = np.arange(0, seconds + STEP_S, STEP_S)
    R, _ = performance.at(times)
    lowest = []
    for start in range(0, len(times), TOGETHER):
        some = [Someone(person.posed(Pose(one)), outfit) for one in R[start : start + TOGETHER]]
        lowest.append(dressed(some).lowest_m().numpy().astype(np.float64))
    return Actor(person, outfit, performance, CubicSpline(times, -np.concatenate(lowest)))


def render_take(
    folder: Path,
    *,
    seed: int,
    seconds: float,
    visit: int = 0,
    options: TakeOptions | None = None,
    sources: Sources | None = None,
    photos_behind: bool = False,
    codec: Literal["h264", "mjpeg"] = "h264",
    faces: int | None = SKIN_FACES,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Truth:
    """Film a take into `folder`; the same seed gives the same one. TakeError where it may not be written.

    A later `visit` is another take of the same person, room and cameras, with other clothes and motion.
    `photos_behind` puts a photo of the sources behind each camera's person instead of the same room.
    """
    check_room(folder, force=force)
    options, sources = options or TakeOptions(), sources or Sources()
    # each from its own, so that another length or visit leaves the rest as it is
    cast, room, cadence, rng = np.random.default_rng(seed).spawn(4)
    again = np.random.default_rng((seed, visit)) if visit else None
    actor = random_actor(cast, seconds + START_S, sources=sources, body=load_body(faces=faces), again=again)
    stage = random_cameras(room, options)
    timings = random_timings(cadence, list(stage), seconds, options)
    behind = _backgrounds(room, stage, sources, photos=photos_behind)
    light = _lamp(room)
    truth = _truth(actor, stage, timings, seconds)
    about = {name: _about(camera, options, codec) for name, camera in stage.items()}
    total, done = sum(len(t.time_s) for t in timings.values()), 0
    notes = f"synthetic, seed {seed}" + (f", visit {visit}" if visit else "")
    with create_take(
        folder, about, made_by="synth", subject_height_m=round(truth.height_m, 4), notes=notes, force=force
    ) as writer:
        for name, camera in stage.items():
            film = Film(camera, behind[name], light, options.noise_sd, _colour_gain(rng), rng)
            for image_bgr, row in zip(film.images(actor, timings[name].time_s), _rows(timings[name]), strict=True):
                writer[name].write_image(image_bgr, row)
                done += 1
                if progress:
                    progress(done, total)
        truth.save(folder)
    return truth


class Film:
    """One fixed camera: draws the person and the shadow over the room that never changes."""

    def __init__(
        self, camera: Camera, behind: Seen, light: Light, noise_sd: float, gain: Float64[ndarray, "3"], rng: Generator
    ) -> None:
        self.light, self.rng = lights([light]), rng
        self.room, self.floor = torch.from_numpy(behind.image_bgr).float(), torch.from_numpy(behind.floor).float()
        self.depth_m = torch.from_numpy(np.ascontiguousarray(behind.depth_m)).view(-1)
        size = (camera.width, camera.height)
        self.view = cameras(camera.K[None], camera.R[None], camera.t[None], size, dist=camera.dist[None])
        self.rays = _half_size_rays(camera)
        self.gain = torch.from_numpy(gain.astype(np.float32))
        noise = rng.standard_normal((camera.height + NOISE_ROOM_PX, camera.width + NOISE_ROOM_PX, 3), dtype=np.float32)
        coarse = cv2.GaussianBlur(noise, (0, 0), NOISE_BLUR_PX)
        self.noise = torch.from_numpy(coarse * (noise_sd / coarse.std()))

    @torch.inference_mode()
    def images(self, actor: Actor, time_s: Float64[ndarray, "n"]) -> Iterator[UInt8[ndarray, "h w 3"]]:
        """The frames at some moments, BGR."""
        for someone in actor.at(time_s):
            image = self._drawn(dressed([replace(someone, image=0)])).mul_(self.gain)
            y, x = self.rng.integers(NOISE_ROOM_PX, size=2)
            image += self.noise[y : y + self.view.height, x : x + self.view.width]
            yield image.add_(0.5).clamp_(0, 255).to(torch.uint8).numpy()

    def _drawn(self, figures: Figures) -> Tensor:
        image = self.room.clone()
        x, y, width, height = self._window(figures)
        K = self.view.K - torch.tensor([[0, 0, x], [0, 0, y], [0, 0, 0]])
        view = replace(self.view, K=K, width=width, height=height)
        drawing = self._before_the_room(drawn(figures, self.light, view), x, y, width)
        rays = self.rays[:, y // 2 : (y + height) // 2, x // 2 : (x + width) // 2]
        shadow = floor_shadows(drawing.shadows, view, torch.zeros(1), rays.contiguous())[0]
        part = image[y : y + height, x : x + width]
        part *= (1 - SHADE * shadow * self.floor[y : y + height, x : x + width])[..., None]
        part.copy_(composed(drawing, part[None], exposure=torch.ones(1))[0])
        return image

    def _window(self, figures: Figures) -> tuple[int, int, int, int]:
        """The part of the picture that person and shadow may cover: left, top, width, height, all even."""
        body = figures.points[0]
        toward = self.light.toward[0]
        fallen = body - toward * (body[:, 1:2].clamp(min=0) / toward[1])
        cam = torch.cat([body, fallen])[None] @ self.view.R.transpose(1, 2) + self.view.t[:, None]
        px = projected(cam, self.view.K, dist=self.view.dist)[0]
        px = px[px[:, 2] > 0, :2]
        limit = torch.tensor([self.view.width, self.view.height]) // 2
        if not len(px):
            return 0, 0, 2, 2
        low = ((px.amin(dim=0) - RIM_PX).long() // 2).clamp(min=0).minimum(limit - 1)
        high = ((px.amax(dim=0) + RIM_PX).long() // 2 + 1).minimum(limit).maximum(low + 1)
        (left, top), (right, bottom) = (low * 2).tolist(), (high * 2).tolist()
        return left, top, right - left, bottom - top

    def _before_the_room(self, drawing: Drawing, x: int, y: int, width: int) -> Drawing:
        """Without what furniture hides."""
        row = torch.div(drawing.pixel, width, rounding_mode="floor")
        at = (row + y) * self.view.width + (drawing.pixel - row * width + x)
        seen = torch.nonzero(drawing.seen.z < self.depth_m[at])[:, 0]
        return replace(
            drawing,
            seen=drawing.seen.take(seen),
            image=drawing.image[seen],
            pixel=drawing.pixel[seen],
            owner=drawing.owner[seen],
            colour=drawing.colour[seen],
        )


def _about(camera: Camera, options: TakeOptions, codec: Literal["h264", "mjpeg"]) -> CameraAbout:
    return CameraAbout(
        source="synthetic",
        width=camera.width,
        height=camera.height,
        codec=codec,
        clock="driver" if options.jitter_ms else "exact",
        rate=Fraction(options.rate_hz).limit_denominator(1001),
    )


def _rows(timing: Timing) -> list[Row]:
    columns = zip(timing.stamp_us, timing.arrival_ns, timing.sequence, strict=True)
    return [Row(int(us), driver_ts_us=int(us), host_ts_ns=int(ns), sequence=int(number)) for us, ns, number in columns]


def _truth(actor: Actor, stage: dict[str, Camera], timings: dict[str, Timing], seconds: float) -> Truth:
    """Everything that is true, in the rig's world."""
    to_rig = rig_from_stage(next(iter(stage.values())))

    def joints(time_s: ndarray) -> ndarray:
        return actor.joints_m(time_s) @ to_rig[:3, :3].T + to_rig[:3, 3]

    times = np.arange(START_S, START_S + seconds, 1 / TRUTH_HZ)
    return Truth(
        time_s=times,
        joints_world_m=joints(times),
        cameras={name: replace(c, cam_from_world=moved(c, to_rig)) for name, c in stage.items()},
        clocks={name: timing.clock for name, timing in timings.items()},
        shots={name: Shots(timing.time_s, joints(timing.time_s)) for name, timing in timings.items()},
        height_m=actor.person.height_m,
    )


def _backgrounds(rng: Generator, stage: dict[str, Camera], sources: Sources, *, photos: bool) -> dict[str, Seen]:
    if photos and sources.photos:
        return {name: _photo_behind(camera, _any(rng, sources.photos)) for name, camera in stage.items()}
    clear_m = max(float(np.abs(c.center_world_m[[0, 2]]).max()) for c in stage.values())
    room: Interior = random_interior(rng, clear_m=clear_m, textures=sources.textures, photos=sources.photos)
    return {name: room.seen_by(camera) for name, camera in stage.items()}


def _photo_behind(camera: Camera, photo: UInt8[ndarray, "h w 3"]) -> Seen:
    """A photo that fills the picture; nothing of it hides the person, all of it may be floor."""
    scale = max(camera.width / photo.shape[1], camera.height / photo.shape[0])
    larger = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    shape = (camera.height, camera.width)
    image = np.ascontiguousarray(larger[: camera.height, : camera.width])
    if image.shape[:2] != shape:
        image = cv2.resize(image, shape[::-1])
    return Seen(image, np.full(shape, np.inf, np.float32), np.ones(shape, bool))


def _any(rng: Generator, of: Sequence[ndarray]) -> ndarray:
    return of[int(rng.integers(len(of)))]


def _lamp(rng: Generator) -> Light:
    """A light from the ceiling rather than from the floor."""
    while True:
        light = random_light(rng)
        if light.toward[1] > 0.6:
            return light


def _colour_gain(rng: Generator) -> Float64[ndarray, "3"]:
    """Two cameras never show the same colours."""
    return np.exp(rng.normal(0, 0.06) + rng.normal(0, 0.04, 3))


def _half_size_rays(camera: Camera) -> Tensor:
    """What `compose.half_size_rays` gives, without the lens's distortion."""
    column, row = np.meshgrid(np.arange(camera.width // 2) * 2 + 0.5, np.arange(camera.height // 2) * 2 + 0.5)
    rays = camera.rays(np.column_stack([column.ravel(), row.ravel()]))
    rays = np.column_stack([rays, np.ones(len(rays))]).astype(np.float32)
    return torch.from_numpy(rays.reshape(1, *column.shape, 3))
