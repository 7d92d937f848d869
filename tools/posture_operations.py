"""Writes what botocore's models say of the calls that a scan makes: protocol, target, version, method, URI, hosts, page
tokens, and the fields of the answers as they stand on the wire. `make posture-operations` runs it; tests of crate
keepwatch-collect compare.

The names of the calls are read from the crate's own table. (Data of botocore, Apache-2.0.)
"""

import json
import re
import sys
from pathlib import Path

import botocore
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, DataNotFoundError

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "shared/collect/src/operation.rs"
OUT = ROOT / "shared/collect/src/models.json"
SHAPES = ROOT / "shared/collect/src/shapes.json"
# Where an endpoint is looked up: one region of each kind.
REGIONS = ["us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1"]
# Not the host that S3 had before it had regions.
REGIONAL = Config(s3={"us_east_1_regional_endpoint": "regional"})
# botocore's names of services that AWS signs under another.
NAMES = {"access-analyzer": "accessanalyzer", "es": "opensearch", "servicequotas": "service-quotas", "sso": "sso-admin"}


def calls():
    """Pairs of our service id and operation, from lines such as `EC2 DescribeVolumes "ec2:DescribeVolumes"`."""
    return re.findall(r'^ {4}([A-Z0-9_]+) ([A-Z][A-Za-z0-9]+) "', TABLE.read_text(), re.M)


def wire(shape, member, protocol):
    """The name of a member on the wire."""
    found = shape.members[member].serialization
    name = found.get("queryName") or found.get("name") or member
    return name[0].upper() + name[1:] if protocol == "ec2" and not found.get("queryName") else name


def pages(model, pager, protocol):
    """Input and output token as they stand on the wire."""
    token_in, token_out = pager["input_token"], pager["output_token"]
    token_in = token_in[0] if isinstance(token_in, list) else token_in
    token_out = token_out[0] if isinstance(token_out, list) else token_out
    token_out = token_out.split(" || ")[0]
    shape, path = model.output_shape, []
    for part in token_out.split("."):
        # What is the whole body has no element of its own around it.
        if part != shape.serialization.get("payload"):
            path.append(shape.members[part].serialization.get("name", part))
        shape = shape.members[part]
    return {"input": wire(model.input_shape, token_in, protocol), "output": "/".join(path)}


def answer(shape, protocol, above=()):
    """An answer's fields as they stand on the wire, with what is in each: its type, fields, or a list's items."""
    if shape.type_name in ("structure", "map") and shape.name in above:
        return None  # a shape within itself
    above = (*above, shape.name)
    if shape.type_name == "structure":
        fields = {}
        for name, member in shape.members.items():
            how = member.serialization
            if how.get("location") in ("header", "headers", "statusCode", "uri"):
                continue
            value = answer(member, protocol, above)
            if value is None:
                continue
            if name == shape.serialization.get("payload"):
                return value  # it is the whole body
            if member.type_name == "list" and how.get("flattened"):
                value = answer(member.member, protocol, above)
            fields[how.get("name", name)] = value
        return fields
    if shape.type_name == "list":
        inner = answer(shape.member, protocol, above)
        if inner is None:
            return None
        if "json" in protocol:
            return [inner]
        return {shape.member.serialization.get("name", "member"): inner}
    if shape.type_name == "map":
        return {"*": answer(shape.value, protocol, above)}
    return (
        shape.enum[0] if getattr(shape, "enum", None) else {"character": "string"}.get(shape.type_name, shape.type_name)
    )


def main():
    session = botocore.session.get_session()
    loader = session.get_component("data_loader")
    out = {"botocore": botocore.__version__, "services": {}}
    answers = {}
    for service, operation in calls():
        ours = service.lower().replace("_", "-")
        name = NAMES.get(ours, ours)
        model = session.get_service_model(name)
        data = model.metadata
        entry = out["services"].setdefault(
            ours,
            {
                "protocols": data.get("protocols") or [data["protocol"]],
                "version": data["apiVersion"],
                "target": data.get("targetPrefix"),
                "json": data.get("jsonVersion"),
                "signs_as": data.get("signingName", data["endpointPrefix"]),
                "endpoints": {},
                "operations": {},
            },
        )
        for region in REGIONS:
            try:
                client = session.create_client(
                    name,
                    region_name=region,
                    aws_access_key_id="a",
                    aws_secret_access_key="b",  # noqa: S106
                    config=REGIONAL,
                )
            except BotoCoreError as error:  # there is no endpoint
                print(ours, region, error, file=sys.stderr)
                continue
            entry["endpoints"][region] = {
                "url": client.meta.endpoint_url,
                "signing_region": client._request_signer.region_name,
            }
        found = model.operation_model(operation)
        line = {"method": found.http["method"], "uri": found.http["requestUri"]}
        try:
            pager = loader.load_service_model(name, "paginators-1")["pagination"].get(operation)
        except DataNotFoundError:  # a service without pages has no such file
            pager = None
        if pager:
            line["pages"] = pages(found, pager, data["protocol"])
        entry["operations"][operation] = line
        answers[f"{ours}:{operation}"] = answer(found.output_shape, data["protocol"])
    SHAPES.write_text(json.dumps(answers, indent=0, sort_keys=True, separators=(",", ":")) + "\n")
    OUT.write_text(json.dumps(out, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
