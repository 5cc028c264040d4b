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
# # Supplement to chapter 2b
#
# The skills and the tokenizer of the small language models (0.9 million parameters each), the split of their data, how they were trained, all scores, calibration, the errors on turned sentences, and how to bring your own data. The chapter itself: {doc}`02b_models`.

# %% tags=["parameters", "hide-input"]
profile = "quick"  # whose observations are shown
seed = 0  # of what is drawn live

# %% tags=["hide-input"]
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import display

from lglib import studies
from lglib.models import shipped
from lglib.report import figures, over_seeds, pages, provenance, rows, tables
from lglib.studies import models
from lglib.tasks import data, items as items_of
from lglib.tasks.microworld import lexicon, pretrain, skills

figures.style()
parameters = studies.parameters("models", profile, live=dict(seed=seed))
observed = studies.observed("models", profile)
measured = over_seeds(observed.frame)
names = list(measured["network"].dropna().unique())
own = [name for name in names if name in shipped.NAMES]
cards = {name: shipped.manifest(name) for name in own}
asked = models.drawn_items("yes-no", parameters.items, seed)
print(pages.measured(observed, seed=seed, versions=provenance.versions()))
print(", ".join(f"{name} = {value}" for name, value in parameters.model_dump().items()))

# %% [markdown]
# ## Facts, skills and the tokenizer
#
# A fact says where somebody is, what they do, like or have, or the colour or size of an object. A subject has one value of each sort, so values exclude each other: a tiny table is not a small one. The question `yes-no` asks whether something is so, `claim` states it, `open` asks for the value, and `who` for the subject. (Items that were drawn twice are kept once, so the number $n$ of an interval counts different items.)
#
# Beside reading there are nine skills. Three follow a rule. The other six are small tables, which a model can only know by heart. And there are plain stories, on which later chapters measure what an edit breaks.

# %%
for skill in skills.SKILLS:
    item = data.micro(1, skill, key=seed)[0]
    print(f"{item.prompt}{item.answer}")
print(skills.stories(1, part="test", key=seed)[0])

# %% [markdown]
# **The tokenizer** cuts text as GPT-2 cuts it, and each of the world's words is one token, with the space before it. Any other text is spelled in bytes, so nothing is lost and nothing is unknown. It has no learned merges. A prompt gets the
# token `<|end|>` in front. The answers " yes" and " no" are one token each, which the experiments of chapter 5 rely on.

# %%
tokenizer = lexicon.tokenizer()
print(len(lexicon.words()), "words,", len(tokenizer), "tokens")
print(
    tokenizer.convert_ids_to_tokens(tokenizer("Is Anna in Rome? Answer: yes").input_ids)
)

# %% [markdown]
# (micro-parts)=
# ## No test item was seen in training
#
# Every passage belongs to one of three parts: train (eight tenths), validation, or test.
#
# :::{prf:proposition} The parts of the micro-world are disjoint
# :label: prop-micro-parts
#
# Give every fact $i$ a whole number $n_i$. Let the part of a passage with the facts $F$ be a function of $\sum_{i\in F}n_i$. Then no passage, and no pair of a passage and a question about it, lies in two parts, and neither does a passage with the same facts in another order.
# :::
#
# :::{prf:proof}
# :class: dropdown
#
# The sum does not depend on the order of the facts or on the question. So the passage alone decides the part, and a function has one value.
# :::
#
# This is the same idea as in {prf:ref}`prop-parts`. It holds for the four kinds of questions together: no document of the training text is about a passage of the test part, whatever is asked. (A longer training passage may contain the facts of a shorter test passage, and the last document of a row of tokens is cut where the row ends.) Stories, and the inputs of the three rules, are split in the same way, as texts: the letters of a sorting item may have been
# sorted in training from another order. The tables are not split: their test items *were* seen, and a score on them says what is known by heart.
#
# The table says how many passages two draws from different parts have in common.

# %% tags=["hide-input"]
found = rows(measured, measure="passages in common")
tables.show(
    found, {"parts": "parts", tables.VALUE: "in common", "null": "two draws from train"}
)

# %% tags=["hide-input"]
met = rows(measured, measure="facts of test passages told in training")
tables.show(met, {"measure": "measure", tables.VALUE: "share [95 %] (n)"})

# %% [markdown]
# The last column is the control: two draws of the *same* part do have passages in common. So the zeros above are not just the size of the world.
#
# **What this does not show.** Practically every fact of a test passage, taken alone, was told in training in other company. And the sentences have the same few forms everywhere. The test part asks for new combinations, not for a new language.

# %% [markdown]
# (micro-training)=
# ## How they were trained
#
# Each model has four blocks with four heads, and a width and a context of a hundred and twenty-eight, and the architecture of a well-known family, as transformers implements it: GPT-2 (learned positions, layer norm), Qwen2 (rotary positions, with a small base that suits the short context, and gated units) and OLMo 2 (norms after the sublayers and on queries and
# keys). All are loaded by the call that loads a hub model.

# %% tags=["hide-input"]
card = pd.DataFrame(cards.values(), columns=["name", "parameters", "seconds", "tokens"])
tables.show(
    card,
    {
        "name": "model",
        "parameters": "parameters",
        "seconds": "trained, s",
        "tokens": "tokens",
    },
)

# %% [markdown]
# The seconds are of one thread. `make models` does it again from scratch. The weights are checked against their SHA-256 each time they are loaded.
#
# Reading grows unevenly: long stretches at one level, then a rise. Trained on the whole mixture from the start, trial runs, which are not kept here, still guessed among the values of a passage after eight minutes. What worked for us is a ladder of stages. All but the last two end when their *gate* is met, a score on validation items; the last
# two take all their steps and are judged afterwards. The block matrices learn by Muon {cite}`jordan2024muon`, all else by AdamW; the last stage is AdamW alone.
#
# 1. *Copy*: rows of random words to repeat. This is meant to train heads that find what stood after the same word before {cite}`olsson2022induction`.
# 2. *Look up*: passages, and short notes of them ("Anna kitchen, Ben garden"), with questions from a bare name ("Anna") through a short one ("Anna?") to the full sentence. The bare name in a note is answered by copying; every other form is one step longer than the one before.
# 3. *Look back*: the same, mostly from the value to the subject ("Who has a key?").
# 4. *Compare*: yes-no questions and claims, many to a passage, among skills and stories, first on two facts and then on four.
# 5. *Settle*: the same, while the learning rate falls.
# 6. *Calibrate*: the same, with a tenth of the yes and no answered wrongly ({ref}`micro-calibration`).
#
# In one trial run without the third stage (OLMo 2), yes-no questions on two facts were still at chance late in the fourth. The shipped run, with it, was at nine tenths soon after. One run each is a hint, no more.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-micro-curves", "caption": "Learning curves of the shipped models, recorded while they were trained: accuracy on 256 validation items. Dotted lines: ends of stages. Yes-no questions rise only in the stages that contain them, from the fourth on."}, "image": {"alt": "Three panels, one a model, of accuracy against millions of tokens. The curves for open questions and for who rise in the early stages; the one for yes-no questions stays near one half and then rises to one."}}
figure, axes = figures.panels(max(len(own), 1), height=2.3)
for panel, name in zip(axes, own, strict=False):
    curve = cards[name]["curve"]
    tokens = [row["tokens"] / 1e6 for row in curve]
    for kind in ("open", "who", "yes-no"):
        panel.plot(tokens, [row[kind] for row in curve], label=kind)
    for here, after in pairwise(curve):
        if here["stage"] != after["stage"]:
            panel.axvline(here["tokens"] / 1e6, color=figures.PAPER, lw=0.8, ls=":")
    figures.null_line(panel, 0.5, "yes-no, chance")
    panel.set(ylim=(-0.03, 1.03), ylabel="accuracy", title=name)
axes[-1].set_xlabel("million tokens")
figures.legend_below(axes[-1])

# %% [markdown]
# **What we see.** In each model the open questions are learned no later than the questions for the subject, and in the two with rotary positions clearly earlier. The first three stages hold no yes-no question, so chance there shows nothing; that these come last is our order, not a law. They then rise within a few million tokens. The later stages have few questions of the *who* kind, and the two models with
# rotary positions lose a part of them again.
#
# **What this does not show.** One run a model. How long a rise takes would differ with another seed; that is why each stage waits for its gate, and why the weights are shipped.

# %% [markdown]
# ## All scores
#
# An open question or a skill is answered right when greedy decoding writes the whole right answer. All items are of the test part, drawn anew with the run's seed. (With seed 0 the twin of a shipped model is the very network that its training began from.) A model was only shipped when it passed its gate on a thousand test items of another draw.

# %% tags=["hide-input"]
found = rows(measured, measure="accuracy")
display(tables.wide(found, "kind", "network"))
gate = pretrain.READS["yes-no"]
for name, part in found.groupby("network", sort=False):
    low = [
        f"{row.kind} {row.value:.2f}" for row in part.itertuples() if row.value < 0.9
    ]
    reads = rows(part, kind="yes-no")["value"].item()
    below = ", ".join(low) or "nothing"
    print(f"{name}: yes-no {reads:.3f}, gate {gate}; below 0.9: {below}")

# %% [markdown]
# ## Calibration
#
# Trained on right answers only, a small model that reads well becomes surer and surer. That leaves little to study. The derivative of $\ln P(\text{right})$ is $1-P(\text{right})$ with respect to the right answer's logit, and $-P(\text{other})$ with respect to another's. Both vanish as $P(\text{right})$ nears one, and random search sees
# a flat loss. A large margin between the logits also means that no small step changes an answer. Large language models are seldom so sure. So the last stage of training answers a tenth of the yes-no questions and claims wrongly, chosen at random each time.
#
# :::{prf:proposition} Label noise sets the confidence
# :label: prop-flips
#
# Let a share $\varepsilon$ of the labels, $0<\varepsilon<\tfrac12$, of two classes be flipped at random, whatever the input. A model that knows the true class of every input then has the least expected cross-entropy when it gives the true class the probability $1-\varepsilon$.
# :::
#
# :::{prf:proof}
# :class: dropdown
#
# Let $p$ be the probability that the model gives to the true class. The label is the true class with probability $1-\varepsilon$, so the expected cross-entropy is $-(1-\varepsilon)\ln p-\varepsilon\ln(1-p)$. Its derivative vanishes where $(1-\varepsilon)(1-p)=\varepsilon p$, that is at $p=1-\varepsilon$ alone, and it is strictly convex on $(0,1)$.
# :::
#
# This is about the best answer; training need not reach it. With $\varepsilon=0.1$ we expect $P(\text{yes})$ near $0.9$ for true questions and near $0.1$ for false ones, while the *more probable* answer stays right.

# %% tags=["hide-input"]
for name in own:
    row = [row for row in cards[name]["curve"] if row["stage"] == "settle"][-1]
    before = f"{row['P(yes|true)']:.4f} and {row['P(yes|false)']:.4f}"
    sure = rows(measured, measure="share surer than 0.999", network=name)[
        "value"
    ].item()
    print(f"{name}: before the last stage {before}; surer than 0.999 now: {sure:.3f}")

# %% [markdown]
# $P(\text{yes})$ is relative to yes and no together. The lines above give the two means on validation items at the end of the stage *settle*, before any label was flipped, and the share of items whose answer has a probability above $0.999$ now.
#
# **What we see.** The means lie close to $0.9$ and $0.1$ ({ref}`micro-calibration`), and no answer is sure to three digits.
#
# A *calibration curve* asks more: among items whose $P(\text{yes})$ is near some value, which share *is* labelled yes, when labels are flipped as in training? Ours come out in two clumps, so the curve has points only where there are items.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-micro-calibration", "caption": "Top: histograms of P(yes) on test items. Bottom: calibration against labels of which a tenth is flipped at random, in tenths with at least 20 items, 95 % over items; on the grey diagonal the share of yes is what the model says."}, "image": {"alt": "Upper panel: two clumps of P(yes), near one tenth and nine tenths, for each model. Lower panel: points with bars near the two ends of the diagonal."}}
figure, (top, bottom) = figures.panels(2, height=2.7)
shifts = np.linspace(-0.012, 0.012, len(names))
for shift, name in zip(shifts, names, strict=True):
    own_rows = measured[measured["network"] == name]
    part = own_rows[own_rows["measure"] == "share of items"]
    top.step(part["above"], part["value"], where="post", lw=1.6, label=name)
    part = own_rows[own_rows["measure"] == "share of yes"]
    value = part["value"], part["low"], part["high"]
    figures.points(bottom, part["predicted"] + shift, *value, label=name)
bottom.plot([0, 1], [0, 1], color=figures.NULL, lw=1.2, zorder=0, label="perfect")
top.set(ylabel="share of items", xlabel="P(yes)", xlim=(0, 1))
bottom.set(ylabel="share of yes", xlabel="P(yes)", xlim=(0, 1), ylim=(0, 1))
figures.legend_below(bottom)

# %% [markdown]
# **What we see.** Two clumps. Since the flips do not depend on the item, the share of yes should be about $0.9$ in every bin at the right and $0.1$ at the left. The spread of $P(\text{yes})$ beyond that is the model's own error.

# %% [markdown]
# ## The errors on turned sentences
#
# The items of "8 facts" are two passages joined, which gives more facts than any passage of the training had (pairs that might contradict each other are left out). In turned sentences facts of place are told in an order of words that training did not have ("At the park is Anna."). A person renamed Beatrix is spelled in bytes that training never used, which is harsher than a rare word for a large model. What kind of errors are those of the turned sentences?

# %% tags=["hide-input"]
display(
    tables.wide(
        rows(measured, measure="accuracy on turned questions"), "network", "question"
    )
)

# %% [markdown]
# One model denies nearly everything; the others do something closer to guessing.
#
# (own-data)=
# ## Bring your own data
#
# `data.read_questions` reads a file with one JSON object a line (`question`, `passage`, `answer`), as BoolQ {cite}`clark2019boolq` is published; `data.read_statements` reads `statement` and `label`. A bad line is named with its number. `data.boolq` fetches BoolQ itself at a fixed commit. Prompts that are too long for the context are cut at their start, and the page says how many. `items.split` makes three disjoint parts by a hash of the content: *select* to choose, *extract* to build, *evaluate* to judge. Questions on one passage stay together.

# %%
lines = (
    '{"question": "is the box red", "passage": "The box is red.", "answer": true}',
    '{"question": "is the box blue", "passage": "The box is red.", "answer": false}',
    '{"question": "is the cup red", "passage": "The cup is blue.", "answer": "no"}',
)
with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "mine.jsonl"
    file.write_text("\n".join(lines))
    try:
        data.read_questions(file)
    except data.BadData as error:
        print(error)
print({part: len(own_items) for part, own_items in items_of.split(asked).items()})
print(data.fit(asked, tokenizer, 24))
