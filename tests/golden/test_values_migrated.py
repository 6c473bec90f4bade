"""The guide's own values files, rewritten for today's chart, through a real helm: wired as the guide meant it."""

from __future__ import annotations

import pytest

from chart_renderer import Renderer
from dfmc.state import Registration
from dfmc.values.files import load_values_file
from dfmc.values.migrate import guess_version, migrate
from dfmc.values.wiring import check_wiring, expected_wiring
from helm_binary import helm_binary
from shared_material import shared_material
from values_cases import CURRENT, guide, inputs

# Written for chart 1.1.1, where peers of cluster b find it by its idc; the guide names no location.
SEEN = {"a": Registration(1, 1), "b": Registration(2, 2)}


@pytest.mark.helm
@pytest.mark.shared
@pytest.mark.parametrize("name", ["a", "b"])
def test_the_guides_file_is_wired_on_the_current_chart(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    helm = Renderer(helm_binary(), tmp_path_factory.mktemp("charts"))
    old = load_values_file(shared_material() / "guide" / f"charts-config-cluster-{name}.yaml").values
    values = migrate(old, guess_version(old).version, CURRENT).values
    objects = helm.objects(CURRENT, values, namespace=f"cluster-{name}")
    wanted = guide(CURRENT, b={"host": {"idc": "cluster-2"}})
    wiring = expected_wiring(wanted, wanted.cluster(name), inputs(wanted, name, registration=SEEN[name]))
    config_maps = [item for (kind, _), item in objects.items() if kind == "ConfigMap"]
    # The guide says the idc of the clients alone, as its chart had no other use for one.
    unsaid = {"scheduler.yaml: host.idc", "dfdaemon.yaml: host.idc"}
    findings = [finding for finding in check_wiring(config_maps, wiring) if finding.key not in unsaid]
    assert findings == []
    assert {component.label for component in wiring.components} >= {"scheduler", "seed-client", "client"}
