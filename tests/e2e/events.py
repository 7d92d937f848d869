"""Events as AWS sends them, made to order. Each call gives a new event of the present moment."""

import json
import uuid
from datetime import datetime, timezone

from local_cloud import ACCOUNT, REGION

AWS_POLICY = "arn:aws:iam::aws:policy"
ADMIN = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
HARMLESS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::pictures/*"}],
}


def now():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def unique(name):
    return f"{name}-{uuid.uuid4().hex[:8]}"


def envelope(source, kind, detail, resources=()):
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": kind,
        "source": source,
        "account": ACCOUNT,
        "time": now(),
        "region": REGION,
        "resources": list(resources),
        "detail": detail,
    }


def user(name="mallory"):
    return {
        "type": "IAMUser",
        "principalId": "AIDAMALLORYEXAMPLE",
        "arn": f"arn:aws:iam::{ACCOUNT}:user/{name}",
        "accountId": ACCOUNT,
        "accessKeyId": "AKIAEXAMPLE000000009",
        "userName": name,
    }


def root():
    return {"type": "Root", "principalId": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:root", "accountId": ACCOUNT}


def call(service, name, parameters, by=None, read_only=False, **detail):
    """A management event."""
    record = {
        "eventVersion": "1.11",
        "userIdentity": by or user(),
        "eventTime": now(),
        "eventSource": f"{service}.amazonaws.com",
        "eventName": name,
        "awsRegion": REGION,
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2.31.7",
        "requestParameters": parameters,
        "responseElements": None,
        "requestID": str(uuid.uuid4()),
        "eventID": str(uuid.uuid4()),
        "readOnly": read_only,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    }
    return envelope(f"aws.{service}", "AWS API Call via CloudTrail", record | detail)


def root_sign_in(mfa):
    sign_in = call(
        "signin",
        "ConsoleLogin",
        None,
        by=root(),
        eventType="AwsConsoleSignIn",
        responseElements={"ConsoleLogin": "Success"},
        additionalEventData={"LoginTo": "https://console.aws.amazon.com/", "MobileVersion": "No", "MFAUsed": mfa},
    )
    return sign_in | {"detail-type": "AWS Console Sign In via CloudTrail"}


def put_user_policy(name, document, **detail):
    parameters = {"userName": name, "policyName": "extra", "policyDocument": json.dumps(document)}
    return call("iam", "PutUserPolicy", parameters, **detail)


def health_exposed_key(key, owner):
    detail = {
        "eventArn": f"arn:aws:health:us-east-1::event/RISK/AWS_RISK_CREDENTIALS_EXPOSED/{uuid.uuid4().hex[:10]}",
        "service": "RISK",
        "eventTypeCode": "AWS_RISK_CREDENTIALS_EXPOSED",
        "eventTypeCategory": "issue",
        "eventScopeCode": "ACCOUNT_SPECIFIC",
        "communicationId": uuid.uuid4().hex,
        "startTime": datetime.now(timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "statusCode": "open",
        "eventRegion": REGION,
        "eventDescription": [{"language": "en_US", "latestDescription": "Your AWS account may be compromised."}],
        "eventMetadata": {"publicKey": key, "userName": owner, "exposedUrl": "https://github.com/example/site"},
        "affectedEntities": [{"entityValue": key}],
        "affectedAccount": ACCOUNT,
        "page": "1",
        "totalPages": "1",
        "backupEvent": "false",
    }
    return envelope("aws.health", "AWS Health Event", detail, [key])


def trusted_advisor_exposed_key(key, owner):
    detail = {
        "check-name": "Exposed Access Keys",
        "check-item-detail": {
            "Case ID": "1234567890",
            "Usage (USD per Day)": "0",
            "User Name (IAM or Root)": owner,
            "Deadline": "1795000000000",
            "Access Key ID": key,
            "Time Updated": str(int(datetime.now(timezone.utc).timestamp() * 1000)),
            "Fraud Type": "Exposed",
            "Location": "www.github.com/example/site",
        },
        "status": "ERROR",
        "resource_id": "",
        "uuid": str(uuid.uuid4()),
    }
    return envelope("aws.trustedadvisor", "Trusted Advisor Check Item Refresh Notification", detail)
