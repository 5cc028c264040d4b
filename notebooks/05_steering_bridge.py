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
# There are two ways to edit a language model along a direction. One adds a small vector to its *weights*, as training does. The other adds a vector to its *activations* while it runs: activation steering {cite}`turner2023steering,rimsky2024steering,zou2023representation`. The paper {cite}`piontkovskaia2026recoverable` says that they are two sides of one thing: a single gradient step shifts the activations in a direction much like the steering vector that one gets from labelled examples, with a cosine of $0.58$ at late layers.
#
# Is that so? A cosine means little until one knows what else would have given it, and "a gradient step" and "the steering vector" can each be defined in several ways. We measure several readings of each, beside three nulls, on three small models.
#
# | Claim | In one line | Section |
# |---|---|---|
# | T4 | A weight step moves activations by its pushforward | {ref}`bridge-pushforward` |
# | B1 | One gradient step shifts activations like a CAA vector, $0.58$ | {ref}`bridge-caa` |
# | B2 | That shift steers about as well as the CAA vector | {ref}`bridge-steer` |
# | B3 | Two independent constructions of the vector agree | {ref}`bridge-routes` |
# | B4 | Random search finds the vector too | {ref}`bridge-search` |
# | B5 | Target gain against side cost differs between models | {ref}`bridge-models` |
#
# One question is ours: which small *weight* edit does the same as a given steering vector ({ref}`bridge-back`)? That closes the circle. The models come from {doc}`02b_models`, adapters from {doc}`03_lora_drift`, laws and nulls from {doc}`01_theory`. Symbols are on the {doc}`../notation` page. We did not have the paper's code: where a definition is our reading, we say so.

# %% tags=["parameters"]
profile = "quick"  # name under which the results are filed
seed = 0  # all randomness of this run follows from it
model = "micro-gpt2"  # a shipped model, a folder, or a hub id with its commit
templates = ["yes-no", "claim"]  # how questions are put; the first is steered
questions = 48  # true ones, and as many false ones, in each of three parts
depths = [0.25, 0.5, 0.75, 1.0]  # blocks that are read, as shares of all blocks
multipliers = [-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0]  # in centred residual norms
random_steps = 12  # random weight steps behind a null, and random vectors
scales = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1]  # of steps, in |theta|
pairs = 128  # mirrored pairs of the random search: N is twice that
sigma = 0.001  # standard deviation of their noise
descent = 10  # steps of the third construction of the vector
rate = 0.01  # its learning rate
skills = ["open", "sort"]  # where side costs are looked for
stories = 32  # plain texts for the same, and items of each skill
rank = 4  # of the adapter that imitates a steering vector
iterations = 12  # of LSMR, in each of two rounds
allow_download = False  # whether a hub model or BoolQ may be fetched
device = "cpu"  # where the model runs

# %%
import numpy as np
import torch
from IPython.display import display

from lglib.theory import nulls
from lglib.activations import alignment, effects, imitation, pushforward, residual, steering, steering_losses
from lglib.search import antithetic, random_search
from lglib.report import crossed, figures, provenance, results, verdicts
from lglib.tasks import data, supervised
from lglib.base import seeding
from lglib.models import loading, lora
from lglib.tasks import splits
from lglib.tasks.microworld import skills
from lglib.theory import stats
from lglib.parameters import descent
from lglib.parameters.space import ParameterSpace
from lglib.activations.pushforward import Pushforward
from lglib.report.results import Record
from lglib.activations.steering import SteeringVector, cosines, steer

figures.style()
parameters = dict(templates=templates, questions=questions, depths=depths)
parameters |= dict(multipliers=multipliers, random_steps=random_steps, scales=scales)
parameters |= dict(pairs=pairs, sigma=sigma, descent=descent, rate=rate)
parameters |= dict(skills=skills, stories=stories, rank=rank, iterations=iterations)
parameters |= dict(device=device)
records = []  # every measured value of this run, filed at the end
print(f"profile {profile}, seed {seed}, model {model}")
print(", ".join(f"{name} = {value}" for name, value in parameters.items()))
print(", ".join(f"{name} {v}" for name, v in provenance.versions().items()))


def once(value):
    """A value of a single run: it has no interval until there are more seeds."""
    return stats.Interval(value, value, value, 0.95, 1)


def note(claim, what, value, null, means, unit="1", **more):
    """File a value beside its null."""
    interval = value if isinstance(value, stats.Interval) else once(float(value))
    told = dict(unit=unit, null=float(null), null_means=means, **more)
    records.append(Record.of(claim, what, interval, **told))


# %% [markdown]
# (bridge-setup)=
# ## The model, the questions, three parts
#
# The model answers yes or no about small passages. It is asked in two *templates*: as a question, and as a claim to be judged. All items are read at one place, the *read position*: the last token of the prompt ("... Answer:"), where the answer is decided. $h_l$ is what block $l$ hands on there. Layers are named by their *depth*, the share of blocks up to and with theirs.
#
# The questions of each template are cut into three parts by a hash of their passage, so that no passage is in two parts: **select** (gradients and scores of candidates come from here), **extract** (here activations are read; its two halves share nothing either), **evaluate** (here, and only here, steering is judged). Each part has as many true as false questions.

# %%
found = loading.load(model, device=device, allow_download=allow_download)
blocks = len(found.blocks)
layers = tuple(sorted({max(1, round(depth * blocks)) for depth in depths}))
depth_of = {layer: f"depth {layer / blocks:g}" for layer in layers}
late = layers[-2:]  # the two layers that are looked at most closely
if len(late) < 2 or multipliers != [-m for m in reversed(multipliers)]:
    raise ValueError(
        f"want two layers and symmetric multipliers, got {layers}, {multipliers}"
    )
draw = dict(size=questions, seed=seed, allow_download=allow_download)
parts, before = {}, []
for template in templates:
    parts[template] = splits.draw(found, template, apart_from=before, **draw)
    before += [item for own in parts[template].values() for item in own]
target, TEMPLATE = parts[templates[0]], templates[0]

# %% tags=["hide-input"]
rows = []
for template, own in parts.items():
    for name, asked in own.items():
        example = max(asked[:6], key=lambda item: -len(item.prompt))
        rows.append(
            {
                "template": template,
                "part": name,
                "n": len(asked),
                "an example": f"{example.prompt[-160:]}{example.answer}",
            }
        )
        base = effects.ask(found, asked)
        rows[-1] |= {"accuracy": base.accuracy, "mean P(yes)": base.p_yes}
print(f"{found.name}: {found.parameters:,} parameters, {blocks} blocks")
figures.table(rows, index="template", digits=2)

# %% [markdown]
# By $\theta$ we mean the parameters of the blocks. (The embeddings stay. Here they are tied: they would act on both ends of the model at once.)

# %%
space = pushforward.of_blocks(found)
theta = space.flatten()


def prompts(items):
    """Prompts of items, read at their last token."""
    return residual.encode(found, [item.prompt for item in items])


def lesson(items):
    """Items as a lesson, for the losses."""
    return supervised.lesson(
        found.tokenizer, items, context=found.context, device=device
    )


halves = {t: splits.halves(own["extract"]) for t, own in parts.items()}
maps = {t: Pushforward(found, space, prompts(halves[t][0]), layers) for t in templates}
print(f"d = {space.d:,} parameters in the blocks, |theta| = {theta.norm():.0f}")
print(f"width of the residual stream: {found.width}")

# %% [markdown]
# (bridge-pushforward)=
# ## T4: a weight step, seen in the activations
#
# **What the paper claims.** T4: a small step $\delta$ of the weights moves activations by its *pushforward*, the Jacobian $J_h=\partial h/\partial\theta$ times the step. In {ref}`pushforward` that was proved and checked on a network that reads digits. Here are the same identity and what it means for a transformer.
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
# The first part is Taylor's theorem, see {prf:ref}`prop-pushforward`. Behind the last block there are only a norm and the unembedding, which act on each position alone and hold no parameter of the blocks. So $L$ depends on $\theta$ through the $h_j$ only, $\nabla L=\frac1n\sum_jJ_j^\top\nabla\ell_j(h_j)$, and $J_i$ times $-\eta\nabla L$ is the sum.
# :::
#
# This says what a gradient step can do to a prompt that it never saw: it hands over the directions $-\nabla\ell_j$, each filtered by the kernel between the two prompts. If $K_{ij}$ were the same multiple of the identity for all pairs, the shift would point against the mean activation gradient. For a block $l$ below the last one the same holds with $h_j$ at all positions, since later positions look at earlier ones, and with $J$ by the parameters of the blocks up to $l$, since the others do not move $h_l$.
#
# **What we do.** Take the gradient of each loss, and a random direction, as the step. Compare the exact $J_h\delta$, by forward-mode differentiation (jvp), with actual steps of several lengths: the error of the two-sided difference, and the *remainder* $\lVert r\rVert/\lVert J_h\delta\rVert$ of the one-sided step, of the mean activation over prompts, which must grow in proportion to the length while that is small. In float64 where the model allows it. (The norms of Qwen2 and OLMo2 compute in float32 whatever the model is in. That sets the floor on the left.)

# %%
exact = loading.load(
    model, device=device, dtype="float64", allow_download=allow_download
)
wide = pushforward.of_blocks(exact)
few = target["select"][: min(16, questions)]
h = Pushforward(exact, wide, prompts(few), layers)
asked = supervised.lesson(exact.tokenizer, few, device=device)
steps = {
    k: -wide.gradient(steering_losses.loss(exact, k), asked)
    for k in steering_losses.KINDS
}
steps["random"] = random_search.noise(wide, seed, -1)
size = wide.flatten().norm()
remainders, gaps = {}, {}
for k, u in steps.items():
    u = u / u.norm() * size  # so that a scale is a share of |theta|
    remainders[k] = h.remainder(u, scales).cpu().numpy()  # (scales, layers)
    pushed = h.push(u)
    moved = torch.stack([h.difference(u, s) for s in scales])
    gaps[k] = ((moved - pushed).norm(dim=(1, 3)) / pushed.norm(dim=(0, 2))).cpu()

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-bridge-remainder", "caption": "How far the pushforward carries. Remainder of a one-sided weight step, in units of the shift that the pushforward predicts, against the length of the step, at the last block (top) and averaged over all layers that are read (bottom). Dashed black, on the line of the random step: slope 1, as for short steps of any smooth network. Grey: a remainder as large as the predicted shift itself; the longest gradient steps come near it, the random ones do not."}, "image": {"alt": "Two log-log plots of remainder against step length. Four lines rise with slope one; that of the random step lies on the dashed line, those of the gradients lie far above it and level off near one."}}
figure, axes = figures.panels(2, height=3.0)
for panel, pick in zip(axes, (lambda r: r[:, -1], lambda r: r.mean(1)), strict=True):
    for k, r in remainders.items():
        panel.loglog(scales, pick(r), "o-", ms=4, lw=1.2, label=k)
    anchor = pick(remainders["random"])[-2] / scales[-2]
    panel.loglog(scales, anchor * np.array(scales), "--", color="black", lw=1)
    figures.null_line(panel, 1, "no prediction")
    panel.set(ylabel="remainder / shift")
axes[0].set_title("last block")
axes[1].set(title="mean over layers", xlabel=r"length of the step, in $|\theta|$")
figures.legend_below(axes[1])


# %% tags=["hide-input"]
def order(r):
    """Order of the remainder: slope of the logarithms where it is neither rounding nor all of the shift."""
    there = (np.arange(len(r)) >= r.argmin()) & (r > 1e-3) & (r < 0.1)
    there = there if there.sum() > 1 else np.arange(len(r)) < 2
    return 1 + float(
        np.polyfit(np.log(np.array(scales)[there]), np.log(r[there]), 1)[0]
    )


rows, means = [], "a prediction of no shift"
shown = {s: i for i, s in enumerate(scales) if s in (1e-4, 1e-3, 1e-2, 1e-1)}
for k in steps:
    r, best = remainders[k].mean(1), float(gaps[k].mean(1).min())
    rows.append(
        {"step": k, "order of the remainder": order(r), "two-sided gap, best": best}
    )
    rows[-1] |= {f"remainder at {s:g}": float(r[i]) for s, i in shown.items()}
    note("T4", f"order of the remainder, {k}", order(r), 1.0, means, predicted=2.0)
    note("T4", f"gap between jvp and a small step, {k}", best, 1.0, means)
    for s, i in shown.items():
        note("T4", f"remainder at {s:g} of |theta|, {k}", float(r[i]), 1.0, means)
print("means over layers (null: 1, predicting no shift; the law: order 2)")
figures.table(rows, index="step", digits=2)

# %% [markdown]
# Now the kernel, at the last block: the pushforward of the gradient against $J_h$ times $J_h^\top$ times the activation gradient $\nabla_h\ell$. And then what the kernel *does*: how far is the shift from plain $-\nabla_h\ell$, on the same prompts, and on prompts that the loss never saw?

# %%
top = layers[-1]
last = Pushforward(exact, wide, prompts(few), (top,))
new = Pushforward(exact, wide, prompts(halves[TEMPLATE][0][:16]), (top,))
rows = []
for k in steering_losses.KINDS:
    loss = steering_losses.loss(exact, k)
    above = pushforward.activation_gradient(exact, loss, asked, top)  # (n, width)
    through = last.pull()(above[:, None].to(wide.dtype))
    direct = last.push(-steps[k])
    gap = ((last.push(through) - direct).norm() / direct.norm()).item()
    own, other = (x.push(steps[k])[:, 0].mean(0) for x in (last, new))
    turned = cosines(own, -above.mean(0)).item()
    rows.append(
        {
            "loss": k,
            "kernel form, relative gap": gap,
            "cos(shift, -gradient by h)": turned,
        }
    )
    rows[-1] |= {"the same, new prompts": cosines(other, -above.mean(0)).item()}
    rows[-1] |= {"cos(shift, shift of new prompts)": cosines(own, other).item()}
    note("T4", f"kernel form against jvp, {k}", gap, 1.0, "unrelated shifts")
    note(
        "T4",
        f"cosine of shift and activation gradient, {k}",
        turned,
        nulls.random_direction(found.width),
        "random directions, 95 %",
    )
print(
    f"null: random directions stay below {nulls.random_direction(found.width):.2f} in 95 of 100"
)
figures.table(rows, index="loss", digits=2)

# %% [markdown]
# **What we see.** The remainder has order two for every step, as the law says. But its *size* differs. A random step may have a hundredth of the length of $\theta$, and the pushforward is good to some percent. For a gradient step of that length the remainder is about half of the shift or more, and already at a thousandth it is near a tenth. The gradient's direction is the one in which most happens, to first order and to second. So "one gradient step" is in the linear regime only if it is short; a large learning rate leaves it at once.
#
# The kernel form agrees to rounding. What does the kernel do? The shift is *not* the activation gradient, but it is related: the cosine is around $0.8$ for the logit difference and less for the cross-entropies, far above random directions. And it hardly matters on whom the step was taken: prompts that the loss never saw are moved in nearly the same direction as those that it saw. So at the last block the *mean* shift of a gradient step on yes and no is close to one common vector, whoever the prompts are. That is why it can be compared with a steering vector at all. (All cosines here are of means over prompts; how far single prompts scatter about theirs is not shown.)
#
# **What this does not show.** That any of this means something for behaviour. And it says nothing of parameters outside the blocks.
#
# (bridge-caa)=
# ## B1: a gradient step beside a CAA vector
#
# **What the paper claims.** B1: the mean activation shift of one gradient step is like the labelled-contrast (CAA) vector at late layers, with a cosine of $0.58$ (Qwen2.5-0.5B on BoolQ {cite}`clark2019boolq`).
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

# %%
SHIFTS = (*steering_losses.KINDS, "class difference")


def shifts_of(template):
    """Shift of each true-false pair of held-out prompts (pairs, layers, width), by definition."""
    asked = lesson(parts[template]["select"])
    made = {}
    for k in steering_losses.KINDS:
        g = space.gradient(steering_losses.loss(found, k), asked)
        each = maps[template].push(-g / g.norm())  # true and false in turn
        made[k] = (each[0::2] + each[1::2]) / 2
        if k == "correct answer":
            made["class difference"] = (each[0::2] - each[1::2]) / 2
    return made


shifts = {t: shifts_of(t) for t in templates}
caa = {
    (t, how): steering.caa(found, halves[t][1], layers, how)
    for t in templates
    for how in steering.CAA_TEXTS
}
noises = [
    random_search.noise(space, seed, -1 - i) / space.d**0.5 for i in range(random_steps)
]
random_shifts = {
    t: torch.stack([maps[t].push(u).mean(0) for u in noises]) for t in templates
}


# %%
def by_pairs(differences):
    """Differences as one row for each true-false pair of questions: (pairs, layers, width)."""
    n = questions // 2
    return (
        differences
        if len(differences) == n
        else (differences[0::2] + differences[1::2]) / 2
    )


def compare(template, k, how, i):
    """Cosine of a shift and a CAA vector at the i-th layer, beside its nulls."""
    d = caa[template, how].differences[:, i]
    shift = shifts[template][k][:, i]
    value = alignment.cosine(shift, by_pairs(d))
    label, length = alignment.permuted(d, shift.mean(0), seed)
    along = (d.mean(0) @ shift.mean(0) / shift.mean(0).norm()).item()
    chance = cosines(random_shifts[template][:, i], d.mean(0)).abs().max().item()
    return dict(cosine=value, permuted=label, weights=chance, projection=along / length)


agree = {
    (t, k, how, layer): compare(t, k, how, i)
    for t, how in caa
    for k in SHIFTS
    for i, layer in enumerate(layers)
}
stable = {
    (t, how, layer): alignment.halves(caa[t, how].differences[:, i], seed)
    for t, how in caa
    for i, layer in enumerate(layers)
}

# %% tags=["hide-input"]
for (t, k, how, layer), a in agree.items():
    what = f"{k}, {how}, {t}, {depth_of[layer]}"
    note(
        "B1",
        f"cosine: {what}",
        a["cosine"],
        a["permuted"],
        "permuted labels, 95 % of absolute cosines",
    )
    gap = once(a["cosine"].estimate - a["permuted"])
    note(
        "B1", f"cosine minus permuted bound: {what}", gap, 0.0, "permuted labels, 95 %"
    )
    note(
        "B1",
        f"projection / permuted bound: {what}",
        a["projection"],
        1.0,
        "permuted labels, 95 %",
    )
    note(
        "B1",
        f"cosine minus random-weight bound: {what}",
        a["cosine"].estimate - a["weights"],
        0.0,
        "the largest of the random weight steps",
    )
for k in SHIFTS:
    for how in steering.CAA_TEXTS:
        for layer in layers:
            cells = [agree[t, k, how, layer] for t in templates]
            value, bound = (
                np.mean(x)
                for x in (
                    [c["cosine"].estimate for c in cells],
                    [c["permuted"] for c in cells],
                )
            )
            what = f"mean of templates: {k}, {how}, {depth_of[layer]}"
            note(
                "B1",
                f"cosine, {what}",
                value,
                bound,
                "permuted labels, 95 % of absolute cosines",
            )
            note(
                "B1",
                f"cosine minus permuted bound, {what}",
                value - bound,
                0.0,
                "permuted labels, 95 %",
            )
for (t, how, layer), value in stable.items():
    note(
        "B1",
        f"split halves: {how}, {t}, {depth_of[layer]}",
        value,
        0.0,
        "halves that share nothing",
    )
direction_bound = nulls.random_direction(found.width)
for t in templates:
    rows = []
    for how in steering.CAA_TEXTS:
        for layer in layers:
            row = {"CAA": how, "depth": layer / blocks, "halves": stable[t, how, layer]}
            for k in SHIFTS:
                a = agree[t, k, how, layer]
                row[k] = f"{a['cosine'].estimate:.2f} ({a['permuted']:.2f})"
            row["random weights"] = max(
                agree[t, k, how, layer]["weights"] for k in SHIFTS
            )
            rows.append(row)
    print(
        f"template {t}: cosine (bound of permuted labels); random directions {direction_bound:.2f}"
    )
    display(figures.table(rows, index="CAA", digits=2))
rows = [
    {"CAA": how, "template": t}
    | {k: agree[t, k, how, layers[-1]]["projection"] for k in SHIFTS}
    for t in templates
    for how in steering.CAA_TEXTS
]
print(
    f"{depth_of[layers[-1]]}: projection of CAA on the shift, by its bound of permuted labels"
)
display(figures.table(rows, index="CAA", digits=2))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-bridge-caa", "caption": "Cosine between the shift of one gradient step (four definitions, colours) and the CAA vector (three definitions, panels), by depth; this run, the first template. Dots: 95 % jackknife intervals over the pairs of questions. The grey tick of each dot is its own bound of permuted labels; the grey band, random directions. Shaded depths: the CAA vector does not reproduce itself. Dashed: the paper's 0.58. Ticks bound absolute cosines. Only true - false vectors meet the shift, from half of the depth on, and the permuted bound is not far below."}, "image": {"alt": "Three stacked panels of cosines against depth. In the first, the dots of the logit difference and the class difference lie above their grey ticks from depth one half on, the others about or below theirs; in the other two all dots lie below their ticks."}}
figure, axes = figures.panels(3, height=3.0)
x = np.array(layers) / blocks
for panel, how in zip(axes, steering.CAA_TEXTS, strict=True):
    for i, k in enumerate(SHIFTS):
        row = [agree[TEMPLATE, k, how, layer] for layer in layers]
        place = x + 0.03 * (i - 1.5)
        value = [r["cosine"].estimate for r in row]
        low, high = (
            [getattr(r["cosine"], side) for r in row] for side in ("low", "high")
        )
        figures.points(
            panel, place, value, low, high, color=figures.PALETTE[i], label=k
        )
        bound = [r["permuted"] for r in row]
        panel.plot(
            place,
            bound,
            "_",
            color=figures.NULL,
            ms=9,
            mew=1.6,
            label="permuted labels" if i == 0 else None,
        )
    figures.null_band(
        panel,
        [x[0] - 0.1, x[-1] + 0.1],
        [-direction_bound] * 2,
        [direction_bound] * 2,
        "random direction",
    )
    for depth, layer in zip(x, layers, strict=True):
        if stable[TEMPLATE, how, layer] < 0.5:
            panel.axvspan(depth - 0.08, depth + 0.08, color="0.92", zorder=-1)
    figures.paper_line(panel, 0.58, "paper")
    panel.set(
        title=how,
        ylabel="cosine",
        ylim=(-0.6, 1.05),
        xlim=(x[0] - 0.1, x[-1] + 0.1),
        xticks=x,
    )
axes[-1].set_xlabel("depth")
figures.legend_below(axes[-1])
# %% [markdown]
# **What we see.** *It depends on the definitions.* With the **true − false** vector, and the logit difference or the class difference as the shift, the cosine at the later depths is as high as the paper's or higher. *Say yes* comes near $0.58$ at the last block, in the second template also one depth before; *correct answer*, perhaps the most natural reading of "a gradient step on the task", never does. With the vector **as published**, from answer tokens, the cosine is near zero at late depths, and with **text after** the answer it changes its sign from one depth or definition to the next. All cosines of both stay below their own bounds of permuted labels. Both of these vectors reproduce themselves nearly perfectly, so it is not noise: they are clear directions, and other ones. The
# answer-token vector holds which word was just read. That is not the direction in which the model decides what to write.
#
# *It depends on the null.* A cosine of $0.58$ is far beyond random directions ($0.17$) and beyond random weight steps. But the bound of **permuted labels** is itself between $0.5$ and $0.8$ for the definitions that agree. The reason is simple. We read it so: at late blocks the prompts differ from each other mainly in what the model is about to answer, so *any* two groups of true and false prompts, however labelled, differ along that direction, and the shift has it too. Those of the logit difference and the class difference lie above this bound, but by no more than a sixth, and those of *say yes* by less than that or not at all. A cosine of $0.58$ without this null says less than it seems to.
#
# What labels do decide is sign and length. The last table asks for the *projection* of the CAA vector on the shift, in units of its own bound under permutation: where the cosines agree it is well above one. But so it is for the answer-token vector, whose cosine with the same shift is nearly zero. (The ratio cannot exceed about $\sqrt n/2$ for $n$ pairs, and the answer-token vector has twice as many pairs as the true − false one: do not compare the rows. {ref}`ex-line` shows why the two tests differ, and why the second is too lenient: with many pairs even a small part along the shift stands out.)
#
# *It depends on the depth.* At the first depth the true − false vector does not reproduce itself, and nothing can be said.
#
# **What this does not show.** One small model with saturated knowledge of one made-up world. Cosines over the prompts of one question type; the other models are in {ref}`across-seeds-bridge`.
#
# (bridge-steer)=
# ## B2: does the shift steer?
#
# **What the paper claims.** B2: the shift of a gradient step steers about as well as the CAA vector.
#
# **What we do.** Add a vector to $h_l$ at every position while the model reads, and ask the questions of *evaluate*. The *target* is the probability of yes. Multipliers are in units of the *centred residual norm*, the mean distance of $h_l$ from its mean over prompts, so that all vectors are added with equal length. (The raw norm is mostly an offset that all prompts share.) At the same time we look at the **side costs**: exact match of other skills, cross-entropy of plain stories, and *damaged generations*: the model, steered, goes on from the opening of a story; the continuation is damaged if the model *without* steering finds it less likely than $95\,\%$ of plain stories.

# %%
home = maps[TEMPLATE]
stream = residual.activations(found, prompts(target["extract"]), layers)
unit = {layer: steering.centred_norm(stream[:, i]) for i, layer in enumerate(layers)}
evaluate = target["evaluate"]
plain = effects.ask(found, evaluate)
kinds = ("true - false", "answer token", "text after")
vectors = {f"CAA, {how}": caa[TEMPLATE, how].mean for how in kinds}
vectors |= {f"shift, {k}": shifts[TEMPLATE][k].mean(0) for k in SHIFTS}
vectors["random weights"] = random_shifts[TEMPLATE][0]
dice = seeding.generator("steering", seed)
lot = torch.randn(random_steps, len(layers), found.width, generator=dice).to(stream)
vectors["random direction"] = lot[0]


def at_layer(name, layer, source=None):
    """One vector at one layer."""
    values = (vectors[name] if source is None else source)[layers.index(layer)]
    return SteeringVector(layer, values, questions, name)


def steered(vector, multiplier):
    """Answers to the evaluation questions under steering."""
    with steer(found, vector, multiplier, unit=unit[vector.layer]):
        return effects.ask(found, evaluate)


# %% [markdown]
# First all depths: the *effect* of a vector is $P(\text{yes})$ at $+1$ minus that at $-1$.

# %%
effect = {}
for name in vectors:
    for layer in layers:
        ends = [steered(at_layer(name, layer), m).p_yes for m in (1.0, -1.0)]
        effect[name, layer] = ends[0] - ends[1]
by_lot = {}
for layer in layers:
    ends = [
        [steered(at_layer("by lot", layer, v), m).p_yes for m in (1.0, -1.0)]
        for v in lot[: max(2, random_steps // 3)]
    ]
    by_lot[layer] = float(np.abs([a - b for a, b in ends]).max())

# %% tags=["hide-input"]
means = "largest of the random directions"
for (name, layer), value in effect.items():
    note("B2", f"effect at 1: {name}, {depth_of[layer]}", value, by_lot[layer], means)
rows = [
    {"vector": name} | {depth_of[layer]: effect[name, layer] for layer in layers}
    for name in vectors
]
rows.append(
    {"vector": "largest of random directions"}
    | {depth_of[layer]: by_lot[layer] for layer in layers}
)
print(
    f"effect: P(yes) at +1 minus P(yes) at -1; without steering P(yes) = {plain.p_yes:.2f}"
)
figures.table(rows, index="vector", digits=2)

# %%
tales = skills.stories(stories, part="test", key=f"{seed}/bridge")
other = {skill: data.micro(stories, skill, key=f"{seed}/bridge") for skill in skills}
elsewhere = effects.prepare(found, other, tales)
free = effects.skills_and_text(found, elsewhere)


def priced(vector, multiplier):
    """Target and side costs of one vector with one multiplier."""
    with steer(found, vector, multiplier, unit=unit[vector.layer]):
        out = effects.ask(found, evaluate)
        cost = effects.skills_and_text(found, elsewhere)
        wrote = effects.write(found, elsewhere.stories, elsewhere.length)
    harm = effects.damaged(found, wrote, elsewhere.bar)
    lost = np.mean([free[s] - cost[s] for s in skills])
    told = dict(p=out.p_yes, accuracy=out.accuracy, damaged=harm, skills=100 * lost)
    return told | {"text": cost["plain text"] - free["plain text"]}


DOSED = ("CAA, true - false", "CAA, answer token", "shift, logit difference")
DOSED += ("shift, class difference", "random weights", "random direction")
nothing = priced(at_layer("random direction", late[0]), 0.0)
dose = {
    (name, layer, m): priced(at_layer(name, layer), m) if m else nothing
    for name in DOSED
    for layer in late
    for m in multipliers
}

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-bridge-dose", "caption": "Dose and response on the evaluation part: probability of yes against the multiplier, at the last but one depth that is read (top) and at the last (bottom). At the last depth the shift and the true - false CAA vector steer alike, and the published answer-token vector does little. One depth before, the shift steers more. Grey: a random direction (solid) and the shift of a random weight step (dashed)."}, "image": {"alt": "Two panels of S-shaped dose-response curves; in both, three curves run from near zero to near one, steeper in the lower one; the grey ones stay near one half."}}
figure, axes = figures.panels(2, height=3.2)
grey = {"random direction": "-", "random weights": "--"}
for panel, layer in zip(axes, late, strict=True):
    for i, name in enumerate(DOSED):
        look = (
            dict(color=figures.NULL, ls=grey[name])
            if name in grey
            else dict(color=figures.PALETTE[i])
        )
        panel.plot(
            multipliers,
            [dose[name, layer, m]["p"] for m in multipliers],
            marker="o",
            ms=4,
            lw=1.4,
            label=name,
            **look,
        )
    panel.set(ylabel="P(yes)", ylim=(-0.03, 1.03), title=depth_of[layer])
    panel.set_xticks([m for m in multipliers if m == round(m)])
axes[1].set_xlabel("multiplier, in centred residual norms")
figures.legend_below(axes[1])
# %% tags=["hide-input"]
for layer in late:
    rows = []
    for name in DOSED:
        for m in multipliers:
            if m == 0 and name != DOSED[0]:
                continue
            cell = dose[name, layer, m]
            rows.append(
                {
                    "vector": name if m else "none",
                    "multiplier": m,
                    "P(yes)": cell["p"],
                    "accuracy": cell["accuracy"],
                }
            )
            rows[-1] |= {
                "skills lost (points)": cell["skills"],
                "plain text (nats more)": cell["text"],
                "damaged": cell["damaged"],
            }
    print(f"{depth_of[layer]}, unit {unit[layer]:.1f}; {len(evaluate)} questions")
    display(figures.table(rows, index="vector", digits=2))

# %% tags=["hide-input"]
strengths = sorted({abs(m) for m in multipliers if m})
nil = {"p": plain.p_yes, "accuracy": plain.accuracy} | nothing
for name in DOSED:
    for layer in late:
        for s in strengths:
            up, down = dose[name, layer, s], dose[name, layer, -s]
            where = f"{name}, {depth_of[layer]}, at {s:g}"
            chance = (
                dose["random direction", layer, s]["p"]
                - dose["random direction", layer, -s]["p"]
            )
            note(
                "B2",
                f"effect: {where}",
                up["p"] - down["p"],
                chance,
                "a random direction",
            )
            note(
                "B5",
                f"target gain, points: {where}",
                100 * (up["p"] - plain.p_yes),
                100 * (dose["random direction", layer, s]["p"] - plain.p_yes),
                "a random direction",
                "points",
            )
            note(
                "B5",
                f"accuracy change, points: {where}",
                100 * (up["accuracy"] - plain.accuracy),
                0.0,
                "no steering",
                "points",
            )
            note(
                "B5",
                f"skills lost, points: {where}",
                up["skills"],
                0.0,
                "no steering",
                "points",
            )
            note(
                "B5",
                f"plain text, nats more: {where}",
                up["text"],
                0.0,
                "no steering",
                "nats",
            )
            note(
                "B5",
                f"damaged generations, points more: {where}",
                100 * (up["damaged"] - nothing["damaged"]),
                0.0,
                "no steering",
                "points",
            )
for k in ("logit difference", "class difference"):
    for layer in late:
        for s in strengths:
            ours, theirs = (
                dose[name, layer, s]["p"] - dose[name, layer, -s]["p"]
                for name in (f"shift, {k}", "CAA, true - false")
            )
            what = f"shift ({k}) minus CAA, {depth_of[layer]}, at {s:g}"
            note("B2", f"effect, {what}", ours - theirs, 0.0, "no difference")
            lost = (
                dose[f"shift, {k}", layer, s]["skills"]
                - dose["CAA, true - false", layer, s]["skills"]
            )
            note(
                "B2",
                f"skills lost in points, {what}",
                lost,
                0.0,
                "no difference",
                "points",
            )

# %% [markdown]
# **What we see.** At the last block the shifts (*logit difference*, *say yes*, *class difference*) move the answers as much as the true − false CAA vector, somewhat more if anything, and all of them far more than random directions: a multiplier of one takes $P(\text{yes})$ from one half nearly to its end. The answer-token vector, as published, does no more there than a random direction may. So a vector that reproduces itself perfectly need not steer. At every earlier depth the shift of the logit difference has a larger effect than the CAA vector.
#
# *The costs.* Up to a multiplier of one the other skills and plain stories hardly notice. At two they do, and which vector costs more depends on sign and depth. Much of that is the price of *any* vector so long: one depth before the last, that of a random weight step, which does little for the target, costs the skills and the stories more than all others. One cost is in plain sight: a model that is made to say yes is wrong on half of the questions. Accuracy falls to one half as $P(\text{yes})$ goes to an end, since the model had every answer right. Here steering cannot raise accuracy; it can only trade it.
#
# **What this does not show.** We steer towards *yes*, which is one direction of the output. That a gradient *of the output's logit difference* steers the output is hardly a surprise: it is built for it. The surprise would be a behaviour that no single logit holds.
#
# (bridge-routes)=
# ## B3: independent constructions
#
# **What the paper claims.** B3: on a clean, deterministic route, two independent constructions of the vector agree (figure 8).
#
# **What we do.** Five constructions that share no passage: the pushforward of the gradient of the logit difference, for each of two templates; the true − false CAA vector, for each; and an actual descent of some steps, trained and read on the *evaluate* part of the second template. Each is made twice, from two halves of its data. What the two halves share is the *noise floor*: no construction can agree with another better than it agrees with itself. If the halves agree with a cosine $c$, the whole agrees with the truth about as $\sqrt{2c/(1+c)}$ ({ref}`ex-halves`); the product of these two numbers for two constructions is the *ceiling* of their cosine: what it would be if both were noisy views of one vector.

# %%
loss = steering_losses.loss(found, "logit difference")


def by_gradient(template):
    """Two halves of the pushforward of a gradient."""
    first, second = splits.halves(parts[template]["select"])
    images = [
        maps[template].push(-space.gradient(loss, lesson(own)))
        for own in (first, second)
    ]
    n = len(images[0]) // 2
    return images[0][:n].mean(0), images[1][n:].mean(0)


def by_contrast(template):
    """Two halves of a CAA vector."""
    d = caa[template, "true - false"].differences
    return d[0::2].mean(0), d[1::2].mean(0)


def by_descent(template):
    """Two descents, each trained and read on a quarter of a part: its actual shift."""
    made = []
    for own in splits.halves(parts[template]["evaluate"]):
        learn, read = splits.halves(own)
        there = Pushforward(found, space, prompts(read), layers)
        start = there.values()
        again = [lesson(learn)] * descent
        descent.descend(
            space, loss, descent.optimizer("SGD", rate), again, every=descent
        )
        made.append((there.values() - start).mean(0))
        space.load(theta)
    return tuple(made)


second_template = templates[-1]
routes = {f"gradient, {t}": by_gradient(t) for t in templates}
routes |= {f"CAA, {t}": by_contrast(t) for t in templates}
routes[f"descent, {second_template}"] = by_descent(second_template)


# %%
def whole(name):
    """A construction from all of its data: the mean of its halves, each with length one."""
    return sum(half / half.norm(dim=-1, keepdim=True) for half in routes[name])


own = {name: cosines(*pair_of) for name, pair_of in routes.items()}  # (layers,)
names = list(routes)
agreement = {
    (a, b): cosines(whole(a), whole(b)) for i, a in enumerate(names) for b in names[:i]
}


# %% tags=["hide-input"]
def reach(c):
    """Cosine of a whole with the truth, from that of its halves."""
    return (2 * c.clamp(min=0) / (1 + c.clamp(min=0))).sqrt()


for layer in late:
    i, rows = layers.index(layer), []
    for name, c in own.items():
        note(
            "B3",
            f"halves of one construction: {name}, {depth_of[layer]}",
            c[i].item(),
            direction_bound,
            "random directions, 95 %",
        )
    for (a, b), c in agreement.items():
        room = (reach(own[a])[i] * reach(own[b])[i]).item()
        note(
            "B3",
            f"agreement: {a} and {b}, {depth_of[layer]}",
            c[i].item(),
            direction_bound,
            "random directions, 95 %",
        )
        note(
            "B3",
            f"ceiling: {a} and {b}, {depth_of[layer]}",
            room,
            0.0,
            "halves that share nothing",
        )
    for a in names:
        row = {"construction": a}
        for b in names:
            c = own[a] if a == b else agreement.get((a, b), agreement.get((b, a)))
            row[b] = f"[{c[i]:.2f}]" if a == b else f"{c[i]:.2f}"
        rows.append(row)
    print(
        f"{depth_of[layer]}: cosines of constructions; [halves of one]; random directions {direction_bound:.2f}"
    )
    display(figures.table(rows, index="construction"))

# %% [markdown]
# **What we see.** Two gradients from two templates agree almost as well as two halves of one. So do the two CAA vectors, within their larger noise. Across kinds, gradient against CAA, the cosine is lower than what the noise of both would allow (the ceilings are in {ref}`across-seeds-bridge`): these are not two noisy views of the same vector, but two related vectors. The *descent* reproduces itself nearly perfectly and has turned away from the first step: ten steps at this rate are most likely beyond the linear regime of this model (their length was not measured), and the shift that is left of them is another one, related to all the others.
#
# So B3 holds in the sense that constructions agree far beyond random directions. In the stronger sense, that they agree as well as their noise allows, it holds within a kind and not between kinds.
#
# **What this does not show.** The templates are alike: both end in "Answer:" and ask about a passage.
#
# (bridge-search)=
# ## B4: the same vector from random search
#
# **What the paper claims.** B4: random search finds a steering vector too, with three disjoint splits (select, extract, evaluate; figure 9).
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
# Split $\varepsilon_i=s_i\hat a+z_i$. The $z_i$ are normal in the complement of $\hat a$ and independent of all scores, so given the scores $\sum w_iz_i$ is normal with covariance $\lVert w\rVert^2(I-\hat a\hat a^\top)$. Push forward: the first term gives $\sum w_is_i\,J_h\hat a$, the second a vector of mean square $\lVert w\rVert^2\operatorname{tr}J_h(I-\hat a\hat a^\top)J_h^\top$. Their ratio is $S:D$ (the second vector also has a part along $J_h\hat a$, of either sign; that is the approximation, and it is small when many directions matter). Cauchy's inequality gives $(\sum w_is_i)^2\le\lVert w\rVert^2\sum s_i^2$. With one candidate kept, $w$ has one entry and $S=\max_is_i^2$ over mirrored pairs, the best of $N=2P$.
# :::
#
# In weight space itself, $J_h=I$, $D=d-1$: with $N$ in the hundreds the search knows nothing of the gradient. In activation space $D$ is the number of directions that *matter*, in units of the one that is sought, and that may be small. $D$ is measured with random steps, independently of the search.

# %%
few = target["select"][: max(8, questions // 2)]
asked = lesson(few)
g = space.gradient(loss, asked)
odd, even = antithetic.scores(space, loss, asked, sigma=sigma, pairs=pairs, seed=seed)
score = odd / (sigma * g.norm().item())  # in standard units
slope = [
    -(g @ random_search.noise(space, seed, i)).item() for i in range(min(pairs, 16))
]
straight = np.corrcoef(odd[: len(slope)], slope)[0, 1]
sought = home.push(-g / g.norm()).mean(0)  # (layers, width)
scatter = random_shifts[TEMPLATE].square().sum(-1).mean(0) * space.d
D = (scatter / sought.square().sum(-1) - 1).tolist()
print(
    f"scores: standard deviation {score.std():.2f} (law 1), correlation with -g . eps {straight:.4f}"
)
print(
    f"curvature, mean of the even part: {even.mean() / odd.std():.3f} standard deviations of the odd part"
)
print(
    "directions that matter, by depth:",
    ", ".join(f"{D[i]:.0f}" for i in range(len(layers))),
    f"(of d = {space.d:,})",
)

# %%
counts = [n for n in (4, 8, 32, 128, 512, 2048) if n <= pairs]
kept = {n: max(1, n // 8) for n in counts}
weights = {("score-weighted", n): antithetic.weighted(score, n) for n in counts}
weights |= {("top-K", n): antithetic.top(score, n, kept[n]) for n in counts}
DRAWS = max(4, random_steps // 2)
for n in (counts[0], counts[-1]):
    for j in range(DRAWS):
        weights[f"by lot {j}", n] = antithetic.at_random(pairs, n, kept[n], seed + j)
sums = antithetic.directions(space, np.array(list(weights.values())), seed)
images, aimed = {}, {}
for key, u in zip(weights, sums, strict=True):
    images[key] = home.push(u / u.norm()).mean(0)
    aimed[key] = -cosines(u, g).item()  # in weight space

# %% tags=["hide-input"]
WAYS = ("score-weighted", "top-K")
caa_vector = caa[TEMPLATE, "true - false"].mean


def lots(n, vector, i):
    """Absolute cosines of random-K images with a vector at the i-th layer."""
    return [
        cosines(images[f"by lot {j}", n][i], vector[i]).abs().item()
        for j in range(DRAWS)
    ]


law = {}
for way in WAYS:
    for n in counts:
        S = antithetic.signal(weights[way, n], score)
        for i, layer in enumerate(layers):
            law[way, n, layer] = antithetic.expected_cosine(S, max(D[i], 1e-9)).item()
            value = cosines(images[way, n][i], sought[i]).item()
            if layer in late:
                chance = float(np.mean(lots(counts[-1], sought, i)))
                note(
                    "B4",
                    f"cosine with the gradient's shift: {way}, N = {2 * n}, {depth_of[layer]}",
                    value,
                    chance,
                    "random K of the same size",
                    predicted=law[way, n, layer],
                )
        what = f"cosine with the gradient in weight space: {way}, N = {2 * n}"
        expected = antithetic.expected_cosine(S, space.d - 1).item()
        note("B4", what, aimed[way, n], 0.0, "a random direction", predicted=expected)
n = counts[-1]
for way in WAYS:
    for i, layer in enumerate(layers):
        if layer in late:
            value = cosines(images[way, n][i], caa_vector[i]).item()
            bound = max(lots(n, caa_vector, i))
            note(
                "B4",
                f"cosine with CAA: {way}, N = {2 * n}, {depth_of[layer]}",
                value,
                bound,
                "the largest of random-K draws",
            )
            note(
                "B4",
                f"cosine with CAA minus the largest random K: {way}, N = {2 * n}, {depth_of[layer]}",
                value - bound,
                0.0,
                "the largest of random-K draws",
            )

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-bridge-search", "caption": "How random search finds the gradient's shift as N grows: cosine of its image with the exact pushforward of the gradient, at the last two depths that are read, and with the gradient itself in weight space (black). Lines: the law of signal and effective directions, with D measured by random steps, no fitted number. Grey band: the largest of the random-K draws. In weight space the search stays blind; in activation space it leaves the band once N is large."}, "image": {"alt": "Two log-x panels of cosine against N. Two coloured series rise with N about their lines, inside a grey band around zero for the smallest N and far above it for the largest; black dots stay near zero."}}
figure, axes = figures.panels(2, height=3.2)
N = 2 * np.array(counts)
for panel, layer in zip(axes, late, strict=True):
    i = layers.index(layer)
    for j, way in enumerate(WAYS):
        value = [cosines(images[way, n][i], sought[i]).item() for n in counts]
        figures.points(panel, N, value, color=figures.PALETTE[j], label=way)
        panel.plot(
            N, [law[way, n, layer] for n in counts], color=figures.PALETTE[j], lw=1
        )
    panel.plot(
        N, [aimed["score-weighted", n] for n in counts], "k.", label="in weight space"
    )
    top_of = max(lots(counts[-1], sought, i) + lots(counts[0], sought, i))
    figures.null_band(panel, N, [-top_of] * len(N), [top_of] * len(N), "random K")
    panel.set(
        xscale="log",
        ylabel="cosine",
        title=f"{depth_of[layer]}, D = {D[i]:.0f}",
        ylim=(-0.5, 1),
    )
axes[1].set_xlabel("N, candidates")
figures.legend_below(axes[1])
# %% [markdown]
# Does it steer? On *evaluate*, with the same lengths as before, beside random $K$ of the same size and beside the exact shift.

# %%
n, half = counts[-1], strengths[0]
found_by = {way: images[way, n] for way in WAYS}
found_by |= {f"by lot {j}": images[f"by lot {j}", n] for j in range(DRAWS)}
found_by["exact shift"] = sought
searched = {
    (name, layer): [
        steered(at_layer(name, layer, v), half * sign).p_yes for sign in (1, -1)
    ]
    for name, v in found_by.items()
    for layer in late
}

# %% tags=["hide-input"]
rows = []
for layer in late:
    strength = {name: a - b for (name, at), (a, b) in searched.items() if at == layer}
    chance = max(abs(v) for name, v in strength.items() if name.startswith("by lot"))
    for name in (*WAYS, "exact shift"):
        rows.append(
            {
                "vector": name,
                "depth": layer / blocks,
                f"effect at {half:g}": strength[name],
                "largest of random K": chance,
            }
        )
    for way in WAYS:
        note(
            "B4",
            f"effect at {half:g}: {way}, N = {2 * n}, {depth_of[layer]}",
            strength[way],
            chance,
            "the largest of random-K draws",
        )
        note(
            "B4",
            f"effect at {half:g} minus the largest random K: {way}, N = {2 * n}, {depth_of[layer]}",
            strength[way] - chance,
            0.0,
            "the largest of random-K draws",
        )
        note(
            "B4",
            f"effect at {half:g}, share of the exact shift: {way}, N = {2 * n}, {depth_of[layer]}",
            strength[way] / strength["exact shift"],
            0.0,
            "no effect",
        )
print(
    f"N = {2 * n} candidates; effect: P(yes) at +{half:g} minus at -{half:g}; {DRAWS} random-K draws"
)
figures.table(rows, index="vector", digits=2)

# %% [markdown]
# **What we see.** *In weight space* the search is blind: with hundreds of candidates its direction has a cosine of about $0.01$ with the gradient, as the law says. *In activation space* the same direction, pushed forward, has a cosine of about two thirds with the gradient's shift at the last block. The law predicts this with no fitted number, from the count $D$ of directions that matter, between one and two hundred, where $d$ is about eight hundred thousand. ($D$ is itself an estimate, from a dozen random steps.) (Single runs scatter about it; those of top-$K$ lie mostly below, in this model.) Score-weighting does better than top-$K$, as it must ({ref}`ex-keep`).
#
# *It steers*: at the last block the score-weighted vector has about two thirds of the effect of the exact shift, the top-$K$ vector about half, both beyond all random-$K$ draws. This is not because random search is clever. It is because the map from weights to activations has few directions that matter, and averaging over pairs brings out the one that scores. The price is $N$ forward passes for what one backward pass gives exactly.
#
# **What this does not show.** The scores here are free of noise (the same questions for all candidates) and of curvature (mirrored, with a short step). A search that keeps the best of one-sided long steps is free of neither; {ref}`ex-mirror` shows what it gets instead.
#
# (bridge-back)=
# ## Back again: which weight edit does the same?
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
# The minimisers are $\delta_0+\ker J$ for any one of them. The one that is orthogonal to $\ker J$ is the shortest, by Pythagoras, and the orthogonal complement of $\ker J$ is the row space, so it is unique. The $k$-th iterate of LSMR lies in the span of $(J^\top J)^jJ^\top b$ for $j=0,\dots,k-1$, which is in the row space. In exact arithmetic it becomes a minimiser of $\lVert J^\top(J\delta-b)\rVert$, that is, of $\lVert J\delta-b\rVert$, after at most $\operatorname{rank}J$ steps.
# :::
#
# LSMR needs no matrix, only $J$ times a vector (jvp) and $J^\top$ times a vector (vjp). We stop early, after a dozen iterations, which acts as a penalty on length. Since the step is not infinitely small, we do a second round from where the first one ended, with what is still missing.
#
# One edit is trivial: where block $l$ ends in a linear layer with a bias, adding $v$ to that bias *is* steering, at every position, exactly ({ref}`ex-bias`). So steering vectors *are* small weight edits, of one kind. The question is whether more ordinary ones will do: a **LoRA** adapter on the linear layers of the model, and **biases** of the blocks other than that one, where the model has such.
#
# In the table *left* is the share of the wanted shift that is still missing. *KL explained* is $1-\mathrm{KL}(\text{steered}\,\Vert\,\text{edited})/\mathrm{KL}(\text{steered}\,\Vert\,\text{plain})$, with means over questions of the divergence between next-token distributions: one if the edited model answers like the steered one, zero if it is no closer than the model as it was; *by chance* is the same for a random step of equal length. *Correlation* is that of the changes of $P(\text{yes})$, question by question.

# %%
SHIFT = "shift, logit difference"
learn = prompts(halves[TEMPLATE][0][: max(8, questions // 3)])
PLACES = {"LoRA": learn, "LoRA, 3 places": residual.elsewhere(learn, 2, seed)}


def imitate(kind, layer, m):
    """Imitate the shift, added m times, by one kind of edit; judge it; leave the model as it was."""
    adapter = lora.attach(found, rank, "linear", seed=seed) if kind in PLACES else None
    where = adapter.space if adapter else imitation.biases(found, layer)
    vector = at_layer(SHIFT, layer)
    h = Pushforward(found, where, PLACES.get(kind, learn), (layer,))
    goal = m * unit[layer] * vector.unit
    made = imitation.imitate(h, goal, iterations=iterations)
    behaves = judge(where, made.delta, vector, m)
    if adapter:
        lora.detach(adapter)
    return made, where.d, behaves


def judge(where, delta, vector, m):
    """Answers and side costs: steered, edited, and with a random step as long as the edit."""
    lot = random_search.noise(where, seed, -7)
    found_here = {}
    with steer(found, vector, m, unit=unit[vector.layer]):
        found_here["steered"] = effects.ask(found, evaluate), costs()
    for name, u in (("edited", delta), ("random", lot * (delta.norm() / lot.norm()))):
        with where.at(where.flatten() + u):
            found_here[name] = effects.ask(found, evaluate), costs()
    return found_here


def costs():
    """Skills lost in points, and nats more on plain text, of the model as it is now."""
    now = effects.skills_and_text(found, elsewhere)
    lost = 100 * np.mean([free[s] - now[s] for s in skills])
    return {"skills": lost, "text": now["plain text"] - free["plain text"]}


# %%
weak = strengths[0]
wanted_edits = [(kind, layer, weak) for kind in PLACES for layer in late]
if any(name.endswith("bias") for name, _ in found.blocks[0].named_parameters()):
    wanted_edits += [("biases", late[-1], weak)]
back = {key: imitate(*key) for key in wanted_edits}

# %% tags=["hide-input"]
rows = []
for (kind, layer, m), (made, d, behaves) in back.items():
    (want, price), (edit, cost), (lot, _) = behaves.values()
    share, by_chance = (
        1 - want.divergence(x) / want.divergence(plain) for x in (edit, lot)
    )
    moved = [(x.each - plain.each).double().cpu().numpy() for x in (want, edit)]
    alike = float(np.corrcoef(*moved)[0, 1])
    size = made.delta.norm().item()
    rows.append({"edit": kind, "depth": layer / blocks, "d": d, "length": size})
    rows[-1] |= {"left, 1 round": made.left[0], "2 rounds": made.left[-1]}
    rows[-1] |= {
        "P(yes): steered": want.p_yes,
        "edited": edit.p_yes,
        "random step": lot.p_yes,
    }
    rows[-1] |= {"KL explained": share, "by chance": by_chance, "correlation": alike}
    rows[-1] |= {"skills lost: steered": price["skills"], "by edit": cost["skills"]}
    rows[-1] |= {"text: steered": price["text"], "text: edited": cost["text"]}
    if kind in PLACES:
        where, equal = (
            f"{kind}, {depth_of[layer]}, at {m:g}",
            "a random step of equal length",
        )
        note(
            "T4",
            f"back: share of the divergence explained, {where}",
            share,
            by_chance,
            equal,
        )
        note(
            "T4",
            f"back: share of the vector left, {where}",
            made.left[-1],
            1.0,
            "no step",
        )
        gap = edit.p_yes - want.p_yes
        note(
            "T4",
            f"back: P(yes), edited minus steered, {where}",
            gap,
            lot.p_yes - want.p_yes,
            equal,
        )
        gap = cost["skills"] - price["skills"]
        note(
            "T4",
            f"back: skills lost, edited minus steered, {where}",
            gap,
            0.0,
            "no difference",
            "points",
        )
        gap = cost["text"] - price["text"]
        note(
            "T4",
            f"back: plain text, edited minus steered, {where}",
            gap,
            0.0,
            "no difference",
            "nats",
        )
print(
    f"imitations of '{SHIFT}' at {weak:g}; without steering P(yes) = {plain.p_yes:.2f}"
)
figures.table(rows, index="edit", digits=2)

# %% [markdown]
# **What we see.** *At the last block* a small LoRA step that was asked to move only the read positions does what steering does: it explains nearly all of the divergence, and a random step of the same length explains nothing. *One depth before*, for this model, it overshoots: the activations at the read position are moved as asked, yet the answers move too far, and little of the divergence is explained. The reason is what was not asked. The step also moves the *other* positions, in ways of its own, and the last block looks at them. Asked to move the read position **and two others** of each prompt, the step is longer and does what steering does there too.
#
# So a steering vector has small weight edits that imitate it, and the least-squares problem finds them, if it is posed for the positions that later blocks read. What is left over (the columns "left") is a tenth or two of the vector, and it hardly matters. *Biases* alone, without the trivial one, do it too in this model, which has them in every layer.
#
# *Side costs.* The edit that was fitted at the read position adds less to the cross-entropy of plain stories than the vector: it was made for questions, and the vector is added everywhere.
#
# **What this does not show.** That the edit is the *smallest* for this behaviour: it is a short one for moving activations by $v$, from a search that was stopped early. A step that only has to change the answer may well be shorter. The bias step is looked at in this one run only, and at the last block.

# %% tags=["hide-input"]
filed = {"chapter": "05_steering_bridge", "profile": profile, "seed": seed}
filed["model"] = found.name.rstrip("/").replace("/", "--")
result = results.write(records, parameters=parameters, device=device, **filed)
print(f"{len(records)} values filed")

# %% [markdown]
# (across-seeds-bridge)=
# ## Across seeds
#
# Everything above was one run with one seed, which fixes all questions, the three parts, and all noise. The model is the same. From here on an interval is Student's $t$ interval over seeds.

# %%
over = crossed.gather(result)
print(over)
mine = over.models[found.name.rstrip("/").replace("/", "--")]
END, BEFORE = depth_of[late[-1]], depth_of[late[0]]


def text(record, digits=2):
    """A value with its interval over seeds."""
    return (
        f"{record.value:.{digits}f} [{record.low:.{digits}f}, {record.high:.{digits}f}]"
    )


# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-bridge-seeds", "caption": "B1 over seeds and models: cosine of the gradient shift (four definitions) with the true - false CAA vector at the last block, mean of the two templates. Grey ticks: the bound of permuted labels for each. Dashed: the paper's 0.58. Intervals over seeds."}, "image": {"alt": "Dot plot with the models as rungs and four definitions of the shift as colours, around the dashed line."}}
figure, (axes,) = figures.panels(1, height=4.2)
models_there = list(over.models)
series, bounds = {}, {}
for k in SHIFTS:
    what = f"cosine, mean of templates: {k}, true - false, {END}"
    found_here = [over.record(m, "B1", what) for m in models_there]
    series[k] = [(r.value, r.low, r.high) for r in found_here]
    bounds[k] = [r.null for r in found_here]
figures.ladder(axes, models_there, series)
rungs = np.arange(len(models_there))[::-1]
for shifted, k in zip(np.linspace(0.2, -0.2, len(SHIFTS)), SHIFTS, strict=True):
    axes.plot(bounds[k], rungs + shifted, "|", color=figures.NULL, ms=9, mew=1.6)
axes.axvline(0.58, color=figures.PAPER, lw=1.2, ls="--", label="paper", zorder=0)
axes.axvline(0, color=figures.NULL, lw=0.8, zorder=0)
axes.set(xlabel="cosine", xlim=(-0.3, 1.05))
figures.legend_below(axes)
# %% tags=["hide-input"]
for m in models_there:
    rows = []
    for how in steering.CAA_TEXTS:
        for layer in layers:
            row = {"CAA": how, "depth": layer / blocks}
            row["halves"] = over.record(
                m, "B1", f"split halves: {how}, {TEMPLATE}, {depth_of[layer]}"
            ).value
            for k in SHIFTS:
                r = over.record(
                    m, "B1", f"cosine: {k}, {how}, {TEMPLATE}, {depth_of[layer]}"
                )
                row[k] = f"{text(r)} ({r.null:.2f})"
            rows.append(row)
    print(
        f"{m}, template {TEMPLATE}: cosine [over seeds] (bound of permuted labels); random directions {direction_bound:.2f}"
    )
    display(figures.table(rows, index="CAA", digits=2))

# %% tags=["hide-input"]
rows = []
for m in models_there:
    for name in DOSED:
        row = {"model": m, "vector": name}
        for where in (BEFORE, END):
            for s in strengths:
                row[f"{where}, at {s:g}"] = text(
                    over.record(m, "B2", f"effect: {name}, {where}, at {s:g}")
                )
        rows.append(row)
print("effect: P(yes) at +s minus P(yes) at -s")
figures.table(rows, index="model")

# %% tags=["hide-input"]
rows = []
pairs_shown = [(a, b) for a, b in agreement]
for m in models_there:
    for a, b in pairs_shown:
        row = {"model": m, "constructions": f"{a} and {b}"}
        for where in (BEFORE, END):
            row[f"cosine, {where}"] = text(
                over.record(m, "B3", f"agreement: {a} and {b}, {where}")
            )
            row[f"ceiling, {where}"] = over.record(
                m, "B3", f"ceiling: {a} and {b}, {where}"
            ).value
        rows.append(row)
print(f"B3: agreement over seeds (random directions {direction_bound:.2f})")
figures.table(rows, index="model", digits=2)

# %% tags=["hide-input"]
rows = []
for m in models_there:
    for way in WAYS:
        row = {"model": m, "search": way}
        r = over.record(
            m, "B4", f"cosine with the gradient in weight space: {way}, N = {2 * n}"
        )
        row["in weight space"] = f"{text(r, 3)} (law {r.predicted:.3f})"
        r = over.record(
            m, "B4", f"cosine with the gradient's shift: {way}, N = {2 * n}, {END}"
        )
        row["with the shift"] = (
            f"{text(r)} (law {r.predicted:.2f}, random K {r.null:.2f})"
        )
        r = over.record(m, "B4", f"cosine with CAA: {way}, N = {2 * n}, {END}")
        row["with CAA"] = f"{text(r)} (random K below {r.null:.2f})"
        r = over.record(m, "B4", f"effect at {half:g}: {way}, N = {2 * n}, {END}")
        row[f"effect at {half:g}"] = f"{text(r)} (random K below {r.null:.2f})"
        rows.append(row)
print(f"B4: N = {2 * n}, {END}")
figures.table(rows, index="model")

# %% tags=["hide-input"]
rows = []
for m in models_there:
    for kind, layer, s in back:
        if kind not in PLACES:
            continue
        where = f"{kind}, {depth_of[layer]}, at {s:g}"
        row = {"model": m, "edit": where}
        row["vector left"] = text(
            over.record(m, "T4", f"back: share of the vector left, {where}")
        )
        r = over.record(m, "T4", f"back: share of the divergence explained, {where}")
        row["KL explained"] = f"{text(r)} (random {r.null:.2f})"
        for label, what in (
            ("P(yes)", "P(yes)"),
            ("skills lost", "skills lost"),
            ("text", "plain text"),
        ):
            r = over.record(m, "T4", f"back: {what}, edited minus steered, {where}")
            row[f"{label}, edited - steered"] = text(r)
        rows.append(row)
print("back again: small LoRA steps that imitate the shift")
figures.table(rows, index="model")

# %% [markdown]
# (bridge-models)=
# ## B5: gain and cost across models
#
# **What the paper claims.** B5: target gain against side cost is inconsistent across models (its table 6; for OLMo on BoolQ a target of $+1.2$ at $-17$ on the side).
#
# **What we do.** The same vectors with the same rule for their length on each model. *Target gain*: $P(\text{yes})$ with steering minus without, in points. *Side cost*: exact match of the other skills that is lost, in points; then plain text and damaged generations.

# %% tags=["hide-input"]
TABLE6 = ("CAA, true - false", "shift, logit difference", "random direction")
COLUMNS = (
    "target gain, points",
    "accuracy change, points",
    "skills lost, points",
    "plain text, nats more",
    "damaged generations, points more",
)
for s in strengths:
    rows = []
    for m in models_there:
        for name in TABLE6:
            row = {"model": m, "vector": name}
            for column in COLUMNS:
                r = over.record(m, "B5", f"{column}: {name}, {END}, at {s:g}")
                row[column] = text(r, 2 if "nats" in column else 1)
            rows.append(row)
    print(f"{END}, multiplier {s:g}")
    display(figures.table(rows, index="model"))

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-bridge-price", "caption": "Gain and cost across models, multipliers 0.5, 1 and 2 at the last block: points of P(yes) gained against points of exact match lost on other skills. Means and 95 % intervals over seeds. Colours: models; dots CAA, squares shift of the logit difference, grey triangles random directions. The same multiplier is another dose in another model."}, "image": {"alt": "Scatter of side cost against target gain with error bars in two directions, three colours for three models."}}
figure, (axes,) = figures.panels(1, height=3.8)
marks = dict(zip(TABLE6, "os^", strict=True))
for i, m in enumerate(models_there):
    for name in TABLE6:
        got = [
            [over.record(m, "B5", f"{c}: {name}, {END}, at {s:g}") for s in strengths]
            for c in (COLUMNS[0], COLUMNS[2])
        ]
        (gx, cx), bars = (
            ([[r.value for r in c] for c in got]),
            [
                [[r.value - r.low for r in c], [r.high - r.value for r in c]]
                for c in got
            ],
        )
        color = figures.NULL if name.startswith("random") else figures.PALETTE[i]
        label = m if name == TABLE6[0] else None
        axes.errorbar(
            gx,
            cx,
            xerr=bars[0],
            yerr=bars[1],
            fmt=marks[name],
            ms=4.5,
            color=color,
            elinewidth=1,
            label=label,
        )
axes.axhline(0, color=figures.NULL, lw=0.8, zorder=0)
axes.set(xlabel="target gain (points of P(yes))", ylabel="other skills lost (points)")
figures.legend_below(axes, columns=1)


# %%
def spread(column, name, s):
    """Difference of the two most different models, seed by seed, with its interval."""
    quantity = f"{column}: {name}, {END}, at {s:g}"
    values = {m: over.models[m].values("B5", quantity) for m in models_there}
    low, high = (
        pick(values, key=lambda m: np.mean(list(values[m].values())))
        for pick in (min, max)
    )
    both = sorted(set(values[low]) & set(values[high]))
    gaps = [values[high][k] - values[low][k] for k in both]
    gaps = gaps or [
        np.mean([*values[high].values()]) - np.mean([*values[low].values()])
    ]
    interval = stats.mean_interval(gaps) if len(gaps) > 1 else once(gaps[0])
    unit_of = "nats" if "nats" in column else "points"
    told = dict(unit=unit_of, null=0.0, null_means="models that are alike")
    return Record.of(
        "B5",
        f"{column}: {name}, at {s:g}, largest difference between models",
        interval,
        **told,
    )


compared = [
    (COLUMNS[0], strengths[0]),
    (COLUMNS[2], strengths[-1]),
    (COLUMNS[3], strengths[-1]),
]
between = [spread(c, name, s) for c, s in compared for name in TABLE6[:2]]
for r in between:
    print(f"{r.quantity}: {text(r)} {r.unit}, n = {r.n} (null 0)")

# %% [markdown]
# **What we see.** *Over seeds*, what was seen above stands: the intervals are narrow beside the differences between definitions. *Over models* some of it stands. At the last block the logit difference and the class difference agree with the true − false vector beyond permuted labels in all three, the logit difference in Qwen2 only just: on the first template alone its interval over seeds holds the bound. *Say yes* does so beyond permuted labels in OLMo2, hardly in GPT-2, and not in Qwen2. The answer-token vector never comes near $0.58$; at late depths, in OLMo2 alone it has a cosine above random directions, below its bound of permuted labels, and there it steers too. Text after the answer, with *say yes*, has in Qwen2 a cosine that can hardly be told from the paper's $0.58$, and no seed lifts it clearly above its own bound of permuted labels.
#
# One depth before the last, OLMo2 has no true − false vector that reproduces itself; that of Qwen2 reproduces itself and is another direction than the shift of the logit difference. The shift of the logit difference steers there nevertheless, in OLMo2 at a multiplier of one nearly as well as at the end; that of the class difference does not steer there in OLMo2 at all, like the CAA vector. So "the shift steers about as well as CAA" is true where CAA works, and a gradient step on the logit difference also works where CAA does not. And the descent, which had turned away from the first step in GPT-2, keeps its direction in the other two. The *way back*, too, is easier there: in OLMo2 and Qwen2 a LoRA step that was asked for the read position alone imitates the vector one depth before the last nearly as well as one asked for at three places. That it overshoots is seen in GPT-2 only.
#
# *Gain and cost.* The same recipe, the same unit, three models of one size trained on one world: at half a unit the target gain of OLMo2 is far larger than that of the others. At one unit, where all three say yes nearly always, it has lost a good part of its other skills, and the others next to nothing. At two units OLMo2 has lost them all; Qwen2 has lost most of them with the shift and few with the CAA vector, GPT-2 some with either. A centred residual norm is worth more in one model than in another, so equal multipliers are not equal doses; and the two vectors, which gain the same, do not cost the same. At equal *multipliers*, then, gain and cost differ between models, and in that sense the paper's B5 reproduces. At equal *gain* the picture is calmer. The gain cannot exceed one half, since half of the questions have the answer yes anyway. OLMo2 at half a unit and the other two at one unit have gained nearly as much as they can, all about the same, and none has lost more than a few points of its other skills. The large costs come beyond that, where a longer vector has nothing left to gain; the verdict below compares the skills there.
#
# **What this does not show.** Anything about models of other sizes. Three is few, and the paper's models were not run here: the `paper` profile runs one of them, others can be named, and no result of it is in this book yet.
#
# (claims-bridge)=
# ## The claims, measured
#
# Each verdict follows from a rule in the code below, for this page's model over seeds; B5 compares the models. "Above" and "below" ask whether the whole interval over seeds lies beyond the bar. A claim is "partly" if some of its lines hold and others do not. Not all that was measured is judged: B1 leaves out *correct answer*, which fails everywhere, and the vector with text after; all verdicts but that of T4 are of the last block only, which is where the claims do best; and B2 stops at a multiplier of one, since at two every effect is at its ceiling.

# %%
below, above, within = verdicts.falls_below, verdicts.exceeds, verdicts.agrees
MEANT = ("logit difference", "say yes", "class difference")
usual = [s for s in strengths if s <= 1]
rules = {
    "T4": [(f"order of the remainder, {k}", within, 0.05) for k in steps]
    + [(f"gap between jvp and a small step, {k}", below, 0.01) for k in steps]
    + [(f"kernel form against jvp, {k}", below, 1e-4) for k in steering_losses.KINDS],
    "B1": [
        (f"{measure}, mean of templates: {k}, {how}, {END}", above, bar)
        for how in ("true - false", "answer token")
        for k in MEANT
        for measure, bar in (("cosine minus permuted bound", 0), ("cosine", 0.5))
    ],
    "B2": [
        (f"effect, shift ({k}) minus CAA, {END}, at {s:g}", rule, bar)
        for k in ("logit difference", "class difference")
        for s in usual
        for rule, bar in ((above, -0.2), (below, 0.2))
    ],
    "B3": [(f"agreement: {a} and {b}, {END}", above, 0.5) for a, b in agreement],
    "B4": [
        (f"{what}: {way}, N = {2 * n}, {END}", above, 0)
        for way in WAYS
        for what in (
            "cosine with CAA minus the largest random K",
            f"effect at {half:g} minus the largest random K",
        )
    ],
}
judged = [
    verdicts.row(mine.record(claim, q), rule, edge)
    for claim, lines in rules.items()
    for q, rule, edge in lines
]
judged += [verdicts.row(r, above, 0.1 if r.unit == "nats" else 5) for r in between]

# %%
statements = {
    "T4": "a weight step moves activations by its pushforward",
    "B1": "the shift is like the CAA vector at the last block, beyond permuted labels",
    "B2": "it steers about as well: effects within 0.2 of each other",
    "B3": "independent constructions agree with a cosine above 0.5",
    "B4": "random search beats random K, in cosine and in effect",
    "B5": "gain and cost differ between models, by 5 points or 0.1 nats",
}
figures.table(verdicts.by_claim(judged, statements), index="claim")

# %% tags=["hide-output"]
figures.table(judged, index="claim")

# %% [markdown]
# Beyond the paper, by the same rules: does the answer-token vector, as published, fail? Does the shift steer more than CAA one depth before the last? Does the law of {prf:ref}`prop-aim` hold within a quarter? Does the imitating LoRA step, asked for at three places, explain more than three quarters of the divergence?

# %% tags=["hide-input"]
strong = usual[-1]
ASKED = f"N = {2 * n}, {END}"
beyond = [
    ("B1", f"cosine, mean of templates: {k}, {how}, {END}", below, 0.3)
    for k in MEANT
    for how in ("answer token", "text after")
]
beyond += [
    (
        "B2",
        f"effect, shift (logit difference) minus CAA, {BEFORE}, at {strong:g}",
        above,
        0,
    )
]
beyond += [
    ("B4", f"cosine with the gradient's shift: {way}, {ASKED}", within, 0.25)
    for way in WAYS
]
beyond += [
    (
        "T4",
        f"back: share of the divergence explained, LoRA, 3 places, {where}, at {weak:g}",
        above,
        0.75,
    )
    for where in (BEFORE, END)
]
rows = [
    verdicts.row(mine.record(claim, q), rule, edge) for claim, q, rule, edge in beyond
]
answers = {
    "B1": "CAA at the answer, or with text after it, stays below 0.3",
    "B2": "one depth before the last the shift steers more",
    "B4": "the law of signal and directions holds within a quarter",
    "T4": "a LoRA step, asked for at three places, does most of it",
}
figures.table(verdicts.by_claim(rows, answers), index="claim")

# %% tags=["hide-output"]
figures.table(rows, index="claim")

# %% [markdown]
# ## What this chapter shows, and what it does not
#
# - *The bridge stands, at the last block, for the right pair of definitions.* A gradient step on the logit difference shifts activations like the contrast of true and false prompts, with cosines like the paper's $0.58$ or above. With the published answer-token contrast it does not.
# - *The right null is permuted labels, not random directions.* It takes away most of what looks remarkable in such a cosine: late activations of true and false prompts differ mainly along the coming answer, whichever of them one labels true.
# - *Agreement is not identity.* Gradients agree with gradients and contrasts with contrasts almost within their noise; between the kinds a real angle is left.
# - *The shift steers*, about as well as CAA at the last block, and that of the logit difference better one depth earlier; both at the price of every wrong "yes" that they cause.
# - *Random search finds the vector in activation space while it is blind in weight space*, at the last block, by a law with one measured constant: how many directions matter.
# - *The way back exists.* A small LoRA step imitates a steering vector. One depth before the last it must, in GPT-2, be asked to do so at other positions too, which the later block reads; in the other two models the read position is enough.
# - All of this is on models of a million parameters that know their world nearly perfectly, one behaviour, two templates, two side skills. The verdict bars were chosen after first runs. The `paper` profile runs the paper's own model, Qwen2.5-0.5B, on BoolQ; no result of it is in this book yet.
#
# ## Exercises
#
# :::{exercise} A null that cannot be beaten
# :label: ex-line
#
# Let the differences of all pairs be $d_i=\lambda_iw$, on one line. Show that the absolute cosine of their mean with any direction is the same for (nearly) all permutations of labels. What does the bound of permuted labels test, then, and what does the projection test?
# :::
#
# :::{solution} ex-line
# :class: dropdown
#
# A permutation gives $\frac1n\sum_i\pm\lambda_iw$, a multiple of $w$. Its cosine with $u$ is $\pm\cos(w,u)$, unless the sum is exactly zero. So every permutation has the observed absolute cosine, and the bound equals it: a cosine forgets length, and length is all that the labels decide here. The bound asks whether the labels pick a *direction* out of those in which the texts differ anyway. The projection $\frac1n\sum_i\pm\lambda_i\,w\cdot u/\lVert u\rVert$ keeps the length:
# under permutation it is of size $n^{-1/2}$ of a single one, and the observed mean stands out whenever the $\lambda_i$ agree in sign. Both are needed: the first may be too strict, the second too lenient, since with enough pairs any part along $u$, however small, stands out.
# :::
#
# :::{exercise} A steering vector is a bias
# :label: ex-bias
#
# In GPT-2, block $l$ adds to the stream what its last linear layer gives, $Wx+b$. Show that steering by $v$ behind block $l$ is the weight edit $b\to b+v$, exactly, at every position and for every input, and check it. Why is there no such edit in the shipped OLMo2?
# :::

# %% [markdown]
# ```{solution-start} ex-bias
# :class: dropdown
# ```
# $h_l=(\text{stream before})+Wx+b$, so $b\to b+v$ makes it $h_l+v$, whatever $x$ is; nothing else reads $b$. OLMo2 has no biases, and it puts a norm behind its last linear layer, so that no constant vector can be added there.

# %%
gpt = loading.load("micro-gpt2", device="cpu")
any_vector = torch.randn(gpt.width, generator=seeding.generator("any vector", seed))
edit = ParameterSpace(gpt.model, lambda name, _: name.endswith("h.2.mlp.c_proj.bias"))
before_edit = edit.flatten()
with steer(gpt, SteeringVector(3, any_vector, 1, "any"), 2.0):
    by_steering = effects.ask(gpt, evaluate).log_p
with edit.at(before_edit + 2.0 * any_vector):
    by_editing = effects.ask(gpt, evaluate).log_p
print(
    f"largest difference of a log-probability: {(by_steering - by_editing).abs().max():.1e}"
)

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} How many to keep?
# :label: ex-keep
#
# Of $P$ mirrored pairs keep the $K$ best, each in its better direction, with equal weights. Which share $K/P$ has the largest signal $S$, and what is lost against score-weighting? (For scores of two sides this is an old rule of test theory {cite}`kelley1939selection`.)
# :::

# %% [markdown]
# ```{solution-start} ex-keep
# :class: dropdown
# ```
# If the share $p$ with $|s|>t$ is kept, $p=2(1-\Phi(t))$, and the mean of $|s|$ among them is $\mu=\varphi(t)/(1-\Phi(t))$. With equal weights $S=(K\mu)^2/K=Pp\mu^2$. Score-weighting has $S=P$.

# %%
from scipy.stats import norm

p_kept = np.linspace(0.01, 1, 1000)
cut = norm.isf(p_kept / 2)
signal = p_kept * (norm.pdf(cut) / norm.sf(cut)) ** 2
at_best = p_kept[signal.argmax()]
print(
    f"best share {at_best:.2f}, that is {at_best / 2:.2f} at either end; signal {signal.max():.2f} P"
)
print(f"an eighth, as in the text: {np.interp(0.125, p_kept, signal):.2f} P")

# %% [markdown]
# Keep 27 % at either end, as the old rule says, and four fifths of the signal are left. The eighth of the text keeps half.
#
# ```{solution-end}
# ```
#
# :::{exercise} How many candidates?
# :label: ex-many
#
# By {eq}`eq-aim-law`, how many candidates does a score-weighted search need, so that its image has a cosine of $0.58$ with the gradient's own shift? And so that its direction has that cosine with the gradient in weight space? What has Theorem 1 to do with it?
# :::

# %% [markdown]
# ```{solution-start} ex-many
# :class: dropdown
# ```
# $S=P=N/2$, and $c^2=S/(S+D)$ gives $N=2Dc^2/(1-c^2)$. In weight space $D=d-1$.

# %%
c = 0.58
for where, directions in ((f"activations, {END}", D[-1]), ("weights", space.d - 1)):
    print(
        f"{where}: D = {directions:,.0f}, N = {2 * directions * c**2 / (1 - c**2):,.0f}"
    )

# %% [markdown]
# Theorem 1 says that the *gain* of the best of $N$ does not depend on the dimension. It does not say that the best candidate looks like the gradient: in weight space it hardly does, since its cosine is about $m_N/\sqrt d$. Both are true at once. What a map to few dimensions makes visible is that part which the gain was made of.
#
# ```{solution-end}
# ```
#
# :::{exercise} What halves say of the whole
# :label: ex-halves
#
# Two halves of the data give vectors $x=\tau+\xi$ and $y=\tau+\xi'$ with independent noise of equal size, in a space of many dimensions. Their cosine is $c$. Show that the mean of both has a cosine of about $\sqrt{2c/(1+c)}$ with $\tau$. Check it.
# :::

# %% [markdown]
# ```{solution-start} ex-halves
# :class: dropdown
# ```
# In many dimensions noise is nearly orthogonal to everything, so $c=\lVert\tau\rVert^2/(\lVert\tau\rVert^2+\lVert\xi\rVert^2)$. The mean $\tau+(\xi+\xi')/2$ has half of the noise energy, and its cosine with $\tau$ has the square $\lVert\tau\rVert^2/(\lVert\tau\rVert^2+\lVert\xi\rVert^2/2)=2c/(1+c)$.

# %%
rng = np.random.default_rng(seed)
for size_of_noise in (0.3, 1.0, 2.0):
    tau = rng.standard_normal(2000) / 2000**0.5
    x, y = tau + size_of_noise * rng.standard_normal((2, 2000)) / 2000**0.5
    c = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
    truth = (x + y) @ tau / np.linalg.norm(x + y) / np.linalg.norm(tau)
    print(
        f"halves {c:.2f}: whole {truth:.2f}, law {np.sqrt(2 * max(c, 0) / (1 + max(c, 0))):.2f}"
    )

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} Why mirrored pairs?
# :label: ex-mirror
#
# Average the activation shifts $h(\theta+\sigma\varepsilon_i)-h(\theta)$ of *random* candidates, without mirrored partners. Show that this average does not go to zero with their number, and measure for two $\sigma$ how alike the averages of two sets of random candidates are.
# :::

# %% [markdown]
# ```{solution-start} ex-mirror
# :class: dropdown
# ```
# To second order the shift is $\sigma J_h\varepsilon+\frac{\sigma^2}2\varepsilon^\top H\varepsilon$, coordinate by coordinate of $h$. The mean of the first part is zero, that of the second $\frac{\sigma^2}2\operatorname{tr}H$, the same for every set of candidates. Mirrored pairs cancel it.


# %%
def one_sided(first, s, count=8):
    """Mean shift at the last block of random candidates, one side only; and of mirrored pairs."""
    start, sums = home.values()[:, -1].mean(0), 0.0
    for i in range(first, first + count):
        eps = random_search.noise(space, seed, 10_000 + i)
        ahead, behind = (home.values(theta + t * eps)[:, -1].mean(0) for t in (s, -s))
        sums = sums + torch.stack([ahead - start, (ahead - behind) / 2]) / count
    return sums


for s in (sigma, 10 * sigma):
    alike = cosines(one_sided(0, s), one_sided(100, s))
    print(
        f"sigma = {s:g}: cosine of two averages, one side {alike[0]:.2f}, mirrored {alike[1]:.2f}"
    )

# %% [markdown]
# For a short step the averages are noise, one-sided or not. For a longer one the one-sided averages of different candidates become more alike, while the mirrored ones do not: they share $\operatorname{tr}H$. A "random-$K$" control without mirrored partners is then no null: it has a direction of its own.
#
# ```{solution-end}
# ```
