"""Matrices of fractions: exact, slow, and good enough for homework."""

from fractions import Fraction
from itertools import zip_longest


class Matrix:
    __slots__ = ("rows",)

    def __init__(self, rows):
        self.rows = [[Fraction(value) for value in row] for row in rows]
        if len({len(row) for row in self.rows}) > 1:
            raise ValueError("all rows must have the same length")

    @classmethod
    def identity(cls, size):
        return cls([[int(i == j) for j in range(size)] for i in range(size)])

    @property
    def shape(self):
        return len(self.rows), len(self.rows[0]) if self.rows else 0

    def __eq__(self, other):
        if not isinstance(other, Matrix):
            return NotImplemented
        return self.rows == other.rows

    def __add__(self, other):
        if self.shape != other.shape:
            raise ValueError(f"cannot add {self.shape} and {other.shape}")
        return Matrix([[a + b for a, b in zip(r, s)] for r, s in zip(self.rows, other.rows)])

    def __matmul__(self, other):
        if self.shape[1] != other.shape[0]:
            raise ValueError(f"cannot multiply {self.shape} and {other.shape}")
        columns = list(zip(*other.rows))
        return Matrix([[sum(a * b for a, b in zip(row, column)) for column in columns] for row in self.rows])

    def transpose(self):
        return Matrix(zip(*self.rows))

    def determinant(self):
        size, width = self.shape
        if size != width:
            raise ValueError("only square matrices have a determinant")
        rows = [row[:] for row in self.rows]
        result = Fraction(1)
        for i in range(size):
            pivot = next((r for r in range(i, size) if rows[r][i] != 0), None)
            if pivot is None:
                return Fraction(0)
            if pivot != i:
                rows[i], rows[pivot] = rows[pivot], rows[i]
                result = -result
            result *= rows[i][i]
            for r in range(i + 1, size):
                factor = rows[r][i] / rows[i][i]
                rows[r] = [a - factor * b for a, b in zip(rows[r], rows[i])]
        return result

    def __str__(self):
        return "\n".join(" ".join(f"{str(value):>6}" for value in row) for row in self.rows)
