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
# # The models: small ones that read, and one call that loads all others
#
# The next chapters need *language models*: networks that were trained on text, that answer questions, and that can be edited with LoRA and steered. The paper {cite}`piontkovskaia2026recoverable` uses DistilGPT-2, GPT-2, Qwen2.5 and
# OLMo. These need a network connection to fetch them, and a GPU to study them in reasonable time. A reader may have neither. So this project brings three small models of its own, *micro-gpt2* (892,160 parameters), *micro-qwen2* (863,360) and *micro-olmo2* (862,848), and loads them through the same code as the large ones. Where the book says "a language model" of a measured value, it is one of these three with 0.9 million parameters, unless another is named.
#
# This chapter measures no claim of the paper. It checks the instruments: what the small models read, how sure they are, what they can stand in for, and what they cannot.
#
# | Question | Section |
# |---|---|
# | What is the world that they read about? | {ref}`micro-world` |
# | Can a test item have been seen in training? | {ref}`micro-parts` |
# | How were they trained? | {ref}`micro-training` |
# | What can they do? | {ref}`micro-scores` |
# | How sure are they, and why does it matter? | {ref}`micro-calibration` |
# | Where do they fail? | {ref}`micro-limits` |
# | How do I bring my own model, or my own data? | {ref}`own-model` |

# %% tags=["parameters"]
profile = (
    "quick"  # whose observations are shown, and which parameters the live case has
)
seed = 0  # of the live case
model = "micro-gpt2"  # the network of the live case, one of the profile's

# %% tags=["hide-input"]
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from lglib import studies
from lglib.models import load, shipped
from lglib.report import figures, over_seeds, provenance, rows, tables
from lglib.studies import models
from lglib.tasks import data, items as items_of
from lglib.tasks.microworld import lexicon, passages, pretrain, skills
from lglib.theory import stats

figures.style()
parameters = studies.parameters("models", profile, live=dict(seed=seed, model=model))
print(f"profile {profile}, seed {seed}, {parameters.items} items of each kind")
print(", ".join(f"{name} {v}" for name, v in provenance.versions().items()))

# %% [markdown]
# One model is looked at *live*, step by step. What was measured on all of them is read from its observations, which the same steps made.

# %%
observed = studies.observed("models", profile)
measured = over_seeds(observed.frame)
names = list(measured["network"].dropna().unique())
print(observed)
print("networks:", ", ".join(names))

# %% [markdown]
# (micro-world)=
# ## A world of a few hundred words
#
# A *fact* says one thing of one subject: where somebody is, what they do, like or have, or the colour or size of an object. A *passage* is one to four facts. Nothing is true outside its passage, and the facts are drawn at random, so a question can be answered
# only by reading. A subject has one value of each sort, so values exclude each other: a tiny table is not a small one. There are four kinds of questions.

# %%
for kind in passages.KINDS:
    item = data.micro(3, kind, key=seed)[1]
    print(f"{kind:7s}{item.prompt}{item.answer}")

# %% [markdown]
# Here `yes-no` asks whether something is so, `claim` states it, `open` asks for the value, and `who` for the subject. Half of the right answers to the first two are yes. A false question or claim takes its false value, half of the time where that is possible, from another fact of the same passage. So it is not
# enough to find the value in the passage: the model must *bind* it to the subject. How far does a reader come that does not bind, and says yes whenever the value stands in the passage?

# %%
asked = models.drawn_items("yes-no", parameters.items, seed)
present = np.mean([models.is_present(item) for item in asked])
print(f"the value stands in the passage of {present:.2f} of {len(asked)} yes-no items")
print(f"the shortcut is right on {models.shortcut(asked):.3f} of them")

# %% [markdown]
# That, and not one half, is what reading has to beat. (Items that were drawn twice are kept once here, so the number $n$ of an interval counts different items.)
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
# The sum does not depend on the order of the facts or on the question. So the passage alone decides the part, and a function has one value.
# :::
#
# This is the same idea as in {prf:ref}`prop-parts`. It holds for the four kinds of questions together: no document of the training text is about a passage of the test part, whatever is asked. (A longer training passage may contain the facts of a shorter test passage, and the last document of a row of tokens is cut where the row ends.) Stories, and the inputs of the three rules, are split in the same way, as texts: the letters of a sorting item may have been
# sorted in training from another order. The tables are not split: their test items *were* seen, and a score on them says what is known by heart.
#
# The table says how many passages two draws from different parts have in common.

# %%
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
#
# (micro-training)=
# ## How they were trained
#
# Each model has four blocks with four heads, and a width and a context of a hundred and twenty-eight, and the architecture of a well-known family, as transformers implements it: GPT-2 (learned positions, layer norm), Qwen2 (rotary positions, with a small base that suits the short context, and gated units) and OLMo 2 (norms after the sublayers and on queries and
# keys). All are loaded by the call that loads a hub model.

# %%
own = [name for name in names if name in shipped.NAMES]
cards = {name: shipped.manifest(name) for name in own}
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

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-micro-curves", "caption": "Learning curves of the shipped models, recorded while they were trained: accuracy on 256 validation items. Dotted lines: ends of stages. Open questions pass nine tenths no later than questions for the subject (who). Yes-no questions rise only in the stages that contain them, from the fourth on."}, "image": {"alt": "Three panels, one a model, of accuracy against millions of tokens. The curves for open questions and for who rise in the early stages; the one for yes-no questions stays near one half and then rises to one."}}
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
#
# (micro-scores)=
# ## What they can do
#
# A model's answer to a yes-no question or a claim is the more probable of " yes" and " no" at the last token of the prompt. An open question or a skill is answered right when greedy decoding writes the whole right answer. All items are of the test part, drawn anew with this run's seed. Beside each model stands its *untrained
# twin*: same architecture, same tokenizer, random weights.

# %%
network = models.load(model, parameters, seed)
twin = models.load(model, parameters, seed, trained=False)
print(f"{model}: yes-no {models.accuracy(network, asked):.3f}")
print(f"untrained: yes-no {models.accuracy(twin, asked):.3f}")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-micro-scores", "caption": "Accuracy on test items by kind, with 95 % intervals over items. Grey dots: mean of the untrained twins. Grey cross: a reader who says yes when the value stands in the passage. The upper four kinds ask about a passage; sort, reverse and repeat follow a rule; the rest are small tables seen whole in training, whose intervals therefore mean little."}, "image": {"alt": "Ladder plot of thirteen kinds of items. Coloured dots of the three trained models lie near one, grey dots of the untrained twins near one half for yes-no and claim and near zero elsewhere."}}
figure, (axes,) = figures.panels(1, height=5.4)
found = rows(measured, measure="accuracy")
kinds, ends = list(found["kind"].unique()), ["value", "low", "high"]
series = {
    name: part[ends].values for name, part in found.groupby("network", sort=False)
}
figures.ladder(axes, kinds, series)
grey = found.groupby("kind", sort=False)["null"].mean().values
figures.ladder(axes, kinds, {"untrained": np.stack([grey] * 3, 1)}, color=figures.NULL)
crude = rows(measured, measure="accuracy of the shortcut")["value"].item()
axes.plot(crude, len(kinds) - 1, "x", color=figures.NULL, label="shortcut")
axes.set(xlim=(-0.03, 1.03), xlabel="share of right answers")
_ = axes.legend(loc="center", bbox_to_anchor=(0.42, 0.45))

# %% tags=["hide-output"]
tables.wide(found, "kind", "network")

# %%
gate = pretrain.READS["yes-no"]
for name, part in found.groupby("network", sort=False):
    low = [
        f"{row.kind} {row.value:.2f}" for row in part.itertuples() if row.value < 0.9
    ]
    reads = rows(part, kind="yes-no")["value"].item()
    print(
        f"{name}: yes-no {reads:.3f}, gate {gate}; below 0.9: {', '.join(low) or 'nothing'}"
    )

# %% [markdown]
# The shortcut is wrong on the false questions whose value stands in the passage. There a model is right only if it does more than the shortcut does.

# %%
hard = rows(measured, measure="accuracy where the shortcut fails")
tables.show(
    hard, {"network": "model", tables.VALUE: "right [95 %] (n)", "null": "shortcut"}
)

# %% [markdown]
# **What we see.** Each of the three models, of 0.9 million parameters, answers yes-no questions, claims, open questions and skills nearly all right, also where the shortcut fails. Questions for the subject (*who*) are the exception in the two models with rotary positions, probably because the last stages hold few of them. The untrained twins are at chance where there are two answers, and otherwise
# seldom write a right answer. (With `seed = 0` the twin of a shipped model is the very network that its training began from.)
#
# **What this does not show.** The intervals are over items, for one training run of each model. They say how well *this* network reads, and nothing of how another seed would. And a model was only shipped when it passed its gate on a thousand test items of another draw.
#
# (micro-calibration)=
# ## How sure they are
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
# Let $p$ be the probability that the model gives to the true class. The label is the true class with probability $1-\varepsilon$, so the expected cross-entropy is $-(1-\varepsilon)\ln p-\varepsilon\ln(1-p)$. Its derivative vanishes where $(1-\varepsilon)(1-p)=\varepsilon p$, that is at $p=1-\varepsilon$ alone, and it is strictly convex on $(0,1)$.
# :::
#
# This is about the best answer; training need not reach it. With $\varepsilon=0.1$ we expect $P(\text{yes})$ near $0.9$ for true questions and near $0.1$ for false ones, while the *more probable* answer stays right.

# %%
p, true = models.p_yes(network, asked), models.are_true(asked)
print(f"{model}: P(yes) {stats.mean_interval(p[true]):.3f} where yes is right")
print(f"{model}: P(yes) {stats.mean_interval(p[~true]):.3f} where no is right")

# %%
found = rows(measured, measure="P(yes)")
told = {"network": "model", "question": "question", tables.VALUE: "P(yes) [95 %] (n)"}
tables.show(found, {**told, "predicted": "at the optimum"})

# %%
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
# **What we see.** The means lie close to $0.9$ and $0.1$, as {prf:ref}`prop-flips` says, and no answer is sure to three digits.
#
# A *calibration curve* asks more: among items whose $P(\text{yes})$ is near some value, which share *is* labelled yes, when labels are flipped as in training? Ours come out in two clumps, so the curve has points only where there are items.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-micro-calibration", "caption": "Top: histograms of P(yes) on test items, true questions and false ones together. Bottom: calibration curve against labels of which a tenth is flipped at random, in tenths with at least 20 items, with 95 % intervals (dots shifted a little sideways); on the grey diagonal the share of yes is what the model says. Against the true labels the models are less sure than they could be, on purpose."}, "image": {"alt": "Upper panel: two clumps of P(yes), near one tenth and nine tenths, for each model. Lower panel: points with bars near the two ends of the diagonal."}}
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
_ = top.legend()
figures.legend_below(bottom)

# %% [markdown]
# **What we see.** Two clumps. Since the flips do not depend on the item, the share of yes should be about $0.9$ in every bin at the right and $0.1$ at the left. The spread of $P(\text{yes})$ beyond that is the model's own error.
#
# (micro-limits)=
# ## Where they fail
#
# A stand-in is useful only if one knows where it stops standing in. The yes-no items are changed step by step: by the number of facts; with two passages joined, which gives more facts than any passage of the training had (pairs that might contradict each other are left out); with facts of
# place told in an order of words that training did not have ("At the park is Anna."); and with the person in question renamed Beatrix, which is no word of the world and is spelled in bytes that training never used.

# %%
tests = models.changed(parameters.items, seed)
for test in ("places, as trained", "places, turned"):
    print(tests[test][0].prompt)
    print(f"{model}: {models.accuracy(network, tests[test]):.3f} right")

# %% [markdown]
# How far are the live numbers from those that were filed for this model and this seed?

# %%
live = {
    "accuracy, yes-no": models.accuracy(network, asked).estimate,
    "P(yes), true": p[true].mean(),
    "accuracy on changed questions, places, turned": models.accuracy(
        network, tests["places, turned"]
    ).estimate,
}
mine = observed.frame.query("seed == @seed and network == @model")
print(f"{len(mine)} values are filed for {model}, seed {seed}")
for row in mine.itertuples():
    words = (row.measure, row.kind, row.question, row.test)
    key = ", ".join(word for word in words if isinstance(word, str))
    if key in live:
        print(f"{key}: live {live[key]:.4f}, filed {row.value:.4f}")

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-micro-limits", "caption": "Accuracy on yes-no questions as in training, and changed, with 95 % intervals over items. Grey crosses: the shortcut. Eight facts are two passages joined; 'turned' sentences say 'At the park is Anna'; in 'renamed' the person asked about is called Beatrix, which is spelled in bytes."}, "image": {"alt": "Ladder plot of nine rows. Dots for one to four facts, and for places and people as trained, lie near one; those for turned sentences and renamed people lie lower."}}
figure, (axes,) = figures.panels(1, height=4.2)
found = rows(measured, measure="accuracy on changed questions")
what, ends = list(found["test"].unique()), ["value", "low", "high"]
series = {
    name: part[ends].values for name, part in found.groupby("network", sort=False)
}
figures.ladder(axes, what, series)
axes.axvline(0.5, color=figures.NULL, lw=1.2, zorder=0, label="chance")
crude = found.groupby("test", sort=False)["null"].mean()
axes.plot(crude, range(len(what))[::-1], "x", color=figures.NULL, label="shortcut")
axes.set(xlim=(0.35, 1.02), xlabel="share of right answers")
_ = axes.legend(loc="center", bbox_to_anchor=(0.34, 0.76))

# %% [markdown]
# What kind of errors are those of the turned sentences?

# %%
tables.wide(
    rows(measured, measure="accuracy on turned questions"), "network", "question"
)

# %% [markdown]
# **What we see.** Twice as many facts, none of the added ones about the subject, cost at most a few per cent. A new order of words leaves little: all three fall far below the shortcut, one by denying nearly everything, the others by something closer to guessing. The models learned these sentence forms, and did not generalise to another. A name spelled in bytes puts them below the shortcut too. Its tokens were never trained, which is harsher than a rare word
# for a large model.
#
# **What the models can stand in for.** They are transformers of three real families, trained by gradient descent to read and to compare, and their answers are neither random nor saturated. They can show what *can* happen to gradients, LoRA adapters and steering vectors in such a network, with every control, in
# minutes.
#
# **What they cannot stand in for.** They know a few sentence forms and nothing of the real world. They have four blocks. Nothing here says how a number changes with size. A finding on them is a hypothesis about a large model, and the call below is there to test it.
#
# (own-model)=
# ## Bring your own model
#
# One call loads every model, and what it returns has the same parts: the blocks in order, the width of the residual stream, the names of the layers for LoRA, device, number type, the number of parameters, and the hash of the weights, so that a result can say what made it.
#
# ```python
# model = lglib.load("openai-community/gpt2@607a30d783dfa663caf39e06633721c8d4cfcd7e", allow_download=True)
# model = lglib.load("my-models/qwen-finetuned", dtype="bfloat16")
# model = lglib.load("micro-qwen2", trained=False, seed=3)
# ```
#
# The first is a hub model at one commit, so that everybody gets the same file. Nothing is downloaded unless you say so. The second is a folder in the format of transformers. The third is an untrained twin. Families that work out of the box: GPT-2, Qwen2, Qwen3, Llama, OLMo 2, GPT-NeoX (Pythia) and Gemma 2; for another,
# `families.register` takes three names. Weights must be safetensors, and no code from a repository is run. The cell below makes a Llama of random weights, saves it as anyone would, and loads it like any other.

# %%
from transformers import LlamaConfig, LlamaForCausalLM

size = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2)
more = dict(num_attention_heads=2, max_position_embeddings=64)
with tempfile.TemporaryDirectory() as folder:
    config = LlamaConfig(vocab_size=len(tokenizer), **size, **more)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    mine = load(folder, device=parameters.device)
print(mine.family, len(mine.blocks), "blocks, LoRA on", ", ".join(mine.attention))

# %% [markdown]
# To run the chapters with it, set the model in a profile: `README.md` says how.
#
# **Your own data.** `data.read_questions` reads a file with one JSON object a line (`question`, `passage`, `answer`), as BoolQ {cite}`clark2019boolq` is published; `data.read_statements` reads `statement` and `label`. A bad line is named with its number. `data.boolq` fetches BoolQ itself at a fixed commit. Prompts that are too long for the
# context are cut at their start, and the page says how many. `items.split` makes three disjoint parts by a hash of the content: *select* to choose, *extract* to build, *evaluate* to judge. Questions on one passage stay together.

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

# %% [markdown]
# ## Exercises
#
# :::{exercise} How noisy is an accuracy?
# :label: ex-wilson
#
# A model answers all of $n$ test items right. Which accuracies does the Wilson interval at 95 % still allow? How many items does it take before it excludes everything below $0.997$?
# :::
#
# :::{solution} ex-wilson
# :class: dropdown
#
# With $\hat p=1$ the lower end of the Wilson interval is $n/(n+z^2)$ with $z=1.96$. It exceeds $0.997$ when $n>0.997\,z^2/0.003\approx1277$. So with a thousand items, all right, an accuracy of $0.9962$ cannot be excluded. That is why every share here carries its interval.
# :::
#
# :::{exercise} What noisy labels cost
# :label: ex-flip-cost
#
# At the optimum of {prf:ref}`prop-flips` with $\varepsilon=0.1$, what is the cross-entropy of the answers under noisy labels (a tenth flipped), and under true ones? Compare with a model that gives the true class $0.9999$ throughout.
# :::
#
# :::{solution} ex-flip-cost
# :class: dropdown
#
# Under noisy labels the least value is the entropy of the flip, $-0.9\ln0.9-0.1\ln0.1\approx0.325$ nats. Under true labels the same answers cost $-\ln0.9\approx0.105$ nats. The sure model pays $0.0001$ nats under true labels, but $0.9\cdot0.0001+0.1\cdot9.21\approx0.92$ nats under noisy ones. So under noisy labels certainty costs $0.92$ against $0.325$.
# :::
#
# :::{exercise} A shortcut that must fail
# :label: ex-shortcut
#
# Let a share $p$ of the questions be *false*, and a share $s$ of the false ones ask about a value that stands in the passage. Show that the shortcut is right on a share $1-ps$. Which $p$ and $s$ do our items have, overall and with four facts?
# :::

# %% [markdown]
# ```{solution-start} ex-shortcut
# :class: dropdown
# ```
# The shortcut is right on every true question, since the value of a true fact stands in the passage. On a false one it is wrong exactly when the value stands there: a share $p$ of the items, times $s$. Our items are drawn with $p=\tfrac12$ in mind; in a sample, and with items that were drawn twice kept once, $p$ is not exactly that.

# %%
for what, chosen in {"all": asked, "4 facts": tests["4 facts"]}.items():
    false = [i for i in chosen if i.label == 1]
    hits = sum(map(models.is_present, false))
    s = stats.proportion_interval(hits, len(false))
    p = len(false) / len(chosen)
    print(f"{what}: p = {p:.3f}, s = {s:.3f}, 1 - p s = {1 - p * s.estimate:.3f}")
    print(f"    the shortcut is right on {models.shortcut(chosen):.3f}")

# %% [markdown]
# With $p=\tfrac12$ only $s=1$ would bring the shortcut down to chance. Then, however, a passage with one fact could not be asked a false question.
#
# ```{solution-end}
# ```
