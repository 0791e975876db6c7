"""VOC's XML without VOC's folders: as labelImg leaves it beside the pictures, or in a folder `annotations`.

Convention: that of PASCAL VOC's boxes.
"""

from __future__ import annotations

import re
from pathlib import Path

from .annotation_xml import read_annotation_xml
from .label_files import LabelFilesLayout
from .reader import Annotation, Place
from .voc import VOC_TO_EDGES, VocLayout, is_voc_year

_ANNOTATION = re.compile(rb"<annotation[\s>]")


class XmlFilesLayout(LabelFilesLayout):
    """Reads a folder of pictures with XML beside them, or with a folder of XML."""

    kind = "xml"
    form = "pictures with VOC's XML beside them, or images/ and annotations/*.xml (labelImg's)"
    suffix = ".xml"
    noun = "XML"

    @classmethod
    def places(cls, root: Path) -> list[Place]:
        """As of any files of labels, unless VOC's own folders are there."""
        is_vocs = not root.is_dir() or VocLayout.places(root) or is_voc_year(root.resolve().parent)
        return [] if is_vocs else super().places(root)

    @classmethod
    def is_labels(cls, head: bytes) -> bool:
        """UTF-16 has zeros between its letters."""
        return _ANNOTATION.search(head.replace(b"\0", b"")) is not None

    def read_file(self, path: Path) -> Annotation:
        return read_annotation_xml(path, to_edges=VOC_TO_EDGES)
