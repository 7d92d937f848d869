use percent_encoding::percent_decode_str;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// An IAM principal got broad access to an EKS cluster by one of AWS's access policies: cluster administrator,
    /// administrator, or a policy that reads Kubernetes secrets; over the whole cluster or over some namespaces. The
    /// namespaces `*` and `kube-system` count as the whole cluster. An access entry with Kubernetes groups is kept on
    /// record as LOW, because what a group may do is written in the cluster, where Keepwatch does not look.
    /// ## Why it matters
    /// Cluster administrators read every secret and run containers on every node, and so get the IAM roles of nodes and
    /// pods as well. The grant leaves no object in Kubernetes: whoever looks for bindings in the cluster does not find
    /// it.
    /// ## What to do
    /// Ask the caller. If the grant was not meant, disassociate the policy, delete the access entry, and read the
    /// cluster's audit log for what the principal did; change the secrets it could read.
    /// ## False positives
    /// Setting up a cluster or a deployment pipeline. Whoever creates a cluster is its administrator by default without
    /// a call of this kind and is not reported. Read-only and edit policies, nodes' own access entries, and policies
    /// for AWS services are not reported. EKS refuses groups that begin with `system:`, `system:masters` included.
    EksClusterAdmin {
        id: "admin-eks-cluster-access",
        title: "Somebody got administrative access to an EKS cluster",
        severity: High,
        confidence: High,
        catalogue: ["ADM-18"],
        references: [
            attack(&["T1098.006"]),
            doc(&["Amazon EKS User Guide: Review access policy permissions"]),
        ],
        on: [On::Call("eks.amazonaws.com", &[
            "AssociateAccessPolicy", "DisassociateAccessPolicy", "CreateAccessEntry", "UpdateAccessEntry",
        ])],
    }
}

impl Rule for EksClusterAdmin {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let cluster = record.param(&["name"]).or_else(|| record.param(&["clusterName"]));
        let (Some(cluster), Some(principal)) = (cluster, record.param(&["principalArn"])) else {
            return Ok(());
        };
        let principal = decoded(principal);
        let place = (record.partition(), record.aws_region.or_empty(), record.account());
        let resource = format!("arn:{}:eks:{}:{}:cluster/{cluster}", place.0, place.1, place.2);
        let who = caller_name(record);
        let short = principal.splitn(6, ':').nth(5).unwrap_or(&principal);
        let entry =
            [("--region", place.1), ("--cluster-name", cluster), ("--principal-arn", principal.as_str())];
        let Some(policy) = record.param(&["policyArn"]).map(decoded) else {
            let groups = match record.request().get("kubernetesGroups") {
                Some(groups) if groups.is_array() => texts_at(groups, &[]),
                _ => Vec::new(),
            };
            if !groups.is_empty() {
                let groups = groups.join(", ");
                let title =
                    format!("{who} let {short} into EKS cluster {cluster} with Kubernetes groups {groups}");
                let seen = cx.unknown(&resource, title).aspect(&principal).severity(Severity::Low);
                let why = "What these groups may do is written in the cluster's own role bindings.";
                cx.report(seen.because(why).step(
                    "Delete the access entry",
                    "eks delete-access-entry",
                    &entry,
                ));
            }
            return Ok(());
        };
        let name = policy.rsplit('/').next().unwrap_or(&policy);
        let Some((on_cluster, on_namespaces, gives)) = weight(name) else { return Ok(()) };
        let aspect = format!("{name} for {principal}");
        if record.event_name.or_empty() == "DisassociateAccessPolicy" {
            let title = format!("{name} was taken from {short} on EKS cluster {cluster}");
            cx.report(cx.passing(&resource, title).aspect(aspect));
            return Ok(());
        }
        let namespaces = texts_at(record.request(), &["accessScope", "namespaces"]);
        let whole = record.param(&["accessScope", "type"]) != Some("namespace")
            || namespaces.iter().any(|namespace| ["*", "kube-system"].contains(namespace));
        let (severity, scope) = match whole {
            true => (on_cluster, "in the whole cluster".to_owned()),
            false => (on_namespaces, format!("in namespaces {}", namespaces.join(", "))),
        };
        let with_policy = [entry[0], entry[1], entry[2], ("--policy-arn", policy.as_str())];
        let seen = cx
            .failing(
                &resource,
                format!("{short} {gives} on EKS cluster {cluster}, {scope}: {who} gave it {name}"),
            )
            .aspect(aspect)
            .severity(severity)
            .because(
                "The access policy is AWS's own; its rules are in the EKS user guide and cannot be changed.",
            )
            .detail("Principal", &principal)
            .detail("Access policy", &policy)
            .detail("Scope", &scope)
            .step("Remove the policy", "eks disassociate-access-policy", &with_policy)
            .step("Keep the principal out of the cluster", "eks delete-access-entry", &entry);
        cx.report(stop_caller(seen, record));
        Ok(())
    }
}

/// How bad a policy is over a cluster and over namespaces, and what it gives. AWS lets nobody write others.
fn weight(policy: &str) -> Option<(Severity, Severity, &'static str)> {
    Some(match policy {
        "AmazonEKSClusterAdminPolicy" => (Severity::High, Severity::Medium, "is now an administrator"),
        // It cannot change nodes or other cluster-wide objects, but writes roles and reads secrets.
        "AmazonEKSAdminPolicy" => (Severity::Medium, Severity::Low, "can now change nearly everything"),
        "AmazonEKSAdminViewPolicy" => {
            (Severity::Medium, Severity::Low, "can now read everything, secrets included,")
        }
        "AmazonEKSSecretAdminPolicy" => {
            (Severity::Medium, Severity::Low, "can now read and change all secrets")
        }
        "AmazonEKSSecretReaderPolicy" => (Severity::Medium, Severity::Low, "can now read all secrets"),
        _ => return None,
    })
}

/// ARNs that stand in the request's path are logged percent-encoded by some calls.
fn decoded(arn: &str) -> String {
    percent_decode_str(arn).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    const BOB: &str = "arn%3Aaws%3Aiam%3A%3A111122223333%3Auser%2Fbob";

    fn associate(policy: &str, scope: serde_json::Value) -> String {
        call(
            "eks",
            "AssociateAccessPolicy",
            json!({"awsRegion": "eu-west-1", "requestParameters": {
                "name": "prod", "principalArn": BOB, "accessScope": scope,
                "policyArn": format!("arn:aws:eks::aws:cluster-access-policy/{policy}"),
            }}),
        )
    }

    #[test]
    fn fires() {
        let cluster = json!({"type": "cluster"});
        let seen = fires_at(
            &EksClusterAdmin,
            Severity::High,
            &associate("AmazonEKSClusterAdminPolicy", cluster.clone()),
        );
        assert_eq!(seen.subject.resource, "arn:aws:eks:eu-west-1:111122223333:cluster/prod");
        assert_eq!(
            seen.title,
            "user/bob is now an administrator on EKS cluster prod, in the whole cluster: \
             alice gave it AmazonEKSClusterAdminPolicy"
        );
        fires_at(&EksClusterAdmin, Severity::Medium, &associate("AmazonEKSAdminPolicy", cluster.clone()));
        fires_at(&EksClusterAdmin, Severity::Medium, &associate("AmazonEKSAdminViewPolicy", cluster));
        let team = json!({"type": "namespace", "namespaces": ["team-a", "team-b"]});
        fires_at(&EksClusterAdmin, Severity::Medium, &associate("AmazonEKSClusterAdminPolicy", team.clone()));
        fires_at(&EksClusterAdmin, Severity::Low, &associate("AmazonEKSAdminPolicy", team));
        for all in ["*", "kube-system"] {
            let scope = json!({"type": "namespace", "namespaces": ["team-a", all]});
            fires_at(&EksClusterAdmin, Severity::High, &associate("AmazonEKSClusterAdminPolicy", scope));
        }
        // An odd scope is not taken for a narrow one.
        fires_at(&EksClusterAdmin, Severity::High, &associate("AmazonEKSClusterAdminPolicy", json!(7)));
    }

    #[test]
    fn groups_are_on_record_only() {
        let parameters = json!({
            "name": "prod", "principalArn": "arn:aws:iam::111122223333:user/bob", "kubernetesGroups": ["admins"],
        });
        let seen = fires_at(
            &EksClusterAdmin,
            Severity::Low,
            &call("eks", "CreateAccessEntry", json!({"requestParameters": parameters})),
        );
        assert_eq!(seen.verdict, Verdict::Unknown);
    }

    #[test]
    fn taking_it_away_settles_it() {
        let policy = "arn%3Aaws%3Aeks%3A%3Aaws%3Acluster-access-policy%2FAmazonEKSClusterAdminPolicy";
        let undo = call(
            "eks",
            "DisassociateAccessPolicy",
            json!({"awsRegion": "eu-west-1", "requestParameters": {
                "name": "prod", "principalArn": BOB, "policyArn": policy,
            }}),
        );
        let observations = observe(&EksClusterAdmin, &undo);
        assert_eq!(observations.len(), 1);
        assert_eq!(observations[0].verdict, Verdict::Passing);
        let grant = fires_at(
            &EksClusterAdmin,
            Severity::High,
            &associate("AmazonEKSClusterAdminPolicy", json!({"type": "cluster"})),
        );
        assert_eq!(observations[0].finding_id(), grant.finding_id());
    }

    #[test]
    fn stays_quiet() {
        let cluster = json!({"type": "cluster"});
        let failed = json!({"errorCode": "AccessDenied", "requestParameters": {
            "name": "prod", "principalArn": BOB, "accessScope": cluster.clone(),
            "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
        }});
        let entry = json!({"name": "prod", "principalArn": "arn:aws:iam::111122223333:role/node", "type": "EC2_LINUX"});
        quiet(
            &EksClusterAdmin,
            &[
                associate("AmazonEKSViewPolicy", cluster.clone()),
                associate("AmazonEKSEditPolicy", cluster),
                call("eks", "AssociateAccessPolicy", failed),
                call("eks", "AssociateAccessPolicy", json!({"requestParameters": null})),
                call(
                    "eks",
                    "AssociateAccessPolicy",
                    json!({"requestParameters": {"name": "prod", "principalArn": [BOB], "policyArn": 7}}),
                ),
                call("eks", "CreateAccessEntry", json!({"requestParameters": entry})),
                call(
                    "eks",
                    "CreateAccessEntry",
                    json!({"requestParameters": {"name": "prod", "principalArn": BOB, "kubernetesGroups": "odd"}}),
                ),
            ],
        );
    }
}
