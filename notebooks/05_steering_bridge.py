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
# # The bridge: from weights to activations, and back
#
# **Finding.** In three language models of 0.9 million parameters, one gradient step on the logit difference of yes and no shifts the last block like the contrast of true and false prompts, with cosines at or above the paper's $0.58$; but contrasts with permuted labels come near that, and the logit lens explains much of it. The contrast of answer tokens, as CAA was published, has a cosine near zero with that shift.

# %% tags=["parameters", "hide-input"]
profile = (
    "quick"  # whose observations are shown, and whose parameters the live case has
)
seed = 0  # of the live case
model = "micro-gpt2"  # of the live case: a shipped model, a folder, or a hub id with its commit
kind = "logit difference"  # the loss whose gradient step is followed live
pairs = 32  # mirrored pairs of the live random search

# %% tags=["hide-input"]
import numpy as np
import torch
from IPython.display import display

import lglib
from lglib import studies
from lglib.activations import steering
from lglib.report import Observations, figures, over_seeds, pages, provenance, rows
from lglib.report import tables
from lglib.studies import bridge, lens
from lglib.theory import nulls

figures.style()
parameters = studies.parameters(
    "bridge", profile, model=model, live=dict(seed=seed, kind=kind, pairs=pairs)
)
observed = studies.observed("bridge", profile)
over = over_seeds(observed.frame)  # means over seeds, with intervals
models = over["model"].unique().tolist()
run = studies.filed(model)  # the name under which the model of the live case is filed
page = pages.shown(run, models)
mine = rows(over, model=page)
real = studies.beside("bridge", profile)  # the same of a pretrained model
setup = bridge.prepare(parameters, seed)
first, top, width = setup.templates[0], setup.layers[-1], setup.model.width
bound = nulls.random_direction(width)  # below it lie 95 in 100 random cosines
live = Observations()  # what this page measures itself
steps = shifts = caa = random = judge = None


def keep(claim, measure, value, **at):
    """Keep a live value, to be held against the filed one, which has its null."""
    live.add(claim, measure, value, null=0, null_means="stands in the filed row", **at)


print(pages.measured(observed, seed=seed, versions=provenance.versions()))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-bridge-seeds", "caption": "B1: cosine of the shift of one gradient step (four losses) with the true - false CAA vector, last block. Grey ticks: bounds of permuted labels. Dashed: the paper's figure. 95 % over five seeds."}, "image": {"alt": "Dot plot with the models as rungs and four losses as colours, around the dashed line; grey ticks lie a little to the left of the dots."}}
figure, (axes,) = figures.panels(1, height=3.8)
at_last = dict(claim="B1", measure="cosine", caa="true - false", depth=1.0)
tables.tell_left_out(over, "shifts and CAA")
series, rungs = {}, np.arange(len(models))[::-1]
for place, shift in zip(np.linspace(0.2, -0.2, 4), bridge.SHIFTS, strict=True):
    with tables.if_measured(f"cosine, {shift}, mean of the templates"):
        own = rows(over, **at_last, template="both", shift=shift).set_index("model")
        own = own.reindex(models)
        series[shift] = own[["value", "low", "high"]].to_numpy()
        axes.plot(own["null"], rungs + place, "|", color=figures.NULL, ms=9, mew=1.6)
figures.ladder(axes, models, series)
axes.axvline(0.58, color=figures.PAPER, lw=1.2, ls="--", label="paper", zorder=0)
axes.axvline(0, color=figures.NULL, lw=0.8, zorder=0)
axes.set(xlabel="cosine", xlim=(-0.3, 1.05))
figures.legend_below(axes)

# %% [markdown]
# **In short.** *B1*, the shift resembles the CAA vector: at the last block, for the right pair of definitions. *B2*, it steers as well: yes; one block earlier the step on the logit difference steers more than the CAA vector, somewhat in micro-gpt2 and far more in the other two. *B4*, random search finds the vector: in activations, while it is blind in the weights. The paper {cite}`piontkovskaia2026recoverable` reports the cosine for Qwen2.5-0.5B on BoolQ.
#
# ## Use this in your own work
#
# Before you call two vectors alike, compare with *permuted labels*, not with random directions. Here `net` is any causal language model of Hugging Face, `ids` are tokenised prompts, `labels` says which are the positive ones, and `other` is the vector to compare with (on this page the difference of the two answer words in the unembedding):

# %% tags=["hide-input"]
net, tokenizer = setup.model.model, setup.model.tokenizer
items = lglib.micro_items(48, "yes-no")
texts, labels = [i.prompt for i in items], torch.tensor([i.label == 0 for i in items])
ids = [tokenizer(text, return_tensors="pt").input_ids for text in texts]
words = [tokenizer.encode(word)[-1] for word in items[0].answers]
first_word, second_word = net.get_output_embeddings().weight.detach()[words]
other = first_word - second_word

# %% tags=["advice"]
h = torch.stack([net(x, output_hidden_states=True)[-1][-2][0, -1] for x in ids])
apart = lambda half: h[half].mean(0) - h[~half].mean(0)  # positive less negative
swapped = [apart(labels[torch.randperm(len(ids))]) for _ in range(200)]
cosines = torch.cosine_similarity(torch.stack([apart(labels), *swapped]), other[None])
print(f"cosine {cosines[0]:.2f}; permuted {cosines[1:].abs().quantile(0.95):.2f}")

# %% [markdown]
# ## The model, the questions, three parts
#
# The model answers yes or no about small passages, and is read at the *read position*: the last token of the prompt, where the answer is decided. $h_l$ is what block $l$ hands on there; layers are named by their *depth*, the share of blocks up to and with theirs. Questions are cut into three parts that share no passage: **select** (gradients, scores), **extract** (activations are read), **evaluate** (steering is judged).
#
# (bridge-pushforward)=
# ## T4: a weight step, seen in the activations
#
# **What the paper claims.** A small step $\delta$ of the weights moves activations by its *pushforward* $J_h\delta$, with the Jacobian $J_h=\partial h/\partial\theta$. **What we do.** The exact pushforward, by forward-mode differentiation, against actual steps: what is left over must fall as the square of the length (order two).

# %%
with tables.if_measured("remainders"):
    exact = bridge.in_float64(setup, parameters)
    seen = setup.steered["select"][: min(16, parameters.questions)]
    h, steps = exact.pushforward(seen), bridge.steps(exact, seen)
    for step in (kind, "random"):
        u, _ = bridge.in_tensor_units(exact, steps[step])
        left = bridge.remainders(h, u, parameters.scales).mean(1)
        power = bridge.order(left, parameters.scales)
        keep("T4", "order of the remainder", power, step=step)
        print(f"{step}: order {power:.3f}")

# %% [markdown]
# **What we see.** Order two for every step, as the identity says. The *size* differs: a random step of a hundredth of the weights' size keeps to its pushforward within percents, a gradient step of that length leaves it at once ({doc}`05s_steering_bridge`, with the proof and the kernel form). "One gradient step" is in the linear regime only if it is short.
#
# (bridge-caa)=
# ## B1: a gradient step beside a CAA vector
#
# **What the paper claims.** The mean shift of one gradient step is like the labelled-contrast (CAA) vector {cite}`rimsky2024steering` at late layers, cosine $0.58$.
#
# **What we do.** CAA is the mean of $h_l$ over positive texts minus that over negative ones: **answer token**, as published (the prompt followed by " yes" or " no"), **text after** it, or **true − false** (prompts whose answer is yes against those whose answer is no). The shift is $J_h\delta$ for minus the gradient of a loss: **logit difference** of yes and no, **say yes**, **correct answer**, or the **class difference** of the last on true and false prompts. The null that matters swaps the labels by lot: 95 in 100 *permuted* vectors have a smaller cosine with the same shift than the bound.

# %%
with tables.if_measured("shifts and CAA"):
    random = bridge.random_shifts(setup, first, parameters.random_steps)
    shifts = bridge.gradient_shifts(setup, first)
    caa = bridge.caa_vectors(setup, first)
for how in caa or {}:
    vector = caa[how].differences[:, -1]
    a = bridge.agreement(shifts[kind][:, -1], vector, random[:, -1], seed)
    keep("B1", "cosine", a.cosine, shift=kind, caa=how, template=first, depth=1.0)
    told = f"permuted labels {a.permuted:.2f}, random {bound:.2f}"
    print(f"{how}: cosine {a.cosine}; {told}")

# %% [markdown]
# **What we see.** *It depends on the definitions.* With the true − false vector the figure at the top has the paper's cosine or more, for the logit difference and the class difference in all three models. With the vector as published, from answer tokens, the cosine is near zero at late depths, though that vector reproduces itself nearly perfectly: it holds which word was just read, not what the model will write. *It depends on the null.* The bound of permuted labels comes near, and in micro-qwen2 the interval holds it: late activations differ mainly along the coming answer, so any two groups of true and false prompts, however labelled, differ along it too.

# %% [markdown]
# (bridge-lens)=
# ### Is it only the logit lens?
#
# The **logit lens** {cite}`nostalgebraist2020logit` reads $h_l$ as if block $l$ were the last. The direction that raises one answer word over the other there, $v=J^\top(w_a-w_b)$ ($w$: rows of the unembedding, $J$: Jacobian of the final norm), needs neither a step nor labels. The same with minus the gradient of the loss by $h_l$. Three behaviours: yes-no, place against thing, sort against reverse.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-bridge-lens", "caption": "Cosine with the true - false CAA vector by depth, of the shift of a gradient step, of the logit lens, and of minus the gradient by the activation; micro-gpt2, five seeds. Grey: random directions; grey ticks: permuted labels, for the shift."}, "image": {"alt": "Stacked panels of cosine against depth, three lines each, with a grey band around zero and grey ticks."}}
looked = None
with tables.if_measured("the logit lens"):
    looked = studies.observed("lens", profile)
    seen_in = over_seeds(looked.frame)
    beheld = rows(seen_in, model=pages.shown(run, seen_in["model"].unique().tolist()))
    near = rows(beheld, claim="B1", measure="cosine", vector=lens.CAA)
    behaviours = near["task"].unique()
    figure, axes = figures.panels(len(behaviours), height=2.5)
    for panel, task in zip(axes, behaviours, strict=True):
        for i, other in enumerate((lens.STEP, lens.LENS, lens.GRADIENT)):
            own = rows(near, task=task, other=other).sort_values("depth")
            x, bars = own["depth"] + 0.015 * (i - 1), own[["value", "low", "high"]]
            figures.points(panel, x, *bars.to_numpy().T, fmt="o-", lw=1.2, label=other)
        less = rows(beheld, measure="cosine minus permuted bound", task=task)
        ticks = rows(near, task=task, other=lens.STEP).merge(
            rows(less, other=lens.STEP), on="depth", suffixes=("", " less")
        )
        grey = dict(color=figures.NULL, ms=9, mew=1.6, label="permuted labels")
        panel.plot(ticks["depth"], ticks["value"] - ticks["value less"], "_", **grey)
        band, ends = near["null"].iloc[0], [x.min() - 0.05, 1.05]
        figures.null_band(panel, ends, [-band] * 2, [band] * 2, "random directions")
        panel.set(title=task, ylabel="cosine with CAA", ylim=(-0.4, 1.05))
    axes[-1].set_xlabel("depth")
    figures.legend_below(axes[-1])

# %% [markdown]
# **What we see** in three models of 0.9 million parameters. At the last block the lens, which needs neither a step nor labels, is as near to the CAA vector as the shift or nearer, in every model and behaviour but yes-no in micro-gpt2, and it steers more ({doc}`05s_steering_bridge`). A cosine as high as the paper's is had there from the output words alone. Further down a weight step says more: wherever the CAA vector reproduces itself the shift is nearer to it than the lens in micro-gpt2, in most such cases in micro-qwen2, in few in micro-olmo2.
#
# (bridge-steer)=
# ## B2: does the shift steer?
#
# **What the paper claims.** The shift of a gradient step steers about as well as the CAA vector. **What we do.** Add a vector to $h_l$ at every position while the model reads the questions of *evaluate*. All vectors have one length, the mean distance of $h_l$ from its mean. The *effect* is $P(\text{yes})$ at plus one such unit less that at minus one.

# %%
with tables.if_measured("effects"):
    tables.needs(shifts, caa, random)
    directions = bridge.random_directions(setup, parameters.random_steps)
    vectors = bridge.vectors(shifts, caa, random, directions)
    judge = bridge.judge(setup, parameters)
    for name in (bridge.CAA, bridge.SOUGHT, "random direction"):
        effect = judge.effect(judge.vector(vectors[name], top, name), 1.0)
        keep("B2", "effect at one unit", effect, vector=name, depth=1.0)
        print(f"{name}, last block: effect {effect:.2f}")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-bridge-dose", "caption": "Dose and response on the evaluation part: probability of yes against the multiplier, one block before the last (top) and at the last (bottom); micro-gpt2, means over five seeds. Grey: a random direction (solid), the shift of a random weight step (dashed)."}, "image": {"alt": "Two panels of S-shaped dose-response curves; the grey ones stay near one half."}}
late = sorted(setup.depth(layer) for layer in setup.late)
figure, axes = figures.panels(len(late), height=2.9)
grey = {"random direction": "-", "random weights": "--"}
for panel, depth in zip(axes, late, strict=True):
    panel.set(ylabel="P(yes)", ylim=(-0.03, 1.03), title=f"depth {depth:g}")
    for i, name in enumerate(bridge.DOSED):
        look = dict(color=figures.PALETTE[i], marker="o", ms=4, lw=1.4, label=name)
        look |= dict(color=figures.NULL, ls=grey[name]) if name in grey else {}
        with tables.if_measured(f"P(yes), {name}, depth {depth:g}"):
            own = rows(mine, claim="B2", measure="P(yes)", depth=depth, vector=name)
            own = own.sort_values("multiplier")
            panel.plot(own["multiplier"], own["value"], **look)
            panel.plot(0, own["null"].iloc[0], "k.")
axes[-1].set_xlabel("multiplier, in mean distances of the activation")
figures.legend_below(axes[-1])

# %% [markdown]
# **What we see** on micro-gpt2. At the last block shift and CAA vector move the answers alike, far more than random directions; one block earlier the shift of the logit difference moves them more. The published answer-token vector does little more than a random direction may, in this model (in micro-olmo2 it steers, {doc}`05s_steering_bridge`): a vector that reproduces itself perfectly need not steer. A model that is made to say yes is wrong on half of the questions; other skills and plain text suffer at two units ({doc}`05s_steering_bridge`).
#
# (bridge-search)=
# ## B4: the same vector from random search
#
# **What the paper claims.** Random search finds the vector too, with three disjoint parts (figure 9). **What we do.** Draw $P$ Gaussian directions in the weights, score each by a mirrored pair on *select*, and average them by score ($N=2P$ candidates). The law ({prf:ref}`prop-aim`): with $D$ directions that *matter* in activation space the cosine with the gradient's shift is about $\sqrt{S/(S+D)}$, where $S\approx N/2$.

# %%
with tables.if_measured("random search"):
    tables.needs(random)
    scored = bridge.scores(setup, parameters, pairs=min(pairs, parameters.pairs))
    sought = bridge.sought(setup, scored.gradient)
    found = bridge.find(setup, scored, parameters)
    for (way, n), image in found.images.items():
        value = steering.cosines(image[-1], sought[-1]).item()
        at = dict(weighting=way, N=2 * n, depth=1.0)
        keep("B4", "cosine with the gradient's shift", value, **at)
        print(f"{at}: {value:.2f}, in weight space {found.aims[way, n]:.3f}")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-bridge-search", "caption": "Cosine of what random search finds with the gradient's shift, last block, and with the gradient in weight space (black). Lines: the law, no fitted number. Grey: as many pairs by lot. Micro-gpt2, 95 % over five seeds."}, "image": {"alt": "Two coloured series rise with N about their lines; black dots stay near zero."}}
figure, (axes,) = figures.panels(1, height=3.2)
with tables.if_measured("random search, over seeds"):
    aim = rows(mine, measure="cosine with the gradient's shift", depth=1.0)
    blind = rows(
        mine,
        measure="cosine with the gradient in weight space",
        weighting="score-weighted",
    )
    for i, (way, own) in enumerate(aim.groupby("weighting", sort=False)):
        own = own.sort_values("N")
        bars, look = (
            own[["value", "low", "high"]].to_numpy().T,
            dict(color=figures.PALETTE[i]),
        )
        figures.points(axes, own["N"], *bars, label=way, **look)
        axes.plot(own["N"], own["predicted"], lw=1, **look)
    axes.plot(blind["N"], blind["value"], "k.", label="in weight space")
    figures.null_band(axes, own["N"], -own["null"], own["null"], "pairs by lot")
axes.set(xscale="log", xlabel="N, candidates", ylabel="cosine", ylim=(-0.4, 1))
figures.legend_below(axes)

# %% [markdown]
# **What we see** on micro-gpt2. In weight space the search is blind. In activation space the same direction aims, as the law says with no fitted number: few directions matter there. It is not cleverness of the search; the price is $N$ forward passes for what one backward pass gives exactly.
#
# (bridge-back)=
# ## Back again: which weight edit does the same?
#
# This question is ours. Given a steering vector, the smallest LoRA step whose pushforward it is ({prf:ref}`prop-smallest`) is found by least squares. *Divergence explained* is one if the edited model answers like the steered one, zero if it is no nearer than the plain one.

# %%
with tables.if_measured("imitation by LoRA"):
    tables.needs(judge)
    weak, at = parameters.strengths[0], dict(edit="LoRA", places=1)
    v = vectors[bridge.SOUGHT]
    edit = bridge.imitate(judge, v, top, weak, parameters, **at)
    share, chance = (edit.explained(judge.plain, by) for by in ("edited", "random"))
    keep("T4", "divergence explained", share, depth=1.0, multiplier=weak, **at)
    print(f"divergence explained {share:.2f}, by a random step as long {chance:.2f}")

# %% [markdown]
# **What we see.** At the last block a small LoRA step does nearly all that the steering vector does. One block earlier it must, in micro-gpt2, be asked to move the other positions too, which the last block reads ({doc}`05s_steering_bridge`).
#
# ## Live and filed

# %%
with tables.if_measured("the live case"):
    tables.needs(live if len(live) else None)
    print(live.beside(observed.frame, model=run, seed=seed))

# %% [markdown]
# (real-bridge)=
# ## A pretrained model: Gemma 3 270M
#
# One model that others trained on real text, under bars and rules that were frozen before it was looked at; the wordings of its question were chosen afterwards, because with the first ones it answered at chance. It cannot answer yes-no questions, so it is steered between past and present tense.

# %% tags=["hide-input"]
with tables.if_measured("Gemma 3 270M"):
    tables.needs(real)
    print(pages.seeds(real))
    there = over_seeds(real.frame)
    own = rows(there, claim="B1", measure="cosine", template="both", depth=1.0)
    print("last block: cosine of shift and CAA, and its bound of permuted labels")
    display(tables.wide(own, "shift", "caa", nulls=True))
    own = rows(there, claim="B2", measure="effect", depth=1.0)
    display(
        tables.wide(
            own.assign(at=[f"effect at {m:g}" for m in own["multiplier"]]),
            "vector",
            "at",
        )
    )

# %% [markdown]
# With few questions behind each vector the bound of permuted labels is as high as the cosines, so B1 cannot be told there; the shift of the logit difference steers as the true − false vector does ({doc}`05s_steering_bridge`).
#
# (claims-bridge)=
# ## The claims, measured
#
# Rules and bars are in `config/claims.yml`; intervals are over seeds of one base model. {doc}`05s_steering_bridge` has B3 (independent constructions), B5 (gain and cost across models) and every row.

# %% tags=["hide-input"]
display(pages.verdicts("bridge", over))

# %% [markdown]
# **What this does not show.** A behaviour that no single output word holds. Models of other sizes or that were trained on real text, but for the one above. Two templates, which both end in "Answer:". That the imitating edit is the smallest for the *behaviour*. No result of the paper's own model is in this book.
#
# {doc}`05s_steering_bridge` has proofs, all depths, templates and models; {doc}`05x_steering_bridge` the exercises.
