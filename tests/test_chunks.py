"""How many go at a time: the memory at hand, the cost of one, and the peak of tensors in some work."""

import gc

import pytest
import torch

from lglib.base import chunks


def test_half_of_what_is_free_is_filled_and_one_always_goes():
    with chunks.limited(1000):
        assert chunks.at_once(10, 100) == 50
        assert chunks.at_once(10, 100, beside=400) == 10
        assert chunks.at_once(10, 7) == 7
        assert chunks.at_once(10**9, 7) == 1
        assert chunks.at_once(0, 7) == 7


def test_a_limit_ends_with_its_body_also_after_an_error_and_nests():
    before = chunks.free_memory("cpu")
    seen = []

    def inside():
        with chunks.limited(1000), chunks.limited(10):
            seen.append(chunks.free_memory("cpu"))
            raise KeyError

    with pytest.raises(KeyError):
        inside()
    assert seen == [10]
    assert chunks.free_memory("cpu") > before / 2


@pytest.mark.parametrize("told", ["much", "-1", "0", "nan"])
def test_a_variable_that_is_no_size_is_refused_by_name(monkeypatch, told):
    monkeypatch.setenv("LGLIB_MEMORY", told)
    with pytest.raises(ValueError, match=f"LGLIB_MEMORY must be a number of gigabytes above 0, got '{told}'"):
        chunks.free_memory("cpu")


def test_the_variable_bounds_what_counts_as_free(monkeypatch):
    monkeypatch.setenv("LGLIB_MEMORY", "0.001")
    assert chunks.free_memory("cpu") == 1e6


@pytest.mark.parametrize(
    "names",
    [
        ("memory.max", "memory.current", "memory.stat", "inactive_file"),
        (
            "memory/memory.limit_in_bytes",
            "memory/memory.usage_in_bytes",
            "memory/memory.stat",
            "total_inactive_file",
        ),
    ],
)
def test_a_control_group_bounds_what_counts_as_free(monkeypatch, tmp_path, names):
    most, used, stat, spare = names
    (tmp_path / "memory").mkdir()
    for name, text in ((most, "5000\n"), (used, "4000\n"), (stat, f"rss 3000\n{spare} 500\n")):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(chunks, "_GROUP", tmp_path)
    assert chunks.free_memory("cpu") == 1500  # file pages that nobody uses can be had
    (tmp_path / most).write_text("max\n")
    assert chunks.free_memory("cpu") > 10**6


def test_the_peak_counts_what_is_alive_at_once_and_no_view_or_input():
    x = torch.ones(1000)

    def work():
        a = x + 1  # 4000 bytes
        b = a.view(10, 100)[2:] + 1  # 3200 more
        del a
        return (b.T + 1).sum()  # 3200 more, when 4000 are gone

    assert chunks.peak(work) == 4000 + 3200
    assert chunks.peak(lambda: x.view(10, 100)) == 0
    assert chunks.peak(lambda: x.add_(1)) == 0


def test_the_peak_sees_the_way_back_and_forward_mode_too():
    w = torch.ones(100, 100, requires_grad=True)
    x = torch.ones(100, 100)
    back = chunks.peak(lambda: torch.autograd.grad((x @ w).exp().sum(), w))
    assert back == 2 * 40_000 + 4 + 4  # the exponential and its gradient, the sum and its
    tangent = chunks.peak(lambda: torch.func.jvp(lambda v: (x @ v).exp(), (w.detach(),), (x,)))
    assert tangent >= 3 * 40_000


def test_what_is_freed_by_the_collector_is_taken_off():
    def work():
        a = torch.ones(1000)
        ring = [a]
        ring.append(ring)
        del a, ring
        gc.collect()
        return torch.ones(1000)

    assert chunks.peak(work) == 4000


def test_a_mark_stays_on_the_function():
    marked = chunks.mean_over_items(lambda module, batch: batch)
    assert marked.over_items
    assert not hasattr(lambda module, batch: batch, "over_items")
