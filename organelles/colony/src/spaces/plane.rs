//! A plane on which agents stand anywhere, in square cells so that the near ones are found.

use karyon::Layer;
use serde::{Deserialize, Serialize};

/// A plane that is periodic in both directions.
///
/// A layer of agents keeps where they stand: its first two words are the bits of x and y, each from
/// 0 up to, but not, the plane's width and height; its cells are [`Plane::cells`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plane {
    width: f64,
    height: f64,
    columns: u32,
    rows: u32,
}

impl Default for Plane {
    /// A square of length 1 that is one cell.
    fn default() -> Plane {
        Plane { width: 1.0, height: 1.0, columns: 1, rows: 1 }
    }
}

impl Plane {
    /// A plane of this size for looks as far as `radius`, all in the model's unit of length. `None`:
    /// one of them is not a positive number, or there would be more than 2²⁴ cells.
    pub fn new(width: f64, height: f64, radius: f64) -> Option<Plane> {
        let is_length = |length: f64| length.is_finite() && length > 0.0;
        if ![width, height, radius].into_iter().all(is_length) {
            return None;
        }
        // A cell is at least as wide as a look reaches, so that nine of them hold all that is near.
        let count = |length: f64| (length / radius).floor().max(1.0);
        let (columns, rows) = (count(width), count(height));
        (columns * rows <= f64::from(1 << 24)).then_some(Plane {
            width,
            height,
            columns: columns as u32,
            rows: rows as u32,
        })
    }

    /// How many cells it has.
    pub fn cells(&self) -> u64 {
        u64::from(self.columns) * u64::from(self.rows)
    }

    /// The same place, on the plane.
    pub fn wrapped(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let wrap = |at: f64, length: f64| {
            let at = at.rem_euclid(length);
            // What is just below 0 is rounded up to the length itself.
            if at < length { at } else { 0.0 }
        };
        (wrap(x, self.width), wrap(y, self.height))
    }

    /// The cell of a place.
    pub fn cell(&self, (x, y): (f64, f64)) -> u32 {
        let along = |at: f64, length: f64, count: u32| {
            ((at / length * f64::from(count)) as u32).min(count.saturating_sub(1))
        };
        along(y, self.height, self.rows) * self.columns + along(x, self.width, self.columns)
    }

    /// The shortest way from one place to another.
    pub fn way(&self, (x, y): (f64, f64), (to_x, to_y): (f64, f64)) -> (f64, f64) {
        let along = |way: f64, length: f64| {
            if way > length / 2.0 {
                way - length
            } else if way < -length / 2.0 {
                way + length
            } else {
                way
            }
        };
        (along(to_x - x, self.width), along(to_y - y, self.height))
    }

    /// The slots of `layer` within `radius` of a place (at most the plane's own), with the way there;
    /// in the order of cells, and of one cell whoever came last first.
    pub fn near<'a>(
        &'a self,
        layer: &'a Layer,
        at: (f64, f64),
        radius: f64,
    ) -> impl Iterator<Item = (u64, (f64, f64))> + 'a {
        let cell = self.cell(at);
        let (column, row) = (cell % self.columns, cell / self.columns);
        around(row, self.rows)
            .flat_map(move |row| around(column, self.columns).map(move |column| (row, column)))
            .flat_map(move |(row, column)| layer.standing(row * self.columns + column))
            .filter_map(move |slot| {
                let [x, y, ..] = layer.words(slot) else { return None };
                let way = self.way(at, (f64::from_bits(*x), f64::from_bits(*y)));
                (way.0 * way.0 + way.1 * way.1 <= radius * radius).then_some((slot, way))
            })
    }
}

/// A number and the two beside it on a circle of `count`, each once.
fn around(at: u32, count: u32) -> impl Iterator<Item = u32> + Clone {
    let before = (at + count - 1) % count;
    let behind = (at + 1) % count;
    let beside = match count {
        1 => [None, None],
        2 => [Some(behind), None],
        _ => [Some(before), Some(behind)],
    };
    std::iter::once(at).chain(beside.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;
    use karyon::{Mark, Space, Whose, Words};
    use proptest::prelude::*;

    proptest! {
        /// Whoever is near is found, and nobody else: as when all are looked at.
        #[test]
        fn all_who_are_near_are_found(
            places in prop::collection::vec((0.0f64..10.0, 0.0f64..6.0), 1..40),
            at in (0.0f64..10.0, 0.0f64..6.0),
            radius in 0.1f64..7.0,
        ) {
            let plane = Plane::new(10.0, 6.0, radius).unwrap();
            let layer = Layer::new(Whose::Agents, 40, 2).in_cells(plane.cells());
            let mut space = Space::new([layer]);
            for (slot, place) in (0..).zip(&places) {
                let words = Words::new(&[place.0.to_bits(), place.1.to_bits()]).unwrap();
                space.apply(&Mark::Set { layer: 0, slot, cell: Some(plane.cell(*place)), words });
            }
            let mut found: Vec<u64> =
                plane.near(space.layer(0).unwrap(), at, radius).map(|(slot, _)| slot).collect();
            found.sort_unstable();
            let is_near = |place: &(f64, f64)| {
                let (x, y) = ((place.0 - at.0).abs(), (place.1 - at.1).abs());
                let (x, y) = (x.min(10.0 - x), y.min(6.0 - y));
                x * x + y * y <= radius * radius
            };
            let near = (0..).zip(&places).filter(|(_, place)| is_near(place));
            prop_assert_eq!(found, near.map(|(slot, _)| slot).collect::<Vec<u64>>());
        }

        #[test]
        fn a_place_is_on_the_plane(x in -1e6f64..1e6, y in -1e6f64..1e6) {
            let plane = Plane::new(7.0, 3.0, 1.0).unwrap();
            let (x, y) = plane.wrapped((x, y));
            prop_assert!((0.0..7.0).contains(&x) && (0.0..3.0).contains(&y));
            prop_assert!(u64::from(plane.cell((x, y))) < plane.cells());
        }
    }

    #[test]
    fn what_is_no_plane_is_refused() {
        for (width, height, radius) in
            [(0.0, 1.0, 1.0), (1.0, f64::NAN, 1.0), (1.0, 1.0, -1.0), (1e9, 1e9, 1.0)]
        {
            assert_eq!(Plane::new(width, height, radius), None);
        }
    }
}
