"""One report of everything that was wrong with a data set, and of what was done about it."""

from __future__ import annotations

from collections import Counter
from enum import Enum
from typing import Any

EXAMPLES_SHOWN = 5
"""How many cases of each kind a report's lines name; they count all."""

CLASSES_SHOWN = 20
"""How many dropped classes a report names."""


class Problem(Enum):
    """What can be wrong; the value says it together with what was done."""

    LISTED_TWICE = "images listed twice (read once)"
    MISSING_IMAGE = "images missing (left out)"
    BROKEN_IMAGE = "images that do not decode or end early (left out)"
    WRONG_SIZE = "images of another size than annotated (left out; scale the boxes, or take the size out of the labels)"
    SIDEWAYS = "images annotated in their stored size, which is sideways (labels brought upright)"
    EXCHANGED_SIDES = "images annotated with width and height exchanged (boxes fit the picture and stay)"
    MISSING_ANNOTATION = "images without an annotation (left out)"
    BROKEN_ANNOTATION = "annotations that cannot be read (image left out)"
    EMPTY_BOX = "boxes without area or turned inside out (dropped)"
    IN_FIRST_PIXEL = (
        "boxes within the first pixel of their image (dropped; numbers up to 1 are shares of it, not pixels)"
    )
    OUTSIDE_BOX = "boxes outside their image (dropped)"
    CLIPPED_BOX = "boxes reaching out of their image (clipped)"
    UNLISTED_CLASS = "objects of a class not in the list (dropped)"


OF_OBJECTS = {
    Problem.EMPTY_BOX,
    Problem.IN_FIRST_PIXEL,
    Problem.OUTSIDE_BOX,
    Problem.CLIPPED_BOX,
    Problem.UNLISTED_CLASS,
}
"""Too many to keep by name: three classes of COCO's eighty leave hundreds of thousands of objects out."""


class DataReport:
    """Counts what was read and what was wrong. An image is counted once, however often it is read."""

    def __init__(self) -> None:
        self.images = 0
        """Images kept, background images among them."""
        self.background_images = 0
        """Kept images without an object of the listed classes."""
        self.difficult_objects = 0
        """Crowds among them."""
        self.crowds = 0
        self.objects: Counter[str] = Counter()
        """Objects kept per class, difficult ones among them."""
        self.unlisted: Counter[str] = Counter()
        """Objects dropped because their class is not in the list, per class."""
        self.far_out = 0
        """Objects kept whose boxes reached out of the image by more than rounding and care explain."""
        self.remarks: Counter[str] = Counter()
        """What was read in another way than it was written, per way, which names what it counts: objects or images."""
        self._counts: Counter[Problem] = Counter()
        self._examples: dict[Problem, list[str]] = {}

    def add_problem(self, problem: Problem, example: str) -> None:
        """Count one case; a file is kept by name, of objects the first few."""
        self._counts[problem] += 1
        examples = self._examples.setdefault(problem, [])
        if problem not in OF_OBJECTS or len(examples) < EXAMPLES_SHOWN:
            examples.append(example)

    def count(self, problem: Problem) -> int:
        """How many cases there were."""
        return self._counts[problem]

    def examples(self, problem: Problem) -> tuple[str, ...]:
        """The cases that are kept, by name."""
        return tuple(self._examples.get(problem, ()))

    def lines(self) -> list[str]:
        """Write the report for a person: what was read, then each kind of problem with examples."""
        lines = [
            f"{self.images} images read, {self.background_images} of them without objects; "
            f"{self.objects.total()} objects, {self.difficult_objects} of them difficult"
            + (f" ({self.crowds} crowds)" if self.crowds else "")
        ]
        lines += [f"{count} {remark}" for remark, count in self.remarks.items()]
        return lines + self.problem_lines()

    def problem_lines(self) -> list[str]:
        """Write each kind of problem with examples."""
        lines = []
        for problem in Problem:
            if not (count := self._counts[problem]):
                continue
            line = f"{count} {problem.value}"
            if problem is Problem.UNLISTED_CLASS:
                line += f": {self._dropped_classes()}"
            lines.append(line)
            lines += [f"  {example}" for example in self._examples[problem][:EXAMPLES_SHOWN]]
            if count > EXAMPLES_SHOWN:
                named = "" if problem in OF_OBJECTS else ": `singleshot check-data --json` names all"
                lines.append(f"  and {count - EXAMPLES_SHOWN} more{named}")
        return lines

    def reason(self) -> str:
        """Give the first kind of problem and its first example, for an error's one line."""
        return "; ".join(line.strip() for line in self.problem_lines()[:2])

    def to_dict(self) -> dict[str, Any]:
        """Write the report for a machine, ready for JSON."""
        return {
            "images": self.images,
            "background_images": self.background_images,
            "objects": dict(self.objects),
            "difficult_objects": self.difficult_objects,
            "crowds": self.crowds,
            "remarks": dict(self.remarks),
            "unlisted_classes": dict(self.unlisted),
            "problems": {
                problem.name.lower(): {"count": count, "examples": list(self._examples[problem])}
                for problem, count in self._counts.items()
            },
        }

    def _dropped_classes(self) -> str:
        named = [f"{name} {number}" for name, number in self.unlisted.most_common(CLASSES_SHOWN)]
        more = len(self.unlisted) - len(named)
        return ", ".join(named) + (f" and {more} more classes" if more else "")
