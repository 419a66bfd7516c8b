# SPDX-License-Identifier: LGPL-3.0
"""Job ids as text: the encodings of RFC 19 (FLUID), told apart by RFC 19's decoding rules.

`encode` and `parse` agree with `flux job id` (flux-core libjob/id.c, libutil/fluid.c). A job id
is an unsigned 64-bit number; a larger one is refused here, where flux-core lets it wrap around.
"""

import locale
import os
import re
import sys
from collections.abc import Callable
from functools import cache

__all__ = ["FORMS", "MAX_JOBID", "encode", "parse", "with_jobid"]

MAX_JOBID = 2**64 - 1

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE576 = (
    "😃😄😁😆😅😂😉😊😍😘😚😋😜😝😏😒😌😔😪😷😵😲😳😨😰😥😢😭😱😖😣😞😓😩😫😤"
    "😡😠👿💀💩👹👺👻👽👾😺😸😹😻😼😽🙀😿😾🙈🙉🙊💌💘💝💖💗💓💞💕💟💔💛💚💙💜"
    "💋💯💢💥💫💦💨💬💤👋👌👈👉👆👇👍👎👊👏🙌👐🙏💅💪👂👃👀👅👄👶👦👧👱👨👩👴"
    "👵🙍🙎🙅🙆💁🙋🙇👮💂👷👸👳👲👰👼🎅💆💇🚶🏃💃👯🏂🏄🏊🛀👫💏💑👪👤👣🐵🐒🐶"
    "🐩🐺🐱🐯🐴🐎🐮🐷🐗🐽🐑🐫🐘🐭🐹🐰🐻🐨🐼🐾🐔🐣🐤🐥🐦🐧🐸🐢🐍🐲🐳🐬🐟🐠🐡🐙"
    "🐚🐌🐛🐜🐝🐞💐🌸💮🌹🌺🌻🌼🌷🌱🌴🌵🌾🌿🍀🍁🍂🍃🍄🍇🍈🍉🍊🍌🍍🍎🍏🍑🍒🍓🍅"
    "🍆🌽🌰🍞🍖🍗🍔🍟🍕🍳🍲🍱🍘🍙🍚🍛🍜🍝🍠🍢🍣🍤🍥🍡🍦🍧🍨🍩🍪🎂🍰🍫🍬🍭🍮🍯"
    "🍵🍶🍷🍸🍹🍺🍻🍴🔪🌏🗾🌋🗻🏠🏡🏢🏣🏥🏦🏨🏩🏪🏫🏬🏭🏯🏰💒🗼🗽🌁🌃🌄🌅🌆🌇"
    "🌉🎠🎡🎢💈🎪🚃🚄🚅🚇🚉🚌🚑🚒🚓🚕🚗🚙🚚🚲🚏🚨🚥🚧🚤🚢💺🚀🕛🕐🕑🕒🕓🕔🕕🕖"
    "🕗🕘🕙🕚🌑🌓🌔🌕🌙🌛🌟🌠🌌🌀🌈🌂🔥💧🌊🎃🎄🎆🎇🎈🎉🎊🎋🎍🎎🎏🎐🎑🎀🎁🎫🏆"
    "🏀🏈🎾🎳🎣🎽🎿🎯🔫🎱🔮🎮🎰🎲🃏🀄🎴🎭🎨👓👔👕👖👗👘👙👚👛👜👝🎒👞👟👠👡👢"
    "👑👒🎩🎓💄💍💎🔊📢📣🔔🎼🎵🎶🎤🎧📻🎷🎸🎹🎺🎻📱📲📞📟📠🔋🔌💻💽💾💿📀🎥🎬"
    "📺📷📹📼🔍🔎💡🔦🏮📔📕📖📗📘📙📚📓📒📃📜📄📰📑🔖💰💴💵💸💳💹📧📨📩📤📥📦"
    "📫📪📮📝💼📁📂📅📆📇📈📉📊📋📌📍📎📏📐🔒🔓🔏🔐🔑🔨💣🔧🔩🔗📡💉💊🚪🚽🚬🗿"
    "🏧🚹🚺🚻🚼🚾🚫🚭🔞🔃🔙🔚🔛🔜🔝🔯🔼🔽🎦📶📳📴💱💲🔱📛🔰🔟🔠🔡🔢🔣🔤🆎🆑🆒"
    "🆓🆔🆕🆖🆗🆘🆙🆚🈁🈶🈯🉐🈹🈚🈲🉑🈸🈴🈳🈺🈵🔴🔵🔶🔷🔸🔹🔺🔻💠🔘🔳🔲🏁🚩🎌"
)
_ACCEPTED = (
    "expected f58 (ƒ... or f...), decimal, 0x hexadecimal, dotted hexadecimal "
    "(optionally after 'job.'), words (a-b-c--d-e-f) or emoji"
)


def parse(text: str) -> int:
    """Return the job id that `text` stands for, in any encoding; outer white space is ignored.

    Raises ValueError, in one line that names the accepted encodings.
    """
    body = text.strip().removeprefix("job.").strip()
    try:
        return _checked(_decoder(body)(body))
    except ValueError:
        raise ValueError(f"{text!r} is not a job id: {_ACCEPTED}") from None


def encode(jobid: int, form: str = "f58") -> str:
    """Return `jobid` in one of the `FORMS`, e.g. "f58" (with f for ƒ where Flux has it).

    Raises ValueError for an unknown form or a number that is no job id.
    """
    if form not in FORMS:
        raise ValueError(f"unknown job id encoding {form!r}: choose one of {', '.join(FORMS)}")
    return FORMS[form](_checked(jobid))


def with_jobid(line: bytes, jobid: int) -> bytes:
    """Return a JSON object with one more member at its end: `jobid`, the id in f58.

    Common readers of JSON take numbers for doubles, which change ids above 2^53.
    """
    return b'%b,"jobid":"%b"}' % (line.rstrip()[:-1], encode(jobid).encode())


@cache
def _prefix() -> str:
    """Return what ids in f58 begin with: ƒ where Flux takes that, and the output has it.

    As in flux-core's fluid.c, the locale has to be one of UTF-8, and FLUX_F58_FORCE_ASCII not
    set, not even to nothing.
    """
    if locale.nl_langinfo(locale.CODESET) != "UTF-8" or "FLUX_F58_FORCE_ASCII" in os.environ:
        return "f"
    try:
        "ƒ".encode(sys.stdout.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return "f"
    return "ƒ"


def _checked(jobid: int) -> int:
    if not 0 <= jobid <= MAX_JOBID:
        raise ValueError(f"{jobid} is not a job id: it has to fit in 64 bits, unsigned")
    return jobid


def _decoder(body: str) -> Callable[[str], int]:
    """Choose by RFC 19's rules, in their order: dotted hex and words may begin with f, too."""
    if "." in body:
        return _from_dothex
    if "-" in body:
        return _from_words
    if body.startswith(("ƒ", "f")):
        return lambda text: _from_digits(text[1:], _BASE58, limit=12)
    if body[:1] in _BASE576:
        return lambda text: _from_digits(text, _BASE576, limit=7)
    return _from_integer


def _from_digits(digits: str, alphabet: str, *, limit: int) -> int:
    if not 0 < len(digits) <= limit:
        raise ValueError("no digits, or more than 64 bits can have")
    number = 0
    for digit in digits:
        number = number * len(alphabet) + alphabet.index(digit)
    return number


def _to_digits(number: int, alphabet: str) -> str:
    digits = ""
    while number or not digits:
        number, digit = divmod(number, len(alphabet))
        digits = alphabet[digit] + digits
    return digits


def _from_integer(text: str) -> int:
    # int() alone would take underscores and the digits of other scripts, too.
    if re.fullmatch(r"0x[0-9a-fA-F]+", text):
        return int(text, 16)
    if re.fullmatch(r"\+?[0-9]+", text):
        return int(text)
    raise ValueError("neither decimal nor hexadecimal")


def _from_dothex(text: str) -> int:
    if not re.fullmatch(r"[0-9a-fA-F]{1,4}(\.[0-9a-fA-F]{1,4}){3}", text):
        raise ValueError("not four groups of hexadecimal digits")
    return int("".join(group.zfill(4) for group in text.split(".")), 16)


def _to_dothex(jobid: int) -> str:
    digits = f"{jobid:016x}"
    return ".".join(digits[start : start + 4] for start in range(0, 16, 4))


def _from_words(text: str) -> int:
    """Decode six words, whatever their case and the marks between them."""
    from mnemonicode import mnformat, mnparse  # noqa: PLC0415 - its list of words is rarely needed

    words = re.findall("[a-z]+", text.lower())
    canonical = "--".join(["-".join(words[:3]), "-".join(words[3:])])
    data = mnparse(canonical)
    # Some sequences of known words are not valid encodings; mnparse() accepts them.
    if len(data) != 8 or mnformat(data) != canonical:
        raise ValueError("no encoding of 64 bits")
    return int.from_bytes(data, "little")


def _to_words(jobid: int) -> str:
    from mnemonicode import mnformat  # noqa: PLC0415 - its list of words is rarely needed

    return mnformat(jobid.to_bytes(8, "little"))


FORMS: dict[str, Callable[[int], str]] = {
    "dec": str,
    "hex": hex,
    "dothex": _to_dothex,
    "kvs": lambda jobid: "job." + _to_dothex(jobid),
    "words": _to_words,
    "f58": lambda jobid: _prefix() + _to_digits(jobid, _BASE58),
    "f58plain": lambda jobid: "f" + _to_digits(jobid, _BASE58),
    "emoji": lambda jobid: _to_digits(jobid, _BASE576),
}
