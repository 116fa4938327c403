"""What the documents say is what the program does."""

import re
import shlex
import tomllib
from itertools import chain

import pytest
import typer
from typer.core import TyperGroup

import run
from engine.skeleton import SKELETONS
from tests.conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
COMMANDS = typer.main.get_command(run.app).commands


def written_commands():
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    return sorted(set(re.findall(r"python run\.py[^\n`&|)]*", text)))


@pytest.mark.parametrize("line", written_commands())
def test_every_command_in_the_documents_exists_with_its_options(line):
    words = shlex.split(line)[2:]
    name = words[0] if words and not words[0].startswith("-") else "live"
    assert name in COMMANDS, line
    command = COMMANDS[name]
    if isinstance(command, TyperGroup):  # its first word may be a command of its own
        command = command.commands.get(words[1] if len(words) > 1 else "", command.commands["list"])
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    used = {word for word in words if word.startswith("--")}
    assert used <= known | {"--help"}, line


def test_every_live_option_is_in_the_readme():
    options = {option for parameter in COMMANDS["live"].params for option in parameter.opts} - {"--help"}
    assert all(option in README for option in options), sorted(o for o in options if o not in README)


def test_the_readme_has_its_two_commands_and_is_short():
    pasted = re.findall(r"^python3 -m venv .*$", README, re.M)
    assert [line.rsplit("&& ", 1)[1] for line in pasted] == ["python run.py demo", "python -m pytest"]
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_and_pictures_of_the_documents_exist(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_the_conventions_list_the_skeletons_of_the_code(skeleton):
    text = (REPOSITORY / "docs" / "conventions.md").read_text(encoding="utf-8")
    assert f"`{skeleton.name}`" in text
    for number, (name, parent) in enumerate(zip(skeleton.names, skeleton.parents, strict=True)):
        words = (
            name.replace("r_", "right ").replace("l_", "left ").replace("_", " ")
            if name[1] == "_"
            else name.replace("_", " ")
        )
        pattern = rf"\| {number} \| {words}( \(root\))? \| {'-' if parent is None else parent} \|"
        assert re.search(pattern, text), name
    (line,) = [line for line in text.splitlines() if line.startswith("Mirror pairs")]
    assert [f"({a}, {b})" in line for a, b in skeleton.mirror_pairs] == [True] * len(skeleton.mirror_pairs)


def test_every_dependency_is_explained():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = (REPOSITORY / "docs" / "dependencies.md").read_text(encoding="utf-8")
    wanted = chain(project["dependencies"], *project["optional-dependencies"].values())
    for requirement in wanted:
        if requirement.startswith(project["name"]):  # an extra that takes in another
            continue
        assert re.match(r"[a-z0-9-]+", requirement)[0] in listed, requirement


def test_the_package_lists_every_folder_of_code():
    packages = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"][
        "packages"
    ]
    found = {
        str(path.parent.relative_to(REPOSITORY)).replace("/", ".")
        for top in ("calib", "commands", "engine", "realtime", "train")
        for path in (REPOSITORY / top).rglob("*.py")
    }
    assert set(packages) == found
