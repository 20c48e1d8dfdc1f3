//! One call of each function, with what each argument is: the tests of the rules are made from it.

use Kind::{
    AsOf, Channel, Condition, Constant, HalfLife, Key, Label, Length, List, Messages, Number,
    Other, Status, Time, Unknown,
};

/// What an argument is, which decides the rules that hold for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// When something happened. A row without it is ignored.
    Time,
    /// The moment after which nothing counts.
    AsOf,
    /// An interval above zero after which a weight has halved; NULL means no decay.
    HalfLife,
    /// Another interval above zero.
    Length,
    /// A number; a row without it is ignored.
    Number(Range),
    /// A number or a time that may be unknown: the row counts without it.
    Unknown(Range),
    /// A whole number of at least this.
    Messages,
    /// BOOLEAN; NULL is false.
    Condition,
    /// BOOLEAN; a row without it is ignored.
    Label,
    /// Text that names something; a row without it is ignored.
    Key,
    /// A channel of the tariff.
    Channel,
    /// `opt_in` or `opt_out`.
    Status,
    /// Text that is the same for all rows and must be one of those that are known.
    Constant,
    /// A list.
    List,
    /// A map, a struct, any type: what holds for it stands in a test of its own.
    Other,
}

/// The numbers that are allowed. NaN and infinities never are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Range {
    Finite,
    NonNegative,
    Positive,
    Probability,
    Confidence,
    Share,
    Whole,
    /// No number at all, but a time.
    None,
}

impl Range {
    /// Numbers outside, and what the error says that it must be.
    pub(crate) fn outside(self) -> (&'static [&'static str], &'static str) {
        match self {
            Self::Finite | Self::None => (&[], "a finite number"),
            Self::NonNegative => (&["-1", "-0.5"], "zero or a positive number"),
            Self::Positive => (&["0", "-1"], "a positive number"),
            Self::Probability => (&["-0.1", "1.1", "2"], "between 0 and 1"),
            Self::Confidence => (&["0", "1", "-0.5", "95"], "between 0 and 1, both excluded"),
            Self::Share => (&["0", "-0.1", "1.5", "10"], "above 0 and at most 1"),
            Self::Whole => (&["0", "-1", "1.5"], "a positive integer"),
        }
    }
}

/// One argument: its name in the documentation, what it is, and an expression over the table `events`.
pub(crate) type Argument = (&'static str, Kind, &'static str);

/// One call over the table `events`.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) arguments: &'static [Argument],
    /// What an aggregate gives without rows; nothing for other functions.
    pub(crate) empty: &'static str,
}

impl Call {
    /// The call in SQL.
    pub(crate) fn sql(&self) -> String {
        self.with(usize::MAX, "")
    }

    /// The call with another expression for one argument.
    pub(crate) fn with(&self, position: usize, other: &str) -> String {
        let arguments: Vec<_> = self
            .arguments
            .iter()
            .enumerate()
            .map(|(at, argument)| if at == position { other } else { argument.2 })
            .collect();
        let call = format!("{}({})", self.name, arguments.join(", "));
        if self.name == "sessionize" {
            return format!("{call} OVER (PARTITION BY g ORDER BY {})", arguments[0]);
        }
        call
    }

    /// The arguments that are of a kind, with their positions.
    pub(crate) fn of(&self, wanted: impl Fn(Kind) -> bool) -> Vec<(usize, &Argument)> {
        let arguments = self.arguments.iter().enumerate();
        arguments
            .filter(|(_, argument)| wanted(argument.1))
            .collect()
    }
}

const fn call(name: &'static str, arguments: &'static [Argument], empty: &'static str) -> Call {
    Call {
        name,
        arguments,
        empty,
    }
}

const TIME: Argument = ("event_time", Time, "t");
const AS_OF: Argument = ("as_of", AsOf, "DATE '2026-06-15'");
const HALF: Argument = ("half_life", HalfLife, "INTERVAL '7 days'");
const FUNNEL: &[Argument] = &[
    ("window", Length, "INTERVAL '2 days'"),
    ("mode", Constant, "'strict_increase'"),
    TIME,
    ("step1", Condition, "c1"),
    ("step2", Condition, "c2"),
    ("step3", Condition, "c3"),
];
const SEQUENCE: &[Argument] = &[
    ("pattern", Constant, "'(?1)(?1)(?2)(?1)(?1)'"),
    TIME,
    ("c1", Condition, "c1"),
    ("c2", Condition, "c2"),
];
const RATE: &[Argument] = &[
    ("successes", Number(Range::NonNegative), "s"),
    ("trials", Number(Range::NonNegative), "n"),
    ("confidence", Number(Range::Confidence), "0.9"),
];
const COUNTS: &[Argument] = &[
    ("k11", Number(Range::NonNegative), "s"),
    ("k12", Number(Range::NonNegative), "n"),
    ("k21", Number(Range::NonNegative), "n * 2"),
    ("k22", Number(Range::NonNegative), "n * 7"),
];
const SETS: &[Argument] = &[("a", List, "names"), ("b", List, "others")];
const SCORED: [Argument; 2] = [
    ("score", Number(Range::Finite), "w"),
    ("label", Label, "yes"),
];
const PREDICTED: &[Argument] = &[
    ("probability", Number(Range::Probability), "p"),
    ("label", Label, "yes"),
];

/// One call of each function but those that stand in FROM.
pub(crate) const CALLS: &[Call] = &[
    call(
        "sessionize",
        &[
            TIME,
            ("gap", Length, "INTERVAL '2 days'"),
            ("max_length", Length, "INTERVAL '5 days'"),
        ],
        "",
    ),
    call("window_funnel", FUNNEL, "0"),
    call("funnel_events", FUNNEL, "[]"),
    call("sequence_match", SEQUENCE, "false"),
    call("sequence_count", SEQUENCE, "0"),
    call(
        "path_ngrams",
        &[("path", List, "names"), ("n", Messages, "2")],
        "",
    ),
    call(
        "retention",
        &[
            ("c1", Condition, "c1"),
            ("c2", Condition, "c2"),
            ("c3", Condition, "(id = 4)"),
        ],
        "[false, false, false]",
    ),
    call("wilson_lower", RATE, ""),
    call("wilson_upper", RATE, ""),
    call(
        "shrunk_rate",
        &[
            ("successes", Number(Range::NonNegative), "s"),
            ("trials", Number(Range::NonNegative), "n"),
            ("prior_rate", Number(Range::Probability), "0.1"),
            ("prior_strength", Number(Range::NonNegative), "10"),
        ],
        "",
    ),
    call(
        "beta_fit",
        &[
            ("successes", Number(Range::NonNegative), "s"),
            ("trials", Number(Range::NonNegative), "n"),
        ],
        "{rate: NULL, strength: NULL}",
    ),
    call("llr", COUNTS, ""),
    call("root_llr", COUNTS, ""),
    call(
        "effective_n",
        &[("weight", Number(Range::Finite), "w")],
        "0.0",
    ),
    call(
        "min_support",
        &[
            ("value", Other, "channel"),
            ("n", Number(Range::Finite), "n"),
            ("k", Number(Range::Positive), "3"),
        ],
        "",
    ),
    call(
        "decayed_sum",
        &[("value", Number(Range::Finite), "w"), TIME, HALF, AS_OF],
        "NULL",
    ),
    call(
        "affinity",
        &[("weight", Number(Range::Finite), "w"), TIME, HALF, AS_OF],
        "{score: NULL, events: 0, evidence: 0.0, last_time: NULL}",
    ),
    call(
        "affinity_share",
        &[
            ("score", Number(Range::Finite), "w"),
            ("total", Number(Range::Finite), "w + 1"),
            ("prior_share", Number(Range::Probability), "0.2"),
            ("strength", Number(Range::NonNegative), "2"),
        ],
        "",
    ),
    call("jaccard", SETS, ""),
    call(
        "weighted_jaccard",
        &[
            ("a", Other, "MAP {'x': w, 'y': 1.0}"),
            ("b", Other, "MAP {'x': 1.0, 'y': w}"),
        ],
        "",
    ),
    call("overlap_coefficient", SETS, ""),
    call(
        "gower",
        &[
            ("a", Other, "{'sex': channel, 'age': n}"),
            ("b", Other, "{'sex': 'email', 'age': 4}"),
            ("ranges", Other, "{'age': 8}"),
        ],
        "",
    ),
    call(
        "channel_cost",
        &[("channel", Channel, "channel"), ("messages", Messages, "n")],
        "",
    ),
    call("sms_segments", &[("text", Key, "repeat(channel, id)")], ""),
    call(
        "break_even_rate",
        &[
            ("channel", Channel, "channel"),
            ("margin", Number(Range::Finite), "w"),
        ],
        "",
    ),
    call(
        "expected_margin",
        &[
            ("p", Number(Range::Probability), "p"),
            ("margin", Number(Range::Finite), "w"),
            ("cost", Number(Range::Finite), "0.06"),
            ("opt_out_rate", Number(Range::Probability), "0.01"),
            ("future_value", Number(Range::Finite), "3"),
        ],
        "",
    ),
    call(
        "consented",
        &[
            ("status", Status, "status"),
            ("decided_at", Time, "t"),
            AS_OF,
        ],
        "false",
    ),
    call("pressure", &[("sent_at", Time, "t"), HALF, AS_OF], "0.0"),
    call(
        "contact_allowed",
        &[
            ("sent_at", Time, "t"),
            ("cap", Messages, "3"),
            ("within", Length, "INTERVAL '7 days'"),
            AS_OF,
        ],
        "true",
    ),
    call(
        "next_best_channel",
        &[
            ("channel", Key, "channel"),
            ("expected_margin", Unknown(Range::Finite), "w - 1"),
            ("consented", Condition, "c1"),
            ("under_cap", Condition, "c2"),
            ("last_contact", Unknown(Range::None), "t"),
        ],
        "{channel: NULL, expected_margin: NULL, reason: no_consent}",
    ),
    call(
        "rfm",
        &[
            ("order_time", Time, "t"),
            ("amount", Number(Range::Finite), "w"),
            AS_OF,
        ],
        "{recency: NULL, frequency: 0, monetary: NULL}",
    ),
    call(
        "portfolio_value",
        &[
            ("p_convert", Unknown(Range::Probability), "p"),
            ("margin", Unknown(Range::Finite), "w"),
            ("planned_cost", Unknown(Range::Finite), "0.06"),
        ],
        "{value: NULL, low: NULL, high: NULL, prospects: 0, thin: 0}",
    ),
    call(
        "pseudonymize",
        &[
            ("text", Key, "channel"),
            ("key", Key, "channel || ' has a long key'"),
        ],
        "",
    ),
    call(
        "retention_due",
        &[
            ("last_sign_of_life", Time, "t"),
            AS_OF,
            ("keep", Length, "INTERVAL '10 days'"),
        ],
        "",
    ),
    call("auc", &SCORED, "NULL"),
    call("auc_ci", &SCORED, "{auc: NULL, low: NULL, high: NULL}"),
    call(
        "lift_at",
        &[SCORED[0], SCORED[1], ("share", Number(Range::Share), "0.3")],
        "NULL",
    ),
    call(
        "precision_at",
        &[SCORED[0], SCORED[1], ("k", Number(Range::Whole), "3")],
        "NULL",
    ),
    call(
        "recall_at",
        &[SCORED[0], SCORED[1], ("k", Number(Range::Whole), "3")],
        "NULL",
    ),
    call("log_loss", PREDICTED, "NULL"),
    call("brier", PREDICTED, "NULL"),
    call("calibration_error", PREDICTED, "NULL"),
];
