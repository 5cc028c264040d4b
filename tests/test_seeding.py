"""Generators by key: the same key gives the same stream, and no two keys share one."""

import hashlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lglib.base import seeding


def sample(*key):
    return torch.rand(8, generator=seeding.generator(*key)).tolist()


parts = st.lists(st.one_of(st.integers(), st.text(max_size=5)), min_size=1, max_size=4)


@given(parts, parts)
def test_two_keys_give_one_stream_just_when_their_texts_are_one(one, two):
    assert sample(*one) == sample(*one)
    assert (sample(*one) == sample(*two)) == ("/".join(map(str, one)) == "/".join(map(str, two)))


def test_a_thousand_neighbouring_keys_have_a_thousand_streams():
    streams = {tuple(sample(seed, i)) for seed in range(10) for i in range(100)}
    assert len(streams) == 1000


def test_torch_reads_32_bits_of_the_digest_as_the_docstring_says():
    one, two = b"51862", b"79375"  # found by counting up: the first two that agree
    low = [int.from_bytes(hashlib.blake2b(k, digest_size=8).digest(), "big") >> 1 for k in (one, two)]
    assert low[0] != low[1]
    assert low[0] % 2**32 == low[1] % 2**32
    assert sample(51862) == sample(79375)


@pytest.mark.parametrize("key", [(0,), (3, "a"), ("tasks", "train", "0/7"), ("é",)])
def test_the_state_follows_from_blake2b_of_the_joined_text(key):
    text = str(key[0])
    for part in key[1:]:
        text += "/" + str(part)
    digest = hashlib.blake2b(text.encode("utf-8"), digest_size=8).hexdigest()
    seed = int(digest, 16) // 2
    assert sample(*key) == torch.rand(8, generator=torch.Generator().manual_seed(seed)).tolist()


def test_numbers_of_a_key_do_not_change_from_release_to_release():
    assert torch.randint(10, (8,), generator=seeding.generator(0, "a")).tolist() == [3, 1, 6, 3, 0, 2, 7, 5]


def test_a_generator_leaves_the_global_one_alone():
    before = torch.get_rng_state()
    sample(0)
    assert torch.equal(torch.get_rng_state(), before)


def test_no_key_is_refused():
    with pytest.raises(ValueError, match="key is empty"):
        seeding.generator()
