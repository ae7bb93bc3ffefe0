"""Prints how our scores agree with people: `python benchmarks/human_judgement.py FLICKR8K_TEXT`."""

import argparse
from pathlib import Path

from captioner.errors import DataError
from captioner.metrics.human import expert_agreement

PUBLISHED = {"BLEU-4": 30.8, "ROUGE-L": 32.3, "CIDEr": 43.9}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Say how our scores agree with people.")
    parser.add_argument("text", type=Path, help="folder of Flickr8k's captions and ratings")
    arguments = parser.parse_args()
    try:
        found = expert_agreement(arguments.text)
    except DataError as error:
        parser.error(str(error))
    print("| metric | Kendall's tau-c | published |\n|---|---|---|")
    for name, tau in found.items():
        print(f"| {name} | {tau:.1f} | {PUBLISHED[name]} |")
