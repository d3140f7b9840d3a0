//! A grid of cells, numbered row by row.

use serde::{Deserialize, Serialize};

/// Which cells are neighbours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Neighbourhood {
    /// The four that share an edge, and so on outwards: a distance in steps.
    VonNeumann,
    /// All around, corners too.
    #[default]
    Moore,
}

/// A grid of cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    /// Cells of a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Whether what leaves it on one side comes in on the other.
    pub periodic: bool,
    /// Which cells are neighbours.
    pub neighbourhood: Neighbourhood,
}

impl Grid {
    /// How many cells there are.
    pub fn cells(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// The cell's column and row, from 0.
    pub fn place(&self, cell: u32) -> (u32, u32) {
        (cell % self.width.max(1), cell / self.width.max(1))
    }

    /// The neighbours of a cell up to a distance, row by row, without itself. On a periodic grid that
    /// is narrower than the neighbourhood none comes twice.
    pub fn neighbours(&self, cell: u32, distance: u32) -> impl Iterator<Item = u32> + use<> {
        let Grid { width, height, periodic, neighbourhood } = *self;
        let (x, y) = self.place(cell);
        // Each place along an axis, and how far away it is. Without a division: this is the inmost loop
        // of a model.
        let along = move |at: u32, length: u32, far: u32| {
            let (at, length, far) = (i64::from(at), i64::from(length), i64::from(far));
            let (from, to) = match periodic {
                // All around, at most once.
                true => (-(far.min((length - 1) / 2)), far.min(length / 2)),
                false => (-(far.min(at)), far.min(length - 1 - at)),
            };
            (from..to + 1).map(move |by| {
                let to = at + by;
                let to = if to < 0 { to + length } else { to };
                (if to < length { to } else { to - length } as u32, by.unsigned_abs() as u32)
            })
        };
        along(y, height, distance).flat_map(move |(row, down)| {
            let far = match neighbourhood {
                Neighbourhood::Moore => distance,
                Neighbourhood::VonNeumann => distance - down,
            };
            let cells = along(x, width, far).map(move |(column, _)| row * width + column);
            cells.filter(move |other| *other != cell)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(width: u32, height: u32, periodic: bool, moore: bool, cell: u32, far: u32) -> Vec<u32> {
        let neighbourhood = if moore { Neighbourhood::Moore } else { Neighbourhood::VonNeumann };
        let grid = Grid { width, height, periodic, neighbourhood };
        let mut cells: Vec<_> = grid.neighbours(cell, far).collect();
        cells.sort_unstable();
        cells
    }

    #[test]
    fn neighbours_are_those_around() {
        assert_eq!(near(4, 3, false, true, 5, 1), [0, 1, 2, 4, 6, 8, 9, 10]);
        assert_eq!(near(4, 3, false, false, 5, 1), [1, 4, 6, 9]);
        assert_eq!(near(4, 3, false, true, 0, 1), [1, 4, 5]);
        assert_eq!(near(4, 3, false, false, 0, 2), [1, 2, 4, 5, 8]);
        assert_eq!(near(4, 4, true, false, 0, 1), [1, 3, 4, 12]);
        assert_eq!(near(4, 4, true, true, 0, 1), [1, 3, 4, 5, 7, 12, 13, 15]);
    }

    /// On a torus that is smaller than the neighbourhood all others are neighbours, once each.
    #[test]
    fn nobody_is_a_neighbour_twice() {
        for (width, height) in [(1, 1), (1, 5), (2, 2), (3, 2), (5, 4)] {
            let cells = near(width, height, true, true, 0, 9);
            assert_eq!(cells, (1..width * height).collect::<Vec<_>>(), "{width} x {height}");
        }
    }
}
