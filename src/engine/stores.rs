//! Object stores, made when a URL first needs one: local files, S3 and its relatives, HTTP.
//!
//! S3 takes its keys, region and endpoint from the usual `AWS_…` environment variables.

use std::sync::Arc;

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry};
use object_store::aws::AmazonS3Builder;
use object_store::http::HttpBuilder;
use object_store::{ClientOptions, ObjectStore};
use url::{Position, Url};

use crate::error::Error;

/// Remembers each store once it is made.
#[derive(Debug, Default)]
pub(super) struct Stores {
    made: DefaultObjectStoreRegistry,
}

impl ObjectStoreRegistry for Stores {
    fn register_store(
        &self,
        url: &Url,
        store: Arc<dyn ObjectStore>,
    ) -> Option<Arc<dyn ObjectStore>> {
        self.made.register_store(url, store)
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        if let Ok(store) = self.made.get_store(url) {
            return Ok(store);
        }
        let store = make(url)?;
        self.made.register_store(url, Arc::clone(&store));
        Ok(store)
    }
}

fn make(url: &Url) -> Result<Arc<dyn ObjectStore>> {
    match url.scheme() {
        "s3" | "s3a" => {
            let store = AmazonS3Builder::from_env()
                .with_bucket_name(url.host_str().unwrap_or_default())
                .build()?;
            Ok(Arc::new(store))
        }
        "http" | "https" => {
            let store = HttpBuilder::new()
                .with_url(&url[..Position::AfterPort])
                .with_client_options(ClientOptions::new().with_allow_http(true))
                .build()?;
            Ok(Arc::new(store))
        }
        scheme => Err(DataFusionError::External(Box::new(
            Error::usage(format!(
                "{url}: '{scheme}://' is not a kind of place that can be read"
            ))
            .hint("use a path, file://, s3://, http:// or https://"),
        ))),
    }
}
