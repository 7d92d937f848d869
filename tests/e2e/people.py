"""Who calls the command line: a user of the account, or one who may do no more than a policy of his own."""

import json
import os

from local_cloud import REGION


def environment(cloud, stack, region=REGION):
    """What the command line is run with: the local cloud, and nothing of this machine's own settings."""
    return {
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_REGION": region,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "KEEPWATCH_STACK": stack.name,
    }


def key_of_user(cloud, name, *statements):
    """Makes a user with these statements as its policy; the key, as the environment holds one."""
    iam = cloud.client("iam")
    iam.create_user(UserName=name)
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
