"""What is done to an ad so that a judge misses what it says: the names, and those that change words. Pure.

Words are disguised as an evader would: the violating words, and as many of their characters as the strength asks for.
What happens to a picture is `layouts`' (small and vertical text) and `render`'s (the rest) business.
"""

import random
from typing import Final, Literal

from consumer.evaluation.characters import HOMOPHONES, LOOK_ALIKES, PINYIN, TRADITIONAL

TextPerturbation = Literal["separators", "look_alikes", "homophones", "pinyin", "traditional"]
TEXT: Final[tuple[TextPerturbation, ...]] = ("separators", "look_alikes", "homophones", "pinyin", "traditional")
PICTURE: Final = ("rotation", "contrast", "small_text", "blur_jpeg", "vertical")
STRENGTHS: Final = (1, 2, 3)

_SEPARATORS: Final = ("·", " ", "-", "*", "/", ".", "_", "~", "|", "★", "、", "+")


def disguise(words: str, name: TextPerturbation, strength: int, dice: random.Random) -> str:
    """`words` in disguise; unchanged where none of their characters can be disguised this way.

    Strength 1 touches one character, 2 touches two, 3 all that can be; separators: one, one between any two, different
    ones. Traditional characters know no middle way: the strength says how much of the ad is written in them.
    """
    if name == "separators":
        return _separated(words, strength, dice)
    if name == "traditional":
        return "".join(TRADITIONAL.get(character, character) for character in words)
    spots = [index for index, character in enumerate(words) if _other(character, name, dice) != character]
    chosen = set(spots if strength == STRENGTHS[-1] else dice.sample(spots, min(strength, len(spots))))
    return "".join(
        _other(character, name, dice) if index in chosen else character for index, character in enumerate(words)
    )


def _other(character: str, name: TextPerturbation, dice: random.Random) -> str:
    if name == "look_alikes":
        return LOOK_ALIKES.get(character, character)
    if name == "pinyin":
        return PINYIN.get(character, character)
    return dice.choice(HOMOPHONES.get(character, character))


def _separated(words: str, strength: int, dice: random.Random) -> str:
    gaps = [index for index in range(1, len(words)) if _ideograph(words[index - 1]) and _ideograph(words[index])]
    if not gaps:
        return words
    if strength == 1:
        gaps = [gaps[len(gaps) // 2]]
    one = dice.choice(_SEPARATORS)
    pieces = [words[: gaps[0]]]
    for start, end in zip(gaps, [*gaps[1:], len(words)], strict=True):
        pieces.append(dice.choice(_SEPARATORS) if strength == STRENGTHS[-1] else one)
        pieces.append(words[start:end])
    return "".join(pieces)


def _ideograph(character: str) -> bool:
    return "\u4e00" <= character <= "\u9fff"
