//! The world of the sample: who exists, what they like, what is sold. All the numbers that shape
//! behaviour stand here.

use super::random::Dice;

/// What is sold.
pub(super) const CATEGORIES: [&str; 14] = [
    "shoes",
    "dresses",
    "shirts",
    "coats",
    "sportswear",
    "bags",
    "beauty",
    "jewellery",
    "toys",
    "books",
    "kitchen",
    "garden",
    "furniture",
    "electronics",
];
/// A typical price in euros, a category.
const PRICES: [f64; 14] = [
    75.0, 65.0, 38.0, 110.0, 48.0, 80.0, 26.0, 55.0, 24.0, 16.0, 42.0, 36.0, 130.0, 115.0,
];
const BRANDS: [&str; 24] = [
    "Alvera", "Bokari", "Cendrel", "Dovane", "Elmira", "Fontis", "Galdor", "Hevea", "Istrel",
    "Jolune", "Kestor", "Lumiva", "Mirador", "Nuvola", "Orsena", "Pavlin", "Quintal", "Rovere",
    "Solane", "Tamaris", "Ulmo", "Verdane", "Wistra", "Zephir",
];
/// Where a visit comes from.
pub(super) const SOURCES: [&str; 6] = [
    "search",
    "social",
    "email",
    "affiliate",
    "direct",
    "referral",
];
/// Where people live; it says nothing about them, which a good model must notice.
pub(super) const REGIONS: [&str; 10] = [
    "Auvergne-Rhône-Alpes",
    "Bretagne",
    "Centre-Val de Loire",
    "Grand Est",
    "Hauts-de-France",
    "Île-de-France",
    "Normandie",
    "Nouvelle-Aquitaine",
    "Occitanie",
    "Pays de la Loire",
];
/// The share of people in each region.
pub(super) const REGION_MIX: [f64; 10] = [12.0, 6.0, 4.0, 9.0, 10.0, 22.0, 6.0, 11.0, 11.0, 9.0];
/// What is recorded about sex.
pub(super) const SEXES: [&str; 2] = ["F", "M"];
/// What is recorded about age.
pub(super) const AGE_BANDS: [&str; 6] = ["18-24", "25-34", "35-44", "45-54", "55-64", "65+"];

/// Index of the source `email` in [`SOURCES`].
pub(super) const EMAIL: usize = 2;
/// Index of the source `affiliate` in [`SOURCES`].
pub(super) const AFFILIATE: usize = 3;
/// Index of the source `direct` in [`SOURCES`].
pub(super) const DIRECT: usize = 4;
/// Index of the source `referral` in [`SOURCES`].
pub(super) const REFERRAL: usize = 5;

/// The share of women.
pub(super) const WOMEN: f64 = 0.56;
/// The share of people in each age band.
pub(super) const AGE_MIX: [f64; 6] = [16.0, 24.0, 22.0, 17.0, 12.0, 9.0];
/// The share of first visits from each source.
pub(super) const SOURCE_MIX: [f64; 6] = [30.0, 24.0, 10.0, 16.0, 14.0, 6.0];
/// The share of later visits from each source; e-mail counts for those who read it.
pub(super) const RETURN_MIX: [f64; 6] = [28.0, 12.0, 10.0, 3.0, 45.0, 2.0];

/// The six kinds of people that nobody sees: fashion, sport, home, family, technology, beauty.
pub(super) const SEGMENTS: usize = 6;
/// The segments of women and men, an age band at a time: sex and age reveal taste in part only.
pub(super) const SEGMENT_MIX: [[[f64; SEGMENTS]; 6]; 2] = [
    [
        [34.0, 14.0, 4.0, 6.0, 10.0, 32.0],
        [28.0, 14.0, 14.0, 18.0, 8.0, 18.0],
        [18.0, 10.0, 20.0, 34.0, 6.0, 12.0],
        [18.0, 8.0, 32.0, 20.0, 6.0, 16.0],
        [14.0, 6.0, 44.0, 16.0, 6.0, 14.0],
        [10.0, 4.0, 50.0, 18.0, 4.0, 14.0],
    ],
    [
        [12.0, 38.0, 4.0, 2.0, 38.0, 6.0],
        [10.0, 32.0, 10.0, 12.0, 32.0, 4.0],
        [6.0, 24.0, 16.0, 24.0, 28.0, 2.0],
        [6.0, 18.0, 30.0, 14.0, 30.0, 2.0],
        [6.0, 12.0, 44.0, 10.0, 26.0, 2.0],
        [4.0, 8.0, 52.0, 12.0, 22.0, 2.0],
    ],
];
/// How much each segment likes each category, in the order of [`CATEGORIES`].
const TASTE: [[f64; 14]; SEGMENTS] = [
    [
        24.0, 30.0, 4.0, 10.0, 0.0, 16.0, 6.0, 10.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
    ],
    [
        26.0, 0.0, 12.0, 10.0, 38.0, 6.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 8.0,
    ],
    [
        0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0, 8.0, 30.0, 26.0, 26.0, 5.0,
    ],
    [
        10.0, 6.0, 12.0, 0.0, 0.0, 0.0, 0.0, 0.0, 34.0, 16.0, 16.0, 6.0, 0.0, 0.0,
    ],
    [
        0.0, 0.0, 8.0, 0.0, 10.0, 0.0, 0.0, 0.0, 10.0, 18.0, 0.0, 0.0, 8.0, 46.0,
    ],
    [
        0.0, 14.0, 0.0, 4.0, 0.0, 12.0, 40.0, 20.0, 0.0, 4.0, 6.0, 0.0, 0.0, 0.0,
    ],
];
/// How readily a segment buys here.
pub(super) const SEGMENT_FIT: [f64; SEGMENTS] = [2.4, 0.9, 1.6, 0.9, 0.15, 0.35];
/// How readily women and men of each age buy here.
pub(super) const DEMOGRAPHIC_FIT: [[f64; 6]; 2] = [
    [0.5, 1.0, 1.8, 1.6, 0.9, 0.4],
    [0.3, 0.6, 1.0, 1.0, 0.6, 0.3],
];
/// The quality of a source: how readily its people buy.
pub(super) const SOURCE_FIT: [f64; 6] = [1.1, 0.6, 1.0, 0.3, 1.5, 2.2];
/// How readily the visitors of a source leave their address.
pub(super) const SOURCE_SIGNUP: [f64; 6] = [1.0, 0.85, 1.3, 0.9, 1.15, 1.4];
/// What no column tells about a person: luck, income, mood.
pub(super) const HIDDEN_FIT: [f64; 4] = [0.5, 0.8, 1.2, 1.5];

/// The share of visitors that are programs.
pub(super) const BOTS: f64 = 0.0003;
/// The share of clicks that say nothing about taste.
pub(super) const NOISE_CLICKS: f64 = 0.12;
/// Interest and current intent fade by this factor a day: half in ten days.
pub(super) const INTEREST_PER_DAY: f64 = 0.933_032_991_536_807_4;
/// The memory of messages fades by this factor a day: half in a fortnight.
pub(super) const PRESSURE_PER_DAY: f64 = 0.951_695_153_010_619_6;
/// The daily chance of an order of an average person with one fresh visit.
pub(super) const ORDER_PER_DAY: f64 = 0.0047;
/// What interest adds to, when there has been no visit for long.
pub(super) const IDLE_INTEREST: f64 = 0.18;
/// The daily chance of an order that ignores taste, demography, source and interest.
pub(super) const NOISE_ORDER_PER_DAY: f64 = 0.000_36;

/// A product for sale.
#[derive(Clone, Debug)]
pub(super) struct Product {
    /// Index into [`CATEGORIES`].
    pub(super) category: usize,
    /// An invented brand.
    pub(super) brand: &'static str,
    /// Price in micro-euros, whole cents.
    pub(super) price: i64,
    /// Margin in micro-euros, whole cents.
    pub(super) margin: i64,
}

/// Everything that is the same for all visitors.
pub(super) struct World {
    /// All products; the id of a product is its index plus one.
    pub(super) products: Vec<Product>,
    /// Product indices, a category.
    shelves: Vec<Vec<usize>>,
    /// Weights of the products of a shelf, a segment and a category.
    weights: Vec<Vec<Vec<f64>>>,
}

/// The number of products.
const PRODUCTS: usize = 300;

impl World {
    /// The world of a seed: prices and margins differ, tastes do not.
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed, u64::MAX);
        let mut products = Vec::with_capacity(PRODUCTS);
        let mut shelves = vec![Vec::new(); CATEGORIES.len()];
        for index in 0..PRODUCTS {
            let category = index % CATEGORIES.len();
            let rank = index / CATEGORIES.len();
            // Six brands a category; brand and rank go together, so a brand has its own public.
            let brand = BRANDS[(category + 4 * (rank % SEGMENTS)) % BRANDS.len()];
            let spread = 0.55 + 0.5 * dice.unit() + 0.5 * dice.unit();
            let euros = (PRICES[category] * spread) as i64;
            let price = euros * 1_000_000 + 900_000;
            let cents = (euros as f64 * (25.0 + 30.0 * dice.unit())) as i64;
            products.push(Product {
                category,
                brand,
                price,
                margin: cents * 10_000,
            });
            shelves[category].push(index);
        }
        let weights = (0..SEGMENTS)
            .map(|segment| {
                shelves
                    .iter()
                    .map(|shelf| shelf_weights(segment, shelf))
                    .collect()
            })
            .collect();
        Self {
            products,
            shelves,
            weights,
        }
    }

    /// A product of a category to the taste of a segment.
    pub(super) fn product(&self, segment: usize, category: usize, dice: &mut Dice) -> usize {
        self.shelves[category][dice.pick(&self.weights[segment][category])]
    }

    /// Any product at all.
    pub(super) fn any_product(&self, dice: &mut Dice) -> usize {
        dice.below(self.products.len() as u32) as usize
    }
}

/// A category to the taste of a segment.
pub(super) fn category(segment: usize, dice: &mut Dice) -> usize {
    dice.pick(&TASTE[segment])
}

/// A few products of a shelf are known to all; every sixth is loved by one segment.
fn shelf_weights(segment: usize, shelf: &[usize]) -> Vec<f64> {
    (0..shelf.len())
        .map(|rank| {
            let fans = if rank % SEGMENTS == segment { 5.0 } else { 1.0 };
            fans / (rank as f64 + 3.0)
        })
        .collect()
}
