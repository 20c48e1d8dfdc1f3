//! The one logical node of all relation functions, and its physical planning.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion_common::{DFSchema, DFSchemaRef, Result, internal_err};
use datafusion_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion_expr::{
    Expr, Extension, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore,
};
use datafusion_physical_plan::ExecutionPlan;
use datafusion_session::{ExtensionPlanner, PhysicalPlanner, Session};

use super::Relation;
use super::exec::RelationExec;
use super::options::Options;

/// A call: the function by its name, its options, its inputs. Plain data, so that one codec can ship every function.
#[derive(Debug, Clone)]
pub(crate) struct RelationNode {
    function: &'static dyn Relation,
    options: Options,
    inputs: Vec<LogicalPlan>,
    schema: DFSchemaRef,
}

impl RelationNode {
    /// `inputs` have exactly the columns that the function picked.
    pub(super) fn new(
        function: &'static dyn Relation,
        options: Options,
        inputs: Vec<LogicalPlan>,
    ) -> Result<Self> {
        let schemas: Vec<SchemaRef> = inputs
            .iter()
            .map(|input| Arc::clone(input.schema().inner()))
            .collect();
        let fields = function.output(&schemas, &options)?;
        let schema = Arc::new(DFSchema::try_from(Schema::new(fields))?);
        Ok(Self {
            function,
            options,
            inputs,
            schema,
        })
    }

    pub(super) fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension {
            node: Arc::new(self),
        })
    }

    fn identity(&self) -> (&str, &Options, &[LogicalPlan]) {
        (self.function.name(), &self.options, &self.inputs)
    }
}

impl PartialEq for RelationNode {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for RelationNode {}

impl Hash for RelationNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl PartialOrd for RelationNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        if self == other {
            return Some(Ordering::Equal);
        }
        let unequal = |ordering: &Ordering| *ordering != Ordering::Equal;
        self.function
            .name()
            .partial_cmp(other.function.name())
            .filter(unequal)
    }
}

impl UserDefinedLogicalNodeCore for RelationNode {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        self.inputs.iter().collect()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = self.options.to_string();
        let colon = if options.is_empty() { "" } else { ": " };
        write!(f, "{}{colon}{options}", self.function.name())
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        Self::new(self.function, self.options.clone(), inputs)
    }
}

/// Plans the operator of every relation function.
#[derive(Debug)]
pub(crate) struct Operators;

#[async_trait]
impl ExtensionPlanner for Operators {
    async fn plan_extension(
        &self,
        _: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        _: &dyn Session,
        _: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(node) = node.as_any().downcast_ref::<RelationNode>() else {
            return Ok(None);
        };
        if inputs.len() != node.function.inputs().len() {
            return internal_err!("{}: {} inputs", node.function.name(), inputs.len());
        }
        let schema = Arc::clone(node.schema.inner());
        let (function, options) = (node.function, node.options.clone());
        let exec = RelationExec::new(function, options, None, inputs.to_vec(), schema);
        Ok(Some(Arc::new(exec)))
    }
}
