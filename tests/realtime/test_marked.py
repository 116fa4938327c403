"""Parts of a document between marks are written anew, and nothing else of it."""

import pytest

from realtime.marked import END, begin, marked, remarked

MAKER, OTHER = "python -m a", "python -m b"
TEXT = f"one {begin(MAKER)} old {END} two {begin(OTHER)}kept{END} three {begin(MAKER)}{END}\n"


def test_parts_are_made_anew_in_their_order_and_those_of_others_stay():
    assert remarked(TEXT, MAKER, ["A", "B"]) == (
        f"one {begin(MAKER)}A{END} two {begin(OTHER)}kept{END} three {begin(MAKER)}B{END}\n"
    )
    assert marked(TEXT, MAKER) == [" old ", ""]
    assert remarked(TEXT, MAKER, marked(TEXT, MAKER)) == TEXT


@pytest.mark.parametrize(("text", "says"), [("no marks", "2 times, it has them 0"), (TEXT + begin(MAKER), "needs its")])
def test_missing_marks_are_an_error(text, says):
    with pytest.raises(ValueError, match=says):
        remarked(text, MAKER, ["A", "B"])
