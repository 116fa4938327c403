"""Taking weights replaces the bundled file and everything that is said of it; refused, it leaves all as it was."""

import json

import pytest

from engine.weights import load_weights
from realtime.marked import marked
from tests.conftest import REPOSITORY
from train.bundle.comparison import BundleError
from train.bundle.curve import read_curve
from train.bundle.pages import MAKER, Places, readme_part, renewed_pages
from train.bundle.taking import take


def drawn(name, path):
    path.write_bytes(b"picture of " + name.encode())
    return path


def test_the_file_its_figures_its_curve_and_the_documents_are_renewed(clone, make_run, made_up_record):
    first = {"weights": "start", "sha256": "e" * 64, "crops": 500, "hours": 0.1, "preset": "default"}
    history = [{**first, "started_from": {"backbone": "open-nsfw"}, "recipe": {
        "phases": [{"size_px": 32}, {"size_px": 64}], "learning_rate": 1e-3, "batch": 16,
    }}]  # fmt: skip
    began = {"weights": "start", "sha256": "e" * 64}
    weights, path = make_run("standing", epochs=2, started_from=began, history=history)
    written = take(weights, path, made_up_record, clone, draw=drawn)
    assert set(written) == {
        clone.weights, clone.figures, clone.curve, clone.curve_picture, clone.failures, *clone.pages,
    }  # fmt: skip
    assert clone.weights.read_bytes() == path.read_bytes()
    assert json.loads(clone.figures.read_text()) == made_up_record
    assert read_curve(clone.curve)[-1].lines[-1] == {"crops": 16000, "bundled": weights.sha256[:12]}
    assert clone.failures.read_bytes() == b"picture of " + str(path).encode()
    assert not list(clone.root.rglob("*.part*"))
    readme, card = (page.read_text() for page in clone.pages)
    assert readme.startswith("# Title\ntext <!-- made by python -m train.bundle -->\n\n| people | PCK@0.2 |")
    sittings, figures, curve = marked(card, MAKER)
    assert "| 1 | the backbone open-nsfw | 500 | 0.1 | default | 0.001, 16, 32, 64 |" in sittings
    assert f"| 2 | start `{'e' * 12}` | 16,000 | 0.2 | standing | 0.0005, 32, 64 | `abc1234` |" in sittings
    assert "| lspet, test list of 10, no box given | 9 | 0.540 | 0.700 |  | 0.500 |" in figures
    assert "After 16,500 crops, 16,000 of them in the run `standing`" in curve


def test_taking_the_same_again_changes_nothing_more(clone, make_run, made_up_record):
    weights, path = make_run("standing", epochs=2)
    before = {p: p.read_bytes() for p in take(weights, path, made_up_record, clone, draw=drawn)}
    assert before == {p: p.read_bytes() for p in take(weights, path, made_up_record, clone, draw=drawn)}


def test_a_document_without_its_marks_stops_it_before_anything_is_written(clone, make_run, made_up_record):
    weights, path = make_run("standing", epochs=2)
    readme, _ = clone.pages
    readme.write_text("no marks")
    was = {p: p.read_bytes() for p in clone.root.rglob("*") if p.is_file()}
    with pytest.raises(BundleError, match="has 0 parts"):
        take(weights, path, made_up_record, clone, draw=drawn)
    assert {p: p.read_bytes() for p in clone.root.rglob("*") if p.is_file()} == was


def test_a_file_that_was_written_anew_since_it_was_judged_is_refused(clone, make_run, made_up_record):
    judged, path = make_run("standing", epochs=2)
    make_run("standing", epochs=3)
    with pytest.raises(BundleError, match="is not the file that was judged"):
        take(judged, path, made_up_record, clone, draw=drawn)


def test_the_readme_has_a_row_for_each_kind_of_people(made_up_record):
    lines = readme_part(made_up_record).strip().splitlines()
    assert lines[0] == "| people | PCK@0.2 | found | feet, face, hands |"
    assert lines[2].endswith("against OpenPose | 0.80, 0.70 | 90 % |  |")
    assert lines[3] == (
        "| 10 athletes of LSP extended, upside down and blurred ones too, no box given | 0.54 | 90 % | 0.70 |"
    )
    assert lines[4] == "| 20 everyday people of COCO, no box given | 0.64 | 95 % | 0.70 |"
    assert lines[-1] == f"Measured with `{'c' * 12}`, openvino bf16."


def test_the_documents_say_what_was_measured():
    places = Places(REPOSITORY)
    assert [len(marked(page.read_text(encoding="utf-8"), MAKER)) for page in places.pages] == [1, 3]
    if places.figures.is_file():
        for page, text in renewed_pages(places).items():
            assert page.read_text(encoding="utf-8") == text, page
    else:  # nothing was taken yet: the card says which file lies there
        first, *rest = marked(list(places.pages)[1].read_text(encoding="utf-8"), MAKER)
        assert load_weights("lite").sha256[:12] in first
        assert rest == ["", ""]
