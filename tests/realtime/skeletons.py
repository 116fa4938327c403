"""Tests that hold for every skeleton: `@EITHER` on a test that takes `skeleton`."""

import pytest

from engine.skeleton import SKELETONS

EITHER = pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
