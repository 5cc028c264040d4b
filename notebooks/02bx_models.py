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
# # Exercises to chapter 2b
#
# For {doc}`02b_models`. Each can be done alone; solutions are folded. `lglib.check` says whether a number is right, with a hint where it is not.

# %% tags=["parameters", "hide-input"]
profile = "quick"  # whose parameters are used
seed = 0  # of the items that are drawn

# %% tags=["hide-input"]
import numpy as np

import lglib
from lglib import studies
from lglib.studies import models
from lglib.theory import stats

parameters = studies.parameters("models", profile, live=dict(seed=seed))

# %% [markdown]
# :::{exercise} How noisy is an accuracy?
# :label: ex-wilson
#
# *Goal: know how little a perfect score says. 10 minutes, level 1 of 3.*
#
# A model answers all of $n$ test items right. Which accuracies does the Wilson interval at 95 % still allow? How many items does it take before it excludes everything below $0.997$?
#
# **Answer**: the $n$ from which on all right excludes $0.997$.
# :::

# %% [markdown]
# ```{solution-start} ex-wilson
# :class: dropdown
# ```
# With $\hat p=1$ the lower end of the Wilson interval is $n/(n+z^2)$ with $z=1.96$. It exceeds $0.997$ when $n>0.997\,z^2/0.003\approx1277$. So with a thousand items, all right, an accuracy of $0.9962$ cannot be excluded. That is why every share here carries its interval.

# %% tags=["answer"]
answer = 0.997 * 1.96**2 / 0.003

# %% tags=["check"]
lglib.check("ex-wilson", answer)

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} What noisy labels cost
# :label: ex-flip-cost
#
# *Goal: see what certainty costs under noisy labels. 10 minutes, level 1 of 3. Predict which model pays more.*
#
# At the optimum of {prf:ref}`prop-flips` with $\varepsilon=0.1$, what is the cross-entropy of the answers under noisy labels (a tenth flipped), and under true ones? Compare with a model that gives the true class $0.9999$ throughout.
#
# **Answer**: the cross-entropy under noisy labels at the optimum, in nats.
# :::

# %% [markdown]
# ```{solution-start} ex-flip-cost
# :class: dropdown
# ```
# Under noisy labels the least value is the entropy of the flip, $-0.9\ln0.9-0.1\ln0.1\approx0.325$ nats. Under true labels the same answers cost $-\ln0.9\approx0.105$ nats. The sure model pays $0.0001$ nats under true labels, but $0.9\cdot0.0001+0.1\cdot9.21\approx0.92$ nats under noisy ones. So under noisy labels certainty costs $0.92$ against $0.325$.

# %% tags=["answer"]
answer = -0.9 * np.log(0.9) - 0.1 * np.log(0.1)

# %% tags=["check"]
lglib.check("ex-flip-cost", answer)

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} A shortcut that must fail
# :label: ex-shortcut
#
# *Goal: know what a score must beat. 15 minutes, level 2 of 3.*
#
# Let a share $p$ of the questions be *false*, and a share $s$ of the false ones ask about a value that stands in the passage. Show that the shortcut is right on a share $1-ps$. Which $p$ and $s$ do our items have, overall and with four facts?
#
# **Answer**: where the shortcut stands for $p=\tfrac12$, $s=\tfrac14$.
# :::

# %% [markdown]
# ```{solution-start} ex-shortcut
# :class: dropdown
# ```
# The shortcut is right on every true question, since the value of a true fact stands in the passage. On a false one it is wrong exactly when the value stands there: a share $p$ of the items, times $s$. Our items are drawn with $p=\tfrac12$ in mind; in a sample, and with items that were drawn twice kept once, $p$ is not exactly that.

# %%
asked = models.drawn_items("yes-no", parameters.items, seed)
tests = models.changed(parameters.items, seed)
for what, chosen in {"all": asked, "4 facts": tests["4 facts"]}.items():
    false = [i for i in chosen if i.label == 1]
    hits = sum(map(models.is_present, false))
    s = stats.proportion_interval(hits, len(false))
    p = len(false) / len(chosen)
    print(f"{what}: p = {p:.3f}, s = {s:.3f}, 1 - p s = {1 - p * s.estimate:.3f}")
    print(f"    the shortcut is right on {models.shortcut(chosen):.3f}")

# %% [markdown]
# With $p=\tfrac12$ only $s=1$ would bring the shortcut down to chance. Then, however, a passage with one fact could not be asked a false question.

# %% tags=["answer"]
answer = 1 - 0.5 * 0.25

# %% tags=["check"]
lglib.check("ex-shortcut", answer)

# %% [markdown]
# ```{solution-end}
# ```
