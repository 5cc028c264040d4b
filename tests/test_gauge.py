"""The gauge of LoRA factors: products stay, aligned means know no gauge, the SVD mean is the best."""

import peft
import pytest
import torch
from torch import nn

from lglib.geometry import gauge

DOUBLE = torch.float64


def factors(seed, outputs=7, inputs=5, r=3):
    dice = torch.Generator().manual_seed(seed)
    return (
        torch.randn(outputs, r, generator=dice, dtype=DOUBLE),
        torch.randn(r, inputs, generator=dice, dtype=DOUBLE),
    )


def state(seed, layers=("q", "v")):
    found = {}
    for i, layer in enumerate(layers):
        found[f"{layer}.lora_B.weight"], found[f"{layer}.lora_A.weight"] = factors(10 * seed + i)
    return found


def products(one):
    return {n: one[n.replace("lora_A", "lora_B")] @ a for n, a in one.items() if "lora_A" in n}


def test_balancing_keeps_the_product_and_makes_the_gram_matrices_equal():
    b, a = factors(0)
    one, two = gauge.balance(b, a)
    assert torch.allclose(one @ two, b @ a)
    assert torch.allclose(one.T @ one, two @ two.T, atol=1e-12)


def test_aligning_brings_back_any_gauge_of_the_same_product():
    b, a = factors(0)
    m = torch.randn(3, 3, generator=torch.Generator().manual_seed(1), dtype=DOUBLE)
    moved = gauge.align(b @ m, torch.linalg.inv(m) @ a, (b, a))
    for got, want in zip(moved, gauge.balance(b, a), strict=True):
        assert torch.allclose(got, want, atol=1e-10)


def test_no_rotation_is_nearer_than_the_aligned_one():
    (b, a), to = factors(0), factors(1)
    target = gauge.balance(*to)
    one, two = gauge.align(b, a, to)

    def off(x, y):
        return ((x - target[0]).square().sum() + (y - target[1]).square().sum()).item()

    best = off(one, two)
    for seed in range(50):
        q = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE))[0]
        assert off(one @ q, q.T @ two) >= best - 1e-12


@pytest.mark.parametrize("rank", [1, 2, 3, 5, 6, 9])
def test_the_mean_of_products_is_the_truncated_svd_of_the_dense_mean(rank):
    one, two = factors(0), factors(1)
    b, a = gauge.mean_product([one, two], rank=rank, weights=[0.25, 0.75])
    dense = 0.25 * one[0] @ one[1] + 0.75 * two[0] @ two[1]
    u, s, vh = torch.linalg.svd(dense, full_matrices=False)
    assert (b.shape, a.shape) == ((7, rank), (rank, 5))
    assert torch.allclose(b @ a, (u[:, :rank] * s[:rank]) @ vh[:rank], atol=1e-10)


@pytest.mark.parametrize("ratio", [1.0, 3.0, 20.0])
def test_a_gauge_changes_the_mean_of_factors_and_neither_remedy(ratio):
    one, two = state(1), state(2)
    moved = gauge.in_gauge(two, ratio, torch.Generator().manual_seed(3))
    for name, product in products(two).items():
        assert torch.allclose(products(moved)[name], product, atol=1e-9)
    for merge in (gauge.mean_of_adapters, lambda s: gauge.mean_of_factors(s, aligned=True)):
        for name, product in products(merge([one, two])).items():
            assert torch.allclose(products(merge([one, moved]))[name], product, atol=1e-8)
    plain = products(gauge.mean_of_factors([one, two]))
    turned = products(gauge.mean_of_factors([one, moved]))
    assert max(((turned[n] - plain[n]).norm() / plain[n].norm()).item() for n in plain) > 0.1


def test_the_svd_mean_is_never_farther_from_the_mean_of_products_than_the_others():
    for seed in range(20):
        pair = [state(seed), state(seed + 100)]
        best = gauge.distance_from_mean(gauge.mean_of_adapters(pair), pair)
        for aligned in (False, True):
            other = gauge.mean_of_factors(pair, aligned=aligned)
            assert best <= gauge.distance_from_mean(other, pair) + 1e-12
        wide = gauge.mean_of_adapters(pair, rank=6)
        assert gauge.distance_from_mean(wide, pair) < 1e-12


class Small(nn.Module):
    """A linear layer with a name, for peft to find."""

    def __init__(self):
        super().__init__()
        self.q = nn.Linear(6, 8)

    def forward(self, x):
        return self.q(x)


def test_it_merges_what_peft_merges_by_svd_and_goes_back_into_a_peft_model():
    torch.manual_seed(0)
    config = peft.LoraConfig(r=2, lora_alpha=4, target_modules=["q"], init_lora_weights=False)
    model = peft.get_peft_model(Small(), config, adapter_name="one")
    model.add_adapter("two", config)
    states = [peft.get_peft_model_state_dict(model, adapter_name=name) for name in ("one", "two")]
    merged = gauge.mean_of_adapters(states)
    model.base_model.add_weighted_adapter(
        ["one", "two"], [0.5, 0.5], "svd", combination_type="svd", svd_rank=2
    )
    want = model.base_model.model.q.get_delta_weight("svd")
    model.add_adapter("ours", config)
    peft.set_peft_model_state_dict(model, merged, adapter_name="ours")
    assert torch.allclose(model.base_model.model.q.get_delta_weight("ours"), want, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: gauge.balance(torch.ones(3, 2), torch.ones(3, 2)), r"B must be \(outputs, r\)"),
        (lambda: gauge.align(*factors(0), factors(0, r=2)), "shapes of those to align to"),
        (lambda: gauge.mean_product([]), "factors is empty"),
        (lambda: gauge.mean_product([factors(0)], weights=[1.0, 1.0]), "weights must be one for each"),
        (lambda: gauge.mean_product([factors(0), factors(0, inputs=4)]), "same outputs and inputs"),
        (lambda: gauge.mean_product([factors(0)], rank=0), "rank"),
        (lambda: gauge.mean_of_adapters([]), "states is empty"),
        (lambda: gauge.mean_of_adapters([state(0), state(0, ("q",))]), "different names"),
        (lambda: gauge.mean_of_adapters([{**state(0), "q.bias": torch.ones(3)}]), r"also \['q.bias'\]"),
        (lambda: gauge.mean_of_factors([{"q.lora_A.weight": torch.ones(1, 2)}]), "plain LoRA"),
        (lambda: gauge.in_gauge(state(0), 0.5, torch.Generator()), "ratio must be"),
        (lambda: gauge.distance_from_mean(state(0), [{n: 0 * v for n, v in state(0).items()}]), "mean of 0"),
    ],
)
def test_what_cannot_be_merged_is_refused(call, told):
    with pytest.raises(ValueError, match=told):
        call()
