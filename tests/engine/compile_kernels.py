"""Compiles the kernels for cards by their compute capability: `python tests/engine/compile_kernels.py 75 90`."""

import sys
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

sys.path.insert(0, str(Path(__file__).parents[2]))

from engine.backends import triton_crop, triton_decode

COLOURS = dict.fromkeys(("mean_r", "mean_g", "mean_b", "std_r", "std_g", "std_b"), "fp32")
VOLUME = {"volume": "*fp16", **dict.fromkeys(("sums", "depths", "tops"), "*fp32")}
SIZES = {"DEPTH": 32, "DEPTH_2": 32, "BLOCK": 64}
WINDOW = {"WINDOW": 3, "AROUND": 3, "Z_SPAN": 2.0, "BLOCKS_2": 64, "CELLS_2": 4096, "WINDOW_2": 64}
KERNELS = (
    (
        triton_crop._cut,
        {"frame": "*u8", "numbers": "*fp32", "pictures": "*fp16", **COLOURS},
        {"SIZE": 192, "COUNT": 16, "TAPS": 4, "GREY": 127.0, "BLOCK": 128},
    ),
    (triton_decode._block_sums, VOLUME, SIZES),
    (triton_decode._read_joints, VOLUME | {"presence": "*fp16", "outputs": "*fp32"}, SIZES | WINDOW),
)

for card in map(int, sys.argv[1:]):
    for kernel, types, constants in KERNELS:
        names = {name: "constexpr" if name in constants else types.get(name, "i32") for name in kernel.arg_names}
        source = ASTSource(fn=kernel, signature=names, constexprs=constants)
        code = triton.compile(source, target=GPUTarget("cuda", card, 32)).asm["cubin"]
        assert code[:4] == b"\x7fELF", code[:16]
        print(card, kernel.__name__, len(code))
