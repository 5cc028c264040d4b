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
# # Gradient rank, and where the loss stops being linear
#
# **Finding.** In three language models of 0.9 million parameters, the gradients of yes-no questions span two or three directions and those of open questions some fifty: the rank follows the number of *answers*. The loss is linear over four to five decades of step length along random directions, over about three along the gradient, and one Hessian product predicts where that ends along random directions (elsewhere within a factor of about three).

# %% tags=["parameters", "hide-input"]
profile = "quick"  # whose observations are shown
seed = 0  # of the live case: all its randomness follows from it
model = "micro-gpt2"  # a shipped model, a folder, or a hub id with its commit
live_tasks = ["yes-no", "open"]  # kinds of items of the live case

# %% tags=["hide-input"]
import numpy as np
import torch
from IPython.display import display

import lglib
from lglib import studies
from lglib.report import (
    Observations,
    figures,
    over_seeds,
    pages,
    provenance,
    rows,
)
from lglib.report import tables
from lglib.studies import rank

figures.style()
parameters = studies.parameters(
    "rank", profile, model=model, live=dict(seed=seed, live_tasks=live_tasks)
)
observed = studies.observed("rank", profile)
over = over_seeds(observed.frame)  # means over seeds, with intervals
models = list(over["model"].unique())
tasks = list(parameters.asked)
real = studies.beside("rank", profile)  # the same of a pretrained model
print(pages.measured(observed, seed=seed, versions=provenance.versions()))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-llm-models", "caption": "Participation ratio of gradients at unit norm, as a share of that of random directions (grey: 1, no structure). Filled: trained; open: untrained. 95 % over five seeds."}, "image": {"alt": "Dot plot with the tasks as rungs, one colour a model; yes-no questions lie far below one, open questions near one half."}}
ratio = dict(measure="participation ratio / control", view="unit norm")
figure, (axes,) = figures.panels(1, height=4.4)
tables.tell_left_out(over, "gradients")
rungs = np.arange(len(tasks))[::-1]
fills = {"trained": None, "untrained": "none"}
for i, (name, state) in enumerate((name, state) for name in models for state in fills):
    with tables.if_measured(f"participation ratio, {name}, {state}"):
        found = rows(over, **ratio, model=name, state=state).set_index("task")
        value, low, high = found.reindex(tasks)[["value", "low", "high"]].to_numpy().T
        look = dict(
            color=figures.PALETTE[i // 2], mfc=fills[state], label=f"{name}, {state}"
        )
        look["xerr"] = np.abs([value - low, high - value])
        axes.errorbar(value, rungs + 0.2 - 0.2 * (i // 2), **{**figures.DOTS, **look})
axes.axvline(1, color=figures.NULL, label="random directions", zorder=0)
axes.set(
    xscale="log", xlabel="participation ratio / control", ylim=(-0.6, len(rungs) - 0.4)
)
axes.set_yticks(rungs, tasks)
figures.legend_below(axes)

# %% [markdown]
# **In short.** *L1*, low rank: true for tasks with few answers, hardly for others, in one and the same model; and part of it is there before training, how much depends on the architecture. *L2*, a linear regime: it is there, and short along the gradient and the steering direction; along a LoRA step it is as long as along random ones. The paper {cite}`piontkovskaia2026recoverable` shows the first on Qwen (its figure 5) and the second on Qwen2.5-0.5B (its figure 6).
#
# ## Use this in your own work
#
# Before you call gradients low-rank, compare them *at equal lengths* with random directions. Here `net` is any causal language model of Hugging Face, `ids` are its tokenised texts, each of which ends with the answer. First the gradients, then the control:

# %% tags=["hide-input"]
one = rank.load(parameters, seed)  # the model, and its untrained twin
net, tokenizer = one.model.model, one.model.tokenizer
texts = [f"{i.prompt}{i.answer}" for i in lglib.micro_items(16, "yes-no")]
ids = [tokenizer(text, return_tensors="pt").input_ids for text in texts]

# %% tags=["advice"]
space = lglib.ParameterSpace(net)
loss = lambda m, x: -m(x).logits[0, -2].log_softmax(-1)[x[0, -1]]  # of the last token
gram = lglib.gram_matrix(torch.stack([space.gradient(loss, x) for x in ids]))
for g in (gram, lglib.same_norms(gram, space.d, seed=0)):
    print(lglib.spectrum(g / g.diag().outer(g.diag()).sqrt()).participation_ratio)

# %% [markdown]
# (llm-rank)=
# ## L1: is the rank low?
#
# **What the paper claims.** The measured rank of gradients lies below that of a random control (figure 5, on Qwen); at 7 billion parameters this partly fails.
#
# **What we do.** A task has $n$ items. Item $i$ has a loss $L_i(\theta)$, the cross-entropy of its answer, and a gradient $g_i\in\mathbb R^d$ over all $d$ weights. Their **Gram matrix** $G_{ij}=g_i\cdot g_j$ has eigenvalues $\lambda_1\ge\dots\ge\lambda_n\ge0$. The **participation ratio** $(\sum\lambda_i)^2/\sum\lambda_i^2$ is $k$ for $k$ equal eigenvalues. Lengths alone make it small: a few long gradients among many short ones look like a low rank. So the control is *random directions of the same lengths*, and the telling view is at *unit norm* ($g_i/\lVert g_i\rVert$), where the control is close to $n$.

# %%
grams = {}
for task in live_tasks:
    with tables.if_measured(f"gradients of {task}"):
        sets = rank.item_sets(one, task)
        grams[task] = [rank.grams(one, "trained", items) for items in sets]
        print(f"{task}: {sets[0][0].prompt}{sets[0][0].answer}")

# %%
for task in grams:
    for view in ("raw", "unit norm"):
        own, null = rank.with_control(one, grams[task], view)["participation ratio"]
        print(
            f"{task}, {view}: {np.mean(own):.3g}, random directions {np.mean(null):.3g}"
        )

# %% [markdown]
# Over seeds and models, at unit norm, for trained models and their *untrained twins* (the same network with new random weights):

# %% tags=["hide-input"]
at_unit_norm = dict(claim="L1", measure="participation ratio", view="unit norm")
with tables.if_measured("participation ratio at unit norm"):
    found = rows(over, **at_unit_norm, state=["trained", "untrained"])
    found = found.assign(run=found["model"] + ", " + found["task"])
    print(
        f"participation ratio at unit norm; random directions: {found['null'].mean():.0f}"
    )
    display(tables.wide(found, "run", "state"))

# %% [markdown]
# **What we see.** *Raw*, the open questions of the live case are no lower than random directions of their lengths: who compares with $n$ sees a low rank there that is none. *At unit norm* the three trained models agree: two or three directions for yes-no questions, some fifty for open ones. *Untrained* they do not agree: yes-no questions span five directions in GPT-2 and thirty-seven in OLMo2, whose norms stand behind its layers. So how much of a low rank is *learned* depends on the architecture, and an untrained twin must be shown for each.
#
# **What makes it low?** Largely the number of different answers. The gradient of item $i$ is $J_i^\top(p_i-e_{y_i})$: a derivative of the logits times the error of the prediction. With two answers the errors are nearly multiples of one vector, "yes minus no". Open questions restricted to their $m$ most common answers test this:

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-llm-answers", "caption": "Participation ratio at unit norm of open questions against the number of different answers, trained models. Grey: one direction an answer. Same models, same n; random directions have 128."}, "image": {"alt": "Rising rows of dots, one colour a model, near a grey diagonal on logarithmic axes."}}
figure, (axes,) = figures.panels(1, height=3.0)
tables.tell_left_out(over, "answers")
for i, name in enumerate(models):
    with tables.if_measured(f"participation ratio by answers, {name}"):
        found = rows(
            over, measure="participation ratio by answers", state="trained", model=name
        )
        bars = found[["value", "low", "high"]].to_numpy().T
        look = dict(label=name, color=figures.PALETTE[i])
        figures.points(axes, found["answers"] * (1 + 0.05 * i), *bars, **look)
counts = list(parameters.answer_counts)
axes.plot(counts, counts, color=figures.NULL, label="number of answers", zorder=0)
axes.set(
    xscale="log", yscale="log", xlabel="different answers", ylabel="participation ratio"
)
axes.set_xticks(counts, [str(m) for m in counts])
axes.minorticks_off()
figures.legend_below(axes)

# %% [markdown]
# The rank rises with the number of answers in each model. A benchmark of yes-no questions, such as BoolQ, should therefore look low-rank in a trained model, whatever it asks. More views, the growth with $n$, single layers, and what a *sketch* does to a rank: {doc}`04s_llm_rank`.
#
# (llm-regime)=
# ## L2: where does the loss stop being linear?
#
# **What the paper claims.** There is a linear regime, and two numbers locate it (figure 6, Qwen2.5-0.5B).
#
# **What we do.** Our reading of the two numbers, along a unit direction $u$ at scale $s$:
#
# $$ \begin{aligned}F_1(s)&=\tfrac12\big[L(\theta+su)-L(\theta-su)\big],\\ F_2(s)&=\tfrac12\big[L(\theta+su)+L(\theta-su)\\&\qquad-2L(\theta)\big].\end{aligned} $$ (eq-f1f2)
#
# $F_1$ begins with the slope $s\,g\cdot u$, $F_2$ with the curvature $\tfrac12s^2\,u\cdot Hu$ ($H$ is the Hessian). We say that the linear regime ends where they *cross*; on a quadratic that is at $s^\ast=2|g\cdot u|/|u\cdot Hu|$ ({prf:ref}`prop-crossing`). Lengths are counted with *each tensor in its own size*, so that a few long tensors do not set the unit. Directions: random ones, the gradient, the first step of a fresh LoRA adapter, and the step that moves activations fastest along a *steering* vector.

# %%
SHOWN = ("random 0", "gradient", "LoRA step", "steering")
lines = None
with tables.if_measured("linear regime"):
    lines = rank.regimes(one, SHOWN)  # in double precision
    for name in SHOWN:
        end, law = lines.in_tensor_units(name), lines.predicted(name) / lines.unit[name]
        print(f"{name}: they cross at {end:.2g}; by one Hessian product {law:.2g}")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-llm-decades", "caption": "How long the linear regime is, in decades of step length from a millionth of the weights' size, by direction and model. Grey: 0, no linear regime. 95 % over five seeds."}, "image": {"alt": "Dot plot with directions as rungs; random directions and the LoRA step lie near four and a half decades, gradient and steering direction near three."}}
figure, (axes,) = figures.panels(1, height=3.2)
series = {}
for name in models:
    with tables.if_measured(f"decades of linear regime, {name}"):
        found = rows(over, measure="decades of linear regime", model=name).set_index(
            "direction"
        )
        series[name] = found.reindex(SHOWN)[["value", "low", "high"]].to_numpy()
figures.ladder(axes, [name.replace(" 0", "") for name in SHOWN], series)
axes.axvline(0, color=figures.NULL, label="none", zorder=0)
axes.set(xlabel="decades of linear regime", xlim=(-0.2, 6))
figures.legend_below(axes)

# %% [markdown]
# **What we see** in all three models. There is a linear regime, and it is short where curvature is high: along the gradient and the steering direction it ends ten to a hundred times sooner than along random ones, because curvature is concentrated there. The Hessian product names the end to a small part of a decade along random directions ({doc}`04s_llm_rank` has the errors); along gradient and LoRA step higher orders take over, and it is off by up to a factor of about three.
#
# (llm-search)=
# ## What it buys: the step of a random search
#
# {doc}`01_theory` gives the best of $N$ Gaussian candidates of scale $\sigma$ a mean gain that rises with the slope and falls with the curvature, and with it a best scale $\sigma^\ast$. Slope, curvature along the gradient, and the trace of $H$ can be measured before the search. Is the scale that they name the right one, over all weights of a language model?

# %%
star, bent, steps = None, None, []
with tables.if_measured("sigma*, and the search at multiples of it"):
    tables.needs(lines)
    bent = rank.curvature(one)  # slope, trace, and curvature along the gradient
    star = rank.predicted_step(one, bent)
    steps = rank.best_of_n(one, star, rank.try_steps(one, star.sigma, (0.1, 1.0)))
for step in steps:
    print(f"at {step.multiple:g} sigma*: best of {star.n} gains {step.best:.4f} nats")
    print(f"  the law says {step.law:.4f}; on other questions {step.held_out:.4f}")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-llm-search", "caption": "Gain of the best of 16 random steps over all weights, in units of the best gain of the law, against the scale in units of the predicted one. Black: the law. Grey: no gain. 95 % over five seeds, micro-gpt2; larger scales lose."}, "image": {"alt": "Measured gains rise with the law up to the predicted step; gains on other questions stay near zero."}}
figure, (axes,) = figures.panels(1, height=3.2)
shown = pages.shown(model, models)
with tables.if_measured("gain"):
    gains = rows(observed.frame, model=shown, measure="gain", multiple=[0.1, 0.3, 1.0])
    own = rows(gains, questions="selected", multiple=1.0).set_index("seed")["predicted"]
    for column in ("value", "low", "high", "predicted"):
        gains[column] = gains[column] / gains["seed"].map(own)
    for i, (name, found) in enumerate(
        over_seeds(gains).groupby("questions", sort=False)
    ):
        bars = found[["value", "low", "high"]].to_numpy().T
        look = dict(label=f"{name} questions", color=figures.PALETTE[i])
        figures.points(axes, found["multiple"] * (1 + 0.06 * i), *bars, **look)
fine = np.geomspace(0.08, 1.3, 100)
figures.law(axes, fine, 2 * fine - fine**2, "law")
figures.null_line(axes, 0, "no gain")
axes.set(
    xscale="log", xlabel="scale / predicted scale", ylabel="gain / best gain of the law"
)
axes.set_xticks([0.1, 0.3, 1.0], ["0.1", "0.3", "1"])
axes.minorticks_off()
figures.legend_below(axes)

# %% [markdown]
# **What we see** on micro-gpt2. The law holds up to the scale that it names as best; three times that scale loses ({doc}`04s_llm_rank`). But these are gains on the questions that chose the candidate. On other questions little is left at short steps and nothing reliable at $\sigma^\ast$: random search on two dozen questions mostly fits these questions.
#
# (live-llm)=
# ## Live and filed
#
# The live case was made by the steps that made the observations, so its numbers must be those that were filed.

# %%
live = Observations()
for task in grams:
    rank.file_ranks(live, one, task, "trained", grams[task])
if lines is not None:
    rank.file_decades(live, lines)
if star is not None:
    rank.file_steps(live, one, star, steps)
with tables.if_measured("the live case"):
    tables.needs(live if len(live) else None)
    print(live.beside(observed.frame, model=shown, seed=seed))

# %% [markdown]
# (real-llm)=
# ## A pretrained model: Gemma 3 270M
#
# One model that others trained on real text, under bars and rules that were frozen before it was looked at: Gemma 3 270M, the base model, unpacked from its four-bit release. Its tasks are the feeling of a sentence, capitals of countries, and the language of a sentence, a dozen items each.

# %% tags=["hide-input"]
with tables.if_measured("Gemma 3 270M"):
    tables.needs(real)
    print(pages.seeds(real))
    there = over_seeds(real.frame)
    found = rows(there, **at_unit_norm, state=["trained", "untrained"])
    print(
        f"participation ratio at unit norm; random directions: {found['null'].mean():.1f}"
    )
    display(tables.wide(found, "task", "state"))
    ends = rows(there, measure="decades of linear regime", direction=list(SHOWN))
    print("decades of linear regime (null: 0)")
    display(tables.show(ends, {"direction": "direction", tables.VALUE: "decades"}))

# %% [markdown]
# (claims-llm)=
# ## The claims, measured
#
# Each verdict follows from a rule in `config/claims.yml`, which says why its bar is where it is; {doc}`04s_llm_rank` lists every row. Intervals are over seeds: the seeds of one model share its trained weights.

# %% tags=["hide-input"]
display(pages.verdicts("rank", over))

# %% [markdown]
# **What this does not show.** Models of several sizes: the three small ones have 0.9 million parameters each and know a made-up world. At unit norm an item that is answered surely counts as much as one that is not, though its gradient moves nothing; no view is right for every purpose. That a linear regime *exists* is a weak claim, since every smooth loss has one; what could have failed is where it ends. How the paper's control was sketched we do not know. No result of the paper's own models is in this book.
#
# {doc}`04s_llm_rank` has the other views, proofs and all rows; {doc}`04x_llm_rank` the exercises.
