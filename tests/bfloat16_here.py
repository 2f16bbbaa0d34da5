"""Whether OpenVINO is installed and this processor has bfloat16 instructions."""

from __future__ import annotations

import pytest


def _why_not() -> str:
    try:
        import openvino
    except ImportError:
        return "OpenVINO is not installed: pip install openvino"
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return "this processor has no bfloat16 instructions"
    return ""


WHY_NOT = _why_not()
needs_bfloat16 = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
