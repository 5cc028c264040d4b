"""What of each family works is checked anew here, and the page says no more and no less."""

import re

import pytest
import tiny
import torch
from conftest import ROOT
from torch import nn

from lglib.models import checks, families, loading, lora

OPT = dict(blocks="model.decoder.layers", attention=["q_proj", "k_proj", "v_proj"])
OPT["linear"] = [*OPT["attention"], "out_proj", "fc1", "fc2"]
MIXTRAL = dict(blocks="model.layers", attention=["q_proj", "k_proj", "v_proj"])
MIXTRAL["linear"] = [*MIXTRAL["attention"], "o_proj"]
OTHERS = {"opt": OPT, "mixtral": MIXTRAL}


@pytest.fixture
def known(monkeypatch):
    """The families of this test only."""
    monkeypatch.setattr(families, "FAMILIES", dict(families.FAMILIES))


@pytest.fixture
def loaded(tmp_path, known):
    def loaded(family, **more):
        if family in OTHERS:
            families.register(family, **OTHERS[family])
        tiny.save(tmp_path, family, **more)
        return loading.load(str(tmp_path), device="cpu")

    return loaded


def page():
    """The table of the page: what it says of each check, by family."""
    lines = [line for line in (ROOT / "book/families.md").read_text().splitlines() if line.startswith("| ")]
    head, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    names = head[2:]
    found = {}
    for row in rows:
        if kind := re.fullmatch(r"`(\w+)`", row[1]):
            found[kind[1]] = dict(zip(names, row[2:], strict=True))
    return found


def test_the_page_has_every_family_and_every_check():
    assert list(page()) == list(families.FAMILIES)
    assert all(list(said) == list(checks.CHECKS) for said in page().values())


@pytest.mark.parametrize("family", families.FAMILIES)
def test_what_the_page_says_of_a_family_is_what_is_found(loaded, family):
    found = checks.check_model(loaded(family))
    told = page()[family]
    assert {name: "yes" if said == checks.OK else "no" for name, said in found.items()} == told
    for said in set(found.values()) - {checks.OK}:
        assert f"{family}`: {said}." in (ROOT / "book/families.md").read_text()  # the reason, word for word


def test_a_model_is_left_as_it_was(loaded):
    model = loaded("gemma3_text")
    before = {name: value.clone() for name, value in model.model.state_dict().items()}
    said = tiny.logits(model.model)
    modules = [type(part) for part in model.model.modules()]
    checks.check_model(model)
    assert all(torch.equal(value, before[name]) for name, value in model.model.state_dict().items())
    assert [type(part) for part in model.model.modules()] == modules
    assert torch.equal(tiny.logits(model.model), said)


def test_a_kink_is_named_beside_the_hessian_product(loaded):
    """Over a finite step the gradient of a ReLU network changes by more than its Hessian says."""
    model = loaded("opt")
    assert model.kinks == ["ReLU"]
    found = checks.check_model(model)
    assert {name for name, said in found.items() if said != "ok"} == {"Hessian product"}
    told = re.search(
        r"ReLU has a kink.*\(off by (\S+) over a step of 1e-06 .*\(off by (\S+)\)", found["Hessian product"]
    )
    around, over = map(float, told.groups())
    assert around < 1e-6  # the product is right on its piece
    assert over > 0.1  # and far off over a step of a hundredth


def test_without_a_kink_the_same_architecture_passes(loaded):
    found = checks.check_model(loaded("opt", activation_function="gelu"))
    assert set(found.values()) == {"ok"}


def test_fused_experts_are_named_and_not_left_out_without_a_word(loaded):
    model = loaded("mixtral")
    assert model.left_out == ["mlp.experts.down_proj", "mlp.experts.gate_up_proj", "mlp.gate.weight"]
    with pytest.raises(
        lora.AdapterError, match=r"linear would leave out mlp\.experts\.down_proj, mlp\.experts\.gate"
    ):
        lora.attach(model, 2, "linear")
    adapter = lora.attach(model, 2, "attention")
    assert len(adapter.layers) == 3 * tiny.BLOCKS
    lora.detach(adapter)
    assert "no layers of their own" in checks.check_model(model)["LoRA"]


def test_other_attention_is_told(tmp_path):
    tiny.save(tmp_path, "llama")
    found = checks.check_model(loading.load(str(tmp_path), device="cpu", attention="sdpa"))
    assert found["eager attention"] == "attention is sdpa: load with attention='eager'"
    assert found["blocks"] == "ok"


class Wrong(nn.Module):
    """A block with something wrong about it."""

    def __init__(self, block, how):
        super().__init__()
        self.block, self.how = block, how

    def forward(self, hidden, *args, **more):
        out = self.block(hidden, *args, **more)
        return out + self.how(out)


def spoiled(model, how):
    """The model with its second block replaced."""
    wrong = Wrong(model.blocks[1], how)
    model.model.model.layers[1] = wrong
    model.blocks[1] = wrong
    return checks.check_model(model)


def test_a_block_that_looks_ahead_is_found(loaded):
    found = spoiled(loaded("llama"), lambda out: out.mean(1, keepdim=True))
    assert "differ from those without padding" in found["padding right"]


def test_a_block_whose_gradient_is_wrong_is_found(loaded):
    class Cut(torch.autograd.Function):
        """tanh, whose gradient says that it is the identity."""

        @staticmethod
        def forward(ctx, x):
            return x.tanh()

        @staticmethod
        def backward(ctx, g):
            return g

    found = spoiled(loaded("llama"), Cut.apply)
    assert found["jvp"] != "ok"
    assert found["Hessian product"] != "ok"
    assert found["blocks"] == "ok"


def test_blocks_of_the_wrong_order_are_found(loaded):
    model = loaded("llama")
    model.blocks.reverse()
    with pytest.raises(checks._Failed, match="ran in the order"):
        checks._blocks(model)


def test_a_block_that_does_not_matter_is_found(loaded):
    model = loaded("gpt2")
    with torch.no_grad():
        model.model.lm_head.weight.zero_()
    assert "does not reach the logits" in checks.check_model(model)["blocks"]
