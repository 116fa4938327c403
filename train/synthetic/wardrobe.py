"""Outfits on bodies, many at once: what covers each point, how far it stands off the skin, and what colour it has.

Points are given by the body's `fields` (see `outfit.py`). Everything is a tensor of one device; the first axis of the
tables is the person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64
from numpy import ndarray
from torch import Tensor

from train.synthetic.bake import PART_EYE, PART_HAIR, PART_SKIRT
from train.synthetic.fabric import GAMMA, Cloths, Fabric, WaveTable, cloths, wave_table
from train.synthetic.outfit import EYE, GLOVES, HAIR, REGIONS, SHIRT, SHOES, SKIN, SOCKS, TROUSERS, Outfit

NEVER = 9.0  # a length that nobody has
# how wide sleeves and trouser legs are, at their beginning and for each segment further down
SLEEVE_FLARE, LEG_FLARE = (0.6, 0.5), (0.7, 0.6)
OFFSETS_M = {SHOES: 0.008, GLOVES: 0.003, SOCKS: 0.002}
# linear brightness of eyes: the white, the iris and the skin around them against brow and skin
EYE_WHITE, IRIS, AROUND_EYE = 0.65, 0.33, 0.61
MOTTLE, MOTTLE_PER_M = 0.11, 9.0
FOLDS_PER_M = ((9.0, 0.0), (7.0, 3.0), (11.0, 7.0))


@dataclass(frozen=True, slots=True)
class Marks:
    """Places on the mean body that garments end at, metres in hanging coordinates."""

    eye_y: float
    eye_x: float
    eye_z: float
    neck_y: float
    hip_y: float


# where garments end: numbers of `Outfit`
CUTS = ("sleeve", "waist_m", "neckline_m", "v_neck_m", "leg", "shoe", "sock", "gloves", "coat")
HAIR_CUTS = ("hair_front_m", "hair_m", "beard")


@dataclass(frozen=True, slots=True)
class Wardrobe:
    """The outfits of n people."""

    marks: Marks
    cuts: Tensor  # (n, CUTS)
    hair_cuts: Tensor  # (n, HAIR_CUTS)
    colours: Tensor  # (n, 4, 3) skin, lips, brow, sole; linear
    offset_m: Tensor  # (n, REGIONS)
    fold_depth: Tensor  # (n)
    ends_m: Tensor  # (n, 2) lowest y of skirt and hair
    folds: WaveTable
    cloths: Cloths  # number person * REGIONS + region

    def region(self, person: Tensor, fields: Tensor, part: Tensor) -> Tensor:
        """What covers each point (p): one of SKIN ... SOCKS. `fields` (p, 6 or more), `part` (p)."""
        x, y, z, arm, leg, head = fields[:, :6].unbind(dim=1)
        sleeve, waist, neckline, v_neck, leg_end, shoe, sock, gloves, coat = self.cuts.index_select(0, person).unbind(1)
        m = self.marks
        limb_arm = arm > -0.1
        waist = waist + m.hip_y
        neck = m.neck_y + neckline - v_neck * (1 - x.abs() / 0.09).clamp_(min=0) * (z > m.eye_z - 0.12)
        trousers = (y < waist) & ~limb_arm & (leg < leg_end) & (head < 0.3)
        shirt = torch.where(limb_arm, arm < sleeve, (y > waist) & (y < neck)) & (leg <= -0.1) & (head < 0.6)
        region = torch.where(shirt, SHIRT, torch.where(trousers, TROUSERS, SKIN))
        region = torch.where(leg > shoe, SHOES, torch.where(leg > sock, SOCKS, region))
        region = torch.where((gloves > 0) & (arm > 1.95), GLOVES, region)
        high = torch.nonzero(head > 0.8)[:, 0]
        region[high] = torch.where(self._haired(person[high], fields[high]), HAIR, region[high])
        loose = torch.nonzero(part)[:, 0]
        part, skirt = part[loose], torch.where(coat[loose] > 0, SHIRT, TROUSERS)
        region[loose] = torch.where(part == PART_SKIRT, skirt, torch.where(part == PART_HAIR, HAIR, EYE))
        return region

    def _haired(self, person: Tensor, fields: Tensor) -> Tensor:
        """Whether hair or beard grow at points of heads (p, 6 or more)."""
        m = self.marks
        x, y, z = fields[:, :3].unbind(dim=1)
        front, thick, beard = self.hair_cuts.index_select(0, person).unbind(dim=1)
        # from the nape up to the forehead; 0 at the ears' plane
        ahead = ((z - (m.eye_z - 0.105)) / 0.07).clamp(0, 1)
        line = m.eye_y - 0.075 + (0.075 + front) * ahead * ahead * (3 - 2 * ahead)
        below_nose = (y < m.eye_y - 0.052) & (y > m.eye_y - 0.13) & (z > m.eye_z - 0.075)
        return (thick > 0) & ((y > line) | ((beard > 0) & below_nose & ~self._mouth(x, y, z)))

    def _mouth(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        m = self.marks
        return ((x / 0.025) ** 2 + ((y - m.eye_y + 0.067) / 0.008) ** 2 < 1) & (z > m.eye_z)

    def over(self, fields: Tensor, part: Tensor) -> tuple[Tensor, Tensor]:
        """Region and offset from the skin in metres, both (n, v), of a mesh with `fields` (v, 7) worn by everyone."""
        n, v = len(self.cuts), len(fields)
        person = torch.arange(n, device=fields.device).repeat_interleave(v)
        region = self.region(person, fields.repeat(n, 1), part.repeat(n)).view(n, v)
        offset = self.offset_m.gather(1, region)
        arm, leg = fields[:, 3], fields[:, 4]
        sleeve, trouser = (SLEEVE_FLARE[0] + SLEEVE_FLARE[1] * arm), (LEG_FLARE[0] + LEG_FLARE[1] * leg)
        offset = torch.where((region == SHIRT) & (arm > 0), offset * sleeve, offset)
        offset = torch.where((region == TROUSERS) & (leg > 0), offset * trouser, offset)
        return region, torch.where((part == PART_SKIRT) | (part == PART_HAIR) | (part == PART_EYE), 0.0, offset)

    def folds_over(self, fields: Tensor, region: Tensor) -> Tensor:
        """How folds of cloth bend the normals (n, v, 3) of a mesh."""
        place = fields[:, [1, 2, 0]]
        bend = torch.stack([self.folds.over(place * scale + start) for scale, start in FOLDS_PER_M], dim=2)
        cloth = (region != SKIN) & (region != SHOES)
        return bend * (self.fold_depth[:, None] * cloth)[:, :, None]

    def shown(self, lowest: Tensor, part: Tensor) -> Tensor:
        """Which faces (n, f) exist: a skirt ends at its hem, hair at its length. `lowest` is a face's lowest y."""
        skirt, hair = self.ends_m[:, :1], self.ends_m[:, 1:]
        return torch.where(part == PART_SKIRT, lowest > skirt, torch.where(part == PART_HAIR, lowest > hair, True))

    def colour(self, person: Tensor, fields: Tensor, region: Tensor, normal: Tensor) -> Tensor:
        """Linear colour of each point (p, 3), BGR in [0, 1]. `normal` is that of the resting body."""
        place = fields[:, :3]
        out = self.cloths.colour(person * REGIONS + region, place, normal)
        bare = torch.nonzero(region == SKIN)[:, 0]
        if len(bare):
            out[bare] = self._skin(person[bare], place[bare], fields[bare, 5])
        eye = torch.nonzero(region == EYE)[:, 0]
        if len(eye):
            m = self.marks
            iris = (place[eye, 0].abs() - m.eye_x) ** 2 + (place[eye, 1] - m.eye_y) ** 2 < 0.0065**2
            out[eye] = torch.where(iris[:, None], self.colours[person[eye], 2] * IRIS, EYE_WHITE)
        sole = torch.nonzero((region == SHOES) & (fields[:, 4] > 2.12))[:, 0]
        if len(sole):
            out[sole] = self.colours[person[sole], 3]
        return out

    def _skin(self, person: Tensor, place: Tensor, head: Tensor) -> Tensor:
        """Bare skin, with lips, brows and the shade around the eyes."""
        m = self.marks
        out = self.colours[person, 0] * (1 + MOTTLE * self.folds.at(person, place * MOTTLE_PER_M))[:, None]
        face = torch.nonzero((head > 0.6) & (place[:, 2] > m.eye_z - 0.02))[:, 0]
        x, y, z = place[face].unbind(dim=1)
        aside = (x.abs() - m.eye_x).abs()
        brow = (aside < 0.02) & ((y - m.eye_y - 0.024 - 0.1 * (0.02 - aside)).abs() < 0.0045) & (z > m.eye_z - 0.01)
        around = ((aside / 0.022) ** 2 + ((y - m.eye_y) / 0.012) ** 2 < 1) & (z > m.eye_z - 0.012)
        _, lips, brows, _ = self.colours[person[face]].unbind(dim=1)
        seen = torch.where(self._mouth(x, y, z)[:, None], lips, torch.where(brow[:, None], brows, out[face]))
        out[face] = torch.where(around[:, None], seen * AROUND_EYE, seen)
        return out


def wardrobe(outfits: Sequence[Outfit], marks: Marks, device: torch.device | str = "cpu") -> Wardrobe:
    """Outfits side by side."""

    def table(rows: list) -> Tensor:
        return torch.from_numpy(np.array(rows, np.float32)).to(device)

    offsets = np.zeros((len(outfits), REGIONS), np.float32)
    for i, outfit in enumerate(outfits):
        for region, metres in OFFSETS_M.items():
            offsets[i, region] = metres
        offsets[i, SHIRT], offsets[i, TROUSERS] = outfit.loose_m
        offsets[i, HAIR] = outfit.hair_m
    bare = Fabric("plain", np.zeros((3, 3), np.float32), 1.0, (1.0, 0.0))
    skirts = [NEVER if o.hem is None else marks.hip_y - o.hem for o in outfits]
    hairs = [NEVER if o.long_hair_m is None else marks.eye_y - o.long_hair_m for o in outfits]
    return Wardrobe(
        marks=marks,
        cuts=table([[float(getattr(o, name)) for name in CUTS] for o in outfits]),
        hair_cuts=table([[float(getattr(o, name)) for name in HAIR_CUTS] for o in outfits]),
        colours=table([[o.skin, o.lips, o.brow, o.sole] for o in outfits]) ** GAMMA,
        offset_m=torch.from_numpy(offsets).to(device),
        fold_depth=table([o.fold_depth for o in outfits]),
        ends_m=table(list(zip(skirts, hairs, strict=True))),
        folds=wave_table([o.folds for o in outfits], device),
        cloths=cloths([o.fabrics.get(region, bare) for o in outfits for region in range(REGIONS)], device),
    )


def body_marks(
    fields: Float32[ndarray, "v 7"], part_of_vertex: Int64[ndarray, "v"], hip_y: float, neck_y: float
) -> Marks:
    """Where eyes, neck and hips of the mean body are."""
    eyes = fields[part_of_vertex == PART_EYE]
    return Marks(
        eye_y=float(eyes[:, 1].mean()),
        eye_x=float(np.abs(eyes[:, 0]).mean()),
        eye_z=float(eyes[:, 2].max()),
        neck_y=neck_y,
        hip_y=hip_y,
    )
