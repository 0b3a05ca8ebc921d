"""An inventory in SQLite: what is in the shed, and what has to be bought."""

import contextlib
import logging
import sqlite3

logger = logging.getLogger(__name__)

SCHEMA = """
CREATE TABLE IF NOT EXISTS item (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    count INTEGER NOT NULL DEFAULT 0 CHECK (count >= 0),
    wanted INTEGER NOT NULL DEFAULT 0
)
"""


class NotEnough(Exception):
    """Raised when more is taken than there is."""

    def __init__(self, name, asked, available):
        super().__init__(f"{asked} of {name} asked for, {available} available")
        self.name = name
        self.asked = asked
        self.available = available


class Inventory:
    def __init__(self, path=":memory:"):
        self._connection = sqlite3.connect(path)
        self._connection.row_factory = sqlite3.Row
        with self._connection:
            self._connection.execute(SCHEMA)

    def close(self):
        self._connection.close()

    def count(self, name):
        row = self._connection.execute("SELECT count FROM item WHERE name = ?", (name,)).fetchone()
        return row["count"] if row is not None else 0

    def put(self, name, count=1, wanted=None):
        if count < 0:
            raise ValueError("count must not be negative")
        with self._connection:
            self._connection.execute(
                "INSERT INTO item (name, count) VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET count = count + excluded.count",
                (name, count),
            )
            if wanted is not None:
                self._connection.execute("UPDATE item SET wanted = ? WHERE name = ?", (wanted, name))
        logger.debug("put %d of %s", count, name)

    def take(self, name, count=1):
        available = self.count(name)
        if available < count:
            raise NotEnough(name, count, available)
        with self._connection:
            self._connection.execute("UPDATE item SET count = count - ? WHERE name = ?", (count, name))

    def shopping_list(self):
        query = "SELECT name, wanted - count AS missing FROM item WHERE missing > 0 ORDER BY name"
        return [(row["name"], row["missing"]) for row in self._connection.execute(query)]


@contextlib.contextmanager
def opened(path):
    inventory = Inventory(path)
    try:
        yield inventory
    finally:
        inventory.close()
