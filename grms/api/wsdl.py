"""The WSDL 1.1 of the rpc/encoded face, generated from the table of operations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from grms.api.envelope import SOAP_ENCODING, XSD, escape
from grms.api.operations import (
    ARRAYS,
    ENUMERATIONS,
    NAMESPACE,
    OPERATIONS,
    STRUCTS,
    Array,
    Enumeration,
    Operation,
    Part,
    Scalar,
    Struct,
    Type,
)

_WSDL = "http://schemas.xmlsoap.org/wsdl/"
_WSDL_SOAP = "http://schemas.xmlsoap.org/wsdl/soap/"
_BODY = f'<wsdlsoap:body use="encoded" namespace="{NAMESPACE}" encodingStyle="{SOAP_ENCODING}"/>'

#: The little of the SOAP 1.1 encoding schema that the WSDL refers to; served so that tools need
#: no network. It must not refer to itself: zeep would then fetch the original.
SOAP_ENCODING_XSD = f"""<?xml version="1.0" encoding="UTF-8"?>
<schema xmlns="{XSD}" targetNamespace="{SOAP_ENCODING}">
  <attribute name="arrayType" type="string"/>
  <complexType name="Array">
    <sequence>
      <any namespace="##any" minOccurs="0" maxOccurs="unbounded" processContents="lax"/>
    </sequence>
    <attribute name="id" type="ID"/>
    <attribute name="href" type="anyURI"/>
    <anyAttribute namespace="##any" processContents="lax"/>
  </complexType>
</schema>
"""


def wsdl(address: str, encoding_xsd: str) -> str:
    """The WSDL for a service at ``address``; ``encoding_xsd`` is where the schema above is."""
    body = "\n".join(
        (*_types(encoding_xsd), *_messages(), *_port_type(), *_binding(), *_service(address))
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<wsdl:definitions targetNamespace="{NAMESPACE}" xmlns:tns="{NAMESPACE}"'
        f' xmlns:wsdl="{_WSDL}" xmlns:wsdlsoap="{_WSDL_SOAP}" xmlns:xsd="{XSD}"'
        f' xmlns:soapenc="{SOAP_ENCODING}">\n{body}\n</wsdl:definitions>\n'
    )


def _types(encoding_xsd: str) -> Iterator[str]:
    yield f'<wsdl:types><xsd:schema targetNamespace="{NAMESPACE}">'
    place = escape(encoding_xsd)
    yield f'<xsd:import namespace="{SOAP_ENCODING}" schemaLocation="{place}"/>'
    yield from (_enumeration(kind) for kind in ENUMERATIONS)
    yield from (_struct(kind) for kind in STRUCTS)
    yield from (_array(kind) for kind in ARRAYS)
    yield "</xsd:schema></wsdl:types>"


def _enumeration(kind: Enumeration) -> str:
    words = "".join(f'<xsd:enumeration value="{word}"/>' for word in kind.values)
    return (
        f'<xsd:simpleType name="{kind.name}"><xsd:restriction base="xsd:string">{words}'
        "</xsd:restriction></xsd:simpleType>"
    )


def _struct(kind: Struct) -> str:
    fields = "".join(_field(part) for part in kind.fields)
    return (
        f'<xsd:complexType name="{kind.name}"><xsd:sequence>{fields}</xsd:sequence>'
        "</xsd:complexType>"
    )


def _field(part: Part) -> str:
    nillable = ' nillable="true"' if part.nillable else ""
    return f'<xsd:element name="{part.name}"{nillable} type="{_qname(part.type)}"/>'


def _array(kind: Array) -> str:
    return (
        f'<xsd:complexType name="{kind.name}"><xsd:complexContent>'
        '<xsd:restriction base="soapenc:Array">'
        f'<xsd:attribute ref="soapenc:arrayType" wsdl:arrayType="{_qname(kind.item)}[]"/>'
        "</xsd:restriction></xsd:complexContent></xsd:complexType>"
    )


def _qname(kind: Type) -> str:
    return f"xsd:{kind.name}" if isinstance(kind, Scalar) else f"tns:{kind.name}"


def _numbered() -> Iterator[tuple[Operation, str]]:
    """Each operation with the suffix of its messages: the second of overloads has 1."""
    seen: Counter[str] = Counter()
    for operation in OPERATIONS:
        count = seen[operation.name]
        seen[operation.name] += 1
        yield operation, str(count) if count else ""


def _messages() -> Iterator[str]:
    for operation, suffix in _numbered():
        yield _message(f"{operation.name}Request{suffix}", operation.ins)
        yield _message(f"{operation.name}Response{suffix}", operation.outs)


def _message(name: str, parts: tuple[Part, ...]) -> str:
    inner = "".join(f'<wsdl:part name="{p.name}" type="{_qname(p.type)}"/>' for p in parts)
    return f'<wsdl:message name="{name}">{inner}</wsdl:message>'


def _port_type() -> Iterator[str]:
    yield '<wsdl:portType name="grms">'
    for operation, suffix in _numbered():
        ask, reply = f"{operation.name}Request{suffix}", f"{operation.name}Response{suffix}"
        order = " ".join(part.name for part in operation.ins + operation.outs)
        yield (
            f'<wsdl:operation name="{operation.name}" parameterOrder="{order}">'
            f"<wsdl:documentation>{escape(operation.doc)}</wsdl:documentation>"
            f'<wsdl:input name="{ask}" message="tns:{ask}"/>'
            f'<wsdl:output name="{reply}" message="tns:{reply}"/></wsdl:operation>'
        )
    yield "</wsdl:portType>"


def _binding() -> Iterator[str]:
    yield '<wsdl:binding name="grmsSoapBinding" type="tns:grms">'
    yield '<wsdlsoap:binding style="rpc" transport="http://schemas.xmlsoap.org/soap/http"/>'
    for operation, suffix in _numbered():
        yield (
            f'<wsdl:operation name="{operation.name}"><wsdlsoap:operation soapAction=""/>'
            f'<wsdl:input name="{operation.name}Request{suffix}">{_BODY}</wsdl:input>'
            f'<wsdl:output name="{operation.name}Response{suffix}">{_BODY}</wsdl:output>'
            "</wsdl:operation>"
        )
    yield "</wsdl:binding>"


def _service(address: str) -> Iterator[str]:
    yield '<wsdl:service name="grmsService"><wsdl:port name="grms" binding="tns:grmsSoapBinding">'
    yield f'<wsdlsoap:address location="{escape(address)}"/></wsdl:port></wsdl:service>'
