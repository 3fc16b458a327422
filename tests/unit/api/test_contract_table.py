"""The table of operations, the handlers, the WSDLs and the documents say the same."""

from collections import Counter
from pathlib import Path

import pytest
from lxml import etree

from grms.api.handlers import HANDLERS
from grms.api.operations import ARRAYS, ENUMERATIONS, LEGACY, OPERATIONS, STRUCTS
from grms.api.soap_literal import Literal
from grms.api.wsdl import SOAP_ENCODING_XSD, wsdl
from grms.errors import ErrorCode

WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
DOCS = Path(__file__).parents[3] / "docs" / "reference"


@pytest.fixture(scope="module")
def definitions():
    return etree.fromstring(wsdl("http://h/axis/services/grms", "http://h/x?xsd").encode())


def test_the_contract_has_31_operations_of_26_names():
    assert len(OPERATIONS) == 31
    assert len({operation.name for operation in OPERATIONS}) == 26


def test_every_operation_has_one_handler_and_no_handler_is_idle():
    methods = [operation.method for operation in OPERATIONS + LEGACY]
    assert Counter(methods) == Counter(list(HANDLERS))


def test_the_wsdl_has_the_messages_of_the_table_in_order(definitions):
    messages = {
        message.get("name"): [part.get("name") for part in message]
        for message in definitions.findall(f"{WSDL}message")
    }
    assert len(messages) == 62
    operations = definitions.findall(f"{WSDL}portType/{WSDL}operation")
    assert len(operations) == 31
    for operation, element in zip(OPERATIONS, operations, strict=True):
        ask = element.find(f"{WSDL}input").get("message").removeprefix("tns:")
        reply = element.find(f"{WSDL}output").get("message").removeprefix("tns:")
        assert element.get("name") == operation.name
        assert messages[ask] == [part.name for part in operation.ins]
        assert messages[reply] == [part.name for part in operation.outs]
    assert messages["migrateJobRequest"] == ["jobId", "jobDefinition"]
    assert messages["migrateJobRequest1"] == ["jobId"]


def test_the_wsdl_defines_every_type(definitions):
    named = {element.get("name") for element in definitions.find(f"{WSDL}types")[0]}
    assert {kind.name for kind in (*ENUMERATIONS, *STRUCTS, *ARRAYS)} <= named


def test_the_encoding_schema_is_a_schema():
    etree.XMLSchema(etree.fromstring(SOAP_ENCODING_XSD.encode()))


def test_the_literal_wsdl_has_an_operation_for_each_method():
    root = etree.fromstring(Literal().wsdl("http://h/axis/services/grms/literal"))
    names = {e.get("name") for e in root.findall(f"{WSDL}portType/{WSDL}operation")}
    assert names == {operation.method for operation in OPERATIONS}


def test_every_error_code_is_documented_and_none_else():
    rows = [
        line.split("|")[1:3]
        for line in (DOCS / "errors.md").read_text("utf-8").splitlines()
        if line.startswith("| ") and line.split("|")[1].strip().isdigit()
    ]
    told = {(int(number), name.strip(" `")) for number, name in rows}
    assert told == {(code.value, code.name) for code in ErrorCode}
    assert len(rows) == len(ErrorCode)


def test_every_operation_is_documented():
    text = (DOCS / "soap.md").read_text("utf-8")
    for operation in OPERATIONS:
        assert f"`{operation.name}`" in text
        assert f"`{operation.method}`" in text
    for operation in LEGACY:
        assert f"`{operation.name}`" in text
