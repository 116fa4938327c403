"""Stands in for ONNX Runtime's plug-in of TensorRT for RTX: its devices are those of the built-in provider for CPUs."""

__version__ = "0.5.0"


def get_ep_name():
    return "CPUExecutionProvider"


def get_library_path():
    return "/nowhere/libonnxruntime_providers_nv_tensorrt_rtx.so"
