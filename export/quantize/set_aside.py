"""Which images judge and which calibrate, where people give one folder for both."""

from __future__ import annotations

from collections import defaultdict

from ...calib.int8.choose_images import FEW
from ...calib.int8.image_pool import ImagePool
from ...calib.records.labelled_images import LabelledImages
from ...runtime.files import sha256_of_file


def set_aside(labelled: LabelledImages, pool: ImagePool, *, count: int) -> tuple[LabelledImages, frozenset[str]]:
    """Part images so that none of them both calibrates and judges, whatever its file is called.

    Labelled images judge. Only where too few others are left to calibrate on, they are shared, half and half.

    Args:
        labelled: of the gate, in sampled order.
        pool: to calibrate on.
        count: images wanted for that.

    Returns:
        The images of the gate, and the names of the pool that must not be calibrated on.
    """
    names_of = names_by_id(labelled, pool)
    both = [image_id for image_id in labelled.image_ids if image_id in names_of]
    apart = len(pool.names) - sum(len(names_of[image_id]) for image_id in both)
    given = 0 if apart >= min(count, FEW) else max(0, min(count, len(pool.names) // 2) - apart)
    calibrating = frozenset(both[len(both) - given :])
    judging = labelled.only(frozenset(labelled.image_ids) - calibrating)
    kept = (names for image_id, names in names_of.items() if image_id not in calibrating)
    return judging, frozenset(name for names in kept for name in names)


def names_by_id(labelled: LabelledImages, pool: ImagePool) -> dict[str, list[str]]:
    """Find the labelled images among the files of a pool, by their bytes; a video's frames are no files."""
    if not pool.path.is_dir():
        return {}
    paths = {sample.image_id: sample.image_path for sample in labelled.samples()}
    sizes = {path.stat().st_size for path in paths.values()}
    by_sha: dict[str, list[str]] = defaultdict(list)
    for name in pool.names:
        if (pool.path / name).stat().st_size in sizes:
            by_sha[sha256_of_file(pool.path / name)].append(name)
    found = {image_id: by_sha.get(sha256_of_file(path)) for image_id, path in paths.items()} if by_sha else {}
    return {image_id: names for image_id, names in found.items() if names}
