"""Shortest paths and connected parts of small graphs."""

from collections import defaultdict, deque
from heapq import heappop, heappush
from typing import Dict, Hashable, Iterable, Iterator, List, Optional, Set, Tuple

Node = Hashable


class Graph:
    """An undirected graph with a weight on each edge."""

    def __init__(self, edges: Iterable[Tuple[Node, Node, float]] = ()) -> None:
        self._neighbours: Dict[Node, Dict[Node, float]] = defaultdict(dict)
        for a, b, weight in edges:
            self.connect(a, b, weight)

    def __contains__(self, node: Node) -> bool:
        return node in self._neighbours

    def __len__(self) -> int:
        return len(self._neighbours)

    def __repr__(self) -> str:
        return f"<{self.__class__.__name__} of {len(self)} nodes>"

    def connect(self, a: Node, b: Node, weight: float = 1.0) -> None:
        if weight < 0:
            raise ValueError("weights must not be negative")
        self._neighbours[a][b] = weight
        self._neighbours[b][a] = weight

    def shortest_path(self, start: Node, end: Node) -> Optional[List[Node]]:
        """Return the nodes from start to end, or None if there is no way."""
        distances = {start: 0.0}
        previous: Dict[Node, Node] = {}
        heap = [(0.0, 0, start)]
        counter = 1
        while heap:
            distance, _, node = heappop(heap)
            if node == end:
                path = [node]
                while node in previous:
                    node = previous[node]
                    path.append(node)
                return path[::-1]
            if distance > distances[node]:
                continue
            for other, weight in self._neighbours[node].items():
                candidate = distance + weight
                if candidate < distances.get(other, float("inf")):
                    distances[other] = candidate
                    previous[other] = node
                    heappush(heap, (candidate, counter, other))
                    counter += 1
        return None

    def parts(self) -> Iterator[Set[Node]]:
        seen: Set[Node] = set()
        for start in self._neighbours:
            if start in seen:
                continue
            part, queue = {start}, deque([start])
            while queue:
                for other in self._neighbours[queue.popleft()]:
                    if other not in part:
                        part.add(other)
                        queue.append(other)
            seen |= part
            yield part
