# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,mystnb
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Exercises to chapter 7
#
# For {doc}`07_beyond`. Each can be done alone; solutions are folded. `lglib.check` says whether a number is right, with a hint where it is not.

# %% tags=["parameters", "hide-input"]
profile = "quick"  # nothing on this page depends on it
seed = 0  # of the adapters that are drawn
rank = 4  # of these

# %% tags=["hide-input"]
import torch

import lglib
from lglib.geometry import gauge


def drawn(dice, rank, inputs=16, outputs=12):
    """An adapter of one layer with random factors, as a state like peft's."""
    b, a = (torch.randn(n, rank, generator=dice) for n in (outputs, inputs))
    return {"q.lora_A.weight": a.T.contiguous(), "q.lora_B.weight": b}


# %% [markdown]
# :::{exercise} How large was the network?
# :label: ex-cnn
#
# *Goal: read a size off one step. 10 minutes, level 1 of 3.*
#
# The page on one PPO step also shows a small network that reads images: its gradient step lies about 185 standard deviations of random steps of that length above zero. If the loss is linear over the step, how many parameters does it have?
#
# **Answer**: the number of parameters.
# :::

# %% [markdown]
# ```{solution-start} ex-cnn
# :class: dropdown
# ```
# A random step of length $\rho$ gains $\rho\lVert a\rVert t$ with $t$ of variance $1/d$ ({prf:ref}`prop-sphere`), a gradient step $\rho\lVert a\rVert$. So the gradient step lies $\sqrt d$ standard deviations up, and $d\approx185^2\approx34{,}000$, if the step is along the gradient of that loss. With another batch's gradient the cosine is below one and $d$ larger.

# %% tags=["answer"]
answer = 185**2

# %% tags=["check"]
lglib.check("ex-cnn", answer)

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} The worst gauge
# :label: ex-worst
#
# *Goal: see how far a mean of factors can be off. 15 minutes, level 2 of 3. Predict: is there a $c$ for which two equal adapters average to nothing?*
#
# Two adapters of rank one have the *same* product $ba$, written as $(b,a)$ and $(b/c,ca)$. What is the mean of factors, and for which $c$ is it twice the product? And for negative $c$?
#
# **Answer**: the larger $c$ for which the mean is twice the product.
# :::

# %% [markdown]
# ```{solution-start} ex-worst
# :class: dropdown
# ```
# $\tfrac14(1+1/c)(1+c)\,ba=\tfrac14(2+c+1/c)\,ba$. It is twice the product where $c+1/c=6$, $c=3\pm2\sqrt2$, and grows without bound. For $c=-1$ it is zero: the mean of two equal adapters is no adapter.

# %% tags=["answer"]
answer = 3 + 2 * 2**0.5

# %% tags=["check"]
lglib.check("ex-worst", answer)

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} A larger rank
# :label: ex-rank
#
# *Goal: see when a merge loses nothing. 15 minutes, level 2 of 3.*
#
# Merge two adapters with `gauge.mean_of_adapters(..., rank=2 * rank)`. How far is the result from the mean of products? Why can peft not load it into an adapter of theirs?
#
# **Answer**: the rank from which on the merge of two adapters of rank 4 loses nothing, whatever they are.
# :::

# %% [markdown]
# ```{solution-start} ex-rank
# :class: dropdown
# ```
# The sum of two products of rank $r$ has rank at most $2r$, so nothing is cut. An adapter's rank is part of its configuration: make one of rank $2r$ (and of the same scaling $\alpha/r$) to load it.

# %%
dice = torch.Generator().manual_seed(seed)
one, other = drawn(dice, rank), drawn(dice, rank)
for r in (rank, 2 * rank):
    merged = gauge.mean_of_adapters([one, other], rank=r)
    off = gauge.distance_from_mean(merged, [one, other])
    print(f"rank {r}: distance {off:.1e}")

# %% tags=["answer"]
answer = 2 * 4

# %% tags=["check"]
lglib.check("ex-rank", answer)

# %% [markdown]
# ```{solution-end}
# ```
