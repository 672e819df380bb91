"""The VPC: in each zone one private subnet for nodes, one public one for load balancers, and one NAT gateway."""

from __future__ import annotations

from kuberay.settings import ClusterSettings, NodeGroup
from kuberay.terraform.document import Document, InfrastructureError, expression

# EKS puts its own addresses in two zones at least.
MIN_ZONES = 2
# The public /24 subnets lie in the last quarter of a /16, the private /20 ones before.
_PRIVATE_BITS, _PUBLIC_BITS, _FIRST_PUBLIC = 4, 8, 192
_MAX_ZONES = _FIRST_PUBLIC // 2 ** (_PUBLIC_BITS - _PRIVATE_BITS)


def zones(settings: ClusterSettings) -> tuple[str, ...]:
    """Every zone that a group names, sorted.

    Raises:
        InfrastructureError: They are too few for EKS, or too many for the VPC's addresses.
    """
    found = tuple(sorted({zone for group in settings.groups for zone in group.zones}))
    if not MIN_ZONES <= len(found) <= _MAX_ZONES:
        raise InfrastructureError(
            f"groups.*.zones: EKS wants {MIN_ZONES} zones at least and the VPC has room for {_MAX_ZONES}; "
            f"these are named: {', '.join(found) or 'none'}"
        )
    return found


def subnets(settings: ClusterSettings, group: NodeGroup | None = None) -> list[str]:
    """References to the private subnets of a group's zones; of all zones for a group that names none."""
    named = group.zones if group is not None and group.zones else zones(settings)
    return [expression(f"aws_subnet.private-{zone}.id") for zone in sorted(named)]


def network(settings: ClusterSettings) -> Document:
    """Lay out the VPC.

    A NAT gateway in each zone, so that the loss of one zone does not cut the nodes of another off from their images.
    """
    name = settings.name
    resources: Document = {
        "aws_vpc": {
            "this": {"cidr_block": expression("var.vpc_cidr"), "enable_dns_hostnames": True, "tags": {"Name": name}}
        },
        "aws_internet_gateway": {"this": {"vpc_id": expression("aws_vpc.this.id"), "tags": {"Name": name}}},
        "aws_route_table": {"public": _routes(name, gateway_id=expression("aws_internet_gateway.this.id"))},
        "aws_subnet": {},
        "aws_eip": {},
        "aws_nat_gateway": {},
        "aws_route_table_association": {},
    }
    for index, zone in enumerate(zones(settings)):
        private, public = f"private-{zone}", f"public-{zone}"
        resources["aws_subnet"] |= {
            private: _subnet(name, private, zone, _PRIVATE_BITS, index)
            | {"tags": _tags(name, private, "internal-elb")},
            public: _subnet(name, public, zone, _PUBLIC_BITS, _FIRST_PUBLIC + index)
            | {"tags": _tags(name, public, "elb")},
        }
        resources["aws_eip"][zone] = {"domain": "vpc", "tags": {"Name": f"{name}-{zone}"}}
        resources["aws_nat_gateway"][zone] = {
            "allocation_id": expression(f"aws_eip.{zone}.id"),
            "subnet_id": expression(f"aws_subnet.{public}.id"),
            "tags": {"Name": f"{name}-{zone}"},
            "depends_on": ["aws_internet_gateway.this"],
        }
        resources["aws_route_table"][zone] = _routes(
            f"{name}-{zone}", nat_gateway_id=expression(f"aws_nat_gateway.{zone}.id")
        )
        for subnet, table in ((private, zone), (public, "public")):
            resources["aws_route_table_association"][subnet] = {
                "subnet_id": expression(f"aws_subnet.{subnet}.id"),
                "route_table_id": expression(f"aws_route_table.{table}.id"),
            }
    # Layers of images and files of models lie in S3, and the NAT gateways charge for every GB.
    resources["aws_vpc_endpoint"] = {
        "s3": {
            "vpc_id": expression("aws_vpc.this.id"),
            "service_name": f"com.amazonaws.{settings.region}.s3",
            "route_table_ids": [expression(f"aws_route_table.{zone}.id") for zone in zones(settings)],
            "tags": {"Name": f"{name}-s3"},
        }
    }
    return {"resource": resources}


def _routes(name: str, **target: str) -> Document:
    return {
        "vpc_id": expression("aws_vpc.this.id"),
        "route": [{"cidr_block": "0.0.0.0/0", **target}],
        "tags": {"Name": name},
    }


def _subnet(name: str, subnet: str, zone: str, bits: int, index: int) -> Document:
    return {
        "vpc_id": expression("aws_vpc.this.id"),
        "availability_zone": zone,
        "cidr_block": expression(f"cidrsubnet(var.vpc_cidr, {bits}, {index})"),
    }


def _tags(name: str, subnet: str, balancer: str) -> dict[str, str]:
    # By the second AWS finds where load balancers of the cluster's services go.
    return {"Name": f"{name}-{subnet}", f"kubernetes.io/role/{balancer}": "1"}
