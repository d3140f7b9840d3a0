"""The models in Mesa, each after its declaration; a line of JSON for each run.

Usage: peer_mesa.py large|small SEED...

Rules and parameters: the declarations of the public comparison of frameworks
(JuliaDynamics/ABMFrameworksComparison, MIT), with Mesa's own spaces and activation. Where the Mesa
code there does something else than its declaration, this does as declared: wolves and sheep walk to
any of eight cells, a sheep dies below 1, grass that was eaten is grown again when so many steps
have passed, and a first energy is a whole number below twice the gain. Grass is a number for
each cell, the step from which on there is some: the declaration leaves it free, and it is faster
than an agent a cell.
"""

import json
import math
import sys
import time

import mesa
import numpy as np
from mesa.discrete_space import CellAgent, OrthogonalMooreGrid
from mesa.experimental.continuous_space import ContinuousSpace, ContinuousSpaceAgent

SIZES = {
    "small": {
        "schelling": {"side": 40, "agents": 1_000, "radius": 1, "need": 3},
        "wolf-sheep": {
            "side": 25, "sheep": 60, "wolves": 40, "regrowth": 20,
            "sheep_reproduce": 0.2, "wolf_reproduce": 0.1,
        },
        "flocking": {"side": 100.0, "birds": 200, "vision": 5.0},
    },
    "large": {
        "schelling": {"side": 100, "agents": 8_000, "radius": 2, "need": 8},
        "wolf-sheep": {
            "side": 100, "sheep": 1_000, "wolves": 500, "regrowth": 10,
            "sheep_reproduce": 0.4, "wolf_reproduce": 0.2,
        },
        "flocking": {"side": 150.0, "birds": 400, "vision": 15.0},
    },
}


class Resident(CellAgent):
    def __init__(self, model, cell, group):
        super().__init__(model)
        self.cell = cell
        self.group = group

    def around(self):
        """How many neighbours there are, and how many of its group."""
        groups = [other.group for other in self.cell.get_neighborhood(self.model.radius).agents]
        return len(groups), groups.count(self.group)

    def step(self):
        group = self.group
        own = 0
        for other in self.cell.get_neighborhood(radius=self.model.radius).agents:
            if other.group == group:
                own += 1
        if own < self.model.need:
            self.cell = self.model.grid.select_random_empty_cell()


class Schelling(mesa.Model):
    STEPS = 20

    def __init__(self, seed, side, agents, radius, need):
        super().__init__(seed=seed)
        self.radius, self.need, self.acted = radius, need, 0
        self.grid = OrthogonalMooreGrid((side, side), capacity=1, random=self.random)
        cells = self.random.sample(self.grid.all_cells.cells, agents)
        for number, cell in enumerate(cells):
            Resident(self, cell, number % 2)

    def step(self):
        self.acted += len(self.agents)
        self.agents.shuffle_do("step")

    def stats(self):
        around = [agent.around() for agent in self.agents]
        alike = [own / count if count else 0.0 for count, own in around]
        happy = [own >= self.need for _, own in around]
        return {"happy": sum(happy) / len(around), "alike": sum(alike) / len(around)}


class Animal(CellAgent):
    def __init__(self, model, energy, cell):
        super().__init__(model)
        self.energy = energy
        self.cell = cell

    def walk(self):
        self.cell = self.cell.neighborhood.select_random_cell()
        self.energy -= 1

    def end(self, least, reproduce):
        if self.energy < least:
            self.remove()
        elif self.random.random() < reproduce:
            self.energy /= 2
            type(self)(self.model, self.energy, self.cell)


class Sheep(Animal):
    def step(self):
        self.walk()
        model, place = self.model, self.cell.coordinate
        if model.grown_from[place] <= model.now:
            self.energy += model.SHEEP_GAIN
            model.grown_from[place] = model.now + model.regrowth
        self.end(1, model.sheep_reproduce)


class Wolf(Animal):
    def step(self):
        self.walk()
        sheep = [other for other in self.cell.agents if isinstance(other, Sheep)]
        if sheep:
            self.random.choice(sheep).remove()
            self.energy += self.model.WOLF_GAIN
        self.end(0, self.model.wolf_reproduce)


class WolfSheep(mesa.Model):
    STEPS, SHEEP_GAIN, WOLF_GAIN = 100, 5, 13

    def __init__(self, seed, side, sheep, wolves, regrowth, sheep_reproduce, wolf_reproduce):
        super().__init__(seed=seed)
        self.regrowth = regrowth
        self.sheep_reproduce, self.wolf_reproduce = sheep_reproduce, wolf_reproduce
        self.now, self.acted = 0, 0
        self.grid = OrthogonalMooreGrid((side, side), capacity=math.inf, random=self.random)
        cells, draw = self.grid.all_cells.cells, self.random
        for kind, count, gain in ((Sheep, sheep, self.SHEEP_GAIN), (Wolf, wolves, self.WOLF_GAIN)):
            energies = [float(draw.randrange(2 * gain)) for _ in range(count)]
            kind.create_agents(self, count, energy=energies, cell=draw.choices(cells, k=count))
        self.grown_from = {
            cell.coordinate: draw.choice((0, draw.randint(1, regrowth))) for cell in cells
        }

    def step(self):
        for kind in (Sheep, Wolf):
            animals = self.agents_by_type[kind]
            self.acted += len(animals)
            animals.shuffle_do("step")
        self.now += 1

    def stats(self):
        return {
            "sheep": len(self.agents_by_type[Sheep]),
            "wolves": len(self.agents_by_type[Wolf]),
            "grass": sum(step <= self.now for step in self.grown_from.values()),
        }


class Bird(ContinuousSpaceAgent):
    SPEED, SEPARATION, COHERE, SEPARATE, MATCH = 1.0, 1.0, 0.03, 0.015, 0.05

    def __init__(self, model, space, position, heads, vision):
        super().__init__(space, model)
        self.position = position
        self.heads = heads
        self.vision = vision

    def step(self):
        others, distances = self.get_neighbors_in_radius(radius=self.vision)
        if others:
            ways = self.space.calculate_difference_vector(self.position, agents=others)
            cohere = ways.sum(axis=0) * self.COHERE
            separate = -ways[distances < self.SEPARATION].sum(axis=0) * self.SEPARATE
            match = np.asarray([other.heads for other in others]).sum(axis=0) * self.MATCH
            self.heads = self.heads + (cohere + separate + match) / len(others)
            self.heads /= np.linalg.norm(self.heads)
        self.position += self.heads * self.SPEED


class Flocking(mesa.Model):
    STEPS = 100

    def __init__(self, seed, side, birds, vision):
        super().__init__(seed=seed)
        self.acted = 0
        size = [[0, side], [0, side]]
        self.space = ContinuousSpace(size, torus=True, random=self.random, n_agents=birds)
        places = self.rng.random(size=(birds, 2)) * self.space.size
        angles = self.rng.uniform(0, 2 * np.pi, size=birds)
        heads = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        Bird.create_agents(self, birds, self.space, position=places, heads=heads, vision=vision)

    def step(self):
        self.acted += len(self.agents)
        self.agents.shuffle_do("step")

    def stats(self):
        heads = np.asarray([bird.heads for bird in self.agents])
        order = float(np.linalg.norm(heads.sum(axis=0))) / len(heads)
        seen = [len(bird.get_neighbors_in_radius(bird.vision)[0]) for bird in self.agents]
        return {"order": order, "seen": sum(seen) / len(seen)}


MODELS = {"schelling": Schelling, "wolf-sheep": WolfSheep, "flocking": Flocking}


def main(size, seeds):
    for seed in seeds:
        for name, kind in MODELS.items():
            begun = time.perf_counter()
            model = kind(seed, **SIZES[size][name])
            built, cpu = time.perf_counter(), time.process_time()
            for _ in range(kind.STEPS):
                model.step()
            ended, cpu = time.perf_counter(), time.process_time() - cpu
            line = {
                "peer": "mesa", "level": "", "schedulers": 1, "model": name, "size": size,
                "seed": seed, "build_ms": (built - begun) * 1e3, "run_ms": (ended - built) * 1e3,
                "cpu_ms": cpu * 1e3, "acted": model.acted, "stats": model.stats(),
            }  # fmt: skip
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in SIZES:
        sys.exit("usage: peer_mesa.py large|small SEED...")
    main(sys.argv[1], [int(seed) for seed in sys.argv[2:]])
