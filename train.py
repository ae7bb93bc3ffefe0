"""Trains a captioner: `python train.py --help`."""

import sys

from captioner.run import main

if __name__ == "__main__":
    sys.exit(main())
