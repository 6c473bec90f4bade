"""Faults on demand: proxies in front of an API server, a manager or a chart repository that misbehave as told.

A test arms a fault on a proxy's plan, runs what it wants to see fail, and reads the counters. Nothing here is random
and nothing waits longer than the proxy lives.
"""

from dfmc.testbed.faults.certificates import Authority
from dfmc.testbed.faults.http_proxy import HttpProxy
from dfmc.testbed.faults.kubeconfigs import redirected
from dfmc.testbed.faults.listener import TcpProxy
from dfmc.testbed.faults.plan import Fault, FaultPlan, Kind, Seen, is_mutation

__all__ = ["Authority", "Fault", "FaultPlan", "HttpProxy", "Kind", "Seen", "TcpProxy", "is_mutation", "redirected"]
