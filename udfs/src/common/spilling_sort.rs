//! DataFusion's sort over rows that do not come from a plan.

use std::fmt;
use std::sync::{Arc, Mutex};

use arrow::datatypes::SchemaRef;
use datafusion_common::Result;
use datafusion_execution::{SendableRecordBatchStream, TaskContext};
use datafusion_physical_expr::LexOrdering;
use datafusion_physical_plan::ExecutionPlan;
use datafusion_physical_plan::sorts::sort::SortExec;
use datafusion_physical_plan::stream::RecordBatchStreamAdapter;
use datafusion_physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::stream::{self, StreamExt};

/// Sorts a stream that may have begun; beyond the memory limit it spills.
pub(crate) fn sort_with_spills(
    input: SendableRecordBatchStream,
    order: LexOrdering,
    context: &Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let schema = input.schema();
    let begun = Begun {
        schema: Arc::clone(&schema),
        stream: Mutex::new(Some(input)),
    };
    let leaf = StreamingTableExec::try_new(schema, vec![Arc::new(begun)], None, [], false, None)?;
    SortExec::new(order, Arc::new(leaf)).execute(0, Arc::clone(context))
}

struct Begun {
    schema: SchemaRef,
    stream: Mutex<Option<SendableRecordBatchStream>>,
}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Begun")
    }
}

impl PartitionStream for Begun {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let stream = self.stream.lock().ok().and_then(|mut stream| stream.take());
        let schema = Arc::clone(&self.schema);
        let rows = stream::iter(stream).flatten();
        Box::pin(RecordBatchStreamAdapter::new(schema, rows))
    }
}
