"""Train the demonstration CLIP: `python -m demo.train --out configs/demo/clip`.

About ten minutes on two cores. The result is open_clip's own folder form (open_clip_config.json,
open_clip_model.safetensors) with a model card that holds the retrieval accuracy on scenes never
seen in training.
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
SPECIAL_SHARE = 0.15
HELD_OUT_SHARE = 0.1
SPREAD = ("true_pairs_5th_percentile", "false_pairs_median", "false_pairs_99th_percentile")
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
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
MODEL = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 64, "patch_size": 8, "width": 128, "layers": 4, "head_width": 32},
    "text_cfg": {"context_length": 40, "vocab_size": 49408, "width": 48, "heads": 2, "layers": 2},
}
PREPROCESS = {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "shortest"}

Split = tuple[list[Scene], list[Scene], list[Scene]]


def split_scenes() -> Split:
    """Coloured scenes for training, coloured scenes held out, and the special ones (in both)."""
    scenes = all_scenes()
    coloured = [scene for scene in scenes if scene.colour]
    Random(SEED).shuffle(coloured)
    held_out = int(len(coloured) * HELD_OUT_SHARE)
    return coloured[held_out:], coloured[:held_out], [scene for scene in scenes if not scene.colour]


def pixels(scenes: list[Scene], random: Random) -> Tensor:
    """float32 (N, 3, 64, 64), normalised as the model's own preprocessing does."""
    stack = (
        np.stack([np.asarray(picture(scene, random)) for scene in scenes]).astype(np.float32) / 255
    )
    return torch.from_numpy(((stack - MEAN) / STD).astype(np.float32)).permute(0, 3, 1, 2)


def spoken(scene: Scene, random: Random) -> str:
    """A caption in some language, now and then with words and numbers behind it that mean nothing
    to the picture.
    """
    words = caption(scene, random.choice(LANGUAGES), random)
    if random.random() >= TAIL_SHARE:
        return words
    tail = [
        random.choice(TAIL_WORDS) if random.random() < 0.5 else str(random.randrange(10_000))
        for _ in range(random.randint(1, 5))
    ]
    return f"{words}, {' '.join(tail)}"


def contrastive_loss(image: Tensor, text: Tensor, scale: Tensor, scene_ids: Tensor) -> Tensor:
    """CLIP's loss; two pictures of one scene are no negatives of each other."""
    same = (scene_ids[:, None] == scene_ids[None, :]) & ~torch.eye(len(scene_ids), dtype=torch.bool)
    logits = (scale * image @ text.T).masked_fill(same, -torch.inf)
    target = torch.arange(len(logits))
    return (
        functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
    ) / 2


def train(model: torch.nn.Module, scenes: list[Scene], special: list[Scene], steps: int) -> None:
    """Train in place on freshly drawn pictures and captions."""
    random, tokenize = Random(SEED + 1), open_clip.SimpleTokenizer(context_length=40)
    ids = {scene: number for number, scene in enumerate(scenes + special)}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1e-3, total_steps=steps, pct_start=0.1
    )
    for step in range(steps):
        batch = [
            random.choice(special if random.random() < SPECIAL_SHARE else scenes)
            for _ in range(BATCH)
        ]
        tokens = tokenize([spoken(scene, random) for scene in batch])
        image, text, scale = model(pixels(batch, random), tokens)
        loss = contrastive_loss(image, text, scale, torch.tensor([ids[scene] for scene in batch]))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=np.log(50))  # type: ignore[union-attr, operator]
        if step % 100 == 0:
            logging.info("step %d of %d: loss %.3f", step, steps, loss.item())


@torch.no_grad()
def evaluate(model: torch.nn.Module, scenes: list[Scene], language: str) -> dict[str, float]:
    """Top-1 accuracy of picture to caption among all held-out scenes, and the similarities of true
    and false pairs.
    """
    random, tokenize = Random(SEED + 2), open_clip.SimpleTokenizer(context_length=40)
    image = model.encode_image(pixels(scenes, random), normalize=True)  # type: ignore[operator]
    text = model.encode_text(
        tokenize([caption(s, language, random) for s in scenes]), normalize=True
    )  # type: ignore[operator]
    similarity = (image @ text.T).numpy()
    off_diagonal = similarity[~np.eye(len(scenes), dtype=bool)]
    spread = (
        np.percentile(np.diag(similarity), 5),
        np.median(off_diagonal),
        np.percentile(off_diagonal, 99),
    )
    top1 = float((similarity.argmax(1) == np.arange(len(scenes))).mean())
    return {
        "top1": top1,
        **{name: float(value) for name, value in zip(SPREAD, spread, strict=True)},
    }


def model_card(figures: dict[str, dict[str, float]], held_out: int, steps: int) -> str:
    """Markdown: what the model is, what it is not, and how well it does on scenes never seen."""
    rows = "\n".join(
        f"| {language} | {f['top1']:.3f} | "
        + " | ".join(f"{f[name]:.2f}" for name in SPREAD)
        + " |"
        for language, f in figures.items()
    )
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
    """Write open_clip's folder form."""
    out.mkdir(parents=True, exist_ok=True)
    config = {"model_cfg": MODEL, "preprocess_cfg": PREPROCESS}
    (out / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")
    weights = {
        name: value.detach().half().contiguous() for name, value in model.state_dict().items()
    }
    save_file(weights, out / "open_clip_model.safetensors")


def main() -> None:
    """Train, measure the model as it is stored, write it with its card."""
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
    seen, held_out, special = split_scenes()
    model = open_clip.CLIP(**MODEL)
    train(model, seen, special, options.steps)
    save(model, options.out)
    stored = open_clip.create_model(f"local-dir:{options.out}").eval()
    figures = {language: evaluate(stored, held_out, language) for language in LANGUAGES}
    (options.out / "README.md").write_text(model_card(figures, len(held_out), options.steps))
    logging.info("%s", json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
