import pytest

from train.synthetic.body import Body, load_body


@pytest.fixture(scope="session")
def tiny_body() -> Body:
    """A coarse body: quick to render. Baked once into the ignored cache."""
    return load_body(faces=1500)
