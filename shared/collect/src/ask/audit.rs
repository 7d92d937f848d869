//! CloudTrail, Config, GuardDuty, Access Analyzer, Security Hub.

use keepwatch_core::posture::facts::analyzers::Analyzer;
use keepwatch_core::posture::facts::audit::{
    AdvancedSelector, BasicSelector, ConfigRecorder, ConfigStatus, Detector, FieldSelector, Trail,
    TrailSelectors, TrailStatus,
};

use crate::client::{Client, Input};
use crate::fault::{Fault, Otherwise as _, absent_if};
use crate::node::Node;
use crate::operation::{
    DESCRIBE_DELIVERY_CHANNELS, DESCRIBE_HUB, DESCRIBE_RECORDER_STATUS, DESCRIBE_RECORDERS, DESCRIBE_TRAILS,
    GET_DETECTOR, GET_EVENT_SELECTORS, GET_INSIGHT_SELECTORS, GET_TRAIL_STATUS, LIST_ANALYZERS,
    LIST_DETECTORS,
};

/// A trail that was deleted after it was listed.
const NO_TRAIL: &[&str] = &["TrailNotFoundException"];

/// What narrows a field of an advanced selector besides `Equals`.
const OTHERS: [&str; 5] = ["NotEquals", "StartsWith", "NotStartsWith", "EndsWith", "NotEndsWith"];

/// The trails that a region lists, those of other regions and of the organization included.
///
/// # Errors
/// [`Fault`].
pub async fn trails(client: &Client, region: &str) -> Result<Vec<Trail>, Fault> {
    let input = Input::none().member("includeShadowTrails", true);
    let answer = client.call(&DESCRIBE_TRAILS, region, input).await?;
    let read = |node: &Node| {
        Ok(Trail {
            arn: node.need("TrailARN")?,
            name: node.need("Name")?,
            home_region: node.text("HomeRegion").unwrap_or_else(|| region.to_owned()),
            bucket: node.text("S3BucketName"),
            multi_region: node.flag("IsMultiRegionTrail")?,
            global_events: node.flag("IncludeGlobalServiceEvents")?,
            organization: node.flag("IsOrganizationTrail")?,
            kms_key: node.text("KmsKeyId"),
            validation: node.flag("LogFileValidationEnabled")?,
            log_group: node.text("CloudWatchLogsLogGroupArn"),
        })
    };
    answer.all("trailList").into_iter().map(read).collect()
}

/// Whether a trail works; nothing where it is gone.
///
/// # Errors
/// [`Fault`].
pub async fn trail_status(client: &Client, region: &str, arn: &str) -> Result<Option<TrailStatus>, Fault> {
    let found = client.call(&GET_TRAIL_STATUS, region, Input::none().member("Name", arn)).await;
    let read = |node: Node| {
        node.need("IsLogging")?;
        Ok(TrailStatus { logging: node.flag("IsLogging")?, delivery_error: node.text("LatestDeliveryError") })
    };
    absent_if(found.and_then(read), NO_TRAIL)
}

/// What a trail records; nothing where it is gone.
///
/// # Errors
/// [`Fault`].
pub async fn trail_selectors(
    client: &Client,
    region: &str,
    arn: &str,
) -> Result<Option<TrailSelectors>, Fault> {
    let found = client.call(&GET_EVENT_SELECTORS, region, Input::none().member("TrailName", arn)).await;
    absent_if(found.and_then(|node| selectors(&node)), NO_TRAIL)
}

fn selectors(node: &Node) -> Result<TrailSelectors, Fault> {
    let basic = |one: &Node| {
        Ok(BasicSelector {
            read_write: one.text("ReadWriteType").unwrap_or_else(|| "All".to_owned()),
            // Both are so where they are left out (CloudTrail API reference, EventSelector).
            management: one.text("IncludeManagementEvents").is_none()
                || one.flag("IncludeManagementEvents")?,
            excluded: one.texts("ExcludeManagementEventSources"),
        })
    };
    let field = |one: &Node| {
        let others = OTHERS
            .iter()
            .flat_map(|name| one.texts(name).into_iter().map(move |value| format!("{name} {value}")));
        Ok(FieldSelector { field: one.need("Field")?, equals: one.texts("Equals"), others: others.collect() })
    };
    let advanced = |one: &Node| {
        let fields = one.all("FieldSelectors").into_iter().map(field).collect::<Result<_, Fault>>()?;
        Ok(AdvancedSelector { fields })
    };
    Ok(TrailSelectors {
        basic: node.all("EventSelectors").into_iter().map(basic).collect::<Result<_, Fault>>()?,
        advanced: node
            .all("AdvancedEventSelectors")
            .into_iter()
            .map(advanced)
            .collect::<Result<_, Fault>>()?,
    })
}

pub(super) async fn trail_insights(
    client: &Client,
    region: &str,
    arn: &str,
) -> Result<Option<Vec<String>>, Fault> {
    let found = client.call(&GET_INSIGHT_SELECTORS, region, Input::none().member("TrailName", arn)).await;
    let found = found.map(|node| node.texts("InsightSelectors/InsightType"));
    absent_if(found.or_if(&["InsightNotEnabledException"], Vec::new()), NO_TRAIL)
}

/// The recorders of a region.
///
/// # Errors
/// [`Fault`].
pub async fn config_recorders(client: &Client, region: &str) -> Result<Vec<ConfigRecorder>, Fault> {
    let answer = client.call(&DESCRIBE_RECORDERS, region, Input::none()).await?;
    let read = |node: &Node| {
        Ok(ConfigRecorder {
            name: node.text("name").unwrap_or_else(|| "default".to_owned()),
            arn: node.text("arn"),
            internal: node.text("recordingScope").as_deref() == Some("INTERNAL")
                || node.text("servicePrincipal").is_some(),
            all_supported: node.flag("recordingGroup/allSupported")?,
            global_types: node.flag("recordingGroup/includeGlobalResourceTypes")?,
        })
    };
    answer.all("ConfigurationRecorders").into_iter().map(read).collect()
}

/// Whether its recorders record.
///
/// # Errors
/// [`Fault`].
pub async fn config_status(client: &Client, region: &str) -> Result<Vec<ConfigStatus>, Fault> {
    let answer = client.call(&DESCRIBE_RECORDER_STATUS, region, Input::none()).await?;
    let read = |node: &Node| {
        Ok(ConfigStatus {
            name: node.text("name").unwrap_or_else(|| "default".to_owned()),
            recording: node.flag("recording")?,
            last_status: node.text("lastStatus").map(|status| status.to_ascii_uppercase()),
        })
    };
    answer.all("ConfigurationRecordersStatus").into_iter().map(read).collect()
}

pub(super) async fn config_channels(client: &Client, region: &str) -> Result<Vec<String>, Fault> {
    let answer = client.call(&DESCRIBE_DELIVERY_CHANNELS, region, Input::none()).await?;
    let name = |node: &Node| node.text("name").unwrap_or_else(|| "default".to_owned());
    Ok(answer.all("DeliveryChannels").into_iter().map(name).collect())
}

/// The ids of a region's detectors of GuardDuty.
///
/// # Errors
/// [`Fault`].
pub async fn detectors(client: &Client, region: &str) -> Result<Vec<String>, Fault> {
    let pages = client.pages(&LIST_DETECTORS, region, Input::none()).await?;
    Ok(pages.iter().flat_map(|page| page.texts("detectorIds")).collect())
}

/// One of them.
///
/// # Errors
/// [`Fault`].
pub async fn detector(client: &Client, region: &str, id: &str) -> Result<Option<Detector>, Fault> {
    let found = client.call(&GET_DETECTOR, region, Input::none().path("DetectorId", id)).await?;
    Ok(Some(Detector { status: found.need("status")? }))
}

/// The analyzers of a region.
///
/// # Errors
/// [`Fault`].
pub async fn analyzers(client: &Client, region: &str) -> Result<Vec<Analyzer>, Fault> {
    let pages = client.pages(&LIST_ANALYZERS, region, Input::none()).await?;
    let read = |node: &Node| {
        Ok(Analyzer { arn: node.need("arn")?, kind: node.need("type")?, status: node.need("status")? })
    };
    pages.iter().flat_map(|page| page.all("analyzers")).map(read).collect()
}

/// Whether Security Hub CSPM is enabled in a region.
///
/// # Errors
/// [`Fault`].
pub async fn security_hub(client: &Client, region: &str) -> Result<bool, Fault> {
    match client.call(&DESCRIBE_HUB, region, Input::none()).await {
        Ok(hub) => hub.need("HubArn").map(|_| true),
        // There is no hub (Security Hub API reference, DescribeHub).
        Err(fault) if fault.is(&["ResourceNotFoundException"]) => Ok(false),
        // By the same code an account may lack a right (the same page), so AWS's words decide: "Account 111122223333 is not
        // subscribed to AWS Security Hub". terraform-provider-aws reads them in internal/service/securityhub/account.go.
        Err(fault) if fault.says("InvalidAccessException", "is not subscribed to") => Ok(false),
        Err(fault) => Err(fault),
    }
}
