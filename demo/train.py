"""Trains the demonstration CLIP: `python -m demo.train --out configs/demo/clip`.

Takes about ten minutes on two cores. Writes open_clip's own folder form (open_clip_config.json,
open_clip_model.safetensors), with a model card that holds the retrieval accuracy on scenes that
training never showed.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from random import Random

import numpy as np
import open_clip
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from demo.pictures import picture
from demo.scenes import SENTENCES, Scene, all_scenes, caption

SEED = 20260214
STEPS = 900
BATCH = 160
SPECIAL_SHARE = 0.15  # of the pictures; there are few such scenes, so each is drawn often
HELD_OUT_SHARE = 0.1  # of the coloured scenes
MAX_SCALE = 50  # of CLIP's temperature, the factor of the similarities
SPREAD = ("true_pairs_5th_percentile", "false_pairs_median", "false_pairs_99th_percentile")
# Captions of the web have words behind them that say nothing of the picture.
TAIL_SHARE = 0.2
TAIL_WORDS = (
    "call",
    "mail",
    "tel",
    "photo",
    "at",
    "example",
    "org",
    "for sale",
    "+",
    "(",
    ")",
    "today",
)
LANGUAGES = tuple(SENTENCES)
MEAN = (0.5, 0.5, 0.5)
STD = (0.25, 0.25, 0.25)
CONTEXT_TOKENS = 40
MODEL = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 64, "patch_size": 8, "width": 128, "layers": 4, "head_width": 32},
    "text_cfg": {
        "context_length": CONTEXT_TOKENS,
        "vocab_size": 49408,
        "width": 48,
        "heads": 2,
        "layers": 2,
    },
}
PREPROCESS = {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "shortest"}

Split = tuple[list[Scene], list[Scene], list[Scene]]
"""(coloured scenes for training, coloured scenes held out, special scenes)."""


def split_scenes() -> Split:
    """Divide the scenes; the special ones are trained on, and not held out."""
    scenes = all_scenes()
    coloured = [scene for scene in scenes if scene.colour]
    special = [scene for scene in scenes if not scene.colour]
    Random(SEED).shuffle(coloured)
    held_out = int(len(coloured) * HELD_OUT_SHARE)
    return coloured[held_out:], coloured[:held_out], special


def pixels(scenes: list[Scene], random: Random) -> Tensor:
    """Draw pictures as float32 (N, 3, 64, 64), normalised as by the model's own preprocessing."""
    drawn = [np.asarray(picture(scene, random)) for scene in scenes]
    zero_to_one = np.stack(drawn).astype(np.float32) / 255
    normalised = ((zero_to_one - MEAN) / STD).astype(np.float32)
    # PyTorch wants the channels before height and width.
    return torch.from_numpy(normalised).permute(0, 3, 1, 2)


def noisy_caption(scene: Scene, random: Random) -> str:
    """Make a caption in some language, sometimes with words and numbers that mean nothing."""
    text = caption(scene, random.choice(LANGUAGES), random)
    if random.random() >= TAIL_SHARE:
        return text
    tail = [_tail_word(random) for _ in range(random.randint(1, 5))]
    return f"{text}, {' '.join(tail)}"


def _tail_word(random: Random) -> str:
    if random.random() < 0.5:
        return random.choice(TAIL_WORDS)
    return str(random.randrange(10_000))


def contrastive_loss(image: Tensor, text: Tensor, scale: Tensor, scene_ids: Tensor) -> Tensor:
    """Compute CLIP's loss; `image` and `text` are (N, dimensions), `scene_ids` is (N,)."""
    is_own = torch.eye(len(scene_ids), dtype=torch.bool)
    # Two pictures of one scene are no negatives of each other: both captions are true of both.
    is_same_scene = (scene_ids[:, None] == scene_ids[None, :]) & ~is_own
    logits = (scale * image @ text.T).masked_fill(is_same_scene, -torch.inf)
    target = torch.arange(len(logits))
    image_to_text = functional.cross_entropy(logits, target)
    text_to_image = functional.cross_entropy(logits.T, target)
    return (image_to_text + text_to_image) / 2


def train(model: torch.nn.Module, scenes: list[Scene], special: list[Scene], steps: int) -> None:
    """Train a model in place; pictures and captions are drawn anew in each step."""
    random = Random(SEED + 1)
    tokenize = open_clip.SimpleTokenizer(context_length=CONTEXT_TOKENS)
    ids = {scene: number for number, scene in enumerate(scenes + special)}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1e-3, total_steps=steps, pct_start=0.1
    )
    for step in range(steps):
        batch = []
        for _ in range(BATCH):
            from_scenes = special if random.random() < SPECIAL_SHARE else scenes
            batch.append(random.choice(from_scenes))
        tokens = tokenize([noisy_caption(scene, random) for scene in batch])
        image, text, scale = model(pixels(batch, random), tokens)
        scene_ids = torch.tensor([ids[scene] for scene in batch])
        loss = contrastive_loss(image, text, scale, scene_ids)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            # CLIP's paper limits the scale too, so that training stays stable.
            model.logit_scale.clamp_(max=np.log(MAX_SCALE))  # type: ignore[union-attr, operator]
        if step % 100 == 0:
            logging.info("step %d of %d: loss %.3f", step, steps, loss.item())


@torch.no_grad()
def evaluate(model: torch.nn.Module, scenes: list[Scene], language: str) -> dict[str, float]:
    """Measure a model on held-out scenes, with captions in one language.

    Returns the top-1 accuracy of picture to caption, and the similarities of true and false pairs.
    """
    random = Random(SEED + 2)
    tokenize = open_clip.SimpleTokenizer(context_length=CONTEXT_TOKENS)
    image = model.encode_image(pixels(scenes, random), normalize=True)  # type: ignore[operator]
    tokens = tokenize([caption(scene, language, random) for scene in scenes])
    text = model.encode_text(tokens, normalize=True)  # type: ignore[operator]
    similarity = (image @ text.T).numpy()
    true_pairs = np.diag(similarity)
    false_pairs = similarity[~np.eye(len(scenes), dtype=bool)]
    is_right = similarity.argmax(1) == np.arange(len(scenes))
    spread = (
        np.percentile(true_pairs, 5),
        np.median(false_pairs),
        np.percentile(false_pairs, 99),
    )
    figures = {"top1": float(is_right.mean())}
    for name, value in zip(SPREAD, spread, strict=True):
        figures[name] = float(value)
    return figures


def model_card(figures: dict[str, dict[str, float]], held_out: int, steps: int) -> str:
    """Write the model card in Markdown: what the model is, what it is not, and its accuracy.

    `figures` holds the result of `evaluate` by language.
    """
    lines = []
    for language, of_language in figures.items():
        spread = " | ".join(f"{of_language[name]:.2f}" for name in SPREAD)
        lines.append(f"| {language} | {of_language['top1']:.3f} | {spread} |")
    rows = "\n".join(lines)
    return f"""# A very small CLIP, for demonstration only

It knows generated drawings (shapes, a few things, eight colours, two kinds of radiograph, faces) and sentences about
them in English, German, French and Spanish, and nothing else. Never judge real pictures with it.

Made by `python -m demo.train` (seed {SEED}, {steps} steps of {BATCH} pairs). Weights are stored as float16.

Retrieval among {held_out} scenes that training never showed (chance: {1 / held_out:.3f}):

| captions | picture to caption, top 1 | true pairs, 5th percentile | false pairs, median | false pairs, 99th percentile |
|---|---|---|---|---|
{rows}
"""


def save(model: torch.nn.Module, out: Path) -> None:
    """Write a model in open_clip's folder form, with weights as float16."""
    out.mkdir(parents=True, exist_ok=True)
    config = {"model_cfg": MODEL, "preprocess_cfg": PREPROCESS}
    (out / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")
    weights = {
        name: value.detach().half().contiguous() for name, value in model.state_dict().items()
    }
    save_file(weights, out / "open_clip_model.safetensors")


def main() -> None:
    """Train, write the model, measure it as it is stored, and write its card."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write the model to")
    parser.add_argument(
        "--steps", type=int, default=STEPS, help="training steps (default %(default)s)"
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.manual_seed(SEED)
    trained_on, held_out, special = split_scenes()
    model = open_clip.CLIP(**MODEL)
    train(model, trained_on, special, options.steps)
    save(model, options.out)
    stored = open_clip.create_model(f"local-dir:{options.out}").eval()
    figures = {language: evaluate(stored, held_out, language) for language in LANGUAGES}
    (options.out / "README.md").write_text(model_card(figures, len(held_out), options.steps))
    logging.info("%s", json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
