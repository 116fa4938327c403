"""Videos that an NVIDIA card decodes, where there is one; and where there is none."""

import logging

import av
import cv2
import numpy as np
import pytest
from av.codec.hwaccel import HWAccel

from realtime.session import Settings, open_session
from realtime.sources import SourceError, open_source
from tests.realtime.fake_engine import FakeEngine


def pictures(clip, **options):
    source = open_source(video=str(clip), **options)
    try:
        return source.description, [frame.image_bgr for frame in source.frames()]
    finally:
        source.close()


def test_without_a_card_the_processor_decodes_and_says_so(demo_clip, caplog):
    try:
        av.open(str(demo_clip), hwaccel=HWAccel("cuda")).close()
        pytest.skip("a card decodes here")
    except (av.error.FFmpegError, NotImplementedError):
        pass
    expected = pictures(demo_clip)
    with caplog.at_level(logging.WARNING):
        description, found = pictures(demo_clip, decoder="cuda")
    assert (description, len(found)) == (expected[0], len(expected[1]))
    assert all(np.array_equal(a, b) for a, b in zip(found, expected[1], strict=True))
    assert [r.message for r in caplog.records] == [f"{demo_clip} is decoded by the processor: no card does it here"]


def test_what_a_card_is_asked_for_and_how_it_is_said(demo_clip, monkeypatch, caplog):
    """With a container that claims to be a card's: the demands reach PyAV, the description names the card."""
    whole, asked = av.open, []

    def open_without(url, **options):
        asked.append(options.pop("hwaccel", None))
        return whole(url, **options)

    monkeypatch.setattr(av, "open", open_without)
    monkeypatch.setattr("realtime.sources.container.Container.by_card", True)
    description, found = pictures(demo_clip, decoder="cuda")
    assert [type(accelerator) for accelerator in asked] == [HWAccel]
    assert "h264 by the card" in description
    assert found
    assert not caplog.records


def test_a_missing_file_stays_a_missing_file(tmp_path):
    damaged = tmp_path / "a.mp4"
    damaged.write_bytes(b"no video")
    with pytest.raises(SourceError, match="cannot be opened"):
        open_source(video=str(damaged), decoder="cuda")


def test_pictures_that_no_card_decodes_are_said_to_be_the_processors(tmp_path, demo_clip, caplog):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, picture in enumerate(pictures(demo_clip)[1][:2]):
        cv2.imwrite(str(folder / f"{i}.png"), picture)
    with caplog.at_level(logging.WARNING):
        assert len(pictures(folder)[1]) == 2
        assert not caplog.records
        assert len(pictures(folder, decoder="cuda")[1]) == 2
    assert [r.message for r in caplog.records] == [
        f"{folder} is decoded by the processor: --decoder cuda is for video files and streams"
    ]


def test_a_whole_run_takes_it(demo_clip, tmp_path, monkeypatch):
    monkeypatch.setattr("realtime.session.open_engine", lambda *a, **k: FakeEngine())
    saved = tmp_path / "poses.jsonl"
    session = open_session(Settings(max_frames=5), video=str(demo_clip), decoder="cuda", saves=[saved], window=False)
    with session:
        assert len(list(session.results())) == 5
    assert len(saved.read_text().splitlines()) == 6


@pytest.mark.gpu
def test_a_card_decodes_what_the_processor_decodes(demo_clip):
    expected = pictures(demo_clip)[1]
    description, found = pictures(demo_clip, decoder="cuda")
    print(description)
    assert len(found) == len(expected)
    apart = [np.abs(a.astype(int) - b).mean() for a, b in zip(found, expected, strict=True)]
    assert max(apart) < 3
