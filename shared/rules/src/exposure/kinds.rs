//! What carries a policy of its own, kind by kind: which calls write and remove it, how the resource is named, and how bad it
//! is that outsiders come. Kinds that are not here are judged by their policy alone.
//!
//! Names of calls and parameters: the services' API references; forms of ARNs: service authorization reference, "Resource
//! types".

use crate::kit::prelude::*;

use Severity::{Critical, High, Low, Medium};

/// A kind of resource with a policy.
pub(super) struct Kind {
    /// The source of its calls, without `.amazonaws.com`.
    pub(super) source: &'static str,
    /// The calls that write the policy.
    pub(super) writes: &'static [&'static str],
    /// The calls that remove it, or the resource with it.
    pub(super) removes: &'static [&'static str],
    /// The parameters that name the resource, in their order; of each the names that it may have.
    ids: &'static [&'static [&'static str]],
    /// What people call it.
    noun: &'static str,
    /// Its ARN behind `arn:PARTITION:`, with `{r}`, `{a}` and `{0}`, `{1}` for region, account and the parameters.
    arn: &'static str,
    /// The services whose actions its policy speaks of.
    pub(super) services: &'static str,
    /// How bad it is that everyone can do all with it.
    pub(super) everyone: Severity,
    /// How bad it is that another account can.
    pub(super) account: Severity,
    /// The command that shows the policy, and its options in the order of the parameters; none where it is too long to help.
    read: &'static str,
    options: &'static [&'static str],
}

/// A resource that a call is about.
pub(super) struct Place {
    /// Its ARN.
    pub(super) arn: String,
    /// Kind and name.
    pub(super) name: String,
    /// The command that shows the policy, and its options.
    pub(super) read: Option<(&'static str, Vec<(&'static str, String)>)>,
}

#[rustfmt::skip]
pub(super) const KINDS: &[Kind] = &[
    Kind { source: "s3", writes: &["PutAccessPointPolicy"], removes: &["DeleteAccessPointPolicy", "DeleteAccessPoint"],
        ids: &[&["name"]], noun: "access point", arn: "s3:{r}:{a}:accesspoint/{0}", services: "s3",
        everyone: High, account: High, read: "s3control get-access-point-policy", options: &["--name"] },
    Kind { source: "s3", writes: &["PutMultiRegionAccessPointPolicy"], removes: &["DeleteMultiRegionAccessPoint"],
        ids: &[&["details.name", "name"]], noun: "multi-region access point", arn: "s3::{a}:accesspoint/{0}", services: "s3",
        everyone: High, account: High, read: "s3control get-multi-region-access-point-policy", options: &["--name"] },
    Kind { source: "s3", writes: &["PutAccessPointPolicyForObjectLambda"],
        removes: &["DeleteAccessPointPolicyForObjectLambda", "DeleteAccessPointForObjectLambda"],
        ids: &[&["name"]], noun: "Object Lambda access point", arn: "s3-object-lambda:{r}:{a}:accesspoint/{0}",
        services: "s3-object-lambda", everyone: High, account: High,
        read: "s3control get-access-point-policy-for-object-lambda", options: &["--name"] },
    Kind { source: "s3", writes: &["PutAccessGrantsInstanceResourcePolicy"],
        removes: &["DeleteAccessGrantsInstanceResourcePolicy", "DeleteAccessGrantsInstance"],
        ids: &[], noun: "the S3 Access Grants instance", arn: "s3:{r}:{a}:access-grants/default", services: "s3",
        everyone: Critical, account: High, read: "s3control get-access-grants-instance-resource-policy", options: &[] },
    Kind { source: "s3express", writes: &["PutBucketPolicy"], removes: &["DeleteBucketPolicy", "DeleteBucket"],
        ids: &[&["bucketName"]], noun: "directory bucket", arn: "s3express:{r}:{a}:bucket/{0}", services: "s3express",
        everyone: High, account: High, read: "s3api get-bucket-policy", options: &["--bucket"] },
    Kind { source: "s3tables", writes: &["PutTableBucketPolicy"], removes: &["DeleteTableBucketPolicy", "DeleteTableBucket"],
        ids: &[&["tableBucketARN"]], noun: "table bucket", arn: "s3tables:{r}:{a}:bucket/{0}", services: "s3tables",
        everyone: Critical, account: High, read: "s3tables get-table-bucket-policy", options: &["--table-bucket-arn"] },
    Kind { source: "s3tables", writes: &["PutTablePolicy"], removes: &["DeleteTablePolicy", "DeleteTable"],
        ids: &[&["tableBucketARN"], &["namespace"], &["name"]], noun: "table", arn: "s3tables:{r}:{a}:bucket/{0}/table/{1}/{2}",
        services: "s3tables", everyone: Critical, account: High, read: "s3tables get-table-policy",
        options: &["--table-bucket-arn", "--namespace", "--name"] },
    Kind { source: "s3vectors", writes: &["PutVectorBucketPolicy"], removes: &["DeleteVectorBucketPolicy", "DeleteVectorBucket"],
        ids: &[&["vectorBucketName", "vectorBucketArn"]], noun: "vector bucket", arn: "s3vectors:{r}:{a}:bucket/{0}",
        services: "s3vectors", everyone: Critical, account: High, read: "s3vectors get-vector-bucket-policy",
        options: &["--vector-bucket-name"] },
    Kind { source: "elasticfilesystem", writes: &["PutFileSystemPolicy"], removes: &["DeleteFileSystemPolicy", "DeleteFileSystem"],
        ids: &[&["fileSystemId"]], noun: "file system", arn: "elasticfilesystem:{r}:{a}:file-system/{0}",
        services: "elasticfilesystem", everyone: High, account: Medium, read: "efs describe-file-system-policy",
        options: &["--file-system-id"] },
    Kind { source: "events", writes: &["PutPermission"], removes: &["RemovePermission", "DeleteEventBus"],
        ids: &[&["eventBusName", "name"]], noun: "event bus", arn: "events:{r}:{a}:event-bus/{0}", services: "events",
        everyone: High, account: Medium, read: "events describe-event-bus", options: &["--name"] },
    Kind { source: "ses", writes: &["PutIdentityPolicy", "CreateEmailIdentityPolicy", "UpdateEmailIdentityPolicy"],
        removes: &["DeleteIdentityPolicy", "DeleteEmailIdentityPolicy"],
        ids: &[&["identity", "emailIdentity"]], noun: "mail identity", arn: "ses:{r}:{a}:identity/{0}", services: "ses",
        everyone: High, account: Medium, read: "sesv2 get-email-identity-policies", options: &["--email-identity"] },
    Kind { source: "codeartifact", writes: &["PutRepositoryPermissionsPolicy"],
        removes: &["DeleteRepositoryPermissionsPolicy", "DeleteRepository"],
        ids: &[&["domain"], &["repository"]], noun: "package repository", arn: "codeartifact:{r}:{a}:repository/{0}/{1}",
        services: "codeartifact", everyone: High, account: Medium, read: "codeartifact get-repository-permissions-policy",
        options: &["--domain", "--repository"] },
    Kind { source: "codeartifact", writes: &["PutDomainPermissionsPolicy"], removes: &["DeleteDomainPermissionsPolicy", "DeleteDomain"],
        ids: &[&["domain"]], noun: "package domain", arn: "codeartifact:{r}:{a}:domain/{0}", services: "codeartifact",
        everyone: High, account: Medium, read: "codeartifact get-domain-permissions-policy", options: &["--domain"] },
    Kind { source: "kinesis", writes: &["PutResourcePolicy"], removes: &["DeleteResourcePolicy", "DeleteStream"],
        ids: &[&["resourceARN", "streamARN", "streamName"]], noun: "stream", arn: "kinesis:{r}:{a}:stream/{0}", services: "kinesis",
        everyone: High, account: Medium, read: "kinesis get-resource-policy", options: &["--resource-arn"] },
    Kind { source: "acm-pca", writes: &["PutPolicy"], removes: &["DeletePolicy", "DeleteCertificateAuthority"],
        ids: &[&["resourceArn", "certificateAuthorityArn"]], noun: "certificate authority",
        arn: "acm-pca:{r}:{a}:certificate-authority/{0}", services: "acm-pca", everyone: Critical, account: High,
        read: "acm-pca get-policy", options: &["--resource-arn"] },
    Kind { source: "kafka", writes: &["PutClusterPolicy"], removes: &["DeleteClusterPolicy", "DeleteCluster"],
        ids: &[&["clusterArn"]], noun: "Kafka cluster", arn: "kafka:{r}:{a}:cluster/{0}", services: "kafka|kafka-cluster",
        everyone: High, account: Medium, read: "kafka get-cluster-policy", options: &["--cluster-arn"] },
    Kind { source: "logs", writes: &["PutDestinationPolicy"], removes: &["DeleteDestination"],
        ids: &[&["destinationName"]], noun: "log destination", arn: "logs:{r}:{a}:destination:{0}", services: "logs",
        everyone: Medium, account: Low, read: "logs describe-destinations", options: &["--destination-name-prefix"] },
    Kind { source: "logs", writes: &["PutDeliveryDestinationPolicy"],
        removes: &["DeleteDeliveryDestinationPolicy", "DeleteDeliveryDestination"],
        ids: &[&["deliveryDestinationName", "name"]], noun: "log delivery destination",
        arn: "logs:{r}:{a}:delivery-destination:{0}", services: "logs", everyone: Medium, account: Low,
        read: "logs get-delivery-destination-policy", options: &["--delivery-destination-name"] },
    Kind { source: "logs", writes: &["PutResourcePolicy"], removes: &["DeleteResourcePolicy"],
        ids: &[&["policyName", "resourceArn"]], noun: "log policy", arn: "logs:{r}:{a}:policy/{0}", services: "logs",
        everyone: High, account: Medium, read: "logs describe-resource-policies", options: &[] },
    Kind { source: "apigateway", writes: &["UpdateRestApi", "CreateRestApi"], removes: &["DeleteRestApi"],
        ids: &[&["restApiId", "id"]], noun: "API", arn: "apigateway:{r}::/restapis/{0}", services: "execute-api",
        everyone: Low, account: Low, read: "apigateway get-rest-api", options: &["--rest-api-id"] },
    Kind { source: "redshift", writes: &["PutResourcePolicy"], removes: &["DeleteResourcePolicy"],
        ids: &[&["resourceArn"]], noun: "data warehouse", arn: "redshift:{r}:{a}:namespace:{0}", services: "redshift",
        everyone: High, account: High, read: "redshift get-resource-policy", options: &["--resource-arn"] },
    Kind { source: "redshift-serverless", writes: &["PutResourcePolicy"], removes: &["DeleteResourcePolicy"],
        ids: &[&["resourceArn"]], noun: "data warehouse", arn: "redshift-serverless:{r}:{a}:namespace/{0}",
        services: "redshift-serverless", everyone: Critical, account: High, read: "redshift-serverless get-resource-policy",
        options: &["--resource-arn"] },
    Kind { source: "cloudtrail", writes: &["PutResourcePolicy"], removes: &["DeleteResourcePolicy"],
        ids: &[&["resourceArn"]], noun: "event store or channel", arn: "cloudtrail:{r}:{a}:eventdatastore/{0}",
        services: "cloudtrail|cloudtrail-data", everyone: High, account: High, read: "cloudtrail get-resource-policy",
        options: &["--resource-arn"] },
    Kind { source: "lambda", writes: &["PutResourcePolicy"], removes: &["DeleteResourcePolicy"],
        ids: &[&["resourceArn"]], noun: "function", arn: "lambda:{r}:{a}:function:{0}", services: "lambda", everyone: High,
        account: Medium, read: "lambda get-resource-policy", options: &["--resource-arn"] },
    Kind { source: "ssm", writes: &["PutResourcePolicy"], removes: &[],
        ids: &[&["resourceArn"]], noun: "parameter", arn: "ssm:{r}:{a}:parameter/{0}", services: "ssm", everyone: Critical,
        account: High, read: "ssm get-resource-policies", options: &["--resource-arn"] },
    Kind { source: "dsql", writes: &["PutClusterPolicy", "CreateCluster"], removes: &["DeleteClusterPolicy", "DeleteCluster"],
        ids: &[&["identifier"]], noun: "database cluster", arn: "dsql:{r}:{a}:cluster/{0}", services: "dsql", everyone: High,
        account: High, read: "dsql get-cluster-policy", options: &["--identifier"] },
    Kind { source: "vpc-lattice", writes: &["PutAuthPolicy"], removes: &["DeleteAuthPolicy"],
        // Only callers in networks that are connected to it reach it.
        ids: &[&["resourceIdentifier"]], noun: "service or network", arn: "vpc-lattice:{r}:{a}:{0}",
        services: "vpc-lattice-svcs", everyone: Low, account: Low, read: "vpc-lattice get-auth-policy",
        options: &["--resource-identifier"] },
];

impl Kind {
    /// The kind that a call writes or removes, if it is here.
    pub(super) fn of(source: &str, call: &str) -> Option<&'static Kind> {
        let service = source.strip_suffix(".amazonaws.com")?;
        let has = |kind: &&Kind| kind.writes.contains(&call) || kind.removes.contains(&call);
        KINDS.iter().filter(|kind| kind.source == service).find(has)
    }

    /// The resource that the call is about.
    pub(super) fn place(&self, record: &Record<'_>) -> Option<Place> {
        let mut given = Vec::new();
        for names in self.ids {
            let at = |path: &&str| {
                let path: Vec<&str> = path.split('.').collect();
                record
                    .param(&path)
                    .or_else(|| record.response_text(&path))
                    .or_else(|| text_at(carried(record), &path))
            };
            // A bus without a name is the default one.
            let default = (self.source == "events").then_some("default");
            given.push(names.iter().find_map(at).or(default)?);
        }
        // An ARN is told by its last part; the resource's own is taken as it stands.
        let short: Vec<&str> = given.iter().map(|id| id_in(id)).collect();
        let written = given.first().filter(|id| given.len() == 1 && id.starts_with("arn:"));
        let arn = match written {
            Some(arn) => (*arn).to_owned(),
            None => {
                let mut arn = format!("arn:{}:{}", record.partition(), self.arn);
                arn = arn.replace("{r}", region(record)).replace("{a}", record.account());
                for (i, id) in short.iter().enumerate() {
                    arn = arn.replace(&format!("{{{i}}}"), id);
                }
                arn
            }
        };
        let name = if short.is_empty() {
            self.noun.to_owned()
        } else {
            format!("{} {}", self.noun, short.join("/"))
        };
        let options =
            self.options.iter().zip(&given).map(|(option, id)| (*option, (*id).to_owned())).collect();
        Some(Place { arn, name: clean(&name, 160), read: Some((self.read, options)) })
    }
}

/// The resource's own name in its ARN: all behind its kind.
fn id_in(id: &str) -> &str {
    match Arn::parse(id) {
        Some(arn) => arn.resource.split_once(['/', ':']).map_or(arn.resource, |(_, name)| name),
        None => id,
    }
}

/// The resource of a kind that is not in the table: an ARN of the account among the parameters, or what a parameter calls an
/// id or a name.
pub(super) fn unlisted(record: &Record<'_>) -> Place {
    let source = record.event_source.or_empty();
    let service = source.split('.').next().unwrap_or(source);
    let request = record.request();
    let texts =
        request.as_object().into_iter().flatten().filter_map(|(key, value)| Some((key, value.as_str()?)));
    let texts: Vec<(&String, &str)> =
        texts.filter(|(_, text)| !text.is_empty() && text.len() < 300).collect();
    let of_account = |text: &str| {
        Arn::parse(text)
            .is_some_and(|arn| arn.service != "iam" && [record.account(), ""].contains(&arn.account))
    };
    let named = |(key, _): &&(&String, &str)| {
        let key = key.to_ascii_lowercase();
        ["arn", "identifier", "id", "name"].iter().any(|end| key.ends_with(end))
            && !key.contains("policy")
            && key != "accountid"
    };
    let arn = texts.iter().find(|(_, text)| of_account(text)).map(|(_, text)| *text);
    let id = arn.or_else(|| texts.iter().find(named).map(|(_, text)| *text));
    let (arn, id) = match id {
        Some(id) if id.starts_with("arn:") => (id.to_owned(), id_in(id)),
        Some(id) => (record.arn(service, id), id),
        None => (record.arn(service, "policy"), "policy"),
    };
    Place { arn, name: clean(&format!("{id} of {service}"), 160), read: None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;
    use keepwatch_core::event::Event;

    fn place(source: &str, name: &str, request: serde_json::Value) -> (String, String) {
        let text = call(source, name, json!({"requestParameters": request}));
        let event = Event::parse(&text).unwrap();
        let Body::CloudTrail(record) = &event.body else { panic!("{text}") };
        let kind = Kind::of(record.event_source.or_empty(), name);
        let place = kind.map_or_else(|| unlisted(record), |kind| kind.place(record).unwrap());
        (place.arn, place.name)
    }

    #[test]
    fn resources_are_named_as_people_do() {
        let bucket = "arn:aws:s3tables:us-east-1:111122223333:bucket/sales";
        for (source, name, request, arn, told) in [
            (
                "s3",
                "PutAccessPointPolicy",
                json!({"name": "ap"}),
                "arn:aws:s3:us-east-1:111122223333:accesspoint/ap",
                "access point ap",
            ),
            (
                "s3",
                "PutMultiRegionAccessPointPolicy",
                json!({"details": {"name": "m"}}),
                "arn:aws:s3::111122223333:accesspoint/m",
                "multi-region access point m",
            ),
            (
                "s3tables",
                "PutTableBucketPolicy",
                json!({"tableBucketARN": bucket}),
                bucket,
                "table bucket sales",
            ),
            (
                "s3tables",
                "PutTablePolicy",
                json!({"tableBucketARN": bucket, "namespace": "n", "name": "orders"}),
                "arn:aws:s3tables:us-east-1:111122223333:bucket/sales/table/n/orders",
                "table sales/n/orders",
            ),
            (
                "events",
                "PutPermission",
                json!({"statementId": "x"}),
                "arn:aws:events:us-east-1:111122223333:event-bus/default",
                "event bus default",
            ),
            (
                "apigateway",
                "UpdateRestApi",
                json!({"restApiId": "a1"}),
                "arn:aws:apigateway:us-east-1::/restapis/a1",
                "API a1",
            ),
            (
                "newstore",
                "PutStorePolicy",
                json!({"policyName": "p", "storeName": "s"}),
                "arn:aws:newstore:us-east-1:111122223333:s",
                "s of newstore",
            ),
            (
                "newstore",
                "PutStorePolicy",
                json!({"x": "arn:aws:newstore:us-east-1:111122223333:store/s1"}),
                "arn:aws:newstore:us-east-1:111122223333:store/s1",
                "s1 of newstore",
            ),
            (
                "newstore",
                "PutStorePolicy",
                json!(null),
                "arn:aws:newstore:us-east-1:111122223333:policy",
                "policy of newstore",
            ),
        ] {
            assert_eq!(place(source, name, request), (arn.to_owned(), told.to_owned()));
        }
    }
}
