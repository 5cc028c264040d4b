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
# # Supplement to chapter 5
#
# Proofs; all definitions, depths, templates and models of shift and CAA vector; side costs; independent constructions (B3); gain and cost across models (B5); every imitating edit; every row that was judged. The chapter itself: {doc}`05_steering_bridge`.

# %% tags=["parameters", "hide-input"]
profile = (
    "quick"  # whose observations are shown, and whose parameters the live case has
)
seed = 0  # of the live case
model = "micro-gpt2"  # of the live case: a shipped model, a folder, or a hub id with its commit
kind = "logit difference"  # the loss whose gradient step is followed live

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from IPython.display import display

from lglib import studies
from lglib.activations import effects
from lglib.report import claims, figures, over_seeds, pages, provenance, rows
from lglib.report import tables
from lglib.studies import bridge, lens
from lglib.theory import nulls

figures.style()
parameters = studies.parameters("bridge", profile, model=model)
observed = studies.observed("bridge", profile)
over = over_seeds(observed.frame)  # means over seeds, with intervals
models = over["model"].unique().tolist()
run = studies.filed(model)  # the name under which the model of the live case is filed
page = pages.shown(run, models)
mine = rows(over, model=page)
print(pages.measured(observed, seed=seed, versions=provenance.versions()))
print(f"tables and figures of one model are of {page}")
print(", ".join(f"{name} = {value}" for name, value in parameters.model_dump().items()))

# %% [markdown]
# Values are means over seeds with Student's $t$ interval at 95 %. A seed fixes all questions, the three parts, and all noise; the model stays the same.
#
# ## The model, the questions, three parts
#
# The model is asked in two *templates*: as a question, and as a claim to be judged. Each part has as many true as false questions. By $\theta$ we mean the parameters of the blocks. (The embeddings stay. In the shipped models they are tied: they would act on both ends of the model at once.)

# %% tags=["hide-input"]
setup = bridge.prepare(parameters, seed)
first, top, width = setup.templates[0], setup.layers[-1], setup.model.width
late = sorted(setup.depth(layer) for layer in setup.late)
bound = nulls.random_direction(width)
depths = ", ".join(f"{setup.depth(layer):g}" for layer in setup.layers)
print(f"{setup.model.name}: {setup.model.parameters:,} parameters, depths {depths}")
print(
    f"d = {setup.space.d:,} parameters in the blocks, |theta| = {setup.space.flatten().norm():.0f}"
)
print(
    f"width of the residual stream: {width}; |cosine| of 95 in 100 random directions is below {bound:.2f}"
)

# %% tags=["hide-input"]
asked = [
    (t, name, own) for t, parts in setup.parts.items() for name, own in parts.items()
]
table = []
columns = ["template", "part", "n", "an example", "accuracy", "mean P(yes)"]
with tables.if_measured("how the model answers"):
    for template, name, own in asked:
        example = max(own[:6], key=lambda item: -len(item.prompt))
        plain = effects.ask(setup.model, own)
        shown = f"{example.prompt[-160:]}{example.answer}"
        table.append([template, name, len(own), shown, plain.accuracy, plain.p_yes])
    display(tables.show(pd.DataFrame(table, columns=columns), columns, digits=2))

# %% [markdown]
# ## T4: the pushforward, and its kernel between prompts
#
# :::{prf:proposition} Pushforward, and its kernel between prompts
# :label: prop-bridge-kernel
#
# Let $h(\theta)$ be twice continuously differentiable. Then $h(\theta+\delta)=h(\theta)+J_h\delta+r$ with $\lVert r\rVert=O(\lVert\delta\rVert^2)$. Let $\theta$ be the parameters of the blocks, $h_i\in\mathbb R^m$ the output of the last block at the read position of prompt $i$ ($m$ is the width of the residual stream), $J_i=\partial h_i/\partial\theta$, and $L=\frac1n\sum_j\ell_j(h_j)$ a loss that reads the model at these positions. Then a gradient step $\delta=-\eta\nabla L$ moves the activation of *any* prompt $i$, in the loss or not, by
#
# $$ \Delta h_i=-\frac\eta n\sum_j K_{ij}\,\nabla\ell_j(h_j)+O(\eta^2),\qquad K_{ij}=J_iJ_j^\top\in\mathbb R^{m\times m}. $$ (eq-bridge-kernel)
# :::
#
# :::{prf:proof}
# :class: dropdown
#
# The first part is Taylor's theorem, see {prf:ref}`prop-pushforward`. Behind the last block there are only a norm and the unembedding, which act on each position alone and hold no parameter of the blocks. So $L$ depends on $\theta$ through the $h_j$ only, $\nabla L=\frac1n\sum_jJ_j^\top\nabla\ell_j(h_j)$, and $J_i$ times $-\eta\nabla L$ is the sum.
# :::
#
# This says what a gradient step can do to a prompt that it never saw: it hands over the directions $-\nabla\ell_j$, each filtered by the kernel between the two prompts. If $K_{ij}$ were the same multiple of the identity for all pairs, the shift would point against the mean activation gradient. For a block $l$ below the last one the same holds with $h_j$ at all positions, since later positions look at earlier ones, and with $J$ by the parameters of the blocks up to $l$, since the others do not move $h_l$.
#
# **What we do.** Take the gradient of each loss, and a random direction, as the step. (The losses are named in {ref}`bridge-caa`.) Compare the exact $J_h\delta$, by forward-mode differentiation (jvp), with actual steps of several lengths: the error of the two-sided difference, and the *remainder* $\lVert r\rVert/\lVert J_h\delta\rVert$ of the one-sided step, of the mean activation over prompts, which must grow in proportion to the length while that is small. In float64 where the model allows it. (The norms of Qwen2 and OLMo2 compute in float32 whatever the model is in. That sets the floor on the left.)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-bridge-remainder", "caption": "How far the pushforward carries. Remainder of a one-sided weight step, in units of the shift that the pushforward predicts, against the length of the step, at the last block (top) and averaged over all layers that are read (bottom); means over seeds. Dashed black, on the line of the random step: slope 1, as for short steps of any smooth network. Grey: a remainder as large as the predicted shift itself; the longest gradient steps come near it, the random ones do not."}, "image": {"alt": "Two log-log plots of remainder against step length. Four lines rise with slope one; that of the random step lies on the dashed line, those of the gradients lie far above it and level off near one."}}
figure, axes = figures.panels(2, height=3.0)
for panel, read in zip(axes, ("last block", "mean over layers"), strict=True):
    panel.set(xscale="log", yscale="log", ylabel="remainder / shift", title=read)
    with tables.if_measured(f"remainder, {read}"):
        remainder = rows(mine, claim="T4", measure="remainder", read=read)
        for step, own in remainder.groupby("step", sort=False):  # the random one last
            own = own.sort_values("length")
            x, y = own["length"], own["value"]
            figures.points(panel, x, y, fmt="o-", lw=1.2, label=step)
        anchor = y.iloc[-2] / x.iloc[-2]
        panel.plot(x, anchor * x, "--k", lw=1)
    figures.null_line(panel, 1, "no prediction")
axes[1].set_xlabel("length of the step, each tensor in its own size")
figures.legend_below(axes[1])

# %% tags=["hide-input"]
with tables.if_measured("remainders"):
    names = ["order of the remainder", "gap between jvp and a small step"]
    display(tables.wide(tables.of_measures(mine, names), "step", "measure"))
    remainder = rows(mine, claim="T4", measure="remainder", read="mean over layers")
    told = "each tensor in its own size; means over layers; null: 1, no shift"
    print(f"remainder by length of the step, {told}")
    display(tables.wide(remainder[remainder["length"] >= 1e-4], "step", "length"))

# %% [markdown]
# Now the kernel, at the last block: the pushforward of the gradient against $J_h$ times $J_h^\top$ times the activation gradient $\nabla_h\ell$. And then what the kernel *does*: how far is the shift from plain $-\nabla_h\ell$, on the same prompts, and on prompts that the loss never saw?

# %% tags=["hide-input"]
with tables.if_measured("the kernel between prompts"):
    exact = bridge.in_float64(setup, parameters)
    seen, new = (
        setup.steered["select"][: min(16, parameters.questions)],
        setup.held_out(first)[:16],
    )
    kernel = bridge.kernel(exact, kind, -bridge.steps(exact, seen)[kind], seen, new)
    print(f"{kind}: kernel form against jvp, relative gap {kernel.gap:.1e}")
    print(
        f"cosine of the shift with -gradient by h: {kernel.seen:.2f}, new prompts {kernel.new:.2f}"
    )
    print(f"cosine of the shifts of seen and of new prompts: {kernel.between:.2f}")

# %% tags=["hide-input"]
with tables.if_measured("the kernel between prompts"):
    form = rows(mine, measure="kernel form against jvp")
    display(tables.wide(form, "step", "measure"))
    against = rows(mine, measure="cosine of shift and activation gradient")
    display(tables.wide(against, "step", "prompts", nulls=True))
    between = rows(mine, measure="cosine of the shifts of seen and new prompts")
    display(tables.wide(between, "step", "measure", nulls=True))

# %% [markdown]
# **What we see** on micro-gpt2. The remainder has order two for every step, as the law says. But its *size* differs. A random step may have a hundredth of the size of the weights, and the pushforward is good to some percent. For a gradient step of that length the remainder is a third of the shift to six tenths of it, by the loss, and at a thousandth it is still four to ten percent. The gradient's direction is the one in which most happens, to first order and to second. So "one gradient step" is in the linear regime only if it is short; a large learning rate leaves it at once.
#
# The kernel form agrees to rounding. What does the kernel do? The shift is *not* the activation gradient, but it is related: the cosine is around $0.8$ for the logit difference and less for the cross-entropies, far above random directions. And it hardly matters on whom the step was taken: prompts that the loss never saw are moved in nearly the same direction as those that it saw. So at the last block the *mean* shift of a gradient step on yes and no is close to one common vector, whoever the prompts are. That is why it can be compared with a steering vector at all. (All cosines here are of means over prompts; how far single prompts scatter about theirs is not shown.)
#
# **What this does not show.** That any of this means something for behaviour. And it says nothing of parameters outside the blocks.

# %% [markdown]
# ## B1: all definitions and depths
#
# **Contrastive activation addition** {cite}`rimsky2024steering` takes pairs of texts that differ in the behaviour, and subtracts the mean of $h_l$ over the negative ones from that over the positive ones. We do not know at which tokens the paper reads, nor the loss of its gradient step: all but the first item below are our readings. We make the vector in three ways:
#
# - **answer token**, as published: the same prompt followed by " yes" and by " no", read at that answer;
# - **text after**: the same, but with the question asked once more behind the answer, read where the second answer is decided. At the answer token itself nothing has been done with the answer yet (and a causal model's activations there do not depend on what follows), so we read where something depends on it;
# - **true − false**: prompts whose answer is yes against prompts whose answer is no, read at the last token of the prompt.
#
# **The shift** is the mean over held-out prompts of $J_h\delta$ for $\delta=-g$, exactly, by jvp. (A cosine does not depend on the length of a small step, so there is none to choose.) The gradient $g$ is that of
#
# - **logit difference**: logit of " no" minus logit of " yes", mean over questions;
# - **say yes**: cross-entropy of " yes", whatever is right;
# - **correct answer**: cross-entropy of the right answer.
# - **class difference** is no loss of its own: the shift of *correct answer* on true prompts minus that on false prompts, half of it.
#
# Gradients come from *select*; shifts are read on one half of *extract*, CAA vectors on the other. The nulls:
#
# - **permuted labels**: the two texts of each pair swapped by lot; $95\,\%$ of the absolute cosines with the same shift lie below it;
# - **random weight step**: the shift of a random $\delta$ of the same length, the largest cosine of a dozen;
# - **random direction**: the law for a random direction in $\mathbb R^m$, whose variance is $1/m$.
#
# And a question before all of them: does the CAA vector *reproduce itself*? We compare the vectors of two random halves of its pairs. Where their cosine is below one half, the layer is greyed out: nothing can be said about it.

# %% [markdown]
# The same for all definitions and depths, over seeds. Each cosine is followed by the bound of permuted labels.

# %% tags=["hide-input"]
with tables.if_measured("shifts and CAA"):
    cosine = rows(mine, claim="B1", measure="cosine")
    for template in setup.templates:
        for how in bridge.CONTRASTS:
            own = rows(cosine, caa=how, template=template)
            print(f"template {template}, CAA by {how}; random directions {bound:.2f}")
            display(tables.wide(own, "depth", "shift", nulls=True))
    last = rows(mine, measure="projection / permuted bound", template=first, depth=1.0)
    told = "by its bound of permuted labels; last block"
    print(f"projection of the CAA vector on the shift, {told}")
    display(tables.wide(last, "caa", "shift"))

# %% tags=["hide-input"]
at = dict(template=first)
with tables.if_measured("cosine of split halves"):
    halves = rows(mine, measure="cosine of split halves", **at)
    print("cosine of the CAA vectors of two random halves of the pairs")
    display(tables.wide(halves, "caa", "depth"))
with tables.if_measured("cosine minus random-weight bound"):
    less = rows(mine, measure="cosine minus random-weight bound", depth=1.0, **at)
    print("cosine less the largest of the random weight steps; last block")
    display(tables.wide(less, "caa", "shift"))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-bridge-caa", "caption": "Cosine between the shift of one gradient step (four definitions, colours) and the CAA vector (three definitions, panels), by depth; the first template, means and 95% intervals over seeds. The grey tick of each dot is its own bound of permuted labels; the grey band, random directions. Shaded depths: the CAA vector does not reproduce itself. Dashed: the paper's 0.58. Ticks bound absolute cosines. Only true - false vectors meet the shift, from half of the depth on, and the permuted bound is not far below."}, "image": {"alt": "Three stacked panels of cosines against depth. In the first, the dots of the logit difference and the class difference lie above their grey ticks from depth one half on, the others about or below theirs; in the other two all dots lie below their ticks."}}
figure, axes = figures.panels(3, height=3.0)
at_depths = [setup.depth(layer) for layer in setup.layers]
ends = [min(at_depths) - 0.1, 1.1]
for panel, how in zip(axes, bridge.CONTRASTS, strict=True):
    for i, shift in enumerate(bridge.SHIFTS):
        with tables.if_measured(f"cosine, {shift}, {how}"):
            one = dict(caa=how, shift=shift, template=first)
            own = rows(mine, claim="B1", measure="cosine", **one)
            x, look = own["depth"] + 0.03 * (i - 1.5), dict(color=figures.PALETTE[i])
            bars = own[["value", "low", "high"]].to_numpy().T
            figures.points(panel, x, *bars, label=shift, **look)
            look = dict(color=figures.NULL, ms=9, mew=1.6)
            label = None if i else "permuted labels"
            panel.plot(x, own["null"], "_", label=label, **look)
    with tables.if_measured(f"cosine of split halves, {how}"):
        split = rows(mine, measure="cosine of split halves", template=first, caa=how)
        for depth in split.query("value < 0.5")["depth"]:
            panel.axvspan(depth - 0.08, depth + 0.08, color="0.92", zorder=-1)
    figures.null_band(panel, ends, [-bound] * 2, [bound] * 2, "random direction")
    figures.paper_line(panel, 0.58, "paper")
    panel.set(title=how, ylabel="cosine", ylim=(-0.6, 1.05), xlim=ends)
    panel.set_xticks(at_depths)
axes[-1].set_xlabel("depth")
figures.legend_below(axes[-1])

# %% [markdown]
# **What we see** on micro-gpt2. *It depends on the definitions.* With the **true − false** vector, and the logit difference or the class difference as the shift, the cosine at the later depths is as high as the paper's or higher. *Say yes* comes near $0.58$ at the last block, in the second template also one depth before; *correct answer*, perhaps the most natural reading of "a gradient step on the task", never does. With the vector **as published**, from answer tokens, the cosine is near zero at late depths, and with **text after** the answer it changes its sign from one depth or definition to the next. All cosines of both stay below their own bounds of permuted labels. Both of these vectors reproduce themselves nearly perfectly, so it is not noise: they are clear directions, and other ones. The
# answer-token vector holds which word was just read. That is not the direction in which the model decides what to write.
#
# *It depends on the null.* A cosine of $0.58$ is far beyond random directions ($0.17$) and beyond random weight steps. But the bound of **permuted labels** is itself between $0.5$ and $0.8$ for the definitions that agree. The reason is simple. We read it so: at late blocks the prompts differ from each other mainly in what the model is about to answer, so *any* two groups of true and false prompts, however labelled, differ along that direction, and the shift has it too. Those of the logit difference and the class difference lie above this bound, but by no more than a sixth, and those of *say yes* by less than that or not at all. A cosine of $0.58$ without this null says less than it seems to.
#
# What labels do decide is sign and length. The table of projections asks for the *projection* of the CAA vector on the shift, in units of its own bound under permutation: where the cosines agree it is well above one. But so it is for the answer-token vector, whose cosine with the same shift is nearly zero. (The ratio cannot exceed about $\sqrt n/2$ for $n$ pairs, and the answer-token vector has twice as many pairs as the true − false one: do not compare the rows. {ref}`ex-line` shows why the two tests differ, and why the second is too lenient: with many pairs even a small part along the shift stands out.)
#
# *It depends on the depth.* At the first depth the true − false vector does not reproduce itself, and nothing can be said.
#
# **What this does not show.** One small model with saturated knowledge of one made-up world. Cosines over the prompts of one question type; the other models are in {ref}`across-seeds-bridge`.

# %% [markdown]
# ## The logit lens, in numbers
#
# **What we do.** The **logit lens** {cite}`nostalgebraist2020logit` reads $h_l$ as if block $l$ were the last one: through the final norm and the unembedding. Let $w_a$, $w_b$ be the rows of the unembedding for the two answer words. Then $v=J^\top(w_a-w_b)$, with the Jacobian $J$ of the final norm at the mean of $h_l$, is the direction that raises the first answer over the second. A simpler form takes the elementwise scale of the norm for $J$. The second baseline is minus the activation gradient, $-\nabla_h\ell$ of the same loss as the step, which goes through all blocks above, still without a step of the weights. At the last block it is $v$ but for the state at which $J$ is taken. Both are means over *select*.
#
# Three behaviours, each a choice between two words: **yes-no**, as above; **place-thing** ("Where is Vera?" or "What does Vera have?" of a passage that tells both: a place against a thing, other words in each question); **sort-reverse** (the first letter of a row when it is sorted, or when it is reversed, where no fixed word stands for either side, so that the mean of $w_a-w_b$ says little). The shift is that of the logit difference, CAA is true − false: prompts whose first answer is right against those whose second is.

# %% tags=["hide-input"]
looked = None
with tables.if_measured("the logit lens"):
    looked = studies.observed("lens", profile)
    seen_in = over_seeds(looked.frame)
    names = seen_in["model"].unique().tolist()
    beheld = rows(seen_in, model=run if run in names else names[0])
    near = rows(beheld, claim="B1", measure="cosine", vector=lens.CAA)
    where = [f"{r.task}, depth {r.depth:g}" for r in near.itertuples()]
    told = f"random directions {near['null'].iloc[0]:.2f}"
    print(f"{looked}\n{near['model'].iloc[0]}: cosine with CAA; {told}")
    display(tables.wide(near.assign(where=where), "where", "other"))

# %% tags=["hide-input"]
with tables.if_measured("effects beside the logit lens"):
    tables.needs(looked)
    for name in names:
        own = rows(seen_in, model=name, claim="B2", measure="effect", multiplier=1.0)
        where = [f"{r.task}, depth {r.depth:g}" for r in own.itertuples()]
        print(f"{name}, one unit: P(first answer) at plus it less that at minus it")
        display(tables.wide(own.assign(where=where), "where", "vector"))

# %% tags=["hide-input"]
with tables.if_measured("the verdicts on the logit lens"):
    tables.needs(looked)
    ahead = rows(seen_in, measure=lens.LEAD)
    ahead = ahead.assign(of=[f"{r.model}, {r.task}" for r in ahead.itertuples()])
    print("cosine of CAA with the shift, less that with the lens or chance if larger")
    display(tables.wide(ahead, "of", "depth"))
    heads = ["model", "statement", "verdict", "reproduced"]
    judged = {name: claims.judge("lens", seen_in, name, beyond=True) for name in names}
    told = [claims.summary(own).assign(model=name) for name, own in judged.items()]
    display(tables.show(pd.concat(told), heads))
    print("line by line,", name := beheld["model"].iloc[0])
    display(tables.verdicts(judged[name]))

# %% [markdown]
# **What we see** on the three shipped models. *At the last block* little is left for the step to say. The lens is nearer to the CAA vector than the shift is, in every model and for every behaviour but one: yes-no in micro-gpt2. A cosine as high as the paper's is had there from the output words alone.
#
# *Below the last block* it depends on the model and on the behaviour. In micro-gpt2 the shift is nearer to CAA than the lens at every depth at which the CAA vector clearly reproduces itself, most of all at the early ones, where the lens has little of it. In micro-qwen2 the same holds for place-thing and sort-reverse, and not for yes-no. In micro-olmo2 it holds for sort-reverse at the middle depths alone: for place-thing both are about as near, and for yes-no there is no CAA vector that reproduces itself.
#
# *Steering* ranks the vectors otherwise. At the last block the lens and $-\nabla_h\ell$ steer more than the shift and CAA do. Below it $-\nabla_h\ell$ steers more than the lens, and so does the shift, with an exception, in micro-olmo2 and micro-qwen2, also where CAA has next to no effect; for yes-no in micro-gpt2 the lens steers more than the shift at all depths. So what is near to CAA and what steers are two questions. And $-\nabla_h\ell$ takes no step of the weights: where it steers as well as the shift, the way through the weights is no cause of that.
#
# **What this does not show.** The prompts of the two sides of place-thing and sort-reverse differ in a word of the question ("Where" or "What", "Sort" or "Reverse"). At early depths a CAA vector may hold that word, and not yet the answer. At the first two depths hardly anything steers sort-reverse at one unit. The lens is taken as it is; one that is fitted layer by layer may be nearer. All models have fewer than a million parameters.

# %% [markdown]
# ## B2: effects at all depths, and side costs
#
# **What we do.** Add a vector to $h_l$ at every position while the model reads, and ask the questions of *evaluate*. The *target* is the probability of yes. Multipliers are in units of the *centred residual norm*, the mean distance of $h_l$ from its mean over prompts, so that all vectors are added with equal length. (The raw norm is mostly an offset that all prompts share.) At the same time we look at the **side costs**: exact match of other skills, cross-entropy of plain stories, and *damaged generations*: the model, steered, goes on from the opening of a story; the continuation is damaged if the model *without* steering finds it less likely than $95\,\%$ of plain stories.

# %% [markdown]
# The *effect* of a vector is $P(\text{yes})$ at $+1$ minus that at $-1$. At all depths, over seeds, each followed by the largest of some random directions:

# %% tags=["hide-input"]
with tables.if_measured("effect at one unit"):
    effect = rows(mine, measure="effect at one unit")
    display(tables.wide(effect, "vector", "depth", nulls=True))

# %% tags=["hide-input"]
told = "gain and costs in points (plain text: nats more), by vector and multiplier"
for depth in late:
    with tables.if_measured(f"gain and costs, depth {depth:g}"):
        costs = rows(mine, claim="B5", measure=list(bridge.COSTS), depth=depth)
        added = [f"{r.vector}, {r.multiplier:+g}" for r in costs.itertuples()]
        print(f"depth {depth:g}: {told}")
        display(tables.wide(costs.assign(added=added), "added", "measure"))

# %% [markdown]
# **What we see** on micro-gpt2. At the last block the shifts (*logit difference*, *say yes*, *class difference*) move the answers as much as the true − false CAA vector, somewhat more if anything, and all of them far more than random directions: a multiplier of one takes $P(\text{yes})$ from one half nearly to its end. The answer-token vector, as published, does no more there than a random direction may. So a vector that reproduces itself perfectly need not steer. At every earlier depth the shift of the logit difference has a larger effect than the CAA vector.
#
# *The costs.* Up to a multiplier of one the other skills and plain stories hardly notice. At two they do, and which vector costs more depends on sign and depth. Much of that is the price of *any* vector so long: one depth before the last, that of a random weight step, which does little for the target, costs the skills and the stories more than all others. One cost is in plain sight: a model that is made to say yes is wrong on half of the questions. Accuracy falls to one half as $P(\text{yes})$ goes to an end, since the model had every answer right. Here steering cannot raise accuracy; it can only trade it.
#
# **What this does not show.** We steer towards *yes*, which is one direction of the output. That a gradient *of the output's logit difference* steers the output is hardly a surprise: it is built for it. The surprise would be a behaviour that no single logit holds.

# %% [markdown]
# (bridge-routes)=
# ## B3: independent constructions
#
# **What the paper claims.** B3: on a clean, deterministic route, two independent constructions of the vector agree (figure 8).
#
# **What we do.** Five constructions that share no passage: the pushforward of the gradient of the logit difference, for each of two templates; the true − false CAA vector, for each; and an actual descent of some steps, trained and read on the *evaluate* part of the second template. Each is made twice, from two halves of its data. What the two halves share is the *noise floor*: no construction can agree with another better than it agrees with itself. If the halves agree with a cosine $c$, the whole agrees with the truth about as $\sqrt{2c/(1+c)}$ ({ref}`ex-halves`); the product of these two numbers for two constructions is the *ceiling* of their cosine: what it would be if both were noisy views of one vector.

# %% tags=["hide-input"]
tables.tell_left_out(mine, "descent")
with tables.if_measured("halves of one construction"):
    own = rows(mine, measure="halves of one construction")
    print(f"halves of one construction, by depth; random directions {bound:.2f}")
    display(tables.wide(own, "construction", "depth"))
for measure in ("agreement", "ceiling"):
    with tables.if_measured(measure):
        own = rows(mine, claim="B3", measure=measure, depth=1.0)
        print(f"{measure}, last block")
        display(tables.wide(own, "construction", "other"))

# %% [markdown]
# **What we see** on micro-gpt2. Two gradients from two templates agree almost as well as two halves of one. So do the two CAA vectors, within their larger noise. Across kinds, gradient against CAA, the cosine is lower than what the noise of both would allow (the ceilings are in {ref}`across-seeds-bridge`): these are not two noisy views of the same vector, but two related vectors. The *descent* reproduces itself nearly perfectly and has turned away from the first step: ten steps at this rate are most likely beyond the linear regime of this model (their length was not measured), and the shift that is left of them is another one, related to all the others.
#
# So B3 holds in the sense that constructions agree far beyond random directions. In the stronger sense, that they agree as well as their noise allows, it holds within a kind and not between kinds.
#
# **What this does not show.** The templates are alike: both end in "Answer:" and ask about a passage.

# %% [markdown]
# ## B4: the law of the search, and all candidates
#
# **What we do.** Draw $P$ Gaussian directions $\varepsilon_i$ and score each by a *mirrored pair* on *select*: $s_i=[L(\theta-\sigma\varepsilon_i)-L(\theta+\sigma\varepsilon_i)]/2\sigma$, so $N=2P$ candidates, and no curvature in the score. Then average: **score-weighted**, $u=\sum_is_i\varepsilon_i$, or **top-$K$**, the best eighth of the pairs, each in its better direction. Push $u$ forward to the activations of *extract* (exactly, by jvp). Nothing is stored but the scores: noise is made again from its key. How well does that vector aim?
#
# :::{prf:proposition} Aim of a weighted random search
# :label: prop-aim
#
# Let $L$ be linear with $-\nabla L=a$, $\hat a=a/\lVert a\rVert$, $\varepsilon_i\sim\mathcal N(0,I_d)$ independent, $s_i=\hat a\cdot\varepsilon_i$, and let the weights $w_i$ depend on the scores only. Let $h$ be any activation, or a mean of activations, as below. Then
#
# $$ u=\sum_iw_i\varepsilon_i=\Bigl(\sum_iw_is_i\Bigr)\hat a+\lVert w\rVert\,z, $$ (eq-aim)
#
# where $z\perp\hat a$ is standard normal in the other $d-1$ dimensions, whatever the weights. So with the *signal* $S=(\sum_iw_is_i)^2/\lVert w\rVert^2$ the squared length of $J_hu$ along $J_h\hat a$ and the mean squared length of the rest are as $S$ to $D=\operatorname{tr}\bigl(J_h(I-\hat a\hat a^\top)J_h^\top\bigr)/\lVert J_h\hat a\rVert^2$, and
#
# $$ \cos(J_hu,\,J_h\hat a)\approx\sqrt{\frac S{S+D}}. $$ (eq-aim-law)
#
# No weights have more signal than $w=s$, for which $S=\sum_is_i^2\approx P=N/2$. For the best of $N$ alone, $S$ is about $m_N^2$, with the $m_N$ of {prf:ref}`thm-best-of-n`.
# :::
#
# :::{prf:proof}
# :class: dropdown
#
# Split $\varepsilon_i=s_i\hat a+z_i$. The $z_i$ are normal in the complement of $\hat a$ and independent of all scores, so given the scores $\sum w_iz_i$ is normal with covariance $\lVert w\rVert^2(I-\hat a\hat a^\top)$. Push forward: the first term gives $\sum w_is_i\,J_h\hat a$, the second a vector of mean square $\lVert w\rVert^2\operatorname{tr}J_h(I-\hat a\hat a^\top)J_h^\top$. Their ratio is $S:D$ (the second vector also has a part along $J_h\hat a$, of either sign; that is the approximation, and it is small when many directions matter). Cauchy's inequality gives $(\sum w_is_i)^2\le\lVert w\rVert^2\sum s_i^2$. With one candidate kept, $w$ has one entry and $S=\max_is_i^2$ over mirrored pairs, the best of $N=2P$.
# :::
#
# In weight space itself, $J_h=I$, $D=d-1$: with $N$ in the hundreds the search knows nothing of the gradient. In activation space $D$ is the number of directions that *matter*, in units of the one that is sought, and that may be small. $D$ is measured with random steps, independently of the search.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-bridge-search-all", "caption": "How random search finds the gradient's shift as N grows: cosine of its image with the exact pushforward of the gradient, at the last two depths that are read, and with the gradient itself in weight space (black); means and 95% intervals over seeds. Lines: the law of signal and effective directions, with D measured by random steps, no fitted number. Grey band: the mean absolute cosine of as many pairs by lot. In weight space the search stays blind; in activation space it leaves the band once N is large."}, "image": {"alt": "Two log-x panels of cosine against N. Two coloured series rise with N about their lines, for the largest N far above a grey band around zero; black dots stay near zero."}}
figure, axes = figures.panels(len(late), height=3.2)
names = "cosine with the gradient's shift", "cosine with the gradient in weight space"
for panel, depth in zip(axes, late, strict=True):
    panel.set(xscale="log", ylabel="cosine", title=f"depth {depth:g}", ylim=(-0.5, 1))
    with tables.if_measured(f"random search, depth {depth:g}"):
        aim = rows(mine, measure=names[0], depth=depth)
        blind = rows(mine, measure=names[1], weighting="score-weighted")
        for i, (way, own) in enumerate(aim.groupby("weighting", sort=False)):
            own = own.sort_values("N")
            n, look = own["N"], dict(color=figures.PALETTE[i])
            bars = own[["value", "low", "high"]].to_numpy().T
            figures.points(panel, n, *bars, label=way, **look)
            panel.plot(n, own["predicted"], lw=1, **look)
        panel.plot(blind["N"], blind["value"], "k.", label="in weight space")
        null = own["null"]
        figures.null_band(panel, n, -null, null, "random K, mean of |cosine|")
        matters = rows(mine, measure="directions that matter", depth=depth)
        panel.set_title(f"depth {depth:g}, D = {matters['value'].iloc[0]:.0f}")
axes[-1].set_xlabel("N, candidates")
figures.legend_below(axes[-1])

# %% [markdown]
# Does it steer? On *evaluate*, with the same lengths as before, at the smallest multiplier and with all candidates, each followed by the largest of as many pairs by lot. The last table is the share of the effect of the exact shift.

# %% tags=["hide-input"]
with tables.if_measured("effect of what random search finds"):
    effect = rows(mine, claim="B4", measure="effect")
    at_least = f"P(yes) at +{effect['multiplier'].iloc[0]:g} less that at minus as much"
    print(f"N = {effect['N'].iloc[0]}; effect: {at_least}")
    display(tables.wide(effect, "weighting", "depth", nulls=True))
    whole = rows(mine, measure="effect of the exact shift")
    display(tables.wide(whole, "measure", "depth", nulls=True))
    share = rows(mine, measure="effect / that of the exact shift")
    display(tables.wide(share, "weighting", "depth"))

# %% [markdown]
# **What we see** on micro-gpt2. *In weight space* the search is blind: with hundreds of candidates its direction has a cosine of about $0.01$ with the gradient, as the law says. *In activation space* the same direction, pushed forward, has a cosine of about two thirds with the gradient's shift at the last block. The law predicts this with no fitted number, from the count $D$ of directions that matter, between one and two hundred, where $d$ is about eight hundred thousand. ($D$ is itself an estimate, from a dozen random steps.) (Single runs scatter about it; those of top-$K$ lie mostly below, in this model.) Score-weighting does better than top-$K$, as it must ({ref}`ex-keep`).
#
# *It steers*: at the last block the score-weighted vector has about two thirds of the effect of the exact shift, the top-$K$ vector about half, both beyond all random-$K$ draws. This is not because random search is clever. It is because the map from weights to activations has few directions that matter, and averaging over pairs brings out the one that scores. The price is $N$ forward passes for what one backward pass gives exactly.
#
# **What this does not show.** The scores here are free of noise (the same questions for all candidates) and of curvature (mirrored, with a short step). A search that keeps the best of one-sided long steps is free of neither; {ref}`ex-mirror` shows what it gets instead.

# %% [markdown]
# ## The way back: every edit
#
# So far weights were moved and activations watched. Now the other way, which the paper leaves open. Given a steering vector $v$ at block $l$, is there a small step of the weights that does the same, on all prompts at once? To first order we want $J_i\delta=v$ for the read position of every prompt $i$: many equations, in general without a solution, and very many unknowns, so that we ask for the *smallest* of the best steps.
#
# :::{prf:proposition} The smallest step
# :label: prop-smallest
#
# Among all $\delta$ that minimise $\lVert J\delta-b\rVert$ there is exactly one of least length, $\delta^+=J^+b$, and it is the only one in the row space of $J$. LSMR {cite}`fong2011lsmr` started at zero stays in that space, so in exact arithmetic it ends at $\delta^+$.
# :::
#
# :::{prf:proof}
# :class: dropdown
#
# The minimisers are $\delta_0+\ker J$ for any one of them. The one that is orthogonal to $\ker J$ is the shortest, by Pythagoras, and the orthogonal complement of $\ker J$ is the row space, so it is unique. The $k$-th iterate of LSMR lies in the span of $(J^\top J)^jJ^\top b$ for $j=0,\dots,k-1$, which is in the row space. In exact arithmetic it becomes a minimiser of $\lVert J^\top(J\delta-b)\rVert$, that is, of $\lVert J\delta-b\rVert$, after at most $\operatorname{rank}J$ steps.
# :::
#
# LSMR needs no matrix, only $J$ times a vector (jvp) and $J^\top$ times a vector (vjp). We stop early, after a dozen iterations, which acts as a penalty on length. Since the step is not infinitely small, we do a second round from where the first one ended, with what is still missing.
#
# One edit is trivial: where block $l$ ends in a linear layer with a bias, adding $v$ to that bias *is* steering, at every position, exactly ({ref}`ex-bias`). So steering vectors *are* small weight edits, of one kind. The question is whether more ordinary ones will do: a **LoRA** adapter on the linear layers of the model, and **biases** of the blocks other than that one, where the model has such.
#
# In the tables *vector left* is the share of the wanted shift that is still missing. *Divergence explained* is $1-\mathrm{KL}(\text{steered}\,\Vert\,\text{edited})/\mathrm{KL}(\text{steered}\,\Vert\,\text{plain})$, with means over questions of the divergence between next-token distributions: one if the edited model answers like the steered one, zero if it is no closer than the model as it was; beside it stands the same for a random step of equal length. *Correlation* is that of the changes of $P(\text{yes})$, question by question.

# %% [markdown]
# All edits, over seeds. `places` is 1 where the edit was asked to move the read position of each prompt, and 3 where it was asked for two other positions too. Numbers after a semicolon are those of a random step of equal length.

# %% tags=["hide-input"]
beside = ["divergence explained", "P(yes), edited minus steered"]
likeness = [*beside, "correlation of the changes of P(yes)"]
costs = ["skills lost, edited minus steered", "plain text, edited minus steered"]


def of_edits(frame, named):
    """Rows of imitating edits, each with a name of its own; what is missing is told."""
    found = tables.of_measures(frame, [*likeness, "vector left", *costs])
    return found.assign(
        kind=[named.format(**row._asdict()) for row in found.itertuples()]
    )


tables.tell_left_out(mine, "imitation")
with tables.if_measured("imitations"):
    back = of_edits(mine, "{edit}, places {places}, depth {depth:g}")
    display(tables.wide(rows(back, measure=likeness), "kind", "measure", nulls=True))
    print("share of the vector that is left after each round")
    display(tables.wide(rows(back, measure="vector left"), "kind", "rounds"))
    display(tables.wide(rows(back, measure=costs), "kind", "measure"))

# %% [markdown]
# **What we see** on micro-gpt2. *At the last block* a small LoRA step that was asked to move only the read positions does what steering does: it explains nearly all of the divergence, and a random step of the same length explains nothing. *One depth before*, for this model, it overshoots: the activations at the read position are moved as asked, yet the answers move too far, and little of the divergence is explained. The reason is what was not asked. The step also moves the *other* positions, in ways of its own, and the last block looks at them. Asked to move the read position **and two others** of each prompt, the step is longer and does what steering does there too.
#
# So a steering vector has small weight edits that imitate it, and the least-squares problem finds them, if it is posed for the positions that later blocks read. What is left over (the table of what is left) is a tenth or two of the vector, and it hardly matters. *Biases* alone, without the trivial one, do it too in this model, which has them in every layer.
#
# *Side costs.* The edit that was fitted at the read position adds less to the cross-entropy of plain stories than the vector: it was made for questions, and the vector is added everywhere.
#
# **What this does not show.** That the edit is the *smallest* for this behaviour: it is a short one for moving activations by $v$, from a search that was stopped early. A step that only has to change the answer may well be shorter. The bias step is looked at at the last block only.

# %% [markdown]
# (across-seeds-bridge)=
# ## Across models
#
# The tables and figures above were of one model. From here on all models stand side by side.

# %% tags=["hide-input"]
for name in models:
    of_first = dict(model=name, template=first)
    told = f"{name}, template {first}"
    with tables.if_measured(f"cosine, {told}"):
        own = rows(over, claim="B1", measure="cosine", **of_first)
        where = [f"{r.caa}, depth {r.depth:g}" for r in own.itertuples()]
        print(f"{told}: cosine, and its bound of permuted labels; split halves")
        display(tables.wide(own.assign(where=where), "where", "shift", nulls=True))
    with tables.if_measured(f"cosine of split halves, {told}"):
        split = rows(over, measure="cosine of split halves", **of_first)
        display(tables.wide(split, "caa", "depth"))

# %% tags=["hide-input"]
for name in models:
    with tables.if_measured(f"effect, {name}"):
        own = rows(over, model=name, claim="B2", measure="effect")
        where = [f"depth {r.depth:g}, at {r.multiplier:g}" for r in own.itertuples()]
        print(f"{name}, effect: P(yes) at plus the multiplier less that at minus")
        display(tables.wide(own.assign(where=where), "vector", "where"))

# %% tags=["hide-input"]
tables.tell_left_out(over, "descent")
told = "agreement of constructions, and the ceiling that their noise allows"
for name in models:
    with tables.if_measured(f"agreement, {name}"):
        own = rows(over, model=name, claim="B3", measure=["agreement", "ceiling"])
        made = [f"{r.construction} and {r.other}" for r in own.itertuples()]
        what = [f"{r.measure}, depth {r.depth:g}" for r in own.itertuples()]
        print(f"{name}: {told}")
        display(tables.wide(own.assign(made=made, what=what), "made", "what"))

# %% tags=["hide-input"]
names = ["cosine with the gradient's shift", "cosine with CAA", "effect"]
heads = {"search": "the law", "value": "cosine with the shift", "predicted": "law"}
with tables.if_measured("random search"):
    whole = rows(over, claim="B4", N="max")
    whole = whole[whole["weighting"].notna()]
    search = [f"{r.model}, {r.weighting}" for r in whole.itertuples()]
    whole = whole.assign(search=search)
    space = rows(whole, measure="cosine with the gradient in weight space")
    display(tables.wide(space, "search", "measure"))
    last = rows(whole, measure=names, depth=1.0)
    display(tables.wide(last, "search", "measure", nulls=True))
    display(tables.show(rows(last, measure=names[0]), heads))

# %% tags=["hide-input"]
told = (
    "small LoRA steps that imitate the shift; after a semicolon a random step as long"
)
tables.tell_left_out(over, "imitation")
with tables.if_measured("imitations by LoRA"):
    back = rows(over, claim="T4", edit="LoRA")
    back = of_edits(back, "{model}, places {places}, depth {depth:g}")
    print(f"back again: {told}")
    display(tables.wide(rows(back, measure=beside), "kind", "measure", nulls=True))
    display(tables.wide(rows(back, measure=costs), "kind", "measure"))
    display(tables.wide(rows(back, measure="vector left"), "kind", "rounds"))

# %% [markdown]
# (bridge-models)=
# ## B5: gain and cost across models
#
# **What the paper claims.** B5: target gain against side cost is inconsistent across models (its table 6; for OLMo on BoolQ a target of $+1.2$ at $-17$ on the side).
#
# **What we do.** The same vectors with the same rule for their length on each model. *Target gain*: $P(\text{yes})$ with steering minus without, in points. *Side cost*: exact match of the other skills that is lost, in points; then plain text and damaged generations.

# %% tags=["hide-input"]
compared = (bridge.CAA, bridge.SOUGHT, "random direction")
at_last = dict(claim="B5", depth=1.0)
for multiplier in parameters.strengths:
    with tables.if_measured(f"gain and costs at {multiplier:g}"):
        at = dict(**at_last, vector=list(compared), multiplier=multiplier)
        gain = rows(over, measure=list(bridge.COSTS), **at)
        print(f"last block, multiplier {multiplier:g}; points, plain text in nats")
        steered = [f"{r.model}, {r.vector}" for r in gain.itertuples()]
        display(tables.wide(gain.assign(steered=steered), "steered", "measure"))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-bridge-price", "caption": "Gain and cost across models, multipliers 0.5, 1 and 2 at the last block: points of P(yes) gained against points of exact match lost on other skills. Means and 95 % intervals over seeds. Colours: models; dots CAA, squares shift of the logit difference, grey triangles random directions. The same multiplier is another dose in another model."}, "image": {"alt": "Scatter of side cost against target gain with error bars in two directions, three colours for three models."}}
figure, (axes,) = figures.panels(1, height=3.8)
marks = dict(zip(compared, "os^", strict=True))
for i, name, vector in ((i, m, v) for i, m in enumerate(models) for v in compared):
    with tables.if_measured(f"gain and costs, {name}, {vector}"):
        own = rows(over, **at_last, model=name, vector=vector)
        own = own[own["multiplier"] > 0].sort_values("multiplier")
        x, y = (rows(own, measure=m) for m in ("target gain", "skills lost"))
        bars = [np.abs([t["value"] - t["low"], t["high"] - t["value"]]) for t in (x, y)]
        color = figures.NULL if vector == "random direction" else figures.PALETTE[i]
        label = name if vector == bridge.CAA else None
        at = dict(fmt=marks[vector], ms=4.5, color=color, elinewidth=1, label=label)
        axes.errorbar(x["value"], y["value"], xerr=bars[0], yerr=bars[1], **at)
axes.axhline(0, color=figures.NULL, lw=0.8, zorder=0)
axes.set(xlabel="target gain (points of P(yes))", ylabel="other skills lost (points)")
figures.legend_below(axes, columns=1)

# %% [markdown]
# How much do models differ? For each measure, the two models with the largest and the smallest mean, compared seed by seed. (With one model in the observations the difference is 0.)

# %%
with tables.if_measured("largest difference between models"):
    differ = rows(mine, claim="B5", measure="largest difference between models")
    told = [f"{r.of}, at {r.multiplier:g}" for r in differ.itertuples()]
    unit = "points, plain text in nats; null 0, models that are alike"
    print(f"models: {', '.join(models)}; {unit}")
    display(tables.wide(differ.assign(compared=told), "compared", "vector"))

# %% [markdown]
# **What we see** on the three shipped models. The intervals over seeds are narrow beside the differences between definitions. Between models some of what was seen above stands. At the last block the logit difference and the class difference agree with the true − false vector beyond permuted labels in all three, the logit difference in Qwen2 only just: on the first template alone its interval over seeds holds the bound. *Say yes* does so beyond permuted labels in OLMo2, hardly in GPT-2, and not in Qwen2. The answer-token vector never comes near $0.58$; at late depths, in OLMo2 alone it has a cosine above random directions, below its bound of permuted labels, and there it steers too. Text after the answer, with *say yes*, has in Qwen2 a cosine that can hardly be told from the paper's $0.58$, and no seed lifts it clearly above its own bound of permuted labels.
#
# One depth before the last, OLMo2 has no true − false vector that reproduces itself; that of Qwen2 reproduces itself and is another direction than the shift of the logit difference. The shift of the logit difference steers there nevertheless, in OLMo2 at a multiplier of one nearly as well as at the end; that of the class difference does not steer there in OLMo2 at all, like the CAA vector. So "the shift steers about as well as CAA" is true where CAA works, and a gradient step on the logit difference also works where CAA does not. And the descent, which had turned away from the first step in GPT-2, keeps its direction in the other two. The *way back*, too, is easier there: in OLMo2 and Qwen2 a LoRA step that was asked for the read position alone imitates the vector one depth before the last nearly as well as one asked for at three places. That it overshoots is seen in GPT-2 only.
#
# *Gain and cost.* The same recipe, the same unit, three models of one size trained on one world: at half a unit the target gain of OLMo2 is far larger than that of the others. At one unit, where all three say yes nearly always, it has lost a good part of its other skills, and the others next to nothing. At two units OLMo2 has lost them all; Qwen2 has lost most of them with the shift and few with the CAA vector, GPT-2 some with either. A centred residual norm is worth more in one model than in another, so equal multipliers are not equal doses; and the two vectors, which gain the same, do not cost the same. At equal *multipliers*, then, gain and cost differ between models, and in that sense the paper's B5 reproduces. At equal *gain* the picture is calmer. The gain cannot exceed one half, since half of the questions have the answer yes anyway. OLMo2 at half a unit and the other two at one unit have gained nearly as much as they can, all about the same, and none has lost more than a few points of its other skills. The large costs come beyond that, where a longer vector has nothing left to gain; the verdict below compares the skills there.
#
# **What this does not show.** Anything about models of other sizes. Three is few, and the paper's models were not run here: the `paper` profile runs one of them, others can be named, and no result of it is in this book yet.

# %% [markdown]
# ## Every row that was judged
#
# B1 leaves out *correct answer*, which fails everywhere, and the vector with text after; all verdicts but that of T4 are of the last block only, which is where the claims do best; B2 stops at a multiplier of one, since at two every effect is at its ceiling.

# %% tags=["hide-input"]
for name in models:
    print(name)
    display(tables.verdicts(claims.judge("bridge", over, name)))

# %% [markdown]
# Beyond the paper, by the same rules: does the answer-token vector, as published, fail? Does the shift steer more than CAA one depth before the last? Does the law of {prf:ref}`prop-aim` hold within a quarter? Does the imitating LoRA step, asked for at three places, explain more than three quarters of the divergence?

# %% tags=["hide-input"]
for name in models:
    print(name)
    display(tables.verdicts(claims.judge("bridge", over, name, beyond=True)))

# %% [markdown]
# ## Gemma 3 270M in full
#
# The same study on one model that others trained on real text: Gemma 3 270M, the base model, as it is published quantised to about four bits and unpacked again. It cannot answer yes-no questions (on BoolQ it is right about half of the time), so it is steered between the two answers of a question that it can do: is a sentence of the past or of the present? Two forms of that question take the place of the two templates. The profile `real` says the sizes, which are smaller than above. Bars and rules are those of the small models, and were frozen before this model was looked at. The wordings of the question were chosen afterwards: with the first ones the model answered at chance.

# %% tags=["hide-input"]
pretrained = None
with tables.if_measured("Gemma 3 270M"):
    pretrained = studies.observed("bridge", "real")
    name = pretrained.frame["model"].iloc[0]
    there = rows(over_seeds(pretrained.frame), model=name)
    print(pretrained)
    able = rows(there, measure=["accuracy", "probability on the answer words"])
    display(tables.wide(able, "task", "measure", nulls=True))

# %% tags=["hide-input"]
with tables.if_measured("shifts and CAA of Gemma 3 270M"):
    tables.needs(pretrained)
    own = rows(there, claim="B1", measure="cosine", template="both")
    where = [f"{r.caa}, depth {r.depth:g}" for r in own.itertuples()]
    print("cosine, and its bound of permuted labels, mean of the two forms")
    display(tables.wide(own.assign(where=where), "where", "shift", nulls=True))

# %% tags=["hide-input"]
with tables.if_measured("order and halves on Gemma 3 270M"):
    tables.needs(pretrained)
    names = ["order of the remainder", "a tensor unit of length"]
    display(tables.wide(tables.of_measures(there, names), "step", "measure"))
    halves = rows(there, measure="split-half cosine")
    where = [f"{r.task}, depth {r.depth:g}" for r in halves.itertuples()]
    print("cosine of the vectors of two halves, and its bound of permuted labels")
    halves = halves.assign(where=where)
    display(tables.wide(halves, "vector", "where", nulls=True))

# %% tags=["hide-input"]
with tables.if_measured("effects on Gemma 3 270M"):
    tables.needs(pretrained)
    own = rows(there, claim="B2", measure="effect")
    where = [f"depth {r.depth:g}, at {r.multiplier:g}" for r in own.itertuples()]
    print("effect: P(first answer) at plus the multiplier less that at minus")
    display(tables.wide(own.assign(where=where), "vector", "where"))

# %% tags=["hide-input"]
with tables.if_measured("the verdicts of Gemma 3 270M"):
    tables.needs(pretrained)
    judged = claims.judge("bridge", there, name)
    heads = ["claim", "statement", "paper", "verdict", "because"]
    display(tables.show(claims.summary(judged), heads))
    display(tables.verdicts(judged))

# %% [markdown]
# **What we see** on Gemma 3 270M, in one seed, which carries no verdict. It does the task: all 48 questions of the first form, 45 of 48 of the second. *T4*: the order of the remainder is near two for the gradient steps, and 1.82 along a random direction, outside of the five percent that the rule allows; four lengths were tried here, nine above. The unit of a step matters here: one unit, each tensor in its own size, is a hundredth of $\lVert\theta\rVert$, because a few gains of norms make up nearly all of that length.
#
# *B1* cannot be told. With 16 questions behind each vector the bound of permuted labels is as high as the cosine itself ($0.54$ for the logit difference at the last block), and the halves of a true − false vector agree no better than halves with permuted labels. The vectors by answer token and by text after do reproduce themselves (cosines of halves from $0.84$ to $0.97$), and beside them no shift lies beyond its bound. *B2*: at the last block the shift of the logit difference turns the answers fully, as the true − false vector does, where a random direction of the same length moves them by $0.22$. Half way up a random direction alone moves them by $0.91$, so that no effect there means anything at this length.
#
# **What this does not show.** Other seeds, more questions, BoolQ (which the model cannot do), or a model that was not quantised.
