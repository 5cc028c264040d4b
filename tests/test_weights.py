"""The weight files of a folder: whole safetensors or none, counted without reading them."""

import hashlib
import json
import struct

import pytest
import tiny
import torch
from safetensors.torch import save_file

from lglib.models import weights

ALONE, INDEX = "model.safetensors", "model.safetensors.index.json"


@pytest.fixture
def one(tmp_path):
    """A folder with a single weight file of three tensors: 6, 10 and no numbers."""
    tensors = {"a": torch.ones(2, 3), "b": torch.ones(10, dtype=torch.bfloat16), "c": torch.ones(0, 4)}
    save_file(tensors, tmp_path / ALONE)
    return tmp_path


@pytest.fixture
def several(tmp_path):
    tiny.save(tmp_path, shards="20KB")
    return tmp_path


def refused(folder):
    with pytest.raises(weights.UnsafeWeights) as told:
        weights.find(folder)
    return str(told.value)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_numbers_of_one_file_are_counted(one):
    found = weights.find(one)
    assert (found.files, found.numbers, found.largest) == ((one / ALONE,), 16, 10)
    assert found.sha256 == digest(one / ALONE)


def test_the_numbers_of_several_files_are_those_of_the_model(several):
    net, found = tiny.model(), weights.find(several)
    assert len(found.files) > 3
    assert found.numbers == sum(value.numel() for value in net.parameters())
    assert found.largest == net.get_input_embeddings().weight.numel()
    names = "".join(f"{path.name} {digest(path)}\n" for path in found.files)
    assert found.sha256 == hashlib.sha256(names.encode()).hexdigest()


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_no_number_of_any_family_is_forgotten_or_counted_twice(tmp_path, family):
    net = tiny.save(tmp_path, family)
    assert weights.find(tmp_path).numbers == sum(value.numel() for value in net.parameters())


def test_a_single_file_goes_before_an_index(several):
    save_file({"a": torch.ones(3)}, several / ALONE)
    assert weights.find(several).numbers == 3


def test_every_cut_is_noticed(one):
    whole = (one / ALONE).read_bytes()
    for length in range(len(whole)):
        (one / ALONE).write_bytes(whole[:length])
        assert str(one / ALONE) in refused(one)
    (one / ALONE).write_bytes(whole + b"x")
    assert f"is cut off or no safetensors file: {len(whole) + 1} bytes" in refused(one)


def with_header(header):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text


GARBAGE = {
    "noise": bytes(range(256)) * 9,
    "a page": b"<html>Not found</html>" * 99,
    "a pointer of git": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    "a pickle in disguise": b"\x80\x04\x95" + bytes(99),
    "a long header": struct.pack("<Q", 2**63) + b"{}",
    "a header of words": struct.pack("<Q", 4) + b"oops",
    "a header that is a list": with_header([1, 2]),
    "a header of numbers": with_header({"a": 1}),
    "a tensor without a shape": with_header({"a": {"data_offsets": [0, 0]}}),
    "a tensor without an end": with_header({"a": {"shape": [0], "data_offsets": [0]}}),
    "no tensor": with_header({}),
    "no tensor but a note": with_header({"__metadata__": {"format": "pt"}}),
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_refused(tmp_path, kind):
    (tmp_path / ALONE).write_bytes(GARBAGE[kind])
    assert str(tmp_path) in refused(tmp_path)


def test_an_empty_folder_is_told_what_it_lacks(tmp_path):
    assert "has no weights: neither model.safetensors nor model.safetensors.index.json" in refused(tmp_path)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pth", "weights.pkl", "last.ckpt"])
def test_pickles_are_named_and_never_opened(tmp_path, name):
    class Bomb:
        def __reduce__(self):
            return (exec, (f"open({str(tmp_path / 'was_run')!r}, 'w')",))

    torch.save(Bomb(), tmp_path / name)
    told = refused(tmp_path)
    assert f"holds its weights as {name}, which are pickles" in told
    assert "save_pretrained" in told
    assert not (tmp_path / "was_run").exists()


def test_pickles_beside_safetensors_do_no_harm(one):
    (one / "pytorch_model.bin").write_bytes(b"junk")
    assert weights.find(one).numbers == 16


def test_a_missing_shard_is_named(several):
    count = len(weights.find(several).files)
    gone = sorted(several.glob("*.safetensors"))[1]
    gone.unlink()
    assert f"{several} is not whole: {gone.name} of {count} weight files missing" in refused(several)


def test_a_shard_that_is_cut_is_named(several):
    path = sorted(several.glob("*.safetensors"))[-1]
    path.write_bytes(path.read_bytes()[:-7])
    assert f"{path} is cut off" in refused(several)


BAD_INDEX = {
    "no json": "{",
    "a list": "[]",
    "no map": "{}",
    "a map that is a list": '{"weight_map": []}',
    "a name that is a number": '{"weight_map": {"a": 1}}',
    "a name outside": '{"weight_map": {"a": "../model.safetensors"}}',
    "an absolute name": '{"weight_map": {"a": "/tmp/model.safetensors"}}',
    "a pickle": '{"weight_map": {"a": "pytorch_model.bin"}}',
    "an empty map": '{"weight_map": {}}',
    "a list of names": '{"weight_map": {"a": ["x.safetensors"]}}',
}


@pytest.mark.parametrize("kind", BAD_INDEX)
def test_an_index_that_is_none_is_refused(tmp_path, kind):
    (tmp_path / INDEX).write_text(BAD_INDEX[kind])
    assert str(tmp_path) in refused(tmp_path)


def test_a_file_named_after_its_sha256_must_have_it(one, tmp_path_factory):
    blob = tmp_path_factory.mktemp("blobs") / digest(one / ALONE)
    (one / ALONE).rename(blob)
    (one / ALONE).symlink_to(blob)
    found = weights.find(one)
    assert found.sha256 == blob.name
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.write_bytes(data)
    with pytest.raises(weights.UnsafeWeights, match=f"altered or cut off.*Delete {blob} and load again"):
        _ = weights.find(one).sha256


@pytest.mark.parametrize(
    ("dtype", "want"), [(torch.float32, 4400), (torch.bfloat16, 2400), (torch.float64, 8400)]
)
def test_what_loading_takes_is_every_number_and_the_largest_tensor_again(dtype, want):
    assert weights.needed(weights.Weights((), 1000, 100), dtype) == want


def test_room_is_refused_one_byte_short_with_both_figures(monkeypatch):
    large = weights.Weights((), 2_000_000_000, 100_000_000)
    for kind in ("cpu", "cuda"):
        free = weights.needed(large, torch.float32)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10 * free))  # noqa: B023
        monkeypatch.setattr(
            weights.psutil,
            "virtual_memory",
            lambda: type("Free", (), {"available": free}),  # noqa: B023
        )
        device = torch.device(kind)
        weights.require_room(large, torch.float32, device, "large")
        free -= 1
        with pytest.raises(MemoryError) as told:
            weights.require_room(large, torch.float32, device, "large")
        assert "large has 2,000,000,000 parameters and needs 8.40 GB to load as float32" in str(told.value)
        assert f"on {kind}; 8.40 GB are free" in str(told.value)
        assert "dtype='bfloat16'" in str(told.value)
        weights.require_room(large, torch.bfloat16, device, "large")
