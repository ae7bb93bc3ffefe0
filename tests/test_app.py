"""`app.py`, and what runs it elsewhere: requirements, Spaces, a container."""

import re
import runpy
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from browsing import APP

from captioner.errors import CaptionerError

ROOT = APP.parent


@pytest.mark.parametrize(
    "arguments, code", [(["--help"], 0), (["--port", "x"], 2), (["--port", "70000"], 2)]
)
def test_help_and_wrong_usage_are_told_before_anything_large_is_imported(arguments, code):
    check = (
        f"import runpy, sys; sys.argv = ['app.py', *{arguments}]\n"
        f"try: runpy.run_path({str(APP)!r}, run_name='__main__')\n"
        "except SystemExit as stop: print(stop.code or 0, {'torch', 'gradio'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == f"{code} set()"


def test_a_missing_model_is_told_in_one_sentence(capsys):
    assert runpy.run_path(str(APP))["main"](["--model", "nowhere"]) == 1
    assert capsys.readouterr().err == "app.py: there is no model directory 'nowhere'\n"


def test_the_address_may_come_from_the_environment(monkeypatch, capsys):
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
    monkeypatch.setenv("GRADIO_SERVER_PORT", "x")
    with pytest.raises(SystemExit):
        runpy.run_path(str(APP))["main"](["--model", "nowhere"])
    assert "invalid int value: 'x'" in capsys.readouterr().err


def test_a_port_that_is_taken_is_told_in_one_sentence(tiny_model):
    pytest.importorskip("gradio")
    from captioner.web.models import LoadedModel
    from captioner.web.serving import serve

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CaptionerError, match=f"can't listen at 127.0.0.1 port {port}"):
            serve(
                {"one": LoadedModel(tiny_model)}, host="127.0.0.1", port=port, assets=Path("none")
            )


def wanted(lines):
    """Requirements without comments and spaces."""
    bare = (re.sub(r"#.*", "", line).replace(" ", "").strip() for line in lines)
    return sorted(line for line in bare if line and not line.startswith("-"))


def test_a_space_installs_what_the_package_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = wanted((ROOT / "requirements.txt").read_text().splitlines())
    assert listed == wanted(project["dependencies"])


def test_the_readme_tells_a_space_what_to_run():
    front = (ROOT / "README.md").read_text().split("---\n")[1]
    settings = dict(line.split(": ", 1) for line in front.strip().splitlines())
    assert settings["sdk"] == "gradio" and (ROOT / settings["app_file"]).exists()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (gradio,) = [line for line in project["dependencies"] if line.startswith("gradio")]
    least = re.search(r">=([\d.]+)", gradio).group(1)
    assert settings["sdk_version"].startswith(least)
    assert float(settings["python_version"].strip('"')) >= 3.11


def test_the_container_runs_the_page_as_a_user_who_is_not_root():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users and users[-1] not in ("root", "0")
    commands = [line for line in lines if line.startswith(("CMD", "ENTRYPOINT"))]
    assert 'CMD ["python", "app.py", "--host", "0.0.0.0"]' in commands
    sources = [line.split()[1:-1] for line in lines if line.startswith("COPY ")]
    copied = {name.rstrip("/") for names in sources for name in names}
    assert {"app.py", "captioner", "assets", "requirements.txt"} <= copied
    for name in copied:
        assert (ROOT / name).exists()
