# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What S3 and the way to it can answer -> one sentence for the user. Knows botocore's exceptions by name only. Pure.

Note that this module util is PRIVATE to the collection.

The text of an exception is never enough: some servers send no message at all, and a HEAD has no body.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WRONG_PLACE = "the bucket is in another region, or the endpoint signs for another; set region and endpoint_url to fit"

# Error code of the server -> cause and cure.
_BY_CODE = {
    "NoSuchBucket": "the bucket does not exist; create it, or correct its name",
    "BucketAlreadyExists": "the name belongs to a bucket of somebody else; choose another",
    "AccessDenied": "the credentials are known, but lack the permission {permission}; grant it",
    "AllAccessDisabled": "the account or bucket is disabled; ask the owner of the account",
    "SignatureDoesNotMatch": "the secret key does not fit the access key; correct the secret key",
    "InvalidAccessKeyId": "the server does not know the access key; correct the access key, profile or endpoint_url",
    "ExpiredToken": "the session token has expired; get a new one",
    "InvalidToken": "the session token is not valid; get a new one",
    "RequestTimeTooSkewed": "this machine's clock differs from the server's by more than 15 minutes; set the clock",
    "PermanentRedirect": _WRONG_PLACE,
    "AuthorizationHeaderMalformed": _WRONG_PLACE,
    "IllegalLocationConstraintException": _WRONG_PLACE,
    "InvalidBucketState": "the bucket's state forbids it (Object Lock or a replication); look at the bucket's settings",
    "MalformedXML": "the server does not understand the rules; leave out what it does not support",
    "InvalidArgument": "the server refuses a value in the rules; correct it",
    "InvalidRequest": "the server refuses the combination of rules; correct it",
    "NotImplemented": "the server has no such function; use one with versioning and lifecycle rules",
    "SlowDown": "the server asks for fewer requests; try again later",
    "InvalidObjectState": "the object lies in an archive class; request its retrieval and wait",
    "NoSuchKey": "the object does not exist; look whether a lifecycle rule has ended it",
    "403": "the server refuses it and says no more; look at the credentials and at permission {permission}",
    "404": "the endpoint answers, but not as an S3 server; correct endpoint_url",
}

# Name of an exception of botocore -> cause and cure.
_BY_EXCEPTION = {
    "NoCredentialsError": "there are no credentials; set profile, or access_key and secret_key",
    "PartialCredentialsError": "the credentials are incomplete; set both access_key and secret_key",
    "CredentialRetrievalError": "the credentials cannot be fetched; look at the profile's credential_process",
    "ProfileNotFound": "the profile is in neither of the files ~/.aws/config and ~/.aws/credentials; correct profile",
    "InvalidRegionError": "the name of the region is not valid; correct region",
    "EndpointConnectionError": "nothing answers at {endpoint}; start the server, or correct endpoint_url",
    "ConnectTimeoutError": "{endpoint} accepted no connection in time; look at the network, or correct endpoint_url",
    "ReadTimeoutError": "{endpoint} accepted the connection and did not answer in time; look at the server",
    "ConnectionClosedError": "{endpoint} closed the connection unanswered; correct endpoint_url (http or https?)",
    "SSLError": "there is no valid TLS at {endpoint}; correct endpoint_url (http or https?) or the certificates",
    "ProxyConnectionError": "the HTTP proxy of the environment cannot be reached; correct HTTPS_PROXY",
    "ResponseParserError": "{endpoint} answers, but not as an S3 server; correct endpoint_url",
    "ParamValidationError": "the request is not valid ({text}); correct the bucket's name or the rules",
    "HTTPClientError": "the HTTP request failed ({text}); look at the network, or correct endpoint_url",
}


def _of_response(response: Mapping[str, Any], permission: str) -> str:
    error = response.get("Error", {})
    code = str(error.get("Code") or "unknown")
    cause = _BY_CODE.get(code, "the server refuses it; see the code")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", "no status")
    words = error.get("Message")
    answer = f"{code}, HTTP {status}" + (f", {words!r}" if words else "")
    return f"{cause.format(permission=permission)} (answer: {answer})"


def explain(error: Exception, *, act: str, permission: str, endpoint: str) -> str:
    """'cannot ACT: cause; what to do' for any exception that boto3 raises."""
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        return f"cannot {act}: {_of_response(response, permission)}"
    for kind in type(error).__mro__:
        if kind.__name__ in _BY_EXCEPTION:
            text = " ".join(str(error).split())
            return f"cannot {act}: {_BY_EXCEPTION[kind.__name__].format(endpoint=endpoint, text=text)}"
    return f"cannot {act}: {type(error).__name__}: {error}"


def code_of(error: Exception) -> str:
    """The server's code in any exception that boto3 raises; empty when no server answered."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code") or "") if isinstance(response, Mapping) else ""
