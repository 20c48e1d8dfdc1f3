//! The SQL dialect: DuckDB's, but `f(a = 1)` passes a condition.
//!
//! DuckDB once wrote named arguments with `=`, and the parser still reads them so in this dialect;
//! then `window_funnel(…, event_type = 'view')` would have no condition. Names are given with `=>`.

use std::any::TypeId;

use datafusion::sql::sqlparser::dialect::{Dialect, DuckDbDialect};

/// See the module.
#[derive(Debug)]
pub(crate) struct AnalystDialect;

/// What the parser asks a dialect and DuckDB's answers differently from the default.
macro_rules! as_duckdb {
    ($($question:ident),* $(,)?) => {
        $(fn $question(&self) -> bool {
            DuckDbDialect.$question()
        })*
    };
}

impl Dialect for AnalystDialect {
    // The parser treats this as DuckDB wherever it asks for the dialect itself.
    fn dialect(&self) -> TypeId {
        DuckDbDialect.dialect()
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        DuckDbDialect.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        DuckDbDialect.is_identifier_part(ch)
    }

    fn supports_named_fn_args_with_eq_operator(&self) -> bool {
        false
    }

    as_duckdb!(
        allow_extract_single_quotes,
        support_map_literal_syntax,
        supports_array_typedef_with_brackets,
        supports_bitwise_shift_operators,
        supports_comma_separated_trim,
        supports_detach,
        supports_dictionary_syntax,
        supports_explain_with_utility_options,
        supports_filter_during_aggregation,
        supports_from_first_select,
        supports_group_by_expr,
        supports_install,
        supports_lambda_functions,
        supports_load_extension,
        supports_named_fn_args_with_assignment_operator,
        supports_notnull_operator,
        supports_order_by_all,
        supports_select_wildcard_exclude,
        supports_select_wildcard_replace,
        supports_trailing_commas,
    );
}
