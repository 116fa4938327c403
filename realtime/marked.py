"""Parts of a document that a command writes, between `<!-- made by COMMAND -->` and `<!-- end -->`."""

from __future__ import annotations

from collections.abc import Sequence

END = "<!-- end -->"


def begin(maker: str) -> str:
    """The mark in front of a part."""
    return f"<!-- made by {maker} -->"


def marked(text: str, maker: str) -> list[str]:
    """What stands between the marks of a command now, part by part. ValueError where a part has no end."""
    _, *pieces = text.split(begin(maker))
    if any(END not in piece for piece in pieces):
        raise ValueError(f"a part after '{begin(maker)}' needs its '{END}'")
    return [piece.split(END, 1)[0] for piece in pieces]


def remarked(text: str, maker: str, parts: Sequence[str]) -> str:
    """The document with a command's parts made anew, in their order. ValueError where it has not as many."""
    if (count := len(marked(text, maker))) != len(parts):
        raise ValueError(
            f"the document needs '{begin(maker)}' and '{END}' {len(parts)} times, it has them {count} times"
        )
    first, *pieces = text.split(begin(maker))
    rests = [piece.split(END, 1)[1] for piece in pieces]
    return first + "".join(f"{begin(maker)}{part}{END}{rest}" for part, rest in zip(parts, rests, strict=True))
