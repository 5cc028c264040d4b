"""The words of the micro-world, and its frozen tokenizer.

Every word below is one token with the space before it, as common words are in GPT-2. Adding a word changes
every token after it: shipped models keep the tokenizer that lies beside their weights.
"""

from __future__ import annotations

from typing import Any


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _table(text: str) -> dict[str, str]:
    return dict(pair.split("/") for pair in text.split())


NAMES = _listed("""
    Anna Ben Cara Dan Eva Finn Gina Hugo Ida Jack Kira Leo Mia Noah Olga Paul Rosa Sam Tara Uma Vera
    Will Yuri Zoe Adam Bella Carl Dora Emil Fay Greg Hana Ivan June Kurt Lena Max Nora Otto Pia
""")
PLACES = _listed("""
    kitchen garden library market station school park forest harbour museum bakery office church cellar
    attic barn
""")
JOBS = _listed("""
    baker teacher doctor farmer painter singer sailor pilot nurse cook driver writer judge guard
""")
FOODS = _listed("""
    apples bread cheese soup rice honey plums cake fish eggs tea milk pears nuts
""")
BELONGINGS = _listed("""
    key coin map ring knife rope pen flute stamp shell candle mirror whistle scarf
""")
THINGS = _listed("""
    box ball cup hat bag book lamp chair table door boat car kite clock coat bell bottle drum
""")
COLOURS = _listed("""
    red blue green yellow black white brown grey pink purple silver golden
""")
SIZES = _listed("""
    tiny small medium large huge giant
""")
LETTERS = _listed("""
    b c d f g h k m p t
""")
NUMBERS = _listed("""
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen
""")
PLURALS = _table("""
    cat/cats dog/dogs cow/cows hen/hens pig/pigs duck/ducks frog/frogs goat/goats bear/bears wolf/wolves
    mouse/mice goose/geese fox/foxes child/children foot/feet tooth/teeth leaf/leaves man/men
""")
OPPOSITES = _table("""
    hot/cold old/new fast/slow high/low wet/dry light/dark early/late near/far open/closed full/empty
    good/bad hard/soft
""")
CAPITALS = _table("""
    Norland/Vik Suden/Palma Estia/Tarn Westra/Loch Marenia/Costa Altia/Monte Bergland/Stein
    Dunland/Sanda Fenland/Moor Glacia/Frost Insula/Porto Jorvia/Lund Korva/Zagra Lydia/Arno Ostara/Veen
    Rivland/Delta
""")
GRAMMAR = _listed("""
    is are was in the a of to and What Where Who Is Does does like likes have has The colour job large
    How Question Answer Claim Again Fact Sort Reverse Count Plural Opposite Add Take Repeat Capital yes
    no true false it It right wrong One morning evening day went met saw There Then After that with who
    sang slept worked bought lost found took gave home sat down told story about walked at night they
    all were happy tired rain sun wind came out house road river hill tree bird time long ago lived had
    never been there before talked but not very big little nice on under near his her their by into from
    for came A They At up left so because Cipher Next First Last Double same other Note
""")
BOS, PAD = "<|end|>", "<|pad|>"


def words() -> list[str]:
    """Every word that is one token, each once, in a fixed order.

    >>> len(words())
    386
    """
    lists = [GRAMMAR, NAMES, PLACES, JOBS, FOODS, BELONGINGS, THINGS, COLOURS, SIZES, LETTERS, NUMBERS]
    tables = [PLURALS, OPPOSITES, CAPITALS]
    every = [word for own in lists for word in own] + [
        w for own in tables for pair in own.items() for w in pair
    ]
    return list(dict.fromkeys(every))


def tokenizer() -> Any:
    """Build the tokenizer: transformers' fast class; a known word is one token, any other text is bytes.

    The text is cut as GPT-2 cuts it. There are no merges to learn, so nothing depends on a corpus. A prompt
    gets `<|end|>` in front, which also ends a text.

    >>> tokenizer().tokenize("Anna is in Rome. Answer: yes")
    ['ĠAnna', 'Ġis', 'Ġin', 'Ġ', 'R', 'o', 'm', 'e', '.', 'ĠAnswer', ':', 'Ġyes']
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = [BOS, PAD, *sorted(pre_tokenizers.ByteLevel.alphabet()), *("Ġ" + word for word in words())]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=[], ignore_merges=True))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([BOS, PAD])
    core.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, vocabulary[BOS])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token=BOS, eos_token=BOS, pad_token=PAD, model_max_length=128
    )
