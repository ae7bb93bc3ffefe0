"""Prints how our scores agree with people: `python benchmarks/human_judgement.py FLICKR8K_TEXT`."""

import sys
from pathlib import Path

from captioner.metrics.human import expert_agreement

PUBLISHED = {"BLEU-4": 30.8, "ROUGE-L": 32.3, "CIDEr": 43.9}

if __name__ == "__main__":
    print("| metric | Kendall's tau-c | published |\n|---|---|---|")
    for name, tau in expert_agreement(Path(sys.argv[1])).items():
        print(f"| {name} | {tau:.1f} | {PUBLISHED[name]} |")
