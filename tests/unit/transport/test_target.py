"""What a cluster's transport setting means."""

import pytest

from grms.broker.records import Cluster
from grms.errors import ConfigError
from grms.transport import make_transport
from grms.transport.local import LocalTransport
from grms.transport.ssh import SshTransport
from grms.transport.target import parse_target


def test_the_parts_of_an_ssh_url():
    target = parse_target("ssh://alice@host.example:2222", "", {"key_file": "k", "python": "p"})
    assert (target.user, target.host, target.port) == ("alice", "host.example", 2222)
    assert (target.key_file, target.python) == ("k", "p")
    assert target.known_name == "[host.example]:2222"


def test_the_account_of_the_job_goes_before_the_user_of_the_url():
    assert parse_target("ssh://alice@host", "bob", {}).user == "bob"


@pytest.mark.parametrize(
    "url", ["ssh://", "ssh://a:secret@host", "ssh://host:99999", "ssh://host/dir", "telnet://host"]
)
def test_what_is_no_ssh_url_is_refused(url):
    with pytest.raises(ConfigError, match="transport"):
        parse_target(url, "", {})


def test_all_mistakes_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        parse_target("ssh://", "", {"channels": "0", "connect_timeout": "soon"})
    assert len(caught.value.message.splitlines()) == 3


def test_the_transport_of_a_cluster_is_chosen_by_its_setting():
    assert isinstance(make_transport(Cluster("c", "fork")), LocalTransport)
    assert isinstance(make_transport(Cluster("c", "fork", transport="ssh://host")), SshTransport)
    with pytest.raises(ConfigError, match="pigeon"):
        make_transport(Cluster("c", "fork", transport="pigeon"))
