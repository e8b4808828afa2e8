"""Reports an Open vSwitch agent, so that Neutron's ml2 binds ports to this host.

The kernel may lack Open vSwitch; nothing else of that agent is wanted.
"""

import sys

from neutron.agent import rpc
from neutron.common import config
from neutron_lib import constants, context
from neutron_lib.agent import topics
from oslo_config import cfg

config.register_common_config_options()
cfg.CONF.register_opts(
    [cfg.FloatOpt("report_interval", default=30)], "AGENT"
)
config.init(["--config-file", sys.argv[2]])

STATE = {
    "binary": constants.AGENT_PROCESS_OVS,
    "agent_type": constants.AGENT_TYPE_OVS,
    "host": cfg.CONF.host,
    "topic": constants.L2_AGENT_TOPIC,
    "configurations": {
        "tunnel_types": ["vxlan"],
        "tunneling_ip": "127.0.0.1",
        "bridge_mappings": {},
        "integration_bridge": "br-int",
        "datapath_type": "system",
    },
    "start_flag": True,
}
reports = rpc.PluginReportStateAPI(topics.REPORTS)
reports.report_state(context.get_admin_context(), STATE, use_call=True)
