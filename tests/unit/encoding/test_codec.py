from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from rayfed.aggregation import rules
from rayfed.encoding import blocks, codec, merkle
from rayfed.encoding.codec import Header, Layout, TensorSpec
from rayfed.errors import CodecError

FEDERATION = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
NODE = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
HEADER = Header.update(31337, FEDERATION, 3, NODE, weight=1437)


def model_state(seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return {
        "conv.weight": torch.randn(8, 3, 3, 3) * 0.1,
        "conv.bias": torch.randn(8),
        "bn.running_mean": torch.randn(8),
        "bn.running_var": torch.rand(8) * 1000,
        "bn.num_batches_tracked": torch.tensor(123 + seed),
        "scalar": torch.tensor(0.5),
        "empty": torch.zeros(0, 4),
    }


def only(value: Any, exponent: int | None = None) -> tuple[Layout, dict[str, Any]]:
    state = {"w": value}
    layout = Layout.of(state)
    if exponent is not None:
        layout = Layout((replace(layout.tensors[0], exponent=exponent),))
    return layout, state


def fixed(value: Any, exponent: int | None = None) -> tuple[list[int], int]:
    layout, state = only(value, exponent)
    encoded = codec.encode(layout, state, HEADER)
    return [int(number) for number in codec.values(encoded.blob)], encoded.saturated


class TestLayout:
    def test_parameters_statistics_and_counters_get_their_own_fixed_point(self) -> None:
        specs = {spec.name: spec for spec in Layout.of(model_state()).tensors}
        assert specs["conv.weight"] == TensorSpec("conv.weight", (8, 3, 3, 3), "float", "float32", 24)
        assert specs["bn.running_var"].exponent == 16
        assert specs["bn.num_batches_tracked"] == TensorSpec("bn.num_batches_tracked", (), "int", "int64", 0)

    def test_names_of_parameters_decide_where_they_are_given(self) -> None:
        layout = Layout.of(model_state(), parameters=["conv.weight"], weight_bits=20, statistic_bits=10)
        assert [spec.exponent for spec in layout.tensors] == [20, 10, 10, 10, 0, 10, 10]

    def test_sizes(self) -> None:
        layout = Layout.of(model_state())
        assert layout.size == 216 + 8 + 8 + 8 + 1 + 1
        assert layout.offsets == (0, 216, 224, 232, 240, 241, 242)
        assert layout.blob_size == 3 * merkle.LEAF
        assert Layout.of({"w": np.zeros(128, np.float32)}).blob_size == 2 * merkle.LEAF
        assert Layout.of({"w": np.zeros(129, np.float32)}).blob_size == 3 * merkle.LEAF
        for size in (1, 127, 128, 129, 256, 257):
            blob_size = Layout.of({"w": np.zeros(size, np.float32)}).blob_size
            assert blob_size == merkle.leaves(size) * merkle.LEAF, "as the contract counts"

    def test_json_there_and_back(self) -> None:
        layout = Layout.of(model_state())
        again = Layout.from_json(layout.canonical_json())
        assert again == layout
        assert again.hash == layout.hash
        assert layout.hash != Layout.of(model_state(), weight_bits=23).hash

    def test_numpy_and_torch_give_the_same_layout(self) -> None:
        state = model_state()
        assert Layout.of({name: tensor.numpy() for name, tensor in state.items()}) == Layout.of(state)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "not JSON"),
            ('{"tensors": []}', "not canonical"),
            ('{"tensors":[]}', "no values"),
            ('{"tensors":[],"x":1}', "unknown key: x"),
            ("[]", "not an object"),
            ('{"tensors":[{"dtype":"float32","exponent":24,"kind":"float","name":"w"}]}', "missing: shape"),
            ('{"tensors":[{"dtype":"float32","exponent":31,"kind":"float","name":"w","shape":[1]}]}', "31 bits"),
            ('{"tensors":[{"dtype":"int64","exponent":1,"kind":"int","name":"w","shape":[1]}]}', "1 bits"),
            ('{"tensors":[{"dtype":"int64","exponent":0,"kind":"float","name":"w","shape":[1]}]}', "cannot encode"),
            ('{"tensors":[{"dtype":"float32","exponent":24,"kind":"float","name":"w","shape":[-1]}]}', "negative"),
            ('{"tensors":[{"dtype":"float32","exponent":24.0,"kind":"float","name":"w","shape":[1]}]}', "24.0"),
            ('{"tensors":[{"dtype":"float32","exponent":24,"kind":"float","name":"w","shape":["1"]}]}', "shape of w"),
        ],
    )
    def test_json_that_is_no_layout_is_refused(self, text: str, message: str) -> None:
        with pytest.raises(CodecError, match=message):
            Layout.from_json(text)

    def test_what_cannot_travel_is_named(self) -> None:
        with pytest.raises(CodecError, match="spectrum: cannot encode complex64"):
            Layout.of({"spectrum": torch.zeros(2, dtype=torch.complex64)})


class TestFixedPoint:
    def test_halves_round_to_even(self) -> None:
        assert fixed(np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5], np.float32), 0) == ([0, 2, 2, 0, -2, -2], 0)
        assert fixed(np.array([0.125, 0.375], np.float32), 2) == ([0, 2], 0)

    def test_the_usual_exponent(self) -> None:
        tiny = float(np.float32(1e-45))
        assert fixed(np.array([1.0, -1.0, 2**-24, 2**-25, tiny, 0.1], np.float32)) == (
            [2**24, -(2**24), 1, 0, 0, 1677722],  # float32(0.1) is 13421773 * 2^-27: 1677721.6
            0,
        )

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_what_does_not_fit_saturates_and_is_counted(self, dtype: type) -> None:
        values = np.array([128.0, -128.0, 1e30, -1e30, np.finfo(dtype).max, -129.0, 127.0], dtype)
        assert fixed(values) == ([codec.HIGH, codec.LOW, codec.HIGH, codec.LOW, codec.HIGH, codec.LOW, 127 << 24], 5)

    def test_the_limit_is_the_same_for_float32_and_float64(self) -> None:
        edge = 2**31 - 128
        assert fixed(np.array([edge, edge + 1, edge + 127], np.float64), 0) == ([edge, edge, edge], 2)
        assert fixed(np.array([edge], np.float32), 0) == ([edge], 0)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
    def test_nan_and_infinity_name_their_tensor(self, bad: float, dtype: torch.dtype) -> None:
        state = {"good": torch.zeros(3), "layer.weight": torch.tensor([1.0, bad, 2.0]).to(dtype)}
        with pytest.raises(CodecError, match=r"^layer\.weight: .*NaN or infinite"):
            codec.encode(Layout.of(state), state, HEADER)

    def test_integers_travel_as_they_are(self) -> None:
        assert fixed(np.array([-(2**31), -1, 0, 2**31 - 1], np.int64)) == ([-(2**31), -1, 0, 2**31 - 1], 0)
        assert fixed(np.array([True, False])) == ([1, 0], 0)
        for outside in (2**31, -(2**31) - 1):
            with pytest.raises(CodecError, match=rf"^w: {outside} does not fit"):
                fixed(np.array([0, outside]))

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
    def test_every_float_type_gives_what_float32_gives(self, dtype: torch.dtype) -> None:
        tensor = torch.linspace(-3, 3, 99).to(dtype)
        assert fixed(tensor) == fixed(tensor.double().numpy())

    def test_decoding_rounds_once(self) -> None:
        layout, state = only(np.zeros(4, np.float32))
        blob = codec.encode(layout, state, HEADER).blob
        codec.values(blob)[:] = [2**24 + 1, 2**24 + 3, -(2**31), 1]
        decoded = codec.decode(layout, blob)["w"]
        assert decoded.tolist() == [1.0, 1.0 + 2**-22, -128.0, 2**-24]


class TestBlob:
    def test_weights_there_and_back(self) -> None:
        state = model_state()
        layout = Layout.of(state)
        encoded = codec.encode(layout, state, HEADER)
        assert encoded.saturated == 0
        assert encoded.blob.nbytes == layout.blob_size
        decoded = codec.decode(layout, encoded.blob)
        assert list(decoded) == list(state)
        for spec in layout.tensors:
            array, tensor = decoded[spec.name], state[spec.name].numpy()
            assert array.dtype == tensor.dtype
            assert array.shape == tensor.shape
            assert np.all(np.abs(array - tensor) <= 2.0 ** -(spec.exponent + 1)), spec.name

    def test_a_second_encoding_changes_nothing(self) -> None:
        """What a node trains on is the decoded base, so a weight must survive the way through a blob unchanged."""
        state = model_state()
        layout = Layout.of(state)
        once = codec.encode(layout, state, HEADER).blob
        again = codec.encode(layout, codec.decode(layout, once), HEADER).blob
        assert once == again

    def test_the_bytes_are_little_endian_int32_in_layout_order_and_zero_padded(self) -> None:
        state = {"b": np.array([1.0], np.float32), "a": np.array([-2, 258], np.int64)}
        blob = bytes(codec.encode(Layout.of(state), state, HEADER).blob)
        assert len(blob) == 2 * merkle.LEAF
        assert blob[merkle.LEAF : merkle.LEAF + 12].hex() == "00000001" + "feffffff" + "02010000"
        assert not any(blob[merkle.LEAF + 12 :])

    @pytest.mark.parametrize("threads", [1, 2, 3])
    def test_blocks_and_threads_change_nothing(self, threads: int) -> None:
        torch.manual_seed(1)
        state = {f"t{i}": torch.randn(size) for i, size in enumerate((5, blocks.BLOCK + 3, 1, 2 * blocks.BLOCK, 9, 70))}
        layout = Layout.of(state)
        blob = codec.encode(layout, state, HEADER, threads=threads).blob
        flat = torch.cat(list(state.values())).double().numpy()
        assert np.array_equal(codec.values(blob), np.rint(flat * 2**24).astype(np.int32))
        decoded = codec.decode(layout, blob, threads=threads)
        assert np.array_equal(np.concatenate(list(decoded.values())), np.rint(flat * 2**24) / 2**24)

    def test_a_buffer_can_be_used_again(self) -> None:
        state = model_state()
        layout = Layout.of(state)
        buffer = bytearray(b"\xff" * layout.blob_size)
        encoded = codec.encode(layout, state, HEADER, out=buffer)
        assert encoded.blob.obj is buffer
        assert encoded.blob == codec.encode(layout, state, HEADER).blob
        with pytest.raises(CodecError, match="bytes; a blob of this layout has"):
            codec.encode(layout, state, HEADER, out=bytearray(merkle.LEAF))

    def test_decoding_into_a_model_writes_its_own_tensors(self) -> None:
        torch.manual_seed(2)
        source = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8))
        target = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8))
        state = source.state_dict()
        layout = Layout.of(state, dict(source.named_parameters()))
        codec.decode(layout, codec.encode(layout, state, HEADER).blob, out=target.state_dict())
        pictures = torch.randn(2, 3, 8, 8)
        assert torch.allclose(source.eval()(pictures), target.eval()(pictures), atol=1e-5)

    @pytest.mark.parametrize("kind", ["channels_last", "bfloat16", "transposed"])
    def test_tensors_that_no_flat_view_shows_are_written_all_the_same(self, kind: str) -> None:
        torch.manual_seed(3)
        plain = torch.randn(2, 3, 4, 5).bfloat16().float()  # so that bfloat16 holds it exactly
        shaped = {
            "channels_last": lambda t: t.contiguous(memory_format=torch.channels_last),
            "bfloat16": lambda t: t.bfloat16(),
            "transposed": lambda t: t.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0),
        }[kind]
        state = {"w": shaped(plain)}
        layout = Layout.of(state)
        blob = codec.encode(layout, state, HEADER).blob
        assert codec.values(blob).tolist() == codec.values(codec.encode(*_plain(plain)).blob).tolist()
        target = {"w": shaped(torch.zeros_like(plain))}
        result = codec.decode(layout, blob, out=target)
        assert result["w"] is target["w"]
        assert torch.equal(
            target["w"].float(), torch.from_numpy(codec.decode(layout, blob)["w"]).to(target["w"].dtype).float()
        )

    def test_numpy_targets_too(self) -> None:
        state = {"w": np.arange(6, dtype=np.float32).reshape(2, 3)}
        layout = Layout.of(state)
        blob = codec.encode(layout, state, HEADER).blob
        for target in (np.zeros((2, 3), np.float32), np.zeros((3, 2), np.float32).T):
            codec.decode(layout, blob, out={"w": target})
            assert target.tolist() == [[0, 1, 2], [3, 4, 5]]

    def test_another_model_is_refused(self) -> None:
        state = model_state()
        layout = Layout.of(state)
        for change, message in (
            ({"conv.bias": torch.zeros(9)}, r"conv\.bias: the shape is \(9,\)"),
            ({"conv.bias": torch.zeros(8, dtype=torch.int64)}, r"conv\.bias: int64 instead of float32"),
            ({"fc.weight": torch.zeros(8)}, r"fc\.weight: in the model, but not in the layout"),
        ):
            with pytest.raises(CodecError, match=message):
                codec.encode(layout, {**state, **change}, HEADER)
        fewer = {name: tensor for name, tensor in state.items() if name != "conv.bias"}
        with pytest.raises(CodecError, match=r"conv\.bias: in the layout, but not in the model"):
            codec.encode(layout, fewer, HEADER)
        with pytest.raises(CodecError, match="the buffer has 0 bytes"):
            codec.decode(layout, b"")

    def test_values_of_a_short_blob_are_refused(self) -> None:
        state = model_state()
        blob = codec.encode(Layout.of(state), state, HEADER).blob
        with pytest.raises(CodecError, match="too few for 242 values"):
            codec.values(blob[: merkle.LEAF])


class TestCheck:
    def blob(self) -> tuple[Layout, bytearray]:
        state = model_state()
        layout = Layout.of(state)
        return layout, bytearray(codec.encode(layout, state, HEADER).blob)

    def test_a_good_blob_passes_whatever_its_weight(self) -> None:
        layout, blob = self.blob()
        assert codec.check(layout, blob, HEADER) == ""
        assert codec.check(layout, blob, replace(HEADER, weight=1)) == ""

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"chain_id": 1}, "another chain id"),
            ({"federation": NODE}, "another federation"),
            ({"round": 4}, "another round"),
            ({"node": FEDERATION}, "another node"),
        ],
    )
    def test_a_blob_for_elsewhere_is_seen(self, change: dict[str, Any], reason: str) -> None:
        layout, blob = self.blob()
        assert reason in codec.check(layout, blob, replace(HEADER, **change))

    def test_a_merged_model_is_no_update(self) -> None:
        layout, blob = self.blob()
        assert "another kind" in codec.check(layout, blob, Header.merged(3))

    def test_another_layout_is_seen(self) -> None:
        layout, blob = self.blob()
        other = Layout.of(model_state(), weight_bits=23)
        assert "another layout hash" in codec.check(other, blob, HEADER)
        assert "bytes instead of" in codec.check(layout, blob[:-1], HEADER)

    @pytest.mark.parametrize("place", [11 * 32, merkle.LEAF - 1, -1, merkle.LEAF + 4 * 242])
    def test_padding_must_be_zero(self, place: int) -> None:
        layout, blob = self.blob()
        blob[place] = 1
        assert "padding" in codec.check(layout, blob, HEADER)

    def test_a_value_that_its_tensor_cannot_hold_is_seen(self) -> None:
        state = {"mask": np.array([True, False]), "w": np.zeros(2, np.float32)}
        layout = Layout.of(state)
        blob = codec.encode(layout, state, HEADER).blob
        assert codec.check(layout, blob, HEADER) == ""
        codec.values(blob)[1] = 2
        assert codec.check(layout, blob, HEADER) == "mask: a value outside of bool"


def _plain(tensor: torch.Tensor) -> tuple[Layout, dict[str, Any], Header]:
    return Layout.of({"w": tensor}), {"w": tensor}, HEADER


class TestMergedModel:
    """Decentralisation costs no accuracy: the merged blob is a central FedAvg of the same updates."""

    WEIGHTS = (1437, 12, 603, 999, 5000)

    def merged(self) -> tuple[Layout, list[dict[str, torch.Tensor]], memoryview]:
        states = [model_state(seed) for seed in range(len(self.WEIGHTS))]
        layout = Layout.of(states[0])
        updates = [
            codec.encode(layout, state, Header.update(1, FEDERATION, 1, NODE, weight=weight)).blob
            for state, weight in zip(states, self.WEIGHTS, strict=True)
        ]
        blob = codec.blank(layout, Header.merged(1))
        weights = [codec.read_header(update).weight for update in updates]
        rules.make("mean").merge([codec.values(update) for update in updates], weights, codec.values(blob))
        return layout, states, blob

    def test_it_is_a_central_fedavg_in_the_same_arithmetic_bit_for_bit(self) -> None:
        layout, states, blob = self.merged()
        central: list[int] = []  # plain Python: exact fractions of the floats, rounded half to even by round()
        for spec in layout.tensors:
            for column in zip(*(state[spec.name].reshape(-1).tolist() for state in states), strict=True):
                fixed_point = [round(value * 2**spec.exponent) for value in column]
                total = sum(w * q for w, q in zip(self.WEIGHTS, fixed_point, strict=True))
                central.append(total // sum(self.WEIGHTS))
        assert codec.values(blob).tolist() == central
        assert codec.check(layout, blob, Header.merged(1)) == ""

    def test_it_is_a_float_fedavg_within_the_resolution_of_the_fixed_point(self) -> None:
        layout, states, blob = self.merged()
        decoded = codec.decode(layout, blob)
        for spec in layout.tensors:
            parts = [w * state[spec.name].double() for w, state in zip(self.WEIGHTS, states, strict=True)]
            central = torch.stack(parts).sum(0) / sum(self.WEIGHTS)
            step = 2.0**-spec.exponent  # half of it for rounding the updates, at most a whole one for the floor
            float32 = 2.0**-24 * np.abs(central.numpy())  # and float32's own rounding where a value is large
            error = np.abs(decoded[spec.name] - central.numpy())
            assert np.all(error <= 1.5 * step + float32), spec.name
