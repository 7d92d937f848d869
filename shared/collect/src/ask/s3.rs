//! Buckets, through S3 and S3 Control.

use futures_util::future::join_all;
use keepwatch_core::posture::facts::s3::{
    Bucket, BucketAcl, BucketEncryption, BucketGrant, BucketLogging, BucketOwnership, BucketPolicy,
    BucketVersioning, PublicAccessBlock,
};

use crate::client::{Client, Input};
use crate::fault::{Fault, Otherwise as _, absent_if};
use crate::node::Node;
use crate::operation::{
    GET_ACCOUNT_PUBLIC_ACCESS, GET_BUCKET_ACL, GET_BUCKET_ENCRYPTION, GET_BUCKET_LOCATION,
    GET_BUCKET_LOGGING, GET_BUCKET_OWNERSHIP, GET_BUCKET_POLICY, GET_BUCKET_PUBLIC_ACCESS,
    GET_BUCKET_VERSIONING, LIST_BUCKETS, Operation,
};

/// A bucket that was deleted after it was listed.
const GONE: &[&str] = &["NoSuchBucket"];

/// What S3 says where nobody has set a block.
const NO_BLOCK: &[&str] = &["NoSuchPublicAccessBlockConfiguration"];

pub(super) async fn account_block(client: &Client) -> Result<Option<PublicAccessBlock>, Fault> {
    let input = Input::none().header("x-amz-account-id", &client.account);
    let found = client.call(&GET_ACCOUNT_PUBLIC_ACCESS, client.region(), input).await;
    absent_if(found.and_then(|node| block(&node)), NO_BLOCK)
}

fn block(node: &Node) -> Result<PublicAccessBlock, Fault> {
    Ok(PublicAccessBlock {
        block_public_acls: node.flag("BlockPublicAcls")?,
        ignore_public_acls: node.flag("IgnorePublicAcls")?,
        block_public_policy: node.flag("BlockPublicPolicy")?,
        restrict_public_buckets: node.flag("RestrictPublicBuckets")?,
    })
}

pub(super) async fn buckets(client: &Client) -> Result<Vec<Bucket>, Fault> {
    // With a parameter S3 tells each bucket's region (S3 API reference, ListBuckets).
    let input = Input::none().field("max-buckets", 1_000);
    let pages = client.pages(&LIST_BUCKETS, client.region(), input).await?;
    let all = pages.iter().flat_map(|page| page.all("Buckets/Bucket"));
    let found = all.map(|bucket| async move {
        let name = bucket.need("Name")?;
        let region = match bucket.text("BucketRegion") {
            Some(region) => Some(region),
            None => location(client, &name).await?,
        };
        Ok(region.map(|region| Bucket { name, region }))
    });
    let found: Vec<Result<Option<Bucket>, Fault>> = join_all(found).await;
    // One that was deleted meanwhile has no region, and is none.
    found.into_iter().filter_map(Result::transpose).collect()
}

async fn location(client: &Client, name: &str) -> Result<Option<String>, Fault> {
    let input = Input::none().path("Bucket", name);
    let Some(node) = absent_if(client.call(&GET_BUCKET_LOCATION, client.region(), input).await, GONE)? else {
        return Ok(None);
    };
    // The first regions have names of their own here (S3 API reference, GetBucketLocation).
    Ok(Some(match node.own_text() {
        None => "us-east-1".to_owned(),
        Some("EU") => "eu-west-1".to_owned(),
        Some(region) => region.to_owned(),
    }))
}

async fn of_bucket(
    client: &Client,
    operation: &'static Operation,
    region: &str,
    name: &str,
) -> Result<Node, Fault> {
    client.call(operation, region, Input::none().path("Bucket", name)).await
}

pub(super) async fn public_access(
    client: &Client,
    region: &str,
    name: &str,
) -> Result<Option<PublicAccessBlock>, Fault> {
    let found = of_bucket(client, &GET_BUCKET_PUBLIC_ACCESS, region, name).await;
    let found = found.and_then(|node| block(&node)).or_if(NO_BLOCK, PublicAccessBlock::default());
    absent_if(found, GONE)
}

pub(super) async fn policy(client: &Client, region: &str, name: &str) -> Result<Option<BucketPolicy>, Fault> {
    let found = of_bucket(client, &GET_BUCKET_POLICY, region, name).await;
    let found = found.map(|node| BucketPolicy { document: node.own_text().map(str::to_owned) });
    absent_if(found.or_if(&["NoSuchBucketPolicy"], BucketPolicy { document: None }), GONE)
}

pub(super) async fn acl(client: &Client, region: &str, name: &str) -> Result<Option<BucketAcl>, Fault> {
    let read = |node: Node| {
        let mut grants = Vec::new();
        for grant in node.all("AccessControlList/Grant") {
            let (group, permission) = (grant.text("Grantee/URI"), grant.need("Permission")?);
            grants.push(BucketGrant { group, permission });
        }
        Ok(BucketAcl { grants })
    };
    absent_if(of_bucket(client, &GET_BUCKET_ACL, region, name).await.and_then(read), GONE)
}

pub(super) async fn ownership(
    client: &Client,
    region: &str,
    name: &str,
) -> Result<Option<BucketOwnership>, Fault> {
    let found = of_bucket(client, &GET_BUCKET_OWNERSHIP, region, name).await;
    let found = found.map(|node| BucketOwnership { ownership: node.text("Rule/ObjectOwnership") });
    let none = BucketOwnership { ownership: None };
    absent_if(found.or_if(&["OwnershipControlsNotFoundError"], none), GONE)
}

pub(super) async fn encryption(
    client: &Client,
    region: &str,
    name: &str,
) -> Result<Option<BucketEncryption>, Fault> {
    let found = of_bucket(client, &GET_BUCKET_ENCRYPTION, region, name).await.map(|node| {
        let by = node.at("Rule/ApplyServerSideEncryptionByDefault").cloned().unwrap_or(Node::Null);
        let algorithm = by.text("SSEAlgorithm").unwrap_or_else(|| "AES256".to_owned());
        BucketEncryption { algorithm, kms_key: by.text("KMSMasterKeyID") }
    });
    // Since January 2023 S3 encrypts every new object, whatever the bucket says.
    let none = BucketEncryption { algorithm: "AES256".to_owned(), kms_key: None };
    absent_if(found.or_if(&["ServerSideEncryptionConfigurationNotFoundError"], none), GONE)
}

pub(super) async fn versioning(
    client: &Client,
    region: &str,
    name: &str,
) -> Result<Option<BucketVersioning>, Fault> {
    let found = of_bucket(client, &GET_BUCKET_VERSIONING, region, name).await;
    let found = found.map(|node| BucketVersioning {
        status: node.text("Status"),
        mfa_delete: node.text("MfaDelete").as_deref() == Some("Enabled"),
    });
    absent_if(found, GONE)
}

pub(super) async fn logging(
    client: &Client,
    region: &str,
    name: &str,
) -> Result<Option<BucketLogging>, Fault> {
    let found = of_bucket(client, &GET_BUCKET_LOGGING, region, name).await;
    absent_if(found.map(|node| BucketLogging { target: node.text("LoggingEnabled/TargetBucket") }), GONE)
}
