"""Who a caller is taken for."""

import base64

import pytest
from starlette.datastructures import Headers

from grms.api.auth import authenticate
from grms.broker.access import token_digest
from grms.broker.records import Principal
from grms.config import Settings
from grms.errors import AccessError, ErrorCode

ANN = Principal("/CN=Ann", account="ann")
TOKEN = "secret"
DN = "x-dn"


class Book:
    def principal_by_token(self, digest):
        return ANN if digest == token_digest(TOKEN) else None

    def principal(self, name):
        return ANN if name == ANN.name else None


def basic(pair):
    return {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def caller(headers, **settings):
    raw = headers if isinstance(headers, list) else list(headers.items())
    lines = [(name.encode(), value.encode()) for name, value in raw]
    return authenticate(Headers(raw=lines), Book(), Settings(**settings))


@pytest.mark.parametrize(
    "headers",
    [
        basic("/CN=Ann:secret"),
        basic(":secret"),
        basic("x:secret"),
        {"authorization": "bearer secret"},
    ],
)
def test_the_token_names_the_caller_whatever_the_user_part_says(headers):
    assert caller(headers) is ANN


@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("ann:wrong"),
        basic("secret"),
        basic("ann:"),
        {"authorization": "Basic !!!"},
        {"authorization": "Basic /w=="},
        {"authorization": "Bearer"},
        {"authorization": "Digest secret"},
        {"authorization": ""},
        [("authorization", "Bearer secret"), ("authorization", "Bearer secret")],
    ],
)
def test_without_valid_credentials_nobody_is_served(headers):
    with pytest.raises(AccessError) as caught:
        caller(headers)
    assert caught.value.code is ErrorCode.NOT_AUTHENTICATED


def test_wrong_credentials_do_not_fall_back_to_the_anonymous_caller():
    assert caller({}, anonymous="guest") == Principal("guest")
    with pytest.raises(AccessError):
        caller(basic("ann:wrong"), anonymous="guest")


def test_a_proxy_is_believed_only_when_the_site_says_so():
    with pytest.raises(AccessError):
        caller({DN: ANN.name})
    assert caller({DN: ANN.name}, proxy_dn_header="X-DN") is ANN


def test_a_name_that_is_not_registered_is_refused():
    with pytest.raises(AccessError) as caught:
        caller({DN: "/CN=Eve"}, proxy_dn_header=DN)
    assert caught.value.code is ErrorCode.NOT_ALLOWED


def test_two_names_are_no_name():
    with pytest.raises(AccessError):
        caller([(DN, ANN.name), (DN, "/CN=Eve")], proxy_dn_header=DN)
