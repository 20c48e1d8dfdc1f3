//! The one table of all functions.

use std::sync::Arc;

use datafusion_common::config::ConfigOptions;
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::planner::RelationPlanner;
use datafusion_expr::registry::FunctionRegistry;
use datafusion_expr::{
    AggregateUDF, AggregateUDFImpl, Documentation, ScalarUDF, ScalarUDFImpl, WindowUDF,
    WindowUDFImpl,
};
use datafusion_session::{ExtensionPlanner, PhysicalOptimizerRule};

use crate::affinity::affinity::{self, Affinity};
use crate::affinity::affinity_share::AffinityShare;
use crate::affinity::decayed_sum::{self, DecayedSum};
use crate::affinity::item_to_item::ItemToItem;
use crate::affinity::next_items::NextItems;
use crate::affinity::recommend::Recommend;
use crate::channel::break_even_rate::BreakEvenRate;
use crate::channel::channel_cost::ChannelCost;
use crate::channel::consented::{self, Consented};
use crate::channel::contact_allowed::{self, ContactAllowed};
use crate::channel::contact_plan::ContactPlan;
use crate::channel::expected_margin::ExpectedMargin;
use crate::channel::next_best_channel::{self, NextBestChannel};
use crate::channel::plan_frontier::PlanFrontier;
use crate::channel::pressure::{self, Pressure};
use crate::channel::sms_segments::SmsSegments;
use crate::clickstream::funnel_events::{self, FunnelEvents};
use crate::clickstream::path_ngrams::PathNgrams;
use crate::clickstream::retention::{self, Retention};
use crate::clickstream::sequence_count::{self, SequenceCount};
use crate::clickstream::sequence_match::{self, SequenceMatch};
use crate::clickstream::sessionize::exec::SessionizeStreams;
use crate::clickstream::sessionize::{self, Sessionize};
use crate::clickstream::single_pass::SinglePass;
use crate::clickstream::window_funnel::{self, WindowFunnel};
use crate::common::literals::{Call, LiteralCheck};
use crate::evaluation::auc::{self, Auc};
use crate::evaluation::auc_ci::{self, AucCi};
use crate::evaluation::brier::{self, Brier};
use crate::evaluation::calibration_error::{self, CalibrationError};
use crate::evaluation::lift_at::{self, LiftAt};
use crate::evaluation::log_loss::{self, LogLoss};
use crate::evaluation::precision_at::{self, PrecisionAt};
use crate::evaluation::recall_at::{self, RecallAt};
use crate::evidence::beta_fit::{self, BetaFit};
use crate::evidence::effective_n::{self, EffectiveN};
use crate::evidence::llr::Llr;
use crate::evidence::min_support::MinSupport;
use crate::evidence::root_llr::RootLlr;
use crate::evidence::shrunk_rate::ShrunkRate;
use crate::evidence::wilson_lower::WilsonLower;
use crate::evidence::wilson_upper::WilsonUpper;
use crate::grouping::rule::{GroupByVisitor, OneFile};
use crate::lookalike::gower::Gower;
use crate::lookalike::jaccard::Jaccard;
use crate::lookalike::lookalike_expand::LookalikeExpand;
use crate::lookalike::lookalike_score::LookalikeScore;
use crate::lookalike::lookalike_weights::LookalikeWeights;
use crate::lookalike::overlap_coefficient::OverlapCoefficient;
use crate::lookalike::twin_products::TwinProducts;
use crate::lookalike::twins::Twins;
use crate::lookalike::weighted_jaccard::WeightedJaccard;
use crate::privacy::pseudonymize::Pseudonymize;
use crate::privacy::retention_due::RetentionDue;
use crate::relation::Relation;
use crate::relation::node::Operators;
use crate::relation::planner::Planner;
use crate::value::portfolio_value::{self, PortfolioValue};
use crate::value::rfm::{self, Rfm};

/// A function of any kind.
#[derive(Debug, Clone)]
pub enum Function {
    /// One value a row.
    Scalar(Arc<ScalarUDF>),
    /// One value a group or a window frame.
    Aggregate(Arc<AggregateUDF>),
    /// One value a row, from its place among the rows of a window.
    Window(Arc<WindowUDF>),
    /// A table, from tables.
    Relation(RelationFunction),
}

/// A function that stands in FROM.
#[derive(Debug, Clone, Copy)]
pub struct RelationFunction(&'static dyn Relation);

impl Function {
    /// The name in SQL.
    pub fn name(&self) -> &str {
        match self {
            Self::Scalar(function) => function.name(),
            Self::Aggregate(function) => function.name(),
            Self::Window(function) => function.name(),
            Self::Relation(function) => function.0.name(),
        }
    }

    /// The area of the reference that it belongs to.
    pub fn area(&self) -> &str {
        self.documentation()
            .map_or("", |documentation| documentation.doc_section.label)
    }

    /// Description, syntax, arguments and example.
    pub fn documentation(&self) -> Option<&Documentation> {
        match self {
            Self::Scalar(function) => function.documentation(),
            Self::Aggregate(function) => function.documentation(),
            Self::Window(function) => function.documentation(),
            Self::Relation(function) => function.0.documentation(),
        }
    }
}

/// All functions, area by area.
pub fn all() -> Vec<Function> {
    let relations = RELATIONS.iter().copied().map(RelationFunction);
    let mut all: Vec<_> = table(&ConfigOptions::default())
        .into_iter()
        .map(|(function, _)| function)
        .collect();
    for relation in relations.map(Function::Relation) {
        let after = all
            .iter()
            .rposition(|other| other.area() == relation.area());
        all.insert(after.map_or(all.len(), |after| after + 1), relation);
    }
    all
}

/// The rules that give functions an operator of their own: for
/// `SessionStateBuilder::with_physical_optimizer_rule`, behind DataFusion's.
pub fn physical_optimizer_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    physical_optimizer_rules_with(|_| false)
}

/// The same for a program that can tell whether the partitions of a scan are parts of one file, in its order: then an
/// ordered file is grouped where it is read.
pub fn physical_optimizer_rules_with(
    one_file: OneFile,
) -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    vec![
        Arc::new(GroupByVisitor { one_file }),
        Arc::new(SinglePass),
        Arc::new(SessionizeStreams),
    ]
}

/// All functions that stand in FROM.
pub(crate) static RELATIONS: &[&dyn Relation] = &[
    &ItemToItem,
    &Recommend,
    &NextItems,
    &Twins,
    &TwinProducts,
    &LookalikeWeights,
    &LookalikeScore,
    &LookalikeExpand,
    &ContactPlan,
    &PlanFrontier,
];

/// Plans calls of the functions that stand in FROM: for `SessionStateBuilder::with_relation_planners`.
pub fn relation_planner() -> Arc<dyn RelationPlanner> {
    Arc::new(Planner)
}

/// Plans the operators of these calls: for `DefaultPhysicalPlanner::with_extension_planners`.
pub fn extension_planner() -> Arc<dyn ExtensionPlanner + Send + Sync> {
    Arc::new(Operators)
}

/// Adds all functions but those that stand in FROM to a session with these options, and the check that makes wrong
/// literals fail at planning.
pub fn register_all(registry: &mut dyn FunctionRegistry, options: &ConfigOptions) -> Result<()> {
    let mut check = LiteralCheck::default();
    for (function, call) in table(options) {
        match function {
            Function::Scalar(function) => {
                registry.register_udf(function)?;
            }
            Function::Aggregate(function) => {
                check.add_aggregate(&function, call);
                registry.register_udaf(function)?;
            }
            Function::Window(function) => {
                check.add_window(&function, call);
                registry.register_udwf(function)?;
            }
            // Not in the table: they are planned, not registered.
            Function::Relation(_) => {}
        }
    }
    match registry.register_expr_planner(Arc::new(check)) {
        // A registry that does not plan SQL has no planners; the same checks run again on the values.
        Err(error) if matches!(error.find_root(), DataFusionError::NotImplemented(_)) => Ok(()),
        result => result,
    }
}

/// The reference of all functions, as a Markdown page.
pub fn reference_markdown() -> String {
    let mut page = String::from(
        "# Functions\n\n\
         <!-- Generated from the documentation in udfs/src; `JUMEAU_BLESS=1 cargo test --test functions_doc` renews it. -->\n",
    );
    let mut area = "";
    let functions = all();
    for function in &functions {
        let Some(documentation) = function.documentation() else {
            continue;
        };
        if function.area() != area {
            area = function.area();
            section(&mut page, &format!("## {area}"));
        }
        section(&mut page, &format!("### {}", function.name()));
        section(
            &mut page,
            &format!("```\n{}\n```", documentation.syntax_example),
        );
        section(&mut page, &documentation.description);
        if let Some(arguments) = &documentation.arguments {
            section(&mut page, "| argument | meaning |\n| --- | --- |");
            let rows = arguments
                .iter()
                .map(|(name, meaning)| format!("| `{name}` | {meaning} |\n"));
            page.extend(rows);
        }
        if let Some(example) = &documentation.sql_example {
            section(&mut page, example);
        }
    }
    page
}

/// Functions with the argument tables of aggregates and windows; scalar functions check their literals themselves.
fn table(options: &ConfigOptions) -> Vec<(Function, Option<&'static dyn Call>)> {
    vec![
        window(Sessionize::new(), &sessionize::CALL),
        aggregate(WindowFunnel::new(), &window_funnel::CALL),
        aggregate(FunnelEvents::new(), &funnel_events::CALL),
        aggregate(SequenceMatch::new(), &sequence_match::CALL),
        aggregate(SequenceCount::new(), &sequence_count::CALL),
        scalar(PathNgrams::new()),
        aggregate(Retention::new(), &retention::CALL),
        scalar(WilsonLower::new()),
        scalar(WilsonUpper::new()),
        scalar(ShrunkRate::new()),
        aggregate(BetaFit::new(), &beta_fit::ARGUMENTS),
        scalar(Llr::new()),
        scalar(RootLlr::new()),
        aggregate(EffectiveN::new(), &effective_n::ARGUMENTS),
        scalar(MinSupport::new()),
        aggregate(DecayedSum::new(), &decayed_sum::ARGUMENTS),
        aggregate(Affinity::new(), &affinity::ARGUMENTS),
        scalar(AffinityShare::new()),
        scalar(Jaccard::new()),
        scalar(WeightedJaccard::new()),
        scalar(OverlapCoefficient::new()),
        scalar(Gower::new()),
        scalar(ChannelCost::new(options)),
        scalar(SmsSegments::new()),
        scalar(BreakEvenRate::new(options)),
        scalar(ExpectedMargin::new()),
        aggregate(Consented::new(), &consented::CALL),
        aggregate(Pressure::new(), &pressure::ARGUMENTS),
        aggregate(ContactAllowed::new(), &contact_allowed::CALL),
        aggregate(NextBestChannel::new(), &next_best_channel::ARGUMENTS),
        aggregate(Rfm::new(), &rfm::ARGUMENTS),
        aggregate(PortfolioValue::new(), &portfolio_value::ARGUMENTS),
        scalar(Pseudonymize::new()),
        scalar(RetentionDue::new()),
        aggregate(Auc::new(), &auc::ARGUMENTS),
        aggregate(AucCi::new(), &auc_ci::ARGUMENTS),
        aggregate(LiftAt::new(), &lift_at::ARGUMENTS),
        aggregate(PrecisionAt::new(), &precision_at::ARGUMENTS),
        aggregate(RecallAt::new(), &recall_at::ARGUMENTS),
        aggregate(LogLoss::new(), &log_loss::ARGUMENTS),
        aggregate(Brier::new(), &brier::ARGUMENTS),
        aggregate(CalibrationError::new(), &calibration_error::ARGUMENTS),
    ]
}

fn scalar(function: impl ScalarUDFImpl + 'static) -> (Function, Option<&'static dyn Call>) {
    (Function::Scalar(Arc::new(function.into())), None)
}

fn aggregate(
    function: impl AggregateUDFImpl + 'static,
    call: &'static dyn Call,
) -> (Function, Option<&'static dyn Call>) {
    (Function::Aggregate(Arc::new(function.into())), Some(call))
}

fn window(
    function: impl WindowUDFImpl + 'static,
    call: &'static dyn Call,
) -> (Function, Option<&'static dyn Call>) {
    (Function::Window(Arc::new(function.into())), Some(call))
}

fn section(page: &mut String, text: &str) {
    page.push('\n');
    page.push_str(text);
    page.push('\n');
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use datafusion_expr::registry::MemoryFunctionRegistry;

    use super::*;

    #[test]
    fn every_function_is_documented_under_its_own_name() {
        let functions = all();
        let names: BTreeSet<_> = functions.iter().map(Function::name).collect();
        assert_eq!(names.len(), functions.len(), "names are unique");
        for (function, call) in table(&ConfigOptions::default()) {
            let name = function.name();
            let documentation = function.documentation().unwrap();
            assert!(
                documentation
                    .syntax_example
                    .starts_with(&format!("{name}(")),
                "{name}"
            );
            assert!(
                documentation
                    .sql_example
                    .as_ref()
                    .unwrap()
                    .contains(&format!("{name}(")),
                "{name}"
            );
            if let Some(call) = call {
                let documented = documentation.arguments.as_ref().unwrap();
                let documented: Vec<_> = documented.iter().map(|(name, _)| name.as_str()).collect();
                assert_eq!(documented, call.names(), "{name}");
                assert_eq!(call.function(), name);
            }
        }
    }

    #[test]
    fn a_registry_without_sql_takes_the_functions() {
        let mut registry = MemoryFunctionRegistry::new();
        register_all(&mut registry, &ConfigOptions::default()).unwrap();
        assert!(registry.udafs().contains("affinity") && registry.udfs().contains("jaccard"));
    }

    #[test]
    fn the_functions_of_an_area_stand_together() {
        let functions = all();
        let mut areas: Vec<_> = functions.iter().map(Function::area).collect();
        areas.dedup();
        let distinct: BTreeSet<_> = areas.iter().collect();
        assert_eq!(distinct.len(), areas.len(), "{areas:?}");
        assert!(!areas.contains(&""));
    }
}
