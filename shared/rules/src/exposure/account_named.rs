use super::shared::{Grantee, Shared};
use crate::kit::prelude::*;

use Severity::{High, Low, Medium};

declare_rule! {
    /// ## What it detects
    /// Something was shared by naming another account, in one of the ways that have neither a policy nor Resource
    /// Access Manager: a Redshift snapshot, data share or endpoint, the permissions of a VPC endpoint service, the
    /// endpoints of a search domain, an image of WorkSpaces or AppStream, a portfolio of Service Catalog, a signing
    /// profile, a subscriber of Security Lake, an access grant of S3, a data grant, a store of Omics, a directory, the
    /// right to attach a network interface, a profiling group, an accelerator's endpoints, or what AWS Config has
    /// recorded. Each grantee is a finding of its own; taking it off settles it.
    /// ## Why it matters
    /// Whoever restores a snapshot or reads a data share has the data as his own, and no call of his shows in
    /// this account.
    /// ## What to do
    /// Find out whose the account is. If nobody knows it, take it off.
    /// ## False positives
    /// Vendors, partners and accounts of the same organization: name them in the TrustedAccounts parameter. A
    /// service behind an endpoint is made to be used by other accounts, so that one of them is low there. Shares
    /// with an organization are low: the event does not say whose it is. The account that gathers AWS Config of all
    /// others, that keeps the directory, or that runs load balancers for everybody is one to name as trusted; data
    /// grants to customers are what a seller of data makes all day.
    AccountNamed {
        id: "exposure-account-named",
        title: "Something was shared with another account by its number",
        severity: Medium,
        confidence: High,
        catalogue: ["PUB-10"],
        references: [
            attack(&["T1537"]),
            doc(&[
                "Redshift management guide: sharing snapshots; managing cross-VPC endpoints",
                "Redshift database developer guide: sharing data across AWS accounts",
                "VPC PrivateLink guide: manage permissions of an endpoint service",
            ]),
        ],
        on: [
            On::Call("redshift.amazonaws.com", &[
                "AuthorizeSnapshotAccess", "RevokeSnapshotAccess", "AuthorizeDataShare", "DeauthorizeDataShare",
                "AuthorizeEndpointAccess", "RevokeEndpointAccess",
            ]),
            On::Call("ec2.amazonaws.com", &["ModifyVpcEndpointServicePermissions"]),
            On::Call("es.amazonaws.com", &["AuthorizeVpcEndpointAccess", "RevokeVpcEndpointAccess"]),
            On::Call("workspaces.amazonaws.com", &["UpdateWorkspaceImagePermission"]),
            On::Call("appstream.amazonaws.com", &["UpdateImagePermissions", "DeleteImagePermissions"]),
            On::Call("servicecatalog.amazonaws.com", &["CreatePortfolioShare", "DeletePortfolioShare"]),
            On::Call("signer.amazonaws.com", &["AddProfilePermission"]),
            On::Call("securitylake.amazonaws.com", &["CreateSubscriber"]),
            On::Call("config.amazonaws.com", &["PutAggregationAuthorization", "DeleteAggregationAuthorization"]),
            On::Call("ds.amazonaws.com", &["ShareDirectory", "UnshareDirectory"]),
            On::Call("ec2.amazonaws.com", &["CreateNetworkInterfacePermission"]),
            On::Call("s3.amazonaws.com", &["CreateAccessGrant"]),
            On::Call("dataexchange.amazonaws.com", &["CreateDataGrant"]),
            On::Call("omics.amazonaws.com", &["CreateShare"]),
            On::Call("globalaccelerator.amazonaws.com", &[
                "CreateCrossAccountAttachment", "UpdateCrossAccountAttachment",
            ]),
            On::Call("codeguru-profiler.amazonaws.com", &["PutPermission"]),
        ],
    }
}

/// A way of naming somebody.
struct Way {
    /// The calls that name and that take off again; one may do both.
    calls: [&'static str; 2],
    /// The parameters that name the resource, and those that name the grantee.
    ids: &'static [&'static str],
    whom: &'static [&'static str],
    /// What people call the resource, and its ARN without partition, region and account.
    noun: &'static str,
    arn: (&'static str, &'static str),
    everyone: Severity,
    account: Severity,
    why: &'static str,
    /// The command that takes the grantee off, and its options for the resource and for the grantee.
    undo: (&'static str, &'static str, &'static str),
}

#[rustfmt::skip]
const WAYS: &[Way] = &[
    Way { calls: ["AuthorizeSnapshotAccess", "RevokeSnapshotAccess"], ids: &["snapshotIdentifier", "snapshotArn"],
        whom: &["accountWithRestoreAccess"], noun: "warehouse snapshot", arn: ("redshift", "snapshot:"), everyone: High,
        account: High, why: "Whoever may restore the snapshot has all the data in it.",
        undo: ("redshift revoke-snapshot-access", "--snapshot-identifier", "--account-with-restore-access") },
    Way { calls: ["AuthorizeDataShare", "DeauthorizeDataShare"], ids: &["dataShareArn"], whom: &["consumerIdentifier"],
        noun: "data share", arn: ("redshift", "datashare:"), everyone: High, account: High,
        why: "The account reads what is in the share as it stands, today and later.",
        undo: ("redshift deauthorize-data-share", "--data-share-arn", "--consumer-identifier") },
    Way { calls: ["AuthorizeEndpointAccess", "RevokeEndpointAccess"], ids: &["clusterIdentifier"], whom: &["account"],
        noun: "data warehouse", arn: ("redshift", "cluster:"), everyone: High, account: Medium,
        why: "The account can make endpoints in its own networks that lead to the warehouse.",
        undo: ("redshift revoke-endpoint-access", "--cluster-identifier", "--account") },
    Way { calls: ["ModifyVpcEndpointServicePermissions", "ModifyVpcEndpointServicePermissions"], ids: &["serviceId"],
        whom: &["addAllowedPrincipals"], noun: "endpoint service", arn: ("ec2", "vpc-endpoint-service/"), everyone: Medium,
        account: Low, why: "Whoever is allowed can connect a network of his own to the service behind the endpoint.",
        undo: ("ec2 modify-vpc-endpoint-service-permissions", "--service-id", "--remove-allowed-principals") },
    Way { calls: ["AuthorizeVpcEndpointAccess", "RevokeVpcEndpointAccess"], ids: &["domainName"], whom: &["account"],
        noun: "search domain", arn: ("es", "domain/"), everyone: High, account: Medium,
        why: "The account can make endpoints in its own networks that lead to the domain.",
        undo: ("opensearch revoke-vpc-endpoint-access", "--domain-name", "--account") },
    Way { calls: ["UpdateWorkspaceImagePermission", "UpdateWorkspaceImagePermission"], ids: &["imageId"],
        whom: &["sharedAccountId"], noun: "desktop image", arn: ("workspaces", "workspaceimage/"), everyone: High,
        account: Medium, why: "The account can copy the image with everything on it.",
        undo: ("workspaces update-workspace-image-permission --no-allow-copy-image", "--image-id", "--shared-account-id") },
    Way { calls: ["UpdateImagePermissions", "DeleteImagePermissions"], ids: &["name"], whom: &["sharedAccountId"],
        noun: "application image", arn: ("appstream", "image/"), everyone: High, account: Medium,
        why: "The account can start the image with everything on it.",
        undo: ("appstream delete-image-permissions", "--name", "--shared-account-id") },
    Way { calls: ["CreatePortfolioShare", "DeletePortfolioShare"], ids: &["portfolioId"],
        whom: &["accountId", "organizationNode.value"], noun: "portfolio", arn: ("catalog", "portfolio/"), everyone: Medium,
        account: Medium, why: "The account can read and start the products of the portfolio.",
        undo: ("servicecatalog delete-portfolio-share", "--portfolio-id", "--account-id") },
    Way { calls: ["AddProfilePermission", ""], ids: &["profileName"], whom: &["principal"], noun: "signing profile",
        arn: ("signer", "/signing-profiles/"), everyone: High, account: Medium,
        why: "What the account signs with the profile counts as signed by you.",
        undo: ("signer list-profile-permissions", "--profile-name", "") },
    Way { calls: ["CreateSubscriber", ""], ids: &["subscriberName"], whom: &["subscriberIdentity.principal"],
        noun: "Security Lake subscriber", arn: ("securitylake", "subscriber/"), everyone: High, account: High,
        why: "The subscriber reads the account's security logs as they come in.",
        undo: ("securitylake list-subscribers", "", "") },
    Way { calls: ["PutAggregationAuthorization", "DeleteAggregationAuthorization"], ids: &["authorizedAwsRegion"],
        whom: &["authorizedAccountId"], noun: "the record of AWS Config, in", arn: ("config", "aggregation-authorization/"),
        everyone: High, account: Medium, why: "The account can read what this account has and how it is set up.",
        undo: ("configservice delete-aggregation-authorization", "--authorized-aws-region", "--authorized-account-id") },
    Way { calls: ["ShareDirectory", "UnshareDirectory"], ids: &["directoryId"], whom: &["shareTarget.id", "unshareTarget.id"],
        noun: "directory", arn: ("ds", "directory/"), everyone: High, account: Medium,
        why: "Machines of the account can join the directory, whose people can then sign in to them.",
        undo: ("ds describe-shared-directories", "--owner-directory-id", "") },
    Way { calls: ["CreateNetworkInterfacePermission", ""], ids: &["networkInterfaceId"], whom: &["awsAccountId"],
        noun: "network interface", arn: ("ec2", "network-interface/"), everyone: High, account: Medium,
        why: "The account can attach the interface to a machine of its own, which then stands in your network.",
        undo: ("ec2 describe-network-interface-permissions", "", "") },
    // What the call carries stands in an element of its own where CloudTrail writes XML as it came.
    Way { calls: ["CreateAccessGrant", ""], ids: &["accessGrantsLocationId", "createAccessGrantRequest.accessGrantsLocationId"],
        whom: &["grantee.granteeIdentifier", "createAccessGrantRequest.grantee.granteeIdentifier"], noun: "S3 location",
        arn: ("s3", "access-grants/default/location/"), everyone: High, account: High,
        why: "Whoever is named gets credentials for what lies there.", undo: ("s3control list-access-grants", "", "") },
    Way { calls: ["CreateDataGrant", ""], ids: &["sourceDataSetId"], whom: &["receiverPrincipal"], noun: "data set",
        arn: ("dataexchange", "data-sets/"), everyone: High, account: High,
        why: "The account can export what is in the data set.", undo: ("dataexchange list-data-grants", "", "") },
    Way { calls: ["CreateShare", ""], ids: &["resourceArn"], whom: &["principalSubscriber"], noun: "store",
        arn: ("omics", ""), everyone: High, account: Medium, why: "The account can use what is in the store.",
        undo: ("omics list-shares --resource-owner SELF", "", "") },
    Way { calls: ["CreateCrossAccountAttachment", "UpdateCrossAccountAttachment"], ids: &["attachmentArn", "name"],
        whom: &["principals", "addPrincipals"], noun: "attachment", arn: ("globalaccelerator", "attachment/"),
        everyone: Medium, account: Low, why: "The account can send its visitors to the endpoints.",
        undo: ("globalaccelerator list-cross-account-attachments", "", "") },
    Way { calls: ["PutPermission", ""], ids: &["profilingGroupName"], whom: &["principals"], noun: "profiling group",
        arn: ("codeguru-profiler", "profilingGroup/"), everyone: Medium, account: Low,
        why: "Whoever is named can send profiles of running code there.",
        undo: ("codeguruprofiler get-policy", "--profiling-group-name", "") },
];

impl Rule for AccountNamed {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (event, request) = (record.event_name.or_empty(), ec2_parameters(record));
        let Some(way) = WAYS.iter().find(|way| way.calls.contains(&event)) else { return Ok(()) };
        let Some(id) = way.ids.iter().find_map(|name| text_at(request, &name.split('.').collect::<Vec<_>>()))
        else {
            return Ok(());
        };
        let given = |names: &[&str]| -> Vec<&str> {
            names.iter().flat_map(|name| texts_at(request, &name.split('.').collect::<Vec<_>>())).collect()
        };
        let named = given(way.whom);
        let removed = match event {
            "ModifyVpcEndpointServicePermissions" => given(&["removeAllowedPrincipals"]),
            "UpdateCrossAccountAttachment" => given(&["removePrincipals"]),
            "UpdateWorkspaceImagePermission" if flag_at(request, &["allowCopyImage"]) == Some(false) => {
                named.clone()
            }
            _ if event == way.calls[1] && way.calls[0] != event => named.clone(),
            _ => Vec::new(),
        };
        let added = if removed == named { Vec::new() } else { named };
        let (service, kind) = way.arn;
        let arn =
            if id.starts_with("arn:") { id.to_owned() } else { record.arn(service, &format!("{kind}{id}")) };
        let shared = Shared {
            arn: &arn,
            name: &format!("{} {}", way.noun, last_part(id)),
            everyone: way.everyone,
            account: way.account,
            why: way.why,
        };
        let lists = (grantees(&added), grantees(&removed));
        let (undo, of, from) = way.undo;
        shared.report(record, cx, lists, |seen, grantee| {
            let written = added.iter().find(|text| grantee_of(text) == Some(grantee)).copied();
            let options = [region_option(record), (of, id), (from, written.unwrap_or(grantee.key()))];
            let options: Vec<_> = options.into_iter().filter(|(option, _)| !option.is_empty()).collect();
            seen.step(if from.is_empty() { "Who has it now?" } else { "Take it off" }, undo, &options)
        });
        Ok(())
    }
}

fn grantees<'t>(texts: &[&'t str]) -> Vec<Grantee<'t>> {
    texts.iter().filter_map(|text| grantee_of(text)).collect()
}

/// Who is named: everybody, an account or a principal of one, an organization. AWS services are nobody.
fn grantee_of(text: &str) -> Option<Grantee<'_>> {
    if text == "*" {
        return Some(Grantee::Everyone);
    }
    if is_account_id(text) {
        return Some(Grantee::Account(text));
    }
    if ["o-", "ou-", "r-"].iter().any(|start| text.starts_with(start)) {
        return Some(Grantee::Organization(text));
    }
    let arn = Arn::parse(text)?;
    match arn.service {
        "organizations" => Some(Grantee::Organization(text)),
        _ if is_account_id(arn.account) => Some(Grantee::Account(arn.account)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn put(source: &str, name: &str, request: Value) -> String {
        call(source, name, json!({"requestParameters": request}))
    }

    fn endpoint(list: &str, principal: &str) -> String {
        let request = json!({"ModifyVpcEndpointServicePermissionsRequest": {"ServiceId": "vpce-svc-1",
            list: {"tag": 1, "content": principal}}});
        put("ec2", "ModifyVpcEndpointServicePermissions", request)
    }

    const SHARE: &str = "arn:aws:redshift:us-east-1:111122223333:datashare:namespace/sales";

    #[test]
    fn fires() {
        for (event, severity, title) in [
            (
                put(
                    "redshift",
                    "AuthorizeSnapshotAccess",
                    json!({"snapshotIdentifier": "s1", "accountWithRestoreAccess": "999988887777"}),
                ),
                High,
                "alice shared warehouse snapshot s1 with outside account 999988887777",
            ),
            (
                put(
                    "redshift",
                    "AuthorizeDataShare",
                    json!({"dataShareArn": SHARE, "consumerIdentifier": "999988887777"}),
                ),
                High,
                "alice shared data share sales with outside account 999988887777",
            ),
            (
                put(
                    "redshift",
                    "AuthorizeEndpointAccess",
                    json!({"clusterIdentifier": "c", "account": "999988887777"}),
                ),
                Medium,
                "alice shared data warehouse c with outside account 999988887777",
            ),
            (
                endpoint("AddAllowedPrincipals", "*"),
                Medium,
                "alice shared endpoint service vpce-svc-1 with everybody with an AWS account",
            ),
            (
                endpoint("AddAllowedPrincipals", "arn:aws:iam::999988887777:root"),
                Low,
                "alice shared endpoint service vpce-svc-1 with outside account 999988887777",
            ),
            (
                put(
                    "workspaces",
                    "UpdateWorkspaceImagePermission",
                    json!({"imageId": "wsi-1", "allowCopyImage": true, "sharedAccountId": "999988887777"}),
                ),
                Medium,
                "alice shared desktop image wsi-1 with outside account 999988887777",
            ),
            (
                put(
                    "servicecatalog",
                    "CreatePortfolioShare",
                    json!({"portfolioId": "p", "organizationNode": {"type": "ORGANIZATION", "value": "o-abcd123456"}}),
                ),
                Low,
                "alice shared portfolio p with organization o-abcd123456",
            ),
            (
                put(
                    "securitylake",
                    "CreateSubscriber",
                    json!({"subscriberName": "siem", "subscriberIdentity": {"principal": "999988887777", "externalId": "x"}}),
                ),
                High,
                "alice shared Security Lake subscriber siem with outside account 999988887777",
            ),
            (
                put(
                    "config",
                    "PutAggregationAuthorization",
                    json!({"authorizedAccountId": "999988887777", "authorizedAwsRegion": "us-east-1"}),
                ),
                Medium,
                "alice shared the record of AWS Config, in us-east-1 with outside account 999988887777",
            ),
            (
                put(
                    "ds",
                    "ShareDirectory",
                    json!({"directoryId": "d-1", "shareTarget": {"id": "999988887777", "type": "ACCOUNT"}}),
                ),
                Medium,
                "alice shared directory d-1 with outside account 999988887777",
            ),
            (
                put(
                    "ec2",
                    "CreateNetworkInterfacePermission",
                    json!({"networkInterfaceId": "eni-1", "awsAccountId": "999988887777"}),
                ),
                Medium,
                "alice shared network interface eni-1 with outside account 999988887777",
            ),
            (
                put(
                    "s3",
                    "CreateAccessGrant",
                    json!({"CreateAccessGrantRequest": {"AccessGrantsLocationId": "default", "Permission": "READ",
                        "Grantee": {"GranteeType": "IAM", "GranteeIdentifier": "arn:aws:iam::999988887777:role/reader"}}}),
                ),
                High,
                "alice shared S3 location default with outside account 999988887777",
            ),
            (
                put(
                    "dataexchange",
                    "CreateDataGrant",
                    json!({"sourceDataSetId": "ds-1", "receiverPrincipal": "999988887777"}),
                ),
                High,
                "alice shared data set ds-1 with outside account 999988887777",
            ),
            (
                put(
                    "omics",
                    "CreateShare",
                    json!({"resourceArn": "arn:aws:omics:us-east-1:111122223333:variantStore/v", "principalSubscriber": "999988887777"}),
                ),
                Medium,
                "alice shared store v with outside account 999988887777",
            ),
            (
                put(
                    "globalaccelerator",
                    "CreateCrossAccountAttachment",
                    json!({"name": "a", "principals": ["999988887777"]}),
                ),
                Low,
                "alice shared attachment a with outside account 999988887777",
            ),
            (
                put(
                    "codeguru-profiler",
                    "PutPermission",
                    json!({"profilingGroupName": "g", "principals": ["arn:aws:iam::999988887777:role/agent"]}),
                ),
                Low,
                "alice shared profiling group g with outside account 999988887777",
            ),
        ] {
            let seen = fires_at(&AccountNamed, severity, &event);
            assert_eq!(seen.title, title);
        }
    }

    #[test]
    fn taking_it_off_settles_it() {
        let whom = "999988887777";
        for (open, gone) in [
            (
                put(
                    "redshift",
                    "AuthorizeDataShare",
                    json!({"dataShareArn": SHARE, "consumerIdentifier": whom}),
                ),
                put(
                    "redshift",
                    "DeauthorizeDataShare",
                    json!({"dataShareArn": SHARE, "consumerIdentifier": whom}),
                ),
            ),
            (endpoint("AddAllowedPrincipals", whom), endpoint("RemoveAllowedPrincipals", whom)),
            (
                put("ds", "ShareDirectory", json!({"directoryId": "d-1", "shareTarget": {"id": whom}})),
                put("ds", "UnshareDirectory", json!({"directoryId": "d-1", "unshareTarget": {"id": whom}})),
            ),
            (
                put(
                    "globalaccelerator",
                    "UpdateCrossAccountAttachment",
                    json!({"attachmentArn": "a", "addPrincipals": [whom]}),
                ),
                put(
                    "globalaccelerator",
                    "UpdateCrossAccountAttachment",
                    json!({"attachmentArn": "a", "removePrincipals": [whom]}),
                ),
            ),
            (
                put(
                    "workspaces",
                    "UpdateWorkspaceImagePermission",
                    json!({"imageId": "wsi-1", "allowCopyImage": true, "sharedAccountId": whom}),
                ),
                put(
                    "workspaces",
                    "UpdateWorkspaceImagePermission",
                    json!({"imageId": "wsi-1", "allowCopyImage": "false", "sharedAccountId": whom}),
                ),
            ),
        ] {
            let (open, gone) = (fired(&AccountNamed, &open), observe(&AccountNamed, &gone));
            assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
            assert_eq!(gone[0].finding_id(), open.finding_id());
        }
    }

    #[test]
    fn every_call_is_of_a_way() {
        let calls = AccountNamed::META
            .on
            .iter()
            .flat_map(|on| if let On::Call(_, names) = on { *names } else { &[] });
        for name in calls {
            assert!(WAYS.iter().any(|way| way.calls.contains(name)), "{name}");
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &AccountNamed,
            &[
                put(
                    "redshift",
                    "AuthorizeDataShare",
                    json!({"dataShareArn": SHARE, "consumerIdentifier": "444455556666"}),
                ),
                put(
                    "redshift",
                    "AuthorizeEndpointAccess",
                    json!({"clusterIdentifier": "c", "account": "111122223333"}),
                ),
                endpoint("AddAllowedPrincipals", "arn:aws:iam::444455556666:role/x"),
                endpoint("AddPrivateDnsNames", "*"),
                put(
                    "signer",
                    "AddProfilePermission",
                    json!({"profileName": "p", "principal": "signer.amazonaws.com"}),
                ),
                put("appstream", "UpdateImagePermissions", json!(null)),
                call(
                    "redshift",
                    "AuthorizeSnapshotAccess",
                    json!({"errorCode": "AccessDenied",
                    "requestParameters": {"snapshotIdentifier": "s", "accountWithRestoreAccess": "999988887777"}}),
                ),
            ],
        );
    }
}
