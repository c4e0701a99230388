"""Edit distance, for the official MathVista scorer's fallback."""


def levenshtein(first: str, second: str) -> int:
    """The Levenshtein distance of two strings, by Myers' bit vectors (J. ACM 46, 1999, section 4).

    One step for each character of the longer string, on integers with as many bits as the shorter has characters.
    """
    pattern, text = (first, second) if len(first) <= len(second) else (second, first)
    if not pattern:
        return len(text)
    where: dict[str, int] = {}
    for index, character in enumerate(pattern):
        where[character] = where.get(character, 0) | 1 << index
    mask, last = (1 << len(pattern)) - 1, 1 << (len(pattern) - 1)
    plus, minus, distance = mask, 0, len(pattern)
    for character in text:
        equal = where.get(character, 0)
        vertical = equal | minus
        horizontal = (((equal & plus) + plus) ^ plus) | equal
        up = minus | ~(horizontal | plus) & mask
        down = plus & horizontal
        distance += bool(up & last) - bool(down & last)
        up = (up << 1 | 1) & mask
        down = down << 1 & mask
        plus = down | ~(vertical | up) & mask
        minus = up & vertical
    return distance
