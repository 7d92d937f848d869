//! RDS: the databases and their snapshots.

use super::call::{Call, filling, xml};
use super::contents::{ACCOUNT, Size};
use crate::http::Response;

/// Answers a call.
pub(super) fn answer(size: &Size, call: &Call) -> Response {
    let count = size.lying_in(&call.region, 1, 0).div_ceil(5);
    let (lists, item): (&str, fn(&Call, usize) -> String) = match call.name.as_str() {
        "DescribeDBInstances" => ("DBInstances", database),
        "DescribeDBSnapshots" => ("DBSnapshots", |call, number| {
            let id = format!("snapshot-{number:05}");
            format!(
                "<DBSnapshot><DBSnapshotIdentifier>{id}</DBSnapshotIdentifier><DBSnapshotArn>arn:aws:rds:{}:{ACCOUNT}:snapshot:{id}</DBSnapshotArn><Encrypted>true</Encrypted>{}</DBSnapshot>",
                call.region,
                filling("SnapshotTag", 8)
            )
        }),
        "DescribeDBSnapshotAttributes" => {
            return xml(
                200,
                "<R><DescribeDBSnapshotAttributesResult><DBSnapshotAttributesResult><DBSnapshotAttributes><DBSnapshotAttribute><AttributeName>restore</AttributeName><AttributeValues/></DBSnapshotAttribute></DBSnapshotAttributes></DBSnapshotAttributesResult></DescribeDBSnapshotAttributesResult></R>",
            );
        }
        _ => return xml(200, format!("<{0}Response><{0}Result/></{0}Response>", call.name)),
    };
    let page = call.page(count, 100);
    let items: String = page.items.map(|number| item(call, number)).collect();
    let next = page.next.map(|next| format!("<Marker>{next}</Marker>")).unwrap_or_default();
    xml(
        200,
        format!(
            "<{0}Response><{0}Result><{lists}>{items}</{lists}>{next}</{0}Result></{0}Response>",
            call.name
        ),
    )
}

fn database(call: &Call, number: usize) -> String {
    let id = format!("database-{number:05}");
    format!(
        "<DBInstance><DBInstanceIdentifier>{id}</DBInstanceIdentifier><DBInstanceArn>arn:aws:rds:{}:{ACCOUNT}:db:{id}</DBInstanceArn><Engine>postgres</Engine>\
         <BackupRetentionPeriod>{}</BackupRetentionPeriod>{}</DBInstance>",
        call.region,
        if number.is_multiple_of(4) { 0 } else { 7 },
        filling("database", 50)
    )
}
