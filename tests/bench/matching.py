"""Ranking and refusing on public question sets, ours against string scores, in the same run and on the same folds.

python tests/bench/matching.py FOLDER [--encoders use,e5,lexical] [--intents 400]

FOLDER holds .jsonl files, one {"text", "intent", …} a line. A set with several wordings an intent is ranked:
each fold leaves one wording of every intent out, so no method has seen any of the words it is asked. What must be
refused are the set's own `__oos__` lines; a set without any gives up every fifth of its groups (`item`, else intents).
Every set is also asked of the shipped content, which should answer next to nothing of it.
"""

import argparse
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
from rank_bm25 import BM25Okapi
from rapidfuzz import fuzz, process
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import roc_auc_score

from bot.app import build_dialogue, read_content
from bot.config import load_config
from bot.dialogue import Question
from bot.matching.calibration import Mix
from bot.matching.encoder import Encoder, make_encoders
from bot.matching.matcher import Kind, Matcher, Material, Phrase, Verdict, build_index
from bot.text import for_encoder, normalise

ROOT = Path(__file__).parents[2]

FOLDS = 4
HELD_OUT = 5

Row = dict[str, object]
Ranking = tuple[list[str], float]
"""Intents, best first, and how sure."""
Method = Callable[[Sequence[str], Sequence[str]], Callable[[str], Ranking]]
"""Learns texts and their intents, and then ranks."""


@dataclass
class Judged:
    """What a method made of one set's questions."""

    known: list[tuple[str, Ranking]] = field(default_factory=list)
    """The true intent and the ranking."""
    strange: list[float] = field(default_factory=list)
    """How sure it was of what must be refused."""
    folds: list[float] = field(default_factory=list)
    verdicts: Counter[str] = field(default_factory=Counter)


# ---- methods


def by_scores(score: Callable[[Sequence[str]], Callable[[str], np.ndarray]]) -> Method:
    """A method from one score a phrase: an intent is as good as its best phrase."""

    def learn(texts: Sequence[str], intents: Sequence[str]) -> Callable[[str], Ranking]:
        scores = score([normalise(t) for t in texts])
        names, index = np.unique(intents, return_inverse=True)

        def rank(question: str) -> Ranking:
            best = np.full(len(names), -np.inf)
            np.maximum.at(best, index, scores(normalise(question)))
            order = np.argsort(-best)[:3]
            return [str(names[i]) for i in order], float(best[order[0]])

        return rank

    return learn


def fuzzy(scorer: Callable[..., float]) -> Method:
    def prepare(texts: Sequence[str]) -> Callable[[str], np.ndarray]:
        return lambda q: process.cdist([q], texts, scorer=scorer)[0]

    return by_scores(prepare)


def tfidf(texts: Sequence[str]) -> Callable[[str], np.ndarray]:
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 2), sublinear_tf=True)
    rows = vectorizer.fit_transform(texts)
    return lambda q: (rows @ vectorizer.transform([q]).T).toarray()[:, 0]


def bm25(texts: Sequence[str]) -> Callable[[str], np.ndarray]:
    def grams(text: str) -> list[str]:
        return [*text, *(text[i : i + 2] for i in range(len(text) - 1))]

    model = BM25Okapi([grams(t) for t in texts])
    return lambda q: np.asarray(model.get_scores(grams(q)))


def nearest(encoder: Encoder) -> Method:
    def prepare(texts: Sequence[str]) -> Callable[[str], np.ndarray]:
        rows = encoder.encode([for_encoder(t) for t in texts])
        return lambda q: rows @ encoder.encode([q])[0]

    return by_scores(prepare)


class Ours:
    """The product's matcher; its verdicts are kept beside the ranking."""

    def __init__(self, encoders: Sequence[Encoder], background: Sequence[str]) -> None:
        self.encoders, self.background = encoders, background

    def __call__(self, texts: Sequence[str], intents: Sequence[str]) -> Callable[[str], Ranking]:
        phrases = [Phrase(t, i, i, Kind.INTENT) for t, i in dict.fromkeys(zip(texts, intents, strict=True))]
        material, matcher = Material(phrases, self.background), None
        for encoder in reversed(self.encoders):
            index = build_index(material, encoder.encode)
            thresholds = index.forecast.thresholds(0.02, Mix(0.7, 0.2, 0.1), 1.0)
            matcher = Matcher(material, encoder, index, thresholds, matcher)

        def rank(question: str) -> Ranking:
            match = matcher.match(question)
            self.verdict = match.verdict
            return [r.label for r in match.ranked[:3]], match.confidence

        return rank


# ---- protocol


def read(path: Path) -> list[Row]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [r for r in rows if not r.get("ambiguous")]


def folds(rows: Sequence[Row], intents: int) -> Iterator[tuple[list[Row], list[Row], list[Row]]]:
    """(learn, asked, to be refused), the n-th wording of every intent left out in the n-th fold."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[str(row["intent"])].append(row)
    known = sorted(i for i, g in groups.items() if not i.startswith("__") and len(g) > 1)
    known = sorted(random.Random(0).sample(known, min(intents, len(known))))
    strange = [r for r in groups.get("__oos__", []) if r.get("near") is None or r["near"] in set(known)]
    if not strange:
        units = sorted({str(groups[i][0].get("item", i)) for i in known})
        out = set(units[::HELD_OUT])
        strange = [r for i in known for r in groups[i] if str(groups[i][0].get("item", i)) in out]
        known = [i for i in known if str(groups[i][0].get("item", i)) not in out]
    for n in range(FOLDS):
        learn = [r for i in known for k, r in enumerate(groups[i]) if k % max(2, min(FOLDS, len(groups[i]))) != n]
        asked = [r for i in known for k, r in enumerate(groups[i]) if k % max(2, min(FOLDS, len(groups[i]))) == n]
        if asked:
            yield learn, asked, strange


def judge(method: Method, rows: Sequence[Row], intents: int) -> Judged:
    """All folds of one set by one method."""
    judged = Judged()
    for learn, asked, strange in folds(rows, intents):
        rank = method([str(r["text"]) for r in learn], [str(r["intent"]) for r in learn])
        hits = []
        for row in asked:
            ranking = rank(str(row["text"]))
            judged.known.append((str(row["intent"]), ranking))
            hits.append(ranking[0][0] == row["intent"])
            judged.verdicts[told(method, str(row["intent"]), ranking)] += 1
        judged.folds.append(float(np.mean(hits)))
        for row in strange:
            judged.strange.append(rank(str(row["text"]))[1])
            judged.verdicts["strange " + str(getattr(method, "verdict", ""))] += 1
    return judged


def told(method: Method, intent: str, ranking: Ranking) -> str:
    verdict = getattr(method, "verdict", None)
    if verdict is Verdict.ANSWER:
        return "right" if ranking[0][0] == intent else "wrong"
    if verdict is Verdict.OFFER:
        return "offered" if intent in ranking[0] else "offered without"
    return "refused"


def line(name: str, j: Judged) -> str:
    top = np.array([r[0][0] == i for i, r in j.known])
    three = np.mean([i in r[0] for i, r in j.known])
    sure = np.array([r[1] for _, r in j.known])
    strange = np.array(j.strange)
    auroc = roc_auc_score([1] * len(sure) + [0] * len(strange), [*sure, *strange]) if len(strange) else float("nan")
    at = [
        np.mean(top & (sure > np.quantile(strange, 1 - far))) if len(strange) else float("nan") for far in (0.05, 0.01)
    ]
    noise = 1.96 * np.sqrt(top.mean() * (1 - top.mean()) / len(top))
    text = f"  {name:16} top-1 {top.mean():.3f} ±{noise:.3f} (worst fold {min(j.folds):.3f})  recall@3 {three:.3f}  "
    text += f"AUROC {auroc:.3f}  right at 5 %/1 % false {at[0]:.3f}/{at[1]:.3f}"
    if "strange answer" in j.verdicts or "right" in j.verdicts:
        n = len(top)
        shares = [f"{k} {j.verdicts[k] / n:.3f}" for k in ("right", "wrong", "offered", "offered without", "refused")]
        false = [f"{v} {j.verdicts['strange ' + v] / max(1, len(strange)):.3f}" for v in ("answer", "offer")]
        text += f"\n  {'':16} automatic: {', '.join(shares)}; of the strange ones {', '.join(false)}"
    return text


def traffic(paths: Sequence[Path]) -> None:
    """What the shipped content says to each set's questions; next to none of them is its business."""
    config = load_config(ROOT / "config.yaml")
    content, _ = read_content(config)
    dialogue = build_dialogue(config, content)
    now = datetime.now(config.zone)
    print(f"\nthe shipped content ({config.matching.encoder}) asked what is not its business:")
    for path in paths:
        outcomes: Counter[str] = Counter()
        answered = []
        lines = list(enumerate(read(path), 1))
        for n, row in lines:
            reply = dialogue.step(Question(str(row["text"]), now))[0]
            outcomes[str(reply.outcome)] += 1
            if reply.outcome in ("answered", "ask_region", "urgent"):
                answered.append(f"    {path.name}:{n} {reply.outcome} {reply.intent} {row['text']}")
        shares = ", ".join(f"{k} {v} ({v / len(lines):.2%})" for k, v in outcomes.most_common())
        print(f"  {path.name}: {len(lines)} questions: {shares}")
        print("\n".join(answered[:40]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--encoders", default="use,e5,both,lexical")
    parser.add_argument("--intents", type=int, default=400, help="at most so many of a set's intents")
    parser.add_argument("--no-traffic", action="store_true")
    args = parser.parse_args()
    content, _ = read_content(load_config(ROOT / "config.yaml"))
    encoders = {name: make_encoders(name) for name in args.encoders.split(",")}
    methods: dict[str, Method] = {"WRatio": fuzzy(fuzz.WRatio), "ratio": fuzzy(fuzz.ratio)}
    methods |= {"BM25": by_scores(bm25), "TF-IDF": by_scores(tfidf)}
    methods |= {f"{name}, nearest": nearest(made[0]) for name, made in encoders.items() if len(made) == 1}
    methods |= {f"ours, {name}": Ours(made, content.background) for name, made in encoders.items()}
    paths = sorted(args.folder.glob("*.jsonl"))
    for path in paths:
        rows = [r for r in read(path) if "intent" in r]
        sizes = Counter(str(r["intent"]) for r in rows if not str(r["intent"]).startswith("__"))
        if sum(n > 1 for n in sizes.values()) >= 20:
            print(f"{path.name}: {min(len(sizes), args.intents)} of {len(sizes)} intents", flush=True)
            for name, method in methods.items():
                print(line(name, judge(method, rows, args.intents)), flush=True)
    if not args.no_traffic:
        traffic(paths)


if __name__ == "__main__":
    main()
