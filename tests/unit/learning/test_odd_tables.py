"""Tables as people bring them: each is read as it is meant, or refused by its place."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rayfed.config import load as settings_of
from rayfed.errors import DataError
from rayfed.learning import learner, material
from rayfed.learning.arrays import load_npz
from rayfed.learning.table import Choice, load

ROWS = 40
LABELS = ["a" if row % 2 else "b" for row in range(ROWS)]
CELLS: Mapping[str, Callable[[int], Any]] = {
    "x": lambda row: row,
    "label": lambda row: LABELS[row],
}


def csv(folder: Path, separator: str = ",", encoding: str = "utf-8", **columns: Callable[[int], Any]) -> Path:
    """Write a file with these columns before the label, unless they have one."""
    cells = {**columns, **({} if "label" in columns else {"label": CELLS["label"]})}
    lines = [separator.join(cells), *(separator.join(str(one(row)) for one in cells.values()) for row in range(ROWS))]
    path = folder / "rows.csv"
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


def refused(path: Path, **choice: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(path, Choice(**choice))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def assert_matches(said: str, pattern: str) -> None:
    assert re.match(pattern, said), said


# -- read as they are meant ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_separators_and_byte_order_marks(separator: str, encoding: str, tmp_path: Path) -> None:
    found = load(csv(tmp_path, separator, encoding, x=lambda row: row * 0.5), Choice())
    assert [column["name"] for column in found.prepare["columns"]] == ["x"]
    assert found.classes == ("a", "b")


def test_line_breaks_in_quotes_of_header_and_cells(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    rows = "".join(f'{row},"line one\nline {row % 3}",{LABELS[row]}\n' for row in range(ROWS))
    path.write_text(f'x,"what\nwas said",label\n{rows}')
    _, said = load(path, Choice()).prepare["columns"]
    assert said == {"name": "what\nwas said", "values": [f"line one\nline {number}" for number in range(3)]}


@pytest.mark.parametrize("ends", ["\r\n", "\r"])
def test_line_ends_of_other_systems(ends: str, tmp_path: Path) -> None:
    path = csv(tmp_path, x=CELLS["x"])
    plain = load(path, Choice())
    path.write_bytes(path.read_bytes().replace(b"\n", ends.encode()))
    np.testing.assert_array_equal(load(path, Choice()).train_x, plain.train_x)


def test_a_class_is_one_with_and_without_a_point(tmp_path: Path) -> None:
    """Programs write 1.0 for 1 where a label is missing somewhere."""
    found = load(csv(tmp_path, x=CELLS["x"], label=lambda row: row % 2 if row < 20 else float(row % 2)), Choice())
    assert found.classes == ("0", "1")
    again = load(csv(tmp_path, x=CELLS["x"], label=lambda row: row % 2), Choice())
    np.testing.assert_array_equal(found.train_y, again.train_y)


def test_a_class_that_a_charter_calls_by_a_fraction_keeps_its_name(tmp_path: Path) -> None:
    path = csv(tmp_path, x=CELLS["x"], label=lambda row: float(row % 2))
    agreed = load(path, Choice()).prepare
    found = load(path, Choice(), agreed, classes=("0.0", "1.0"))
    assert found.classes == ("0.0", "1.0")
    assert set(found.train_y) == {0, 1}


# -- refused by their place ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (lambda row: f"{row},5", "line 2, column 'x': a number takes a point before its fraction, .* unlike '0,5'"),
        (lambda row: f"{row}" if row % 3 else f"{row},5", "line 2, column 'x': a number takes a point .* unlike '0,5'"),
        (lambda row: f"1.{row:03},25", "line 2, column 'x': a number takes a point .* unlike '1.000,25'"),
        (lambda row: f"-1,{row:03}", "line 2, column 'x': a number takes a point .* unlike '-1,000'"),
    ],
)
def test_numbers_with_a_comma_are_no_words(cell: Callable[[int], str], said: str, tmp_path: Path) -> None:
    assert_matches(refused(csv(tmp_path, ";", x=cell)), f"data.root: .*rows.csv, {said}")


def test_a_number_to_learn_with_a_comma_is_told_likewise(tmp_path: Path) -> None:
    path = csv(tmp_path, ";", x=CELLS["x"], label=lambda row: f"{row},5")
    assert_matches(refused(path, wanted="numbers"), "data.root: .*line 2, column 'label': a number takes a point")


def test_words_with_a_comma_are_words(tmp_path: Path) -> None:
    found = load(csv(tmp_path, ";", x=lambda row: ("Paris, France", "Rome, Italy")[row % 2]), Choice())
    assert found.prepare["columns"] == [{"name": "x", "values": ["Paris, France", "Rome, Italy"]}]


@pytest.mark.parametrize("form", ["2024-01-{:02}", "{:02}.01.2024", "1/{}/24", "2024-01-{:02}T12:00:00", "2024/1/{}"])
def test_dates_are_no_categories(form: str, tmp_path: Path) -> None:
    said = refused(csv(tmp_path, x=lambda row: form.format(row % 28 + 1)))
    assert_matches(said, r"data.drop: column 'x' of .*rows.csv holds dates, .* leave it out, data.drop=\[x\]")


def test_numbers_to_learn_are_no_classes(tmp_path: Path) -> None:
    said = refused(csv(tmp_path, x=CELLS["x"], label=lambda row: row * 0.37))
    assert_matches(said, "data.target: column 'label' has 40 different values: task=regression learns numbers")


def test_doses_are_classes(tmp_path: Path) -> None:
    found = load(csv(tmp_path, x=CELLS["x"], label=lambda row: (0.5, 1, 2.5)[row % 3]), Choice())
    assert found.classes == ("0.5", "1", "2.5")


def test_rows_without_a_header(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("5.1,3.5,0\n4.9,3.0,1\n" * 20)
    assert_matches(refused(path), "data.root: .*rows.csv has numbers in its first line, not columns' names")


def test_an_index_without_a_name(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(",x,label\n0,1,a\n1,2,b\n")
    assert_matches(refused(path), r"data.root: .*column 1 has no name \(pandas: to_csv\(index=False\)\)")


def test_inputs_that_never_differ(tmp_path: Path) -> None:
    csv(tmp_path, x=lambda row: 3, y=lambda row: "same")
    np.savez(tmp_path / "rows.npz", train_x=np.ones((ROWS, 3)), train_y=np.arange(ROWS) % 2)
    (tmp_path / "rows.txt").write_bytes(b"a" * 9000)
    for kind, name in (("table", "rows.csv"), ("arrays", "rows.npz"), ("text", "rows.txt")):
        settings = settings_of([f"data={kind}", f"data.root={tmp_path / name}"])
        with pytest.raises(DataError) as caught:
            material.check(settings, learner.load(settings))
        assert_matches(str(caught.value), f"data.root: .*{name} has the same inputs in every row: there is nothing to")


def test_one_that_never_differs_beside_others_is_taken(tmp_path: Path) -> None:
    assert load(csv(tmp_path, x=CELLS["x"], y=lambda row: 3), Choice()).inputs[0].shape[1] == 2


def test_numbers_whose_deviation_is_none(tmp_path: Path) -> None:
    said = refused(csv(tmp_path, x=lambda row: 1e300 * (row % 2)))
    assert_matches(said, "data.root: column 'x' of .* has numbers of 1e[+]300, too large")


def test_a_column_to_drop_that_is_not_there(tmp_path: Path) -> None:
    assert_matches(refused(csv(tmp_path, x=CELLS["x"]), drop=("nope",)), "data.root: .* has no column 'nope'")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_other_encodings_are_told(encoding: str, tmp_path: Path) -> None:
    said = refused(csv(tmp_path, ",", encoding, x=lambda row: "é" if row % 2 else "ü"))
    assert_matches(said, "data.root: .*rows.csv is not in UTF-8 near its line 2: save it as UTF-8")


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (lambda row: {"a": row}, "data.root: .*column 'x' holds dict values, neither numbers nor words"),
        (lambda row: [row, 2], "data.root: .*column 'x' holds list values"),
        (lambda row: b"\x00\xff", "data.root: .*column 'x' holds bytes values"),
        (lambda row: datetime.date(2024, 1, row % 28 + 1), "data.drop: column 'x' of .* holds dates"),
        (lambda row: datetime.datetime(2024, 1, row % 28 + 1), "data.drop: column 'x' of .* holds dates"),
    ],
)
def test_what_only_parquet_can_hold(cell: Callable[[int], Any], said: str, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="it comes with MLflow and Ray")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "rows.parquet"
    parquet.write_table(pyarrow.table({"x": [cell(row) for row in range(ROWS)], "label": LABELS}), path)
    assert_matches(refused(path), said)


@pytest.mark.parametrize("column", [np.ones(ROWS) * 1j, np.arange(ROWS).astype("timedelta64[s]"), np.full(ROWS, b"a")])
def test_arrays_that_are_no_columns(column: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", x=column, label=np.array(LABELS))
    assert_matches(refused(tmp_path / "rows.npz"), "data.root: .*column 'x' holds .*, neither numbers nor words")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and then nothing", b"\x93NUMPY"])
def test_files_that_are_no_arrays(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "rows.npz"
    path.write_bytes(content)
    for read in (lambda: load(path, Choice()), lambda: load_npz(path)):
        with pytest.raises(DataError, match=r"^data\.root: .*rows\.npz cannot be read: .") as caught:
            read()
        assert "\n" not in str(caught.value)


X, Y = np.ones((20, 3)), np.arange(20) % 2


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"folders": np.zeros(5, int)}, "data.root: .*data.npz has 5 examples in folders and 20 in train_y"),
        ({"folders": np.full(20, -1)}, "data: folders has a whole number from 0 for each of 16 .* is int64 of"),
        ({"folders": np.linspace(0, 1, 20)}, "data: folders has a whole number .* and is float64 of shape"),
        ({"train_x": np.float64(3)}, "data.root: .*data.npz has 1 examples in train_x and 20 in train_y"),
        ({"train_x": np.float64(3), "train_y": np.int64(3)}, "data.root: .*data.npz has 1 examples in train_x"),
        (
            {"train_y": np.arange(20) * 10**12},
            "data: train_y holds whole numbers up to 19000000000000, which are no cl",
        ),
        ({"test_x": np.ones((5, 4)), "test_y": np.arange(5) % 2}, "data: the test examples have another form than"),
        ({"test_x": np.ones((5, 3)), "test_y": np.arange(4) % 2}, "data: test_x has 5 examples, test_y 4"),
    ],
)
def test_arrays_that_do_not_belong_together(arrays: dict[str, Any], said: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", **{"train_x": X, "train_y": Y, **arrays})
    with pytest.raises(DataError) as caught:
        load_npz(tmp_path / "data.npz")
    assert_matches(str(caught.value), said)


def test_an_input_that_is_skipped_or_half_a_test_set_is_told(tmp_path: Path) -> None:
    for arrays, said in (
        ({"train_x_1": X}, "has train_x_1 beside others: inputs are train_x, or train_x_0"),
        ({"train_x_0": X, "train_x_2": X}, "has train_x beside others"),
        ({"test_x": X[:4]}, "has test_x and no test_y"),
        ({"test_y": Y[:4]}, "has test_y and no test_x"),
    ):
        np.savez(tmp_path / "data.npz", **{"train_x": X, "train_y": Y, **arrays})
        with pytest.raises(DataError, match=said):
            load_npz(tmp_path / "data.npz")


def test_whole_numbers_that_would_become_negative(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", train_x=np.full((20, 3), 2**63 + 5, np.uint64), train_y=Y)
    with pytest.raises(DataError, match=r"^data: train_x holds 9223372036854775813, .* more than 63 bits"):
        load_npz(tmp_path / "data.npz")


def test_arrays_of_objects_and_labels_that_are_no_numbers(tmp_path: Path) -> None:
    for y, said in (
        (np.array([0, "a"] * 10, dtype=object), r"data\.root: .*data\.npz cannot be read: Object arrays"),
        (np.where(Y == 1, np.nan, Y), "data: train_y holds values that are no finite numbers"),
    ):
        np.savez(tmp_path / "data.npz", train_x=X, train_y=y)
        with pytest.raises(DataError, match=f"^{said}"):
            load_npz(tmp_path / "data.npz")


def test_no_example_to_test_on(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((ROWS, 3))
    np.savez(tmp_path / "rows.npz", train_x=x, train_y=np.arange(ROWS) % 2, test_x=x[:0], test_y=np.arange(0))
    settings = settings_of(["data=arrays", f"data.root={tmp_path}/rows.npz"])
    with pytest.raises(DataError, match=r"^data\.root: .*rows\.npz has no test example"):
        material.check(settings, learner.load(settings))


# -- what a model would learn by heart, or not at all ------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["{} %", "{}%", "€ {}", "-$ {}.50", "\u2212 {}", "{} €"])
def test_numbers_with_a_sign_are_no_words(cell: str, tmp_path: Path) -> None:
    said = refused(csv(tmp_path, x=lambda row: cell.format(row % 7 + 1)))
    assert_matches(said, r"data\.root: .*, line 2, column 'x': a number stands alone, .* unlike '")


def test_words_with_a_sign_are_words(tmp_path: Path) -> None:
    found = load(csv(tmp_path, x=lambda row: ("5 %", "much", "little", "some")[row % 4]), Choice())
    assert found.prepare["columns"] == [{"name": "x", "values": ["5 %", "little", "much", "some"]}]


def test_a_word_for_each_row_is_no_category_and_no_class(tmp_path: Path) -> None:
    said = refused(csv(tmp_path, x=CELLS["x"], who=lambda row: f"person {row}"))
    assert_matches(said, "data.drop: column 'who' of .* has 40 different words in 40 rows, which are no categories")
    said = refused(csv(tmp_path, x=CELLS["x"], label=lambda row: f"person {row}"))
    assert_matches(said, "data.target: column 'label' has 40 different values")
    assert load(csv(tmp_path, x=CELLS["x"], who=lambda row: f"kind {row % 8}"), Choice()).inputs[0].shape[1] == 9


@pytest.mark.parametrize("name", ["index", "Unnamed: 0", "row_names"])
def test_the_number_of_a_row_is_no_input_unless_it_is_named(name: str, tmp_path: Path) -> None:
    path = csv(tmp_path, **{name: lambda row: row, "x": lambda row: row * row % 11})
    assert_matches(refused(path), f"data.drop: column '{name}' of .* counts the rows: leave it out, data.drop=")
    assert load(path, Choice(drop=(name,))).inputs[0].shape[1] == 1
    assert load(path, Choice(columns=(name, "x"))).inputs[0].shape[1] == 2
    shuffled = csv(tmp_path, **{name: lambda row: row * 7 % ROWS, "x": lambda row: row})
    assert load(shuffled, Choice()).inputs[0].shape[1] == 2


def test_a_number_to_learn_that_never_differs(tmp_path: Path) -> None:
    said = refused(csv(tmp_path, x=CELLS["x"], label=lambda row: 3.5), wanted="numbers")
    assert_matches(said, "data.target: column 'label' of .*rows.csv is 3.5 in every row: there is nothing to learn")


@pytest.mark.parametrize("fill", [False, True])
def test_a_column_without_any_cell(fill: bool, tmp_path: Path) -> None:
    said = refused(csv(tmp_path, x=CELLS["x"], y=lambda row: ""), fill=fill)
    assert_matches(said, r"data\.drop: column 'y' of .*rows\.csv is empty: data\.drop=\[y\]")


def test_a_word_that_counts_as_nothing_is_told(tmp_path: Path) -> None:
    said = refused(csv(tmp_path, x=CELLS["x"], label=lambda row: "none" if row % 2 else "mild"))
    assert_matches(
        said, "data.root: .*, line 3, column 'label': says 'none', which counts as nothing, and is what is to"
    )
    said = refused(csv(tmp_path, x=lambda row: "NA" if row == 4 else "red"))
    assert_matches(said, "data.missing: .*, line 6, column 'x' says 'NA', which counts as nothing: fill it, or say")


def test_a_first_line_that_says_what_stands_between_cells(tmp_path: Path) -> None:
    path = csv(tmp_path, ";", x=lambda row: "what" if row == 3 else row)
    path.write_text("sep=;\n" + path.read_text())
    assert_matches(refused(path), "data.root: .*, line 6, column 'x': 'what' is not a number")
    path.write_text(path.read_text().replace("what", "3"))
    assert load(path, Choice()).inputs[0].shape[1] == 1


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"target": ("label", "label")}, "data.target: names 'label' twice"),
        ({"columns": ("x", "x")}, "data.columns: names 'x' twice"),
        ({"columns": ("x",), "drop": ("x",)}, "data.columns: names 'x', and so does data.drop"),
    ],
)
def test_a_column_that_is_named_twice(choice: dict[str, Any], said: str, tmp_path: Path) -> None:
    assert_matches(refused(csv(tmp_path, x=CELLS["x"]), **choice), said)


# -- where they lie --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["table", "text", "arrays", "image_folder"])
def test_places_that_are_none(kind: str, tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to(tmp_path / "other")
    (tmp_path / "other").symlink_to(tmp_path / "one")
    for root in (tmp_path / "one", tmp_path / "one" / "rows.csv", tmp_path / ("x" * 300), tmp_path / "none"):
        with pytest.raises(DataError, match=r"^data\.root: ") as caught:
            learner.load(settings_of([f"data={kind}", f"data.root={root}"]))
        assert "\n" not in str(caught.value)


def test_home_spaces_and_a_slash_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my rows").mkdir()
    csv(tmp_path / "my rows", x=CELLS["x"]).rename(tmp_path / "my rows" / "train.csv")
    monkeypatch.setenv("HOME", str(tmp_path))
    found = [
        learner.load(settings_of(["+experiment=tabular", "data=table", f"data.root='{root}'"])).train_x[0]
        for root in ("~/my rows", "~/my rows/", f"{tmp_path}/my rows///", f"{tmp_path}/./my rows/train.csv")
    ]
    for one in found[1:]:
        np.testing.assert_array_equal(one, found[0])
