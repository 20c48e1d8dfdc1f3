//! Whether the partitions of a scan are parts of one ordered file, so that groups may be made where rows are read.

use std::sync::Arc;

use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;

/// Whether each partition is a part of the same file, and the parts are in the order of the file.
pub(super) fn one_file(scan: &Arc<dyn ExecutionPlan>) -> bool {
    let Some(config) = scan
        .downcast_ref::<DataSourceExec>()
        .and_then(|scan| scan.data_source().downcast_ref::<FileScanConfig>())
    else {
        return false;
    };
    let parts: Vec<_> = config.file_groups.iter().map(FileGroup::files).collect();
    // Otherwise a thread that is done takes parts from others.
    let stays = config.preserve_order;
    let single = parts.iter().all(|files| files.len() == 1);
    let mut files = parts.iter().copied().flatten();
    let Some(first) = files.next() else {
        return false;
    };
    let mut end = first.range.as_ref().map(|range| range.end);
    let in_order = files.all(|file| {
        let follows = match (&file.range, end) {
            (Some(range), Some(end)) => range.start >= end,
            _ => false,
        };
        end = file.range.as_ref().map(|range| range.end);
        follows && file.object_meta.location == first.object_meta.location
    });
    stays && single && in_order
}
