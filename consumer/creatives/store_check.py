"""Looks at one bucket the way an operator would: is it reachable, are the keys right, may its objects be read?

The store itself only needs "up or not"; `doctor` needs the cause.
"""

from dataclasses import dataclass

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError, SSLError

from consumer.settings import StorageSettings

PROBE_KEY = "advet-doctor/nothing-lies-here"


@dataclass(frozen=True, slots=True)
class BucketState:
    """`advice` is empty when nothing has to be done; `usable` says whether downloads can work."""

    usable: bool
    seen: str
    advice: str = ""


_BY_CODE = {
    "NoSuchKey": BucketState(True, "reachable, its objects may be read"),
    "NoSuchBucket": BucketState(False, "the bucket does not exist", "create it, or correct storage.buckets"),
    "InvalidAccessKeyId": BucketState(False, "the store does not know this access key", "correct storage.access_key"),
    "SignatureDoesNotMatch": BucketState(
        False, "the store rejects the signature", "correct storage.secret_key (and storage.region)"
    ),
    "AuthorizationHeaderMalformed": BucketState(
        False, "the request was signed for another region", "set storage.region to the bucket's region"
    ),
    "RequestTimeTooSkewed": BucketState(False, "the clocks differ too much", "set this machine's clock (NTP)"),
}
_DENIED = BucketState(
    False,
    "access is denied, or listing is: stores answer a missing object with this when listing is not allowed",
    "grant s3:GetObject on the bucket's objects and s3:ListBucket on the bucket to these keys",
)


def check_bucket(settings: StorageSettings, bucket: str) -> BucketState:
    """Asks for an object that is not there. Blocks for at most two connect and read timeouts; run it in a thread."""
    where = settings.endpoint or "the provider's endpoint"
    secret = settings.secret_key.get_secret_value() if settings.secret_key is not None else None
    try:
        client = boto3.session.Session().client(
            "s3",
            endpoint_url=settings.endpoint,
            region_name=settings.region,
            aws_access_key_id=settings.access_key,
            aws_secret_access_key=secret,
            config=Config(
                connect_timeout=settings.connect_timeout_seconds,
                read_timeout=settings.read_timeout_seconds,
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path" if settings.endpoint else "auto"},
            ),
        )
        client.get_object(Bucket=bucket, Key=PROBE_KEY)["Body"].close()
    except ClientError as error:
        return _refusal(error)
    except NoCredentialsError:
        return BucketState(
            False, "no credentials found", "set storage.access_key and storage.secret_key, or the SDK's own chain"
        )
    except SSLError as error:
        return BucketState(
            False, f"TLS fails ({error})", "check storage.endpoint (http or https) and the CA certificates"
        )
    except EndpointConnectionError:
        return BucketState(False, f"{where} cannot be reached", "start the store, or correct storage.endpoint")
    except (BotoCoreError, ValueError) as error:
        return BucketState(False, f"{type(error).__name__}: {error}", "check storage.endpoint and that the store runs")
    return _BY_CODE["NoSuchKey"]


def _refusal(error: ClientError) -> BucketState:
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _BY_CODE:
        return _BY_CODE[code]
    if status == 403 or code == "AccessDenied":
        return _DENIED
    return BucketState(False, f"the store answers {status} {code}", "look at the store's own log")
