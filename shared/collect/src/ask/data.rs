//! RDS, DMS, OpenSearch, Backup.

use keepwatch_core::posture::facts::data::{
    BackupPlan, DbCluster, DbInstance, DbSnapshot, Domain, ReplicationInstance,
};

use crate::client::{Client, Input, list};
use crate::fault::{Fault, absent_if};
use crate::node::Node;
use crate::operation::{
    DESCRIBE_DB_CLUSTER_SNAPSHOT_ATTRIBUTES, DESCRIBE_DB_CLUSTER_SNAPSHOTS, DESCRIBE_DB_CLUSTERS,
    DESCRIBE_DB_INSTANCES, DESCRIBE_DB_SNAPSHOT_ATTRIBUTES, DESCRIBE_DB_SNAPSHOTS, DESCRIBE_DOMAINS,
    DESCRIBE_REPLICATION_INSTANCES, LIST_BACKUP_PLANS, LIST_BACKUP_SELECTIONS, LIST_DOMAIN_NAMES,
};

/// How many domains are described at once (OpenSearch API reference, DescribeDomains).
const DOMAINS: usize = 5;

pub(super) async fn instances(client: &Client, region: &str) -> Result<Vec<DbInstance>, Fault> {
    let pages = client.pages(&DESCRIBE_DB_INSTANCES, region, Input::none()).await?;
    let read = |node: &Node| {
        Ok(DbInstance {
            arn: node.need("DBInstanceArn")?,
            id: node.need("DBInstanceIdentifier")?,
            engine: node.text("Engine").unwrap_or_default(),
            retention_days: node.number("BackupRetentionPeriod")?.unwrap_or(0),
            replica: node.text("ReadReplicaSourceDBInstanceIdentifier").is_some()
                || node.text("ReadReplicaSourceDBClusterIdentifier").is_some(),
            cluster: node.text("DBClusterIdentifier"),
        })
    };
    let path = "DescribeDBInstancesResult/DBInstances/DBInstance";
    pages.iter().flat_map(|page| page.all(path)).map(read).collect()
}

pub(super) async fn clusters(client: &Client, region: &str) -> Result<Vec<DbCluster>, Fault> {
    let pages = client.pages(&DESCRIBE_DB_CLUSTERS, region, Input::none()).await?;
    let read = |node: &Node| {
        Ok(DbCluster {
            arn: node.need("DBClusterArn")?,
            id: node.need("DBClusterIdentifier")?,
            // A cluster keeps one day at least (RDS API reference, CreateDBCluster).
            retention_days: node.number("BackupRetentionPeriod")?.unwrap_or(1),
        })
    };
    let path = "DescribeDBClustersResult/DBClusters/DBCluster";
    pages.iter().flat_map(|page| page.all(path)).map(read).collect()
}

fn manual() -> Input {
    Input::none().field("SnapshotType", "manual")
}

pub(super) async fn snapshots(client: &Client, region: &str) -> Result<Vec<DbSnapshot>, Fault> {
    let pages = client.pages(&DESCRIBE_DB_SNAPSHOTS, region, manual()).await?;
    let read = |node: &Node| {
        Ok(DbSnapshot {
            arn: node.need("DBSnapshotArn")?,
            id: node.need("DBSnapshotIdentifier")?,
            encrypted: node.flag("Encrypted")?,
        })
    };
    let path = "DescribeDBSnapshotsResult/DBSnapshots/DBSnapshot";
    pages.iter().flat_map(|page| page.all(path)).map(read).collect()
}

pub(super) async fn cluster_snapshots(client: &Client, region: &str) -> Result<Vec<DbSnapshot>, Fault> {
    let pages = client.pages(&DESCRIBE_DB_CLUSTER_SNAPSHOTS, region, manual()).await?;
    let read = |node: &Node| {
        Ok(DbSnapshot {
            arn: node.need("DBClusterSnapshotArn")?,
            id: node.need("DBClusterSnapshotIdentifier")?,
            encrypted: node.flag("StorageEncrypted")?,
        })
    };
    let path = "DescribeDBClusterSnapshotsResult/DBClusterSnapshots/DBClusterSnapshot";
    pages.iter().flat_map(|page| page.all(path)).map(read).collect()
}

/// Whom the attribute `restore` names.
fn restorers(node: &Node, path: &str, attribute: &str) -> Vec<String> {
    let attributes = node.all(path);
    let restore =
        attributes.into_iter().filter(|one| one.text("AttributeName").as_deref() == Some("restore"));
    restore.flat_map(|one| one.texts(&format!("AttributeValues/{attribute}"))).collect()
}

pub(super) async fn snapshot_shares(
    client: &Client,
    region: &str,
    id: &str,
) -> Result<Option<Vec<String>>, Fault> {
    let input = Input::none().field("DBSnapshotIdentifier", id);
    let found = client.call(&DESCRIBE_DB_SNAPSHOT_ATTRIBUTES, region, input).await;
    let path = "DescribeDBSnapshotAttributesResult/DBSnapshotAttributesResult/DBSnapshotAttributes/DBSnapshotAttribute";
    let found = found.map(|node| restorers(&node, path, "AttributeValue"));
    absent_if(found, &["DBSnapshotNotFound", "DBSnapshotNotFoundFault"])
}

pub(super) async fn cluster_snapshot_shares(
    client: &Client,
    region: &str,
    id: &str,
) -> Result<Option<Vec<String>>, Fault> {
    let input = Input::none().field("DBClusterSnapshotIdentifier", id);
    let found = client.call(&DESCRIBE_DB_CLUSTER_SNAPSHOT_ATTRIBUTES, region, input).await;
    let path = "DescribeDBClusterSnapshotAttributesResult/DBClusterSnapshotAttributesResult/DBClusterSnapshotAttributes/DBClusterSnapshotAttribute";
    let found = found.map(|node| restorers(&node, path, "AttributeValue"));
    absent_if(found, &["DBClusterSnapshotNotFoundFault", "DBClusterSnapshotNotFound"])
}

pub(super) async fn replication_instances(
    client: &Client,
    region: &str,
) -> Result<Vec<ReplicationInstance>, Fault> {
    let pages = client.pages(&DESCRIBE_REPLICATION_INSTANCES, region, Input::none()).await?;
    let read = |node: &Node| {
        Ok(ReplicationInstance {
            arn: node.need("ReplicationInstanceArn")?,
            id: node.need("ReplicationInstanceIdentifier")?,
            public: node.flag("PubliclyAccessible")?,
            groups: node.texts("VpcSecurityGroups/VpcSecurityGroupId"),
        })
    };
    pages.iter().flat_map(|page| page.all("ReplicationInstances")).map(read).collect()
}

pub(super) async fn domains(client: &Client, region: &str) -> Result<Vec<Domain>, Fault> {
    let names = client.call(&LIST_DOMAIN_NAMES, region, Input::none()).await?.texts("DomainNames/DomainName");
    let mut domains = Vec::new();
    for names in names.chunks(DOMAINS) {
        let input = Input::none().member("DomainNames", list(names));
        let node = client.call(&DESCRIBE_DOMAINS, region, input).await?;
        for domain in node.all("DomainStatusList") {
            domains.push(Domain {
                arn: domain.need("ARN")?,
                name: domain.need("DomainName")?,
                encrypted: domain.flag("EncryptionAtRestOptions/Enabled")?,
                deleted: domain.flag("Deleted")?,
            });
        }
    }
    Ok(domains)
}

pub(super) async fn backup_plans(client: &Client, region: &str) -> Result<Vec<BackupPlan>, Fault> {
    let pages = client.pages(&LIST_BACKUP_PLANS, region, Input::none()).await?;
    let read = |node: &Node| {
        Ok(BackupPlan {
            id: node.need("BackupPlanId")?,
            name: node.text("BackupPlanName").unwrap_or_default(),
        })
    };
    pages.iter().flat_map(|page| page.all("BackupPlansList")).map(read).collect()
}

pub(super) async fn backup_selections(
    client: &Client,
    region: &str,
    plan: &str,
) -> Result<Option<Vec<String>>, Fault> {
    let input = Input::none().path("backupPlanId", plan);
    let found = client.pages(&LIST_BACKUP_SELECTIONS, region, input).await;
    let names = |pages: Vec<Node>| {
        pages
            .iter()
            .flat_map(|page| page.all("BackupSelectionsList"))
            .map(|one| one.need("SelectionName"))
            .collect()
    };
    absent_if(found.and_then(names), &["ResourceNotFoundException"])
}
