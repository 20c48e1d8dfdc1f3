//! Sample data: invented visitors whose behaviour is known, so that what the functions find in them
//! can be measured.
//!
//! The same seed, number of visitors and version give the same bytes. The lives of the first
//! visitors do not depend on how many follow, and memory does not either: one life at a time is
//! lived, written and forgotten.
//!
//! `world` holds the numbers that shape behaviour, `visitor`, `visits` and `messages` live one
//! life, `rows` gives it ids, `tables` and `writer` make the files.

mod clock;
mod life;
mod messages;
mod random;
mod rows;
mod tables;
#[cfg(test)]
mod tests;
mod visitor;
mod visits;
mod world;
mod writer;

use std::collections::VecDeque;
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use datafusion::parquet::errors::ParquetError;

use self::life::Life;
use self::random::Dice;
use self::visitor::Referrer;
use self::world::World;

/// The number of visitors of the sample project.
pub const DEFAULT_VISITORS: u64 = 70_000;
/// The numbers of visitors that can be asked for.
pub const VISITORS: std::ops::RangeInclusive<u64> = 1_000..=10_000_000;
/// What the tables and columns mean, and what is true of the world that they come from; written
/// beside the files as `README.md`.
pub const DATA_DICTIONARY: &str = include_str!("dictionary.md");

/// Visitors between two reports of progress.
const PROGRESS: u64 = 1_000;
/// The share of people that come from an old list, as a number of them a visitor.
const IMPORTS: f64 = 0.012;
/// The people who signed up lately, one of whom may have sent a friend.
const REFERRERS: usize = 256;

/// What to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many visitors there are, known or not; see [`VISITORS`].
    pub visitors: u64,
    /// Another seed gives other people in the same world.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            visitors: DEFAULT_VISITORS,
            seed: 1,
        }
    }
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The table.
    pub table: &'static str,
    /// The file.
    pub path: PathBuf,
    /// The number of rows.
    pub rows: u64,
    /// The size of the file.
    pub bytes: u64,
}

/// What can go wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A number of visitors outside [`VISITORS`].
    Visitors(u64),
    /// A file or folder that cannot be written.
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A Parquet file that cannot be encoded or written.
    Parquet(ParquetError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Visitors(visitors) => write!(
                f,
                "the number of visitors must be from {} to {}, got {visitors}",
                VISITORS.start(),
                VISITORS.end(),
            ),
            Self::Io { path, source } => write!(f, "cannot write {}: {source}", path.display()),
            Self::Parquet(source) => write!(f, "cannot write the sample: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Visitors(_) => None,
            Self::Io { source, .. } => Some(source),
            Self::Parquet(source) => Some(source),
        }
    }
}

impl From<ParquetError> for Error {
    fn from(error: ParquetError) -> Self {
        Self::Parquet(error)
    }
}

/// Writes a set of tables and [`DATA_DICTIONARY`] into a folder, which is made if need be. The files
/// get their names at the end, when all of them are complete. `on_progress` hears the number of
/// visitors done.
pub fn write(
    dir: &Path,
    options: &Options,
    on_progress: &mut dyn FnMut(u64),
) -> Result<Vec<Written>, Error> {
    if !VISITORS.contains(&options.visitors) {
        return Err(Error::Visitors(options.visitors));
    }
    std::fs::create_dir_all(dir).map_err(|source| Error::Io {
        path: dir.to_owned(),
        source,
    })?;
    let world = World::new(options.seed);
    let mut rows = rows::Rows::create(dir, &world)?;
    rows.products()?;
    live(&world, options, |visitor, life| {
        let id = rows.life(visitor, life)?;
        if let Some(done) = visitor.map(|index| index + 1)
            && done.is_multiple_of(PROGRESS)
            && done < options.visitors
        {
            on_progress(done);
        }
        Ok(id)
    })?;
    let written = rows.publish()?;
    write_dictionary(dir)?;
    on_progress(options.visitors);
    Ok(written)
}

/// Lives all lives, those of visitors and those of people from an old list. `record` is called with
/// the index of the visitor, if there was a visit, and gives the id of the person, if there is one.
fn live(
    world: &World,
    options: &Options,
    mut record: impl FnMut(Option<u64>, &Life) -> Result<Option<i64>, Error>,
) -> Result<(), Error> {
    let mut referrers = VecDeque::with_capacity(REFERRERS);
    let mut life = Life::default();
    for visitor in 0..options.visitors {
        // Two streams a visitor: one for the visitor, one for somebody from the list.
        let mut import_dice = Dice::new(options.seed, 2 * visitor + 1);
        if import_dice.chance(IMPORTS) {
            messages::import(import_dice, &mut life);
            record(None, &life)?;
        }
        let dice = Dice::new(options.seed, 2 * visitor);
        visitor::visit(
            world,
            dice,
            |time, dice| find_referrer(&referrers, time, dice),
            &mut life,
        );
        let id = record(Some(visitor), &life)?;
        if let (Some(person_id), Some(person)) = (id, &life.person) {
            if referrers.len() == REFERRERS {
                referrers.pop_front();
            }
            let (created_at, segment) = (person.created_at, life.segment);
            referrers.push_back(Referrer {
                person_id,
                created_at,
                segment,
            });
        }
    }
    Ok(())
}

/// Anybody who signed up before an instant, among those who were written lately.
fn find_referrer(people: &VecDeque<Referrer>, time: i64, dice: &mut Dice) -> Option<Referrer> {
    let earlier = |person: &&Referrer| person.created_at < time;
    let count = people.iter().filter(earlier).count();
    people
        .iter()
        .filter(earlier)
        .nth(dice.below(count as u32) as usize)
        .copied()
}

fn write_dictionary(dir: &Path) -> Result<(), Error> {
    let path = dir.join("README.md");
    let io = |source| Error::Io {
        path: path.clone(),
        source,
    };
    let mut file = writer::temporary_file(dir, "README")?;
    file.write_all(DATA_DICTIONARY.as_bytes()).map_err(io)?;
    file.persist(&path).map_err(|error| io(error.error))?;
    Ok(())
}
