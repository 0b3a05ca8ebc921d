"""A bank with a few counters: how long do people wait if they arrive at random?"""

import heapq
import random
from dataclasses import dataclass, field


@dataclass(order=True)
class Event:
    time: float
    kind: str = field(compare=False)
    customer: int = field(compare=False)


class Bank:
    def __init__(self, counters, mean_gap, mean_service, seed=0):
        self.free = counters
        self.mean_gap = mean_gap
        self.mean_service = mean_service
        self.random = random.Random(seed)
        self.events = []
        self.queue = []
        self.arrived = {}
        self.waits = []

    def schedule(self, delay, now, kind, customer):
        heapq.heappush(self.events, Event(now + delay, kind, customer))

    def serve(self, now, customer):
        self.free -= 1
        self.waits.append(now - self.arrived.pop(customer))
        self.schedule(self.random.expovariate(1 / self.mean_service), now, "leave", customer)

    def run(self, customers):
        self.schedule(0.0, 0.0, "arrive", 0)
        while self.events:
            event = heapq.heappop(self.events)
            if event.kind == "arrive":
                self.arrived[event.customer] = event.time
                if event.customer + 1 < customers:
                    gap = self.random.expovariate(1 / self.mean_gap)
                    self.schedule(gap, event.time, "arrive", event.customer + 1)
                if self.free > 0:
                    self.serve(event.time, event.customer)
                else:
                    self.queue.append(event.customer)
            else:
                self.free += 1
                if self.queue:
                    self.serve(event.time, self.queue.pop(0))
        return sum(self.waits) / len(self.waits)


if __name__ == "__main__":
    for counters in range(1, 5):
        wait = Bank(counters, mean_gap=2.0, mean_service=1.8).run(10_000)
        print(f"{counters} counters: {wait:.2f} minutes")
