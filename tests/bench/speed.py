"""Speed as ratios: one question against WRatio brute force on the same phrases, a repeated question, a warm `ask`.

python tests/bench/speed.py [--phrases 500,5000,50000,100000]
"""

import argparse
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from rapidfuzz import fuzz, process

from bot.app import build_dialogue, labelled, read_content
from bot.config import load_config
from bot.dialogue import Question
from bot.matching import matcher as matcher_module
from bot.matching.calibration import Mix
from bot.matching.encoder import Floats, UseEncoder
from bot.matching.matcher import Matcher, Material, Phrase, build_index
from bot.matching.wording import Wording
from bot.text import for_encoder

ROOT = Path(__file__).parents[2]


def times(run: Callable[[str], object], questions: Sequence[str]) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    for question in questions[:20]:
        run(question)
    took = []
    for question in questions:
        start = time.perf_counter()
        run(question)
        took.append((time.perf_counter() - start) * 1000)
    return float(np.quantile(took, 0.5)), float(np.quantile(took, 0.99))


def grown(phrases: list[Phrase], wanted: int) -> list[Phrase]:
    """The content's phrases, shuffled piece by piece into as many as are wanted."""
    rnd = random.Random(0)
    out = list(phrases)
    while len(out) < wanted:
        a, b = rnd.choice(phrases), rnd.choice(phrases)
        out.append(Phrase(a.text[: len(a.text) // 2] + b.text[len(b.text) // 2 :], a.label, a.intent, a.kind))
    return out[:wanted]


def one_size(phrases: list[Phrase], background: Sequence[str], questions: Sequence[str]) -> None:
    """Fits this many phrases and asks; the ratios are to WRatio over the same phrases."""
    encoder = UseEncoder()
    encoder.encode(["预热"])
    start = time.perf_counter()
    rows = {p.text: None for p in phrases}
    vectors = dict(zip(rows, encoder.encode([for_encoder(t) for t in rows]), strict=True))
    encoded = time.perf_counter() - start
    known = {for_encoder(t): v for t, v in vectors.items()}

    def encode(texts: Sequence[str]) -> Floats:
        new = [t for t in texts if t not in known]
        known.update(zip(new, encoder.encode(new), strict=True))
        return np.array([known[t] for t in texts])

    start = time.perf_counter()
    material = Material(phrases, background)
    index = build_index(material, encode)
    fitted = time.perf_counter() - start
    matcher = Matcher(material, encoder, index, index.forecast.thresholds(0.02, Mix(0.7, 0.2, 0.1), 0.015))
    texts = [p.text for p in phrases]
    ours = times(matcher.match, questions)
    alone = times(lambda q: encoder.encode([q]), questions)
    brute = times(lambda q: process.extractOne(q, texts, scorer=fuzz.WRatio), questions)
    held = sum(getattr(index, name).nbytes for name in ("rows", "whitener", "weights")) / 2**20
    peak = int(re.search(r"VmHWM:\D*(\d+)", Path("/proc/self/status").read_text())[1]) / 1024
    print(
        f"{len(phrases)} phrases: encoding {encoded:.1f} s, fit and calibration {fitted:.1f} s, index {held:.0f} MB",
        end="",
    )
    print(f" (peak while fitting {peak:.0f} MB)")
    for name, (p50, p99) in {"matcher": ours, "of which encoder": alone, "WRatio brute force": brute}.items():
        print(f"  {name:20} p50 {p50:7.2f} ms {p50 / brute[0]:6.3f}x   p99 {p99:7.2f} ms {p99 / brute[1]:6.3f}x")
    if len(index.rows) >= matcher_module.PREFILTERED:
        near = [matcher.match(q).ranked[0].label for q in questions]
        matcher_module.PREFILTERED = len(index.rows) + 1
        full = [matcher.match(q).ranked[0].label for q in questions]
        print(
            f"  first label as without the prefilter: {np.mean([a == b for a, b in zip(near, full, strict=True)]):.1%}"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--phrases", default="500,5000,50000,100000")
    parser.add_argument("--alone", action="store_true", help="only the sizes, in this process")
    args = parser.parse_args()
    config = load_config(ROOT / "config.yaml")
    content, _ = read_content(config)
    questions = random.Random(0).sample([check.ask for _, check in content.checks], 400)
    sizes = [int(n) for n in args.phrases.split(",")]
    if args.alone:
        ours = labelled(content, Wording(content.synonyms))
        random.Random(0).shuffle(ours)
        for size in sizes:
            one_size(grown(ours, size), content.background, questions)
        return
    for size in sizes:  # a process each, so that its peak is its own
        subprocess.run([sys.executable, __file__, "--alone", "--phrases", str(size)], check=True)

    dialogue = build_dialogue(config, content)
    now = datetime.now(config.zone)
    dialogue.step(Question(questions[0], now))
    repeated = times(lambda q: dialogue.step(Question(questions[0], now)), questions)
    print(f"a repeated question: p50 {repeated[0]:.4f} ms")

    # the peak of the process itself: getrusage would count what this one held when it started the child
    code = "from bot.cli import main; main(); print([l for l in open('/proc/self/status') if l.startswith('VmHWM')])"
    command = [sys.executable, "-c", code, "ask", "绿码带星去南通要核酸吗吧"]
    took, peak = [], ""
    for _ in range(6):
        start = time.perf_counter()
        peak = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
        took.append(time.perf_counter() - start)
    megabytes = int(re.search(r"VmHWM:\D*(\d+)", peak)[1]) / 1024
    print(f"`hotline ask`, warm cache: {min(took[1:]):.2f}-{max(took[1:]):.2f} s, {megabytes:.0f} MB")


if __name__ == "__main__":
    main()
