//! All stores of findings pass one suite.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use keepwatch_alert::in_memory::InMemory;
use keepwatch_aws::clients::local_config;
use keepwatch_aws::findings::FindingsTable;
use keepwatch_tests::aws_stub::{AwsStub, FINDINGS};
use keepwatch_tests::conformance::Suite;
use keepwatch_tests::sim;

#[tokio::test]
async fn the_table_in_dynamodb_conforms() {
    let aws = AwsStub::http().unwrap();
    let config = local_config(aws.endpoint()).unwrap();
    let table = FindingsTable::new(&config, FINDINGS, "journal");
    Suite(&table).pass().await.unwrap();
}

#[tokio::test]
async fn the_table_in_memory_conforms() {
    Suite(&InMemory::default()).pass().await.unwrap();
}

#[test]
fn the_simulation_s_table_conforms() {
    sim::conforms();
}
