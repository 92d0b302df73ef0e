"""Speed as ratios: one question against WRatio brute force on the same phrases, a repeated question, a warm `ask`.

python tests/bench/speed.py [--phrases 5000]
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

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from rapidfuzz import fuzz, process  # noqa: E402

from bot.app import build_dialogue, labelled, read_content  # noqa: E402
from bot.config import load_config  # noqa: E402
from bot.dialogue import Question  # noqa: E402
from bot.matching.calibration import Mix  # noqa: E402
from bot.matching.encoder import UseEncoder  # noqa: E402
from bot.matching.matcher import Matcher, Phrase, build_index  # noqa: E402
from bot.matching.wording import Wording  # noqa: E402


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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--phrases", type=int, default=5000)
    wanted = parser.parse_args().phrases
    config = load_config(ROOT / "config.yaml")
    content, _ = read_content(config)
    questions = [check.ask for _, check in content.checks]
    phrases = grown(labelled(content, Wording(content.synonyms)), wanted)
    encoder = UseEncoder()
    encoder.encode(["预热"])

    start = time.perf_counter()
    index = build_index(phrases, content.background, [], encoder.encode)
    fitted = time.perf_counter() - start
    matcher = Matcher(phrases, encoder, index, index.forecast.thresholds(0.03, Mix(0.7, 0.2, 0.1), 0.015))
    texts = [p.text for p in phrases]
    ours = times(matcher.match, questions)
    alone = times(lambda q: encoder.encode([q]), questions)
    brute = times(lambda q: process.extractOne(q, texts, scorer=fuzz.WRatio), questions)
    print(f"{wanted} phrases, fit and calibration {fitted:.1f} s (encoding included)")
    for name, (p50, p99) in {"matcher": ours, "of which encoder": alone, "WRatio brute force": brute}.items():
        print(f"  {name:20} p50 {p50:6.2f} ms {p50 / brute[0]:5.2f}x   p99 {p99:6.2f} ms {p99 / brute[1]:5.2f}x")

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
