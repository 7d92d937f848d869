//! The least a Lambda function in Rust can be: what the runtime itself costs, to compare with.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::value::RawValue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(async |_: LambdaEvent<Box<RawValue>>| Ok::<(), Error>(()))).await
}
