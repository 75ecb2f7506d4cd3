"""Letters that read as Latin ones: the part of Unicode TS 39 that names and handles meet.

NFKD has taken apart fullwidth, mathematical, circled and accented letters before this is asked,
and case is folded: only the small letter stands here.
"""

from __future__ import annotations

from functools import cache

_READS_AS = {
    "a": "аɑαаⲁᴀꭺᎪꓮ𐊠",
    "b": "ьƅЬᏏꮟЪвβɓʙꓐᏴ",
    "c": "сϲⅽᴄⲥꮯᏟꓚ",
    "d": "ԁɗᏧᗪꓓⅾɖᴅ",
    "e": "еєҽεℯᴇⲉꭼᎬꓰɛ",
    "f": "ẝſꞙϝƒꓝ",
    "g": "ɡցǥɢᏀꓖԍᶃ",
    "h": "һհнηᏂⲏꓧʜꮋᎻ",
    "j": "јϳʝᴊꓙᎫ",
    "k": "кκᴋⲕқҟꓗᏦκҝ",
    "l": "іıιɩӏ1ⅰⅼǀ∣|ɪⲓїiӀاꓲꙇꭵι׀וɭᏞꓡɫłʟ!",
    "m": "мⅿᴍⲙꓟᎷ",
    "n": "пոռɴɲꓠⲛ",
    "o": "оοօσ0ᴏⲟ०০੦૦୦೦๐໐οჿߋꓳᏫס٥ഠօɵөøᴑ",
    "p": "рρƿⲣᴘꓑᏢϱⲣρ",
    "q": "ԛգզʠ",
    "r": "гᴦⲅꭇꭈʀꓣᏒᎡ",
    "s": "ѕꜱƽꓢᏚՏշʂꮪ",
    "t": "тτᴛⲧꓔᎢŧƭ",
    "u": "υսᴜцʋꓴμ",
    "v": "ѵνᴠⅴꓦᏙν",
    "w": "ԝшѡɯᴡաꓪᎳⱳω",
    "x": "хχⅹᕁ᙮ⲭꓫҳ×",
    "y": "уγүɏỿʏꭚꓬყүҮ",
    "z": "ᴢʐꓜᏃȥʒ",
    "ae": "æӕ",
    "oe": "œ",
    "ss": "ß",
    "th": "þ",
}

_TWO_AS_ONE = (("rn", "m"), ("vv", "w"))
"""Two letters side by side that read as one."""


@cache
def _table() -> dict[int, str]:
    """Both cases of what stands above, made when the first name is compared."""
    table: dict[int, str] = {}
    for latin, others in _READS_AS.items():
        for character in others:
            for form in {character, character.casefold(), character.lower()}:
                if len(form) == 1 and not ("a" <= form <= "z" and form != "i"):
                    table.setdefault(ord(form), latin)
    table[ord("i")] = "l"
    return table


def as_latin(folded: str) -> str:
    """Case-folded text with every letter replaced by the Latin one that it reads as."""
    text = folded.translate(_table())
    for two, one in _TWO_AS_ONE:
        text = text.replace(two, one)
    return text
