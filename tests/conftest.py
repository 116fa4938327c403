"""What every test may use."""

import os
import tempfile

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ["POSE_DATA"] = tempfile.mkdtemp(prefix="pose-data-")  # never the own weights of whoever runs the tests

import signal
from pathlib import Path

import openvino
import pytest
import torch
from jaxtyping import config as jaxtyping_config

import engine  # noqa: F401 - first: it says what OpenVINO may do when it is imported

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # kernels of our own run without a card; Triton must know before its import

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


def pytest_configure(config: pytest.Config) -> None:
    # beside other busy processes two threads are slower than one
    torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a card GPU tests are skipped, or fail where one was promised."""
    if torch.cuda.is_available() or os.environ.get("REQUIRE_GPU") == "1":
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real recordings that are not part of the repository."""
    if SHARED_DATA.is_dir():
        return SHARED_DATA
    if os.environ.get("REQUIRE_SHARED_DATA") == "1":
        pytest.fail(f"REQUIRE_SHARED_DATA=1, but there is no {SHARED_DATA}")
    pytest.skip("no shared data")


@pytest.fixture(scope="session")
def demo_clip() -> Path:
    """The bundled video: 350 frames of 640x480 at 25 fps."""
    return REPOSITORY / "assets" / "demo.mp4"


@pytest.fixture(scope="session", autouse=True)
def unchecked_tracing():
    """While a network is traced its tensors are symbols, which the checker of shapes cannot ask for their shape."""

    def unchecked(trace):
        def traced(*args, **kwargs):
            jaxtyping_config.update("jaxtyping_disable", True)
            try:
                return trace(*args, **kwargs)
            finally:
                jaxtyping_config.update("jaxtyping_disable", False)

        return traced

    with pytest.MonkeyPatch.context() as patch:
        for module, name in (
            (openvino, "convert_model"), (torch.fx, "symbolic_trace"), (torch.onnx, "export"), (torch.export, "export"),
        ):  # fmt: skip
            patch.setattr(module, name, unchecked(getattr(module, name)))
        yield


@pytest.fixture(autouse=True)
def no_handler_of_childrens_ends():
    """A loader's processes leave a handler of SIGCHLD behind, and the next child's end has crashed the tests in it."""
    yield
    if hasattr(signal, "SIGCHLD") and signal.getsignal(signal.SIGCHLD) is not signal.SIG_DFL:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
