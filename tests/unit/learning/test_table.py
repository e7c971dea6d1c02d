"""Tables: what is in a file is what reaches the model; what is wrong in it is told by file, line and column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from rayfed.config import load as settings_of
from rayfed.encoding import canonical
from rayfed.errors import ConfigError, DataError
from rayfed.learning import learner
from rayfed.learning.examples import Examples
from rayfed.learning.learner import TorchLearner, Workshop
from rayfed.learning.table import Choice, load
from rayfed.learning.table_files import read
from rayfed.protocol.charter_parts import DataTerms
from rayfed.runtime import drafting

ROWS = "age,color,weight,label\n" + "".join(
    f"{20 + i},{'red' if i % 3 else 'blue'},{i * 0.5},{'yes' if i % 2 else 'no'}\n" for i in range(40)
)


def file(folder: Path, text: str, name: str = "rows.csv") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def both(found: Examples, part: int = 0) -> np.ndarray:
    """Return all rows, those to train on first."""
    return np.concatenate([found.train_x[part], found.test_x[part]])


def test_numbers_are_standardised_and_words_become_one_input_each(tmp_path: Path) -> None:
    found = load(file(tmp_path, ROWS), Choice())
    assert [x.shape for x in (*found.inputs, *found.test_x)] == [(32, 4), (8, 4)]
    assert found.classes == ("no", "yes")
    assert found.train_x[0].dtype == np.float32
    np.testing.assert_allclose(found.train_x[0][:, [0, 3]].mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(found.train_x[0][:, [0, 3]].std(0), 1, rtol=1e-5)
    assert set(map(tuple, both(found)[:, 1:3])) == {(1.0, 0.0), (0.0, 1.0)}
    (age, color, weight) = found.prepare["columns"]
    assert color == {"name": "color", "values": ["blue", "red"]}
    assert age["name"] == "age"
    assert age["mean"] == repr(float(age["mean"]))
    assert weight["name"] == "weight"
    canonical.dumps(found.terms({}).to_dict())  # no float is in it


@pytest.mark.parametrize("suffix", [".tsv", ".parquet", ".npz", ";"])
def test_the_same_rows_in_another_file_are_the_same_examples(tmp_path: Path, suffix: str) -> None:
    expected = load(file(tmp_path, ROWS), Choice())
    lines = [line.split(",") for line in ROWS.splitlines()]
    columns = {name: [line[place] for line in lines[1:]] for place, name in enumerate(lines[0])}
    if suffix == ".tsv":
        path = file(tmp_path, ROWS.replace(",", "\t"), "rows.tsv")
    elif suffix == ";":
        path = file(tmp_path, "\ufeff" + ROWS.replace(",", ";"), "semicolons.csv")
    else:
        typed = {n: np.array(c, float) if n in ("age", "weight") else np.array(c) for n, c in columns.items()}
        path = tmp_path / f"rows{suffix}"
        if suffix == ".npz":
            np.savez(path, **typed)
        else:
            pyarrow = pytest.importorskip("pyarrow", reason="it comes with MLflow and Ray")
            parquet = pytest.importorskip("pyarrow.parquet")
            parquet.write_table(pyarrow.table({name: list(cells) for name, cells in typed.items()}), path)
    found = load(path, Choice())
    np.testing.assert_array_equal(both(found), both(expected))
    np.testing.assert_array_equal(found.train_y, expected.train_y)
    assert found.prepare == expected.prepare


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b,label\n1,2,x\n3,4\n", r"data\.root: .*rows\.csv, line 3 has 2 fields, the header 3$"),
        (
            "a,b,label\n1,2,x\n3,oops,y\n3,4,y\n3,4,y\n3,4,y\n",
            r"data\.root: .*rows\.csv, line 3, column 'b': 'oops' is not a number$",
        ),
        ("a,b,label\n1,2,x\n3,inf,y\n", r"line 3, column 'b': inf is not a finite number"),
        (
            "a,b,label\n1,2,x\n3,,y\n",
            r"^data\.missing: .*line 3, column 'b' is empty: fill it, or say data\.missing=mean",
        ),
        ("a,b,label\n1,2,x\n3,4,\n", r"line 3, column 'label': is empty, and is what is to be learned"),
        ("a,a,label\n1,2,x\n", r"column 2 is called 'a', as another one is"),
        ("a,,label\n1,2,x\n", r"column 2 has no name"),
        ("a,b,label\n", r"rows\.csv has no rows"),
        ("", r"has no names of columns"),
        ('a,b,label\n1,"2,x\n3,4,y\n', r"rows\.csv, line \d: unexpected end of data"),
        ("a,label\n1,x\n", r"has too few rows to hold some back"),
    ],
)
def test_what_is_wrong_is_told_by_its_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as told:
        load(file(tmp_path, text), Choice())
    assert "\n" not in str(told.value)


def test_files_that_are_none_are_told_by_name(tmp_path: Path) -> None:
    cases = {
        "rows.xlsx": b"PK",
        "rows.parquet": b"no",
        "rows.npz": b"no",
        "latin.csv": "a,b\n\xe9,1\n".encode("latin-1"),
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=rf"^data\.root: .*{name}") as told:
            read(tmp_path / name)
        assert "\n" not in str(told.value)
    with pytest.raises(DataError, match=r"^data\.root: there is no"):
        load(tmp_path / "nothing", Choice())
    with pytest.raises(DataError, match=r"holds neither train\.csv"):
        load(tmp_path, Choice())


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (Choice(("price",)), r"^data\.root: .* has no column 'price'; it has 'age', 'color', 'weight', 'label'"),
        (Choice(columns=("age", "label")), r"^data\.columns: 'label' is what is to be learned"),
        (Choice(("color",), wanted="numbers"), r"^data\.target: column 'color' holds words: task=classification"),
        (Choice(("age", "color")), r"^data\.target: one column has the classes"),
        (Choice(("age",), wanted="labels"), r"column 'age': a label is 0 or 1, not 2\d"),
        (Choice(drop=("age", "color", "weight")), r"^data\.columns: .* has no column beside the target"),
    ],
)
def test_a_choice_that_cannot_be_is_told(tmp_path: Path, choice: Choice, words: str) -> None:
    with pytest.raises(DataError, match=words):
        load(file(tmp_path, ROWS), choice)


def test_names_of_people_are_no_category(tmp_path: Path) -> None:
    rows = "name,size,label\n" + "".join(f"person {i},{i},{i % 2}\n" for i in range(600))
    with pytest.raises(DataError, match=r"^data\.drop: column 'name' .* leave it out, data\.drop=\[name\]"):
        load(file(tmp_path, rows), Choice())
    assert load(file(tmp_path, rows), Choice(drop=("name",))).inputs[0].shape == (480, 1)
    with pytest.raises(DataError, match=r"^data\.target: column 'size' has 600 different values: task=regression"):
        load(file(tmp_path, rows), Choice(("size",), drop=("name",)))


def test_what_is_missing_is_the_mean_if_asked(tmp_path: Path) -> None:
    rows = "a,color,label\n1,red,x\n,blue,y\n3,NA,x\n2,red,y\n5,blue,x\n"
    found = load(file(tmp_path, rows), Choice(fill=True))
    assert sorted(map(tuple, both(found)[:, 1:])) == [(0, 0), (0, 1), (0, 1), (1, 0), (1, 0)]
    assert np.isfinite(both(found)).all()


def test_numbers_are_learned_in_deviations_and_measured_in_their_own_unit(tmp_path: Path) -> None:
    found = load(file(tmp_path, ROWS), Choice(("weight",), wanted="numbers", drop=("label",)))
    own = np.concatenate([found.train_y, found.test_y])[:, 0] * found.scale
    np.testing.assert_allclose(sorted(own - own.min()), np.arange(40) * 0.5, atol=1e-4)
    assert found.labels is None
    assert found.outputs == 1
    assert found.classes == ("weight",)


def test_each_partys_rows_are_prepared_as_the_charter_says(tmp_path: Path) -> None:
    founder = file(tmp_path, ROWS, "founder.csv")
    words = ["+experiment=tabular", "data=table", "federation.nodes=2", "train.device=cpu", "data.target=label"]
    charter = drafting.draft(settings_of([*words, f"data.root={founder}"]))
    terms = DataTerms.from_dict(canonical.loads(charter.canonical_json())["data"])
    assert terms == charter.data
    older = file(tmp_path, "age,color,weight,label\n70,red,1,no\n80,red,2,no\n75,red,2,no\n", "older.csv")
    mine = learner.load(settings_of([*words, f"data.root={older}"]), terms)
    assert isinstance(mine, Examples)
    mean, std = (float(terms.prepare["columns"][0][key]) for key in ("mean", "std"))
    np.testing.assert_allclose(sorted(both(mine)[:, 0]), (np.array([70, 75, 80]) - mean) / std, rtol=1e-5)
    assert mine.classes == ("no", "yes"), "although it has no example of one"
    green = file(tmp_path, "age,color,weight,label\n70,red,1,no\n80,green,2,no\n", "green.csv")
    with pytest.raises(DataError, match=r"green\.csv, line 3, column 'color': 'green' is no category of this column"):
        learner.load(settings_of([*words, f"data.root={green}"]), terms)
    maybe = file(tmp_path, "age,color,weight,label\n70,red,1,no\n80,red,2,maybe\n", "maybe.csv")
    with pytest.raises(DataError, match=r"line 3, column 'label': 'maybe' is no class of the federation"):
        learner.load(settings_of([*words, f"data.root={maybe}"]), terms)
    with pytest.raises(DataError, match=r"^data\.kind: this federation learns from 'table', not from 'text'"):
        learner.load(settings_of([*words, "data.kind=text"]), terms)
    with pytest.raises(ConfigError, match=r"^task: is .*\.Regression.* learns by .*Classification"):
        learner.load(settings_of([*words, "task=regression", f"data.root={founder}", "partition=iid"]), terms)


def test_a_folder_of_files_is_a_folder_of_owners(tmp_path: Path) -> None:
    for name, start in (("north", 0), ("south", 100)):
        rows = "".join(f"{start + i},{i % 2}\n" for i in range(30))
        file(tmp_path, "size,label\n" + rows, f"train/{name}.csv")
    file(tmp_path, "size,label\n5,0\n105,1\n", "test.csv")
    words = ["+experiment=tabular", "data=table", f"data.root={tmp_path}", "partition=folders", "federation.nodes=2"]
    settings = settings_of(words)
    found = learner.load(settings)
    shares = [learner.share(settings, found, slot) for slot in range(2)]
    assert [len(share.train_y) for share in shares] == [30, 30]
    assert float(shares[0].train_x[0].max()) < float(shares[1].train_x[0].min())
    assert found.owners == ("north", "south")
    assert len(found.test_y) == 2


def test_what_has_no_classes_is_not_dealt_by_class() -> None:
    words = ["+experiment=tabular", "data=diabetes", "task=regression"]
    settings = settings_of(words)
    with pytest.raises(ConfigError, match=r"^partition\.kind: dirichlet deals by class, and .* has none"):
        drafting.draft(settings)
    with pytest.raises(ConfigError, match=r"^attack\.kind: label_flip exchanges classes"):
        drafting.draft(settings_of([*words, "partition=iid", "attack=label_flip"]))
    with pytest.raises(ConfigError, match=r"^attack\.kind: backdoor stamps images, and data=diabetes has none"):
        settings_of([*words, "partition=iid", "attack=backdoor"])


@pytest.mark.parametrize(
    "words",
    [["+experiment=tabular"], ["+experiment=tabular", "data=diabetes", "task=regression"]],
    ids=["classes", "numbers"],
)
def test_nodes_learn_from_rows_and_the_same_seed_gives_the_same_bits(words: list[str]) -> None:
    settings = settings_of([*words, "partition=iid", "train.threads=1"])
    charter = drafting.draft(settings)
    first, second = (TorchLearner(Workshop(settings, charter), charter, 1) for _ in range(2))
    base = first.genesis()
    one, other = first.train(base, 1), second.train(base, 1)
    assert all(torch.equal(one.state[name], other.state[name]) for name in base)
    assert first.loss(one.state) < first.loss(base)
    (before, n), (after, _) = first.evaluate(base), first.evaluate(one.state)
    assert n > 20
    assert charter.data.metric.sorted([before, after]) == [before, after], "the worse one first"
    assert next(first.alone()) > 0
    (x,), y = first.training_data()
    assert len(x) == len(y) == one.examples
