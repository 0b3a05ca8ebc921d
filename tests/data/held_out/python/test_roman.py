import unittest

NUMERALS = [
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"),
    (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
]


def to_roman(number):
    if not isinstance(number, int):
        raise TypeError(f"expected an int, not {type(number).__name__}")
    if not 0 < number < 4000:
        raise ValueError("number out of range (must be 1..3999)")
    result = []
    for value, numeral in NUMERALS:
        times, number = divmod(number, value)
        result.append(numeral * times)
    return "".join(result)


def from_roman(text):
    total = 0
    index = 0
    for value, numeral in NUMERALS:
        while text[index:index + len(numeral)] == numeral:
            total += value
            index += len(numeral)
    if index != len(text) or to_roman(total) != text:
        raise ValueError(f"not a roman numeral: {text!r}")
    return total


class RomanTest(unittest.TestCase):
    known = {1: "I", 4: "IV", 9: "IX", 14: "XIV", 40: "XL", 90: "XC", 400: "CD", 1994: "MCMXCIV", 3999: "MMMCMXCIX"}

    def test_known_values(self):
        for number, numeral in self.known.items():
            with self.subTest(number=number):
                self.assertEqual(to_roman(number), numeral)
                self.assertEqual(from_roman(numeral), number)

    def test_there_and_back(self):
        for number in range(1, 4000):
            self.assertEqual(from_roman(to_roman(number)), number)

    def test_out_of_range(self):
        for number in (0, -1, 4000):
            self.assertRaises(ValueError, to_roman, number)

    def test_not_an_integer(self):
        with self.assertRaises(TypeError):
            to_roman(1.5)

    def test_malformed(self):
        for text in ("IIII", "VV", "IM", "", "abc", "XIVX"):
            with self.assertRaises(ValueError):
                from_roman(text)


if __name__ == "__main__":
    unittest.main()
