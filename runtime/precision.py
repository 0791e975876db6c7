"""The precisions that a graph is computed in."""

from __future__ import annotations

from typing import Literal

Precision = Literal["f32", "bf16"]
"""What floating-point arithmetic is done in; where a graph says 8 bits, it is 8 bits in either."""
