"""The report of `tools/verify_on_gpu.sh` as Markdown, ready for `docs/gpu.md`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .verification import GpuVerification, Step


def gpu_report(verification: GpuVerification) -> str:
    """Write what a GPU did: the machine, one table of the steps, then each step's figures."""
    device = verification.device
    lines = [
        f"## {device.name}, compute capability {device.compute_capability}",
        "",
        *(f"- nvidia-smi: {line}" for line in verification.driver),
        f"- {', '.join(f'{name} {version}' for name, version in verification.packages.items())}",
        f"- {verification.graph}, {verification.frames}; compared with ONNX Runtime on the CPU",
        "",
        "| step | outcome | detections matched | unmatched | scores apart | least IoU |",
        "|---|---|---|---|---|---|",
        *(_row(step) for step in verification.steps),
        "",
        *(line for step in verification.steps for line in _figures(step)),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _row(step: Step) -> str:
    outcome = "works" if step.holds else "fails" if step.problem else "differs"
    parity = step.parity
    if parity is None:
        return f"| {step.name} | {outcome} | | | | |"
    return (
        f"| {step.name} | {outcome} | {parity.matched} | {len(parity.unmatched)} | "
        f"{parity.score_difference:.1e} | {parity.least_iou:.4f} |"
    )


def _figures(step: Step) -> list[str]:
    if step.problem:
        return [f"**{step.name}**: {step.problem}", ""]
    return [
        f"**{step.name}**" + "".join(f"; {note}" for note in step.notes),
        "",
        *(f"- {name}: {value:.3f}" for name, value in step.figures.items()),
        "",
    ]
