"""The direction of imports: a module may import only what stands above it in this list."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import captioner

PACKAGE = Path(captioner.__file__).parent
# From the bottom of the house to its top; modules of one line know nothing of each other.
LAYERS = [
    "errors archives",
    "devices",
    "options records interrupts world recipes geometry spotlight tokenizer losses metrics",
    "metrics.bleu metrics.bootstrap metrics.cider metrics.grounding metrics.rouge metrics.meteor",
    "download",
    "images vocabulary backbone looking self_attention decoding entities caption attended",
    "layouts layouts.prepared",
    "layouts.files",
    "layouts.coco layouts.folder layouts.karpathy",
    "layouts.flickr",
    "stages settings",
    "hard",
    "attention",
    "decoder",
    "transformer",
    "encoder decoders data batches visual prepare scoring metrics.human",
    "pixels",
    "feature_files",
    "model features report regions rewards phases averaging",
    "assembly",
    "checkpoint evaluation results examples journal readable",
    "objectives resuming validation preflight runfile",
    "card learning compiling idle splits",
    "training",
    "run explain walk animation",
    "doubt verdict",
    "commands",
    "score_commands",
    "cli",
    "web",
    "web.wording web.turns web.questions web.inputs web.uploads web.models web.theme",
    "web.viewer web.lessons web.about web.bodies",
    "web.answers",
    "web.api web.many",
    "web.page",
    "web.serving",
    "__main__ __init__",
]
HEIGHT = {name: i for i, layer in enumerate(LAYERS) for name in layer.split()}
FILES = sorted(PACKAGE.rglob("*.py"))


def module_name(path):
    name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    return name.removesuffix(".__init__")


def imported(path, top="captioner"):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == top:
            inside = node.module.partition(".")[2]
            yield from [inside] if inside else (alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (a.name.partition(".")[2] for a in node.names if a.name.split(".")[0] == top)


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_run_one_way(path):
    name = module_name(path)
    assert name in HEIGHT, f"give {name} a place in LAYERS"
    for other in imported(path):
        assert HEIGHT[other] < HEIGHT[name], f"{name} imports {other}"


@pytest.mark.parametrize(("library", "owner"), [("gradio", "web"), ("matplotlib", "")])
def test_heavy_libraries_have_one_owner(library, owner):
    users = {module_name(path).split(".")[0] for path in FILES if list(imported(path, library))}
    assert users <= {owner}


TORCHLESS = (
    "vocabulary tokenizer metrics.bleu metrics.bootstrap metrics.cider metrics.grounding "
    "metrics.human metrics.rouge data entities scoring prepare score_commands results cli"
)


@pytest.mark.parametrize("name", TORCHLESS.split())
def test_data_and_scores_know_no_torch(name):
    code = f"import sys, captioner.{name}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, captioner, captioner.cli; "
        "print([m for m in ('torch', 'gradio', 'timm', 'numpy', 'nltk') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there():
    for name in captioner.__all__:
        assert getattr(captioner, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = captioner.nothing
